"""What humans decided, in terms of identities: records with one identity are one, unless a human parted some of them.

Two records of one identity of which a human said that they are two persons leave it, each with those that a human tied
to it; the others stay together. Who was said to be another person than several of them leaves alone.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from dedup.matching import state
from dedup.matching.deciding import METHODS

if TYPE_CHECKING:
    import duckdb

    from dedup.settings import MatchingSettings

__all__ = ["Parts", "contradictory", "leavers", "parts"]

T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True)
class Parts:
    """How the records that a human decided on stand to their identities."""

    #: variant_no of each, and its part: 0 stands for all others of the identity. Each record of an identity that does
    #: not even vouch for itself is a part of its own.
    of_record: dict[int, tuple[int, int]]
    #: variant_no of each identity that some have left; method and bits that hold records with it together.
    left: dict[int, tuple[int, float]]


def leavers(con: duckdb.DuckDBPyConnection) -> dict[int, int]:
    """The records that leave their identity; of those that leave it together, each has the smallest's id."""
    within = con.execute("""
      SELECT record_a, record_b, same_person FROM match_decision
      JOIN match_record AS x ON x.patient_record_id = record_a
      JOIN match_record AS y ON y.patient_record_id = record_b AND y.variant_no = x.variant_no""").fetchall()
    tied = _tied((a, b) for a, b, same in within if same)
    first = {record: min(tied.get(record, {record})) for pair in within for record in pair[:2]}
    others: dict[int, set[int]] = {}
    for a, b, same in within:
        if not same:
            others.setdefault(first[a], set()).add(b)
            others.setdefault(first[b], set()).add(a)
    leaving = [
        one for one, parted in others.items() if len(parted) > 1 or all(len(others[first[b]]) == 1 for b in parted)
    ]
    return {record: one for one in leaving for record in tied.get(one, {one})}


def parts(con: duckdb.DuckDBPyConnection, settings: MatchingSettings) -> Parts:
    """How the records that a human decided on stand to their identities, by all decisions there are."""
    from dedup.matching.edges import Scorer
    from dedup.matching.variants import read_variants

    rows = con.execute("""
      SELECT patient_record_id, variant_no FROM match_record
      SEMI JOIN (SELECT unnest([record_a, record_b]) AS patient_record_id FROM match_decision)
      USING (patient_record_id)""").fetchall()
    if not rows:
        return Parts({}, {})
    left = leavers(con)
    v = read_variants(con, f"WHERE variant_no IN ({', '.join(str(number) for number in {row[1] for row in rows})})")
    itself = np.arange(len(v))
    own = Scorer(v, state.serving(con), settings).decide(itself, itself)
    held = {
        number: (method, bits)
        for number, method, bits in zip(v.number.tolist(), own.method.tolist(), own.bits.tolist(), strict=True)
        if method <= METHODS.index("fuzzy")
    }
    return Parts(
        {record: (number, left.get(record, 0) if number in held else record) for record, number in rows},
        {number: held[number] for record, number in rows if record in left and number in held},
    )


def contradictory(con: duckdb.DuckDBPyConnection, settings: MatchingSettings) -> set[int]:
    """The records that "same" ties together, themselves or by others with their identity, although "different" parts
    two of them."""
    part = parts(con, settings).of_record
    said = [
        (part.get(a, (-1, a)), part.get(b, (-1, b)), same)
        for a, b, same in con.execute("SELECT record_a, record_b, same_person FROM match_decision").fetchall()
    ]
    tied = _tied((a, b) for a, b, same in said if same)
    torn = {one for a, b, same in said if not same and b in tied.get(a, {a}) for one in tied.get(a, {a})}
    return {record for record, one in part.items() if one in torn}


def _tied(pairs: Iterable[tuple[T, T]]) -> dict[T, set[T]]:
    """Everybody in a pair, with all whom a chain of pairs ties to them."""
    tied: dict[T, set[T]] = {}
    for a, b in pairs:
        both = tied.get(a, {a}) | tied.get(b, {b})
        tied |= dict.fromkeys(both, both)
    return tied
