"""From edges to persons, without chaining: connected components, and where a component is no clique, step by step.

Two groups are joined only if nothing forbids any pair across them and the pairs across them speak for it on
average, so that one record cannot tie strangers together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from dedup.matching.comparing import Positions

__all__ = ["BOUND", "FORBIDDEN", "MISTYPED", "PARTED", "Edges", "cluster", "components"]

#: Bits by which the best of two conflicting partners must lead; below it nobody can tell whose record it is.
MARGIN_BITS = 3.0
#: A component of more members loses its weakest edges until none of its pieces has more: every pair of a piece is
#: scored, which for larger ones takes too long.
_LARGEST = 200
#: Pairs of a piece scored at a time: bounds memory, changes nothing.
_AT_ONCE = 500_000
#: More bits than these for a pair do not count towards the mean over two groups.
_MOST_BITS = 20.0
#: What counts for a pair that may never be one person.
FORBIDDEN = -1000.0
#: The same where one trusted id may be a typing error of the other: never joined, yet no rivals for a third.
MISTYPED = -500.0
#: What counts for a pair that a human joined: nothing can part it but what a human parted.
BOUND = 1000.0
PARTED = -2000.0

PairBits = Callable[["Positions", "Positions"], "np.ndarray[Any, np.dtype[np.float64]]"]


@dataclass(frozen=True)
class Edges:
    """Pairs of variants that may be one person: positions, bits."""

    a: np.ndarray[Any, np.dtype[np.int32]]
    b: np.ndarray[Any, np.dtype[np.int32]]
    bits: np.ndarray[Any, np.dtype[np.float64]]


def cluster(size: int, edges: Edges, pair_bits: PairBits) -> np.ndarray[Any, np.dtype[np.int32]]:
    """The group of each of ``size`` variants: the smallest position in it.

    ``pair_bits`` scores pairs that no block brought together; FORBIDDEN marks a pair that must not be joined.
    """
    labels = _pieces(size, edges)
    unclear, pairs = _unclear(labels, edges)
    run = np.cumsum(pairs) // _AT_ONCE
    for some in np.split(unclear, np.flatnonzero(np.diff(run)) + 1):
        if len(some):
            _refine(labels, some, edges, pair_bits)
    return labels


def _pieces(size: int, edges: Edges) -> Positions:
    """Label by smallest member of each component, or of each piece of one that is too large to score all its pairs.

    Such a component loses its weakest edges, bit by bit, until it falls into pieces that are not: what a piece is
    follows from its component alone. One that is a clique, or that only humans' words hold, stays whole.
    """
    labels = components(size, edges.a, edges.b)
    unclear, _ = _unclear(labels, edges)
    large = _labelled(labels, unclear[np.bincount(labels, minlength=size)[unclear] > _LARGEST])
    own = np.flatnonzero(large[edges.a])
    weakest = edges.bits[own].min(initial=BOUND)
    if weakest < BOUND:
        members = np.flatnonzero(large)
        kept = own[edges.bits[own] >= np.floor(weakest) + 1]
        a, b = np.searchsorted(members, edges.a[kept]), np.searchsorted(members, edges.b[kept])
        labels[members] = members[_pieces(len(members), Edges(a, b, edges.bits[kept]))]
    return labels


def components(size: int, a: Positions, b: Positions) -> Positions:
    """Whom any chain of the ties (a, b) leads to: each labelled by the smallest member."""
    labels = np.arange(size, dtype=np.int32)
    while len(a):  # every group is tied to the smallest of those it has an edge to, until none has one
        low, high = np.minimum(labels[a], labels[b]), np.maximum(labels[a], labels[b])
        np.minimum.at(labels, high, low)
        while (labels[labels] != labels).any():
            labels = labels[labels]
        apart = labels[a] != labels[b]
        a, b = a[apart], b[apart]
    return labels


def _unclear(labels: Positions, edges: Edges) -> tuple[Positions, Positions]:
    """The labels of the groups that are no cliques, and how many pairs each has."""
    members = np.bincount(labels, minlength=len(labels))
    inside = labels[edges.a]
    links = np.bincount(inside[inside == labels[edges.b]], minlength=len(labels))
    pairs = members * (members - 1) // 2
    unclear = np.flatnonzero((members > 2) & (links < pairs))
    return unclear, pairs[unclear]


def _refine(labels: Positions, unclear: Positions, edges: Edges, pair_bits: PairBits) -> None:
    """Take the groups ``unclear`` apart. One in which no pair speaks against stays whole: nothing in it could keep
    two groups from being joined."""
    own = np.flatnonzero(_labelled(labels, unclear)[edges.a] & (labels[edges.a] == labels[edges.b]))
    x, y = _gaps(labels, unclear, edges.a[own], edges.b[own])
    a, b = np.append(edges.a[own], x), np.append(edges.b[own], y)
    bits = np.append(edges.bits[own], pair_bits(x, y))
    disputed = np.unique(labels[a[bits < 0]])
    if not len(disputed):
        return
    members, first = _by_label(labels, disputed)
    pairs = np.flatnonzero(_labelled(labels, disputed)[a])
    pairs = pairs[np.argsort(labels[a[pairs]], kind="stable")]
    last = np.searchsorted(labels[a[pairs]], disputed, side="right").tolist()
    rows = list(zip(*(column[pairs].tolist() for column in (a, b, bits, np.arange(len(a)) < len(own))), strict=True))
    for group, start, end in zip(np.split(members, first[1:]), [0, *last], last, strict=False):
        labels[group] = _agglomerate(group.tolist(), rows[start:end])


def _labelled(labels: Positions, some: Positions) -> Positions:
    """Which members have one of ``some`` labels."""
    wanted = np.zeros(len(labels), dtype=np.bool_)
    wanted[some] = True
    return np.asarray(wanted[labels])


def _by_label(labels: Positions, some: Positions) -> tuple[Positions, Positions]:
    """The members with one of ``some`` labels, label by label, and where each label's begin."""
    members = np.flatnonzero(_labelled(labels, some))
    members = members[np.argsort(labels[members], kind="stable")]
    return members, np.flatnonzero(np.append(True, np.diff(labels[members]) != 0)[: len(members)])


