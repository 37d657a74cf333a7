"""Comparing the new pairs, keeping their edges, and finding everything a night stirred up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dedup.matching import blocking, state
from dedup.matching.comparing import compare
from dedup.matching.deciding import METHODS, decide
from dedup.matching.model import name_bits
from dedup.matching.variants import columns, read_variants
from dedup.warehouse import all_threads

if TYPE_CHECKING:
    import duckdb

    from dedup.matching.comparing import Positions
    from dedup.matching.deciding import Decisions
    from dedup.matching.identities import Arrivals
    from dedup.matching.model import Scorecard
    from dedup.matching.variants import Variants
    from dedup.settings import MatchingSettings

__all__ = ["Scorer", "add_edges", "find_component"]

#: Pairs scored at a time: bounds memory, changes nothing.
_BATCH = 500_000


@dataclass
class Scorer:
    """Decides pairs of positions of ``v``; the rarities of names are looked up once."""

    v: Variants
    card: Scorecard
    settings: MatchingSettings

    def __post_init__(self) -> None:
        self.rarity = name_bits(self.v, self.card)

    def levels(self, a: Positions, b: Positions) -> dict[str, Any]:
        """The levels of the pairs (a, b)."""
        return compare(self.v, a, b, self.rarity)

    def decide(self, a: Positions, b: Positions) -> Decisions:
        """The decisions for the pairs (a, b)."""
        return decide(self.v, a, b, self.levels(a, b), self.card, self.settings)


def add_edges(
    con: duckdb.DuckDBPyConnection, arrivals: Arrivals, card: Scorecard, settings: MatchingSettings
) -> tuple[int, dict[str, tuple[int, int]], Scorer]:
    """Compare the new identities with all, and write the edges worth keeping to match_edge.

    Returns the number of pairs compared, the blocks skipped, and the scorer, which holds every identity that any
    chain of the edges and decisions now known ties to a stirred one.
    """
    blocks = blocking.find_pairs(con, arrivals.last, settings.block_cap)
    scorer = Scorer(_read_near(con, arrivals, blocks), card, settings)
    for start in range(0, len(blocks.a), _BATCH):
        part = slice(start, start + _BATCH)
        a, b = blocks.a[part], blocks.b[part]
        _keep(con, a, b, scorer.decide(scorer.v.positions(a), scorer.v.positions(b)))
    return len(blocks.a), blocks.skipped, scorer


def _read_near(con: duckdb.DuckDBPyConnection, arrivals: Arrivals, blocks: blocking.Blocks) -> Variants:
    """All identities, or of a night those to compare and those that may be clustered anew for it, in one reading."""
    if arrivals.last < 0:
        return read_variants(con)
    with all_threads(con):
        _reach(con, "near", np.union1d(blocks.a, blocks.b))
        found = read_variants(con, "SEMI JOIN near USING (variant_no)")
    con.execute("DROP TABLE near")
    return found


def _keep(con: duckdb.DuckDBPyConnection, a: Positions, b: Positions, decisions: Decisions) -> None:
    import pyarrow as pa

    worth = decisions.method < METHODS.index("none")
    columns = {
        "variant_a": a[worth], "variant_b": b[worth], "method": decisions.method[worth],
        "guard": decisions.guard[worth], "bits": decisions.bits[worth],
    }  # fmt: skip
    con.register("decided", pa.table(columns))
    con.execute("INSERT INTO match_edge BY NAME FROM decided")
    con.unregister("decided")


def find_component(con: duckdb.DuckDBPyConnection, arrivals: Arrivals) -> None:
    """The temporary table ``component``: every variant tied to a stirred one by any chain of edges or decisions.

    Edges of unused identities, through which nobody may be tied any longer, are then dropped.
    """
    if arrivals.last < 0:
        con.execute("CREATE OR REPLACE TEMP TABLE component AS SELECT variant_no FROM match_variant")
        return
    _reach(con, "component", np.zeros(0, dtype=np.int32))
    con.execute("DELETE FROM match_edge WHERE variant_a IN (FROM unused) OR variant_b IN (FROM unused)")


def _reach(con: duckdb.DuckDBPyConnection, table: str, start: Positions) -> None:
    """The temporary ``table`` of every variant that a chain of ties leads to from those stirred or in ``start``."""
    import pyarrow as pa

    sql = f"SELECT variant_a AS a, variant_b AS b FROM match_edge WHERE method <= {METHODS.index('fuzzy')}"
    if state.any_decision(con):
        sql += """
      UNION ALL
      SELECT x.variant_no, y.variant_no FROM match_decision AS d
      JOIN match_record AS x ON x.patient_record_id = d.record_a
      JOIN match_record AS y ON y.patient_record_id = d.record_b WHERE d.same_person"""
    ties = columns(con, sql)
    a, b, stirred = ties["a"], ties["b"], columns(con, "SELECT variant_no FROM stirred")["variant_no"]
    reached = np.zeros(1 + max(int(some.max(initial=-1)) for some in (a, b, start, stirred)), dtype=np.bool_)
    reached[stirred] = reached[start] = True
    while (border := reached.take(a) != reached.take(b)).any():
        reached[a[border]] = reached[b[border]] = True
    con.register("reached", pa.table({"variant_no": np.flatnonzero(reached).astype(np.int32)}))
    con.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS FROM reached")
    con.unregister("reached")
