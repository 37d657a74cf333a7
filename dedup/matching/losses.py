"""Why two records of one person are two persons: the cause of every missed pair."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from dedup.matching.blocking import RULES
from dedup.matching.deciding import GUARDS, METHODS

if TYPE_CHECKING:
    import duckdb

    from dedup.settings import MatchingSettings

__all__ = ["missed_by_cause"]

_BATCH = 500_000
#: In the order in which they are told, behind the guards.
_OTHERS = ("not_compared", "score_too_low", "clustered_apart")


def missed_by_cause(con: duckdb.DuckDBPyConnection, settings: MatchingSettings) -> dict[str, int]:
    """How many pairs of records that are one person (table ``judged``: person, person_id, variant_no) were not joined.

    By the guard that refused the pair; ``score_too_low``; else the pair alone would have been joined, but
    ``not_compared``: no block brought it together, or ``clustered_apart``: other records of the two forbade it.
    """
    from dedup.matching import state
    from dedup.matching.edges import Scorer
    from dedup.matching.variants import columns, read_variants

    met = " OR ".join(f"p.{rule.column} = q.{rule.column}" for rule in RULES)
    rows = columns(
        con,
        f"""
      WITH missed AS (
        SELECT x.variant_no AS a, y.variant_no AS b, count(*) AS pairs FROM judged AS x JOIN judged AS y
          ON x.person = y.person AND x.person_id <> y.person_id AND x.patient_record_id < y.patient_record_id
        WHERE x.variant_no IS NOT NULL AND y.variant_no IS NOT NULL GROUP BY ALL)
      SELECT a, b, pairs, coalesce(a = b OR {met} OR list_has_any(p.block_insurance, q.block_insurance), false)
        AS met
      FROM missed JOIN match_variant AS p ON p.variant_no = a JOIN match_variant AS q ON q.variant_no = b
      ORDER BY a, b""",
    )
    scorer = Scorer(read_variants(con), state.serving(con), settings)
    a, b = (scorer.v.positions(rows[end]) for end in "ab")
    names = [*GUARDS, *_OTHERS]
    found: Counter[str] = Counter()
    for start in range(0, len(a), _BATCH):
        part = slice(start, start + _BATCH)
        decided = scorer.decide(a[part], b[part])
        joined = decided.method <= METHODS.index("fuzzy")
        other = np.where(~joined, names.index("score_too_low"), names.index("clustered_apart"))
        other[joined & ~rows["met"][part].astype(np.bool_)] = names.index("not_compared")
        cause = np.where(decided.guard >= 0, decided.guard, other)
        for number, pairs in enumerate(np.bincount(cause, rows["pairs"][part], len(names)).tolist()):
            found[names[number]] += int(pairs)
    return {name: found[name] for name in names if found[name]}