def _gaps(labels: Positions, some: Positions, a: Positions, b: Positions) -> tuple[Positions, Positions]:
    """The pairs of members with one of ``some`` labels that are none of the edges (a, b)."""
    members, first = _by_label(labels, some)
    earlier = np.arange(len(members)) - np.repeat(first, np.diff(np.append(first, len(members))))
    y = np.repeat(np.arange(len(members)), earlier)
    x = y - 1 - (np.arange(len(y)) - np.repeat(np.cumsum(earlier) - earlier, earlier))
    pairs = members[x] << 32 | members[y]
    pairs = pairs[~np.isin(pairs, a.astype(np.int64) << 32 | b)]
    return pairs >> 32, pairs & 0xFFFFFFFF


def _agglomerate(group: list[int], pairs: list[tuple[int, int, float, bool]]) -> list[int]:
    """The smallest member of each member's group, joining along edges from the strongest to the weakest.

    ``pairs``: two members, their bits, whether they are an edge. Components are small (three to ten members), so plain
    lists beat arrays here.
    """
    n, place = len(group), {member: at for at, member in enumerate(group)}
    bits = [[0.0] * n for _ in group]
    edges = []
    for a, b, weight, is_edge in pairs:
        x, y = place[a], place[b]
        bits[x][y] = bits[y][x] = weight
        if is_edge:
            edges.append((-weight, x, y))
    unclear = _ambiguous(bits, edges, n)
    groups = [[x] for x in range(n)]
    for weight, x, y in sorted(edges):
        left, right = groups[x], groups[y]
        bound = -weight >= BOUND
        if left is right or ((x, y) in unclear and not bound):
            continue
        if not bound and (_better_known(bits, groups, x, y) or _better_known(bits, groups, y, x)):
            continue
        across = [bits[i][j] for i in left for j in right]
        if min(across) > PARTED if bound else _may_join(across):
            left.extend(right)
            for member in right:
                groups[member] = left
    return [group[min(joined)] for joined in groups]


def _better_known(bits: list[list[float]], groups: list[list[int]], x: int, y: int) -> bool:
    """Whether x fits a larger group about as well, from which only a digit of the number parts y: y's is mistyped."""
    if min(bits[y]) > MISTYPED:
        return False
    return any(
        bits[y][z] == MISTYPED and bits[x][z] > bits[x][y] - MARGIN_BITS and len(groups[z]) > len(groups[y])
        for z in range(len(bits))
    )


def _may_join(across: list[float]) -> bool:
    """Nothing forbids any pair across two groups, and they speak for it on average.

    One sure pair does not outweigh many that speak against.
    """
    return min(across) > MISTYPED and sum(min(bits, _MOST_BITS) for bits in across) >= 0


def _ambiguous(bits: list[list[float]], edges: list[tuple[float, int, int]], n: int) -> set[tuple[int, int]]:
    """Edges from one member to two that forbid each other, when neither clearly leads: neither counts."""
    found: set[tuple[int, int]] = set()
    if all(min(row) > FORBIDDEN for row in bits):
        return found
    partners: list[list[int]] = [[] for _ in range(n)]
    for _, x, y in edges:
        partners[x].append(y)
        partners[y].append(x)
    for x, near in enumerate(partners):
        for y in near:
            if any(bits[y][z] <= FORBIDDEN and bits[x][z] > bits[x][y] - MARGIN_BITS for z in near):
                found.add((min(x, y), max(x, y)))
    return found
