"""From decided pairs to persons: nodes, clusters, how each record is held, and the rows to write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dedup.matching import clustering
from dedup.matching.comparing import compare
from dedup.matching.deciding import GUARDS, METHODS, decide
from dedup.matching.model import probability
from dedup.matching.persons import write_persons

if TYPE_CHECKING:
    import duckdb

    from dedup.matching.blocking import Blocks
    from dedup.matching.comparing import Positions
    from dedup.matching.deciding import Decisions
    from dedup.matching.model import Scorecard
    from dedup.matching.variants import Variants
    from dedup.settings import MatchingSettings

__all__ = ["place"]

#: Guards that say two records *are* different people, not only that nobody can be sure.
_HARD = ("conflicting_ids", "generations", "newborns")


def place(
    con: duckdb.DuckDBPyConnection, run_id: int, v: Variants, blocks: Blocks, decisions: Decisions,
    rarity: dict[str, Positions], card: Scorecard, settings: MatchingSettings,
) -> dict[str, int]:  # fmt: skip
    """Cluster the pairs and write the persons; returns the counts of write_persons."""
    joined = decisions.method <= METHODS.index("fuzzy")
    itself = blocks.a == blocks.b
    alone = v.records > 1  # variants of several records that nothing says are one person
    alone[blocks.a[itself & joined]] = False
    between = joined & ~itself & ~alone[blocks.a] & ~alone[blocks.b]
    edges = clustering.Edges(blocks.a[between], blocks.b[between], decisions.bits[between])

    def pair_bits(a: Positions, b: Positions) -> Any:
        levels = compare(v, a, b, rarity)
        decided = decide(v, a, b, levels, card, settings)
        hard = np.isin(decided.guard, [list(GUARDS).index(name) for name in _HARD])
        return np.where(hard, clustering.FORBIDDEN, decided.bits)

    labels = clustering.cluster(len(v), edges, pair_bits)
    method, bits = _held(v, labels, blocks, decisions, between, itself & joined)
    _write_placed(con, v, labels, alone, method, probability(bits))
    return write_persons(con, run_id)


def _held(
    v: Variants, labels: Positions, blocks: Blocks, decisions: Decisions, between: Positions, itself: Positions
) -> tuple[Positions, Positions]:
    """For each variant the surest method among its edges inside its person, and the bits of the best such edge."""
    held = (between & (labels[blocks.a] == labels[blocks.b])) | itself
    ends = np.concatenate([blocks.a[held], blocks.b[held]])
    methods = np.tile(decisions.method[held], 2)
    edge_bits = np.tile(decisions.bits[held], 2)
    order = np.lexsort((-edge_bits, methods, ends))
    first = np.unique(ends[order], return_index=True)
    method, bits = np.full(len(v), len(METHODS), dtype=np.int8), np.full(len(v), 60.0)
    method[first[0]], bits[first[0]] = methods[order][first[1]], edge_bits[order][first[1]]
    return method, bits


def _write_placed(
    con: duckdb.DuckDBPyConnection,
    v: Variants,
    labels: Positions,
    alone: Positions,
    method: Positions,
    chance: Positions,
) -> None:
    """The temporary table ``placed`` of write_persons, and ``gone``: records whose identity is no more."""
    import pyarrow as pa

    names = [*METHODS, "single"]
    result = pa.table(
        {
            "variant_id": v.variant_id,
            "label": labels.astype(np.int64),
            "alone": alone,
            "match_method": pa.DictionaryArray.from_arrays(method, names).cast(pa.string()),
            "match_probability": np.round(chance, 6),
        }
    )
    con.register("clustered", result)
    con.execute("""
      CREATE OR REPLACE TEMP TABLE placed AS
      SELECT n.* EXCLUDE (variant_id, marked, id_grade), id_grade = 2 AS id_trusted, c.match_method, c.match_probability,
        CASE WHEN c.alone THEN -1 - row_number() OVER (ORDER BY n.patient_record_id) ELSE c.label END AS cluster
      FROM normalised AS n JOIN clustered AS c USING (variant_id)""")
    con.unregister("clustered")
    con.execute("""
      CREATE OR REPLACE TEMP TABLE gone AS
      SELECT patient_record_id FROM patient_record ANTI JOIN patient_identity USING (patient_record_id)""")
