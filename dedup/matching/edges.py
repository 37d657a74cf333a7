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

if TYPE_CHECKING:
    import duckdb

    from dedup.matching.comparing import Flags, Positions
    from dedup.matching.deciding import Decisions
    from dedup.matching.identities import Arrivals
    from dedup.matching.model import Scorecard
    from dedup.matching.variants import Variants
    from dedup.settings import MatchingSettings

__all__ = ["Scorer", "add_edges"]

#: Pairs scored at a time: bounds memory, changes nothing.
_BATCH = 500_000
#: Edges of this method and of surer ones tie two identities to each other; others wait for a human.
_TIED = METHODS.index("fuzzy")


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

    Leaves the temporary table ``component``: every variant tied to a stirred one by any chain of edges or decisions.
    Edges of unused identities, through which nobody may be tied any longer, are then dropped. Returns the number of
    pairs compared, the blocks skipped, and the scorer, which holds every identity of ``component``.
    """
    blocks = blocking.find_pairs(con, arrivals.last, settings.block_cap)
    if arrivals.last < 0:
        scorer = Scorer(read_variants(con), card, settings)
        _compare(con, blocks, scorer)
        con.execute("CREATE OR REPLACE TEMP TABLE component AS SELECT variant_no FROM match_variant")
    else:
        stirred = columns(con, "SELECT variant_no FROM stirred")["variant_no"]
        a, b = _ties(con)
        near = _reached(a, b, stirred, blocks.a, blocks.b)  # read at once: those to compare, and what they may tie
        _write(con, "near", near)
        scorer = Scorer(read_variants(con, "SEMI JOIN near USING (variant_no)"), card, settings)
        inner, (new_a, new_b) = near[a], _compare(con, blocks, scorer)
        _write(con, "component", _reached(np.append(a[inner], new_a), np.append(b[inner], new_b), stirred))
        con.execute("DROP TABLE near")
        con.execute("DELETE FROM match_edge WHERE variant_a IN (FROM unused) OR variant_b IN (FROM unused)")
    return len(blocks.a), blocks.skipped, scorer


def _compare(con: duckdb.DuckDBPyConnection, blocks: blocking.Blocks, scorer: Scorer) -> tuple[Positions, Positions]:
    """Write the edges of the pairs found; those among them that are ties."""
    found = [(np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int32))]
    for start in range(0, len(blocks.a), _BATCH):
        part = slice(start, start + _BATCH)
        a, b = blocks.a[part], blocks.b[part]
        decisions = scorer.decide(scorer.v.positions(a), scorer.v.positions(b))
        _keep(con, a, b, decisions)
        tied = decisions.method <= _TIED
        found.append((a[tied], b[tied]))
    return np.concatenate([a for a, _ in found]), np.concatenate([b for _, b in found])


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


def _ties(con: duckdb.DuckDBPyConnection) -> tuple[Positions, Positions]:
    """The variants that edges and human decisions tie to each other."""
    sql = f"SELECT variant_a AS a, variant_b AS b FROM match_edge WHERE method <= {_TIED}"
    if state.any_decision(con):
        sql += """
      UNION ALL
      SELECT x.variant_no, y.variant_no FROM match_decision AS d
      JOIN match_record AS x ON x.patient_record_id = d.record_a
      JOIN match_record AS y ON y.patient_record_id = d.record_b WHERE d.same_person"""
    ties = columns(con, sql)
    return ties["a"], ties["b"]


def _reached(a: Positions, b: Positions, *start: Positions) -> Flags:
    """Of each variant whether a chain of the ties (a, b) leads to it from those in ``start``."""
    reached = np.zeros(1 + max(int(some.max(initial=-1)) for some in (a, b, *start)), dtype=np.bool_)
    for some in start:
        reached[some] = True
    while (border := reached.take(a) != reached.take(b)).any():
        reached[a[border]] = reached[b[border]] = True
    return reached


def _write(con: duckdb.DuckDBPyConnection, table: str, these: Flags) -> None:
    """The temporary ``table`` of the variants that are among ``these``."""
    import pyarrow as pa

    con.register("numbers", pa.table({"variant_no": np.flatnonzero(these).astype(np.int32)}))
    con.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS FROM numbers")
    con.unregister("numbers")
