"""From edges to persons: nodes, human decisions, clusters, and how each record is held by its person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dedup.matching import clustering, decided, state
from dedup.matching.deciding import GUARDS, HARD_GUARDS, METHODS
from dedup.matching.model import probability
from dedup.matching.variants import columns
from dedup.schema import MATCH_METHODS, TABLES
from dedup.warehouse import all_threads

if TYPE_CHECKING:
    import duckdb

    from dedup.matching.comparing import Positions
    from dedup.matching.edges import Scorer

__all__ = ["place"]

_HARD = [list(GUARDS).index(name) for name in HARD_GUARDS]
_FUZZY, _REVIEW = METHODS.index("fuzzy"), METHODS.index("review")
#: What holds a record that is its person's only one; behind all METHODS.
_SINGLE_BITS = 60.0


@dataclass(frozen=True)
class _Nodes:
    """What is clustered: a variant, a part of one that humans parted, or each record of one that does not even vouch
    for itself."""

    record: Positions  #: patient_record_id, ordered by variant and itself
    of_record: Positions  #: the node of each record
    variant: Positions  #: the position of each node's variant
    first: Positions  #: the first node of each variant; its others follow
    many: Positions  #: how many nodes of each variant its edges are for: none when its records do not vouch for it
    several: Positions  #: whether a node holds several records
    self_method: Positions  #: how the records of such a node hold together
    self_bits: Positions


@dataclass(frozen=True)
class _Said:
    """What humans said of nodes; "different" counts where both were said."""

    same: Positions  #: packed pairs that are one person
    different: Positions  #: packed pairs that are two
    tied: Positions  #: the smallest node that "same" ties each to

    def apart(self, a: Positions, b: Positions) -> Any:
        """Whether the pairs (a, b) are two, themselves or by whom "same" ties them to."""
        tied = [self.tied[self.different >> 32], self.tied[self.different & 0xFFFFFFFF]]
        across = _pack(*tied)[tied[0] != tied[1]]
        return _among(a, b, self.different) | _among(self.tied[a], self.tied[b], across)


def place(con: duckdb.DuckDBPyConnection, scorer: Scorer) -> None:
    """Cluster ``component`` anew from all its edges; ``scorer`` holds all its identities.

    Leaves the temporary table ``placed``: patient_record_id, cluster, match_method, match_probability.
    """
    with all_threads(con):
        nodes = _nodes(con, scorer)
        edges, method = _edges(con, scorer, nodes)
        said = _said(con, nodes)
    edges, method = _decide_over(edges, method, said)

    def pair_bits(a: Positions, b: Positions) -> Any:
        score = scorer.decide(nodes.variant[a], nodes.variant[b])
        apart = np.where(score.mistyped, clustering.MISTYPED, clustering.FORBIDDEN)
        bits = np.where(np.isin(score.guard, _HARD), apart, score.bits)
        bits[said.apart(a, b)] = clustering.PARTED
        return bits

    labels = clustering.cluster(len(nodes.variant), edges, pair_bits)
    held_by, bits = _held(nodes, labels, edges, method)
    _write_placed(con, nodes, labels, held_by, bits)


def _nodes(con: duckdb.DuckDBPyConnection, scorer: Scorer) -> _Nodes:
    v = scorer.v
    rows = columns(con, "SELECT patient_record_id, variant_no FROM match_record SEMI JOIN component USING (variant_no)")
    position = v.positions(rows["variant_no"])
    counts = np.bincount(position, minlength=len(v))
    order = np.argsort(position)
    part = _part(con, rows["patient_record_id"])
    shared = np.flatnonzero(counts[position[order]] > 1)
    at = order[shared]
    order[shared] = at[np.lexsort((rows["patient_record_id"][at], part[at], position[at]))]
    record, position, part = rows["patient_record_id"][order], position[order], part[order]
    several = np.flatnonzero(counts > 1)
    method, bits = np.full(len(v), _REVIEW + 1, dtype=np.int8), np.full(len(v), _SINGLE_BITS)
    own = scorer.decide(several, several)
    method[several], bits[several] = own.method, own.bits
    alone = (counts > 1) & (method > _FUZZY)
    opens = np.ones(len(record), dtype=np.bool_)
    opens[1:] = (position[1:] != position[:-1]) | alone[position[1:]] | (part[1:] != part[:-1])
    of_record = np.cumsum(opens) - 1
    variant = position[opens]
    many = np.bincount(variant, minlength=len(v))
    first = np.cumsum(many) - many
    many[alone] = 0
    whole = (np.bincount(of_record) > 1) & ~alone[variant]
    return _Nodes(record, of_record, variant, first, many, whole, method[variant], bits[variant])


def _part(con: duckdb.DuckDBPyConnection, record: Positions) -> Positions:
    """Who leaves its identity with whom; 0 for all others."""
    part = np.zeros(len(record), dtype=np.int64)
    if state.any_decision(con):
        left = decided.leavers(con)
        at = np.flatnonzero(np.isin(record, list(left)))
        part[at] = [left[one] for one in record[at].tolist()]
    return part


def _edges(con: duckdb.DuckDBPyConnection, scorer: Scorer, nodes: _Nodes) -> tuple[clustering.Edges, Positions]:
    """The edges of each variant, for every node of it, and those among the nodes of one."""
    rows = columns(
        con,
        f"""
      SELECT variant_a, variant_b, method, bits FROM match_edge
      SEMI JOIN component ON variant_a = variant_no WHERE method <= {_FUZZY}""",
    )
    x, y = (scorer.v.positions(rows[end]) for end in ("variant_a", "variant_b"))
    times = nodes.many[x] * nodes.many[y]
    of = np.repeat(np.arange(len(x)), times)
    turn = np.arange(len(of)) - np.repeat(np.cumsum(times) - times, times)
    x, y = x[of], y[of]
    inner = [np.triu_indices(nodes.many[one], 1) + nodes.first[one] for one in np.flatnonzero(nodes.many > 1)]
    within = np.concatenate([np.zeros((2, 0), dtype=np.int64), *inner], axis=1)
    a = np.append(nodes.first[x] + turn // nodes.many[y], within[0])
    b = np.append(nodes.first[y] + turn % nodes.many[y], within[1])
    bits = np.append(rows["bits"][of], nodes.self_bits[within[0]])
    method = np.append(rows["method"][of], nodes.self_method[within[0]]).astype(np.int8)
    a, b = np.minimum(a, b), np.maximum(a, b)
    order = np.argsort(_pack(a, b))
    return clustering.Edges(a[order], b[order], bits[order]), method[order]


def _said(con: duckdb.DuckDBPyConnection, nodes: _Nodes) -> _Said:
    size, nothing = len(nodes.variant), np.zeros(0, dtype=np.int64)
    if not state.any_decision(con):
        return _Said(nothing, nothing, np.arange(size))
    rows = columns(
        con,
        """
      SELECT record_a, record_b, same_person FROM match_decision
      SEMI JOIN (FROM match_record SEMI JOIN component USING (variant_no)) AS r ON r.patient_record_id = record_a
      ORDER BY record_a, record_b""",
    )
    by_id = np.argsort(nodes.record)
    known = nodes.record[by_id]

    def node(ids: Positions) -> Positions:
        at = np.minimum(np.searchsorted(known, ids), max(len(known) - 1, 0))
        found = nodes.of_record[by_id[at]] if len(known) else np.zeros(0, dtype=np.int64)
        return np.where(known[at] == ids, found, -1) if len(known) else found

    a, b = node(rows["record_a"]), node(rows["record_b"])
    usable = (a >= 0) & (b >= 0) & (a != b)
    packed = _pack(a, b)
    same = rows["same_person"].astype(np.bool_)
    different = np.unique(packed[usable & ~same])
    agreed = np.setdiff1d(packed[usable & same], different)
    return _Said(agreed, different, clustering.components(size, agreed >> 32, agreed & 0xFFFFFFFF))


def _pack(a: Positions, b: Positions) -> Positions:
    low: Positions = np.minimum(a, b).astype(np.int64) << 32
    return low | np.maximum(a, b)


def _among(a: Positions, b: Positions, pairs: Positions) -> Positions:
    return np.isin(_pack(a, b), pairs) if len(pairs) else np.zeros(len(a), dtype=np.bool_)


def _decide_over(edges: clustering.Edges, method: Positions, said: _Said) -> tuple[clustering.Edges, Positions]:
    """Edges as humans have them: what they joined is bound, what they parted is gone."""
    same = said.same
    kept = ~(_among(edges.a, edges.b, same) | said.apart(edges.a, edges.b))
    a = np.concatenate([edges.a[kept], same >> 32])
    b = np.concatenate([edges.b[kept], same & 0xFFFFFFFF])
    bits = np.concatenate([edges.bits[kept], np.full(len(same), clustering.BOUND)])
    return clustering.Edges(a, b, bits), np.concatenate([method[kept], np.full(len(same), _REVIEW, dtype=np.int8)])


def _held(nodes: _Nodes, labels: Positions, edges: clustering.Edges, method: Positions) -> tuple[Positions, Positions]:
    """For each node the surest method that holds it in its person, and the bits of the best such edge."""
    inside = labels[edges.a] == labels[edges.b]
    # One number to minimise: the surer method first, then the more bits.
    rank = method[inside] * 4096.0 - np.minimum(edges.bits[inside], _SINGLE_BITS)
    best = np.full(len(nodes.variant), (_REVIEW + 1) * 4096.0 - _SINGLE_BITS)
    np.minimum.at(best, edges.a[inside], rank)
    np.minimum.at(best, edges.b[inside], rank)
    own = nodes.self_method * 4096.0 - np.minimum(nodes.self_bits, _SINGLE_BITS)
    best = np.where(nodes.several, np.minimum(best, own), best)
    held_by = np.ceil((best - 2048) / 4096).astype(np.int8)
    return held_by, held_by * 4096.0 - best


def _write_placed(
    con: duckdb.DuckDBPyConnection, nodes: _Nodes, labels: Positions, held_by: Positions, bits: Positions
) -> None:
    import pyarrow as pa

    method = pa.DictionaryArray.from_arrays(held_by[nodes.of_record], MATCH_METHODS).cast(pa.string())
    result = pa.table(
        {
            "patient_record_id": nodes.record,
            "cluster": labels[nodes.of_record].astype(np.int32),
            "match_method": method,
            "match_probability": np.round(probability(bits), 6)[nodes.of_record],
        }
    )
    con.register("result", result)
    method = f"CAST(match_method AS {TABLES['match_person'].columns['match_method']}) AS match_method"
    con.execute(f"CREATE OR REPLACE TEMP TABLE placed AS SELECT * REPLACE ({method}) FROM result")
    con.unregister("result")
