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

__all__ = ["BOUND", "FORBIDDEN", "MISTYPED", "Edges", "cluster"]

#: Bits by which the best of two conflicting partners must lead; below it nobody can tell whose record it is.
MARGIN_BITS = 3.0
#: Beyond this many variants a component's missing pairs are not scored: only its own edges speak.
_LARGEST_SCORED = 200
#: More bits than these for a pair do not count towards the mean over two groups.
_MOST_BITS = 20.0
#: What counts for a pair that may never be one person.
FORBIDDEN = -1000.0
#: The same where one trusted id may be a typing error of the other: never joined, yet no rivals for a third.
MISTYPED = -500.0
#: What counts for a pair that a human joined: nothing can part it.
BOUND = 1000.0

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
    labels, unclear = _components(size, edges)
    if len(unclear):
        for members, found in _refine(labels, unclear, edges, pair_bits):
            labels[members] = found
    return labels


def _components(size: int, edges: Edges) -> tuple[Positions, Positions]:
    """Label by smallest member, and the labels of the components that are no cliques."""
    labels = np.arange(size, dtype=np.int32)
    a, b = edges.a, edges.b
    while len(a):  # every group is tied to the smallest of those it has an edge to, until none has one
        low, high = np.minimum(labels[a], labels[b]), np.maximum(labels[a], labels[b])
        np.minimum.at(labels, high, low)
        while (labels[labels] != labels).any():
            labels = labels[labels]
        apart = labels[a] != labels[b]
        a, b = a[apart], b[apart]
    members = np.bincount(labels, minlength=size)
    links = np.bincount(labels[edges.a], minlength=size)
    unclear = np.flatnonzero((members > 2) & (links < members * (members - 1) // 2))
    return labels, unclear


def _refine(
    labels: Positions, unclear: Positions, edges: Edges, pair_bits: PairBits
) -> list[tuple[Positions, Positions]]:
    wanted = np.zeros(len(labels), dtype=np.bool_)
    wanted[unclear] = True
    inside = np.flatnonzero(wanted[labels])
    order = inside[np.argsort(labels[inside], kind="stable")]
    groups = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    place = np.zeros(len(labels), dtype=np.int64)  # of each member in its group
    place[order] = np.arange(len(order)) - np.repeat(*_starts(groups))
    mine = np.flatnonzero(wanted[labels[edges.a]])
    mine = mine[np.argsort(labels[edges.a[mine]], kind="stable")]
    cuts = np.flatnonzero(np.diff(labels[edges.a[mine]])) + 1
    ends = [np.split(place[end[mine]], cuts) for end in (edges.a, edges.b)]
    matrices = _matrices(groups, list(zip(*ends, np.split(edges.bits[mine], cuts), strict=True)), pair_bits)
    return [
        (group, group[_agglomerate(matrix, known)]) for group, (matrix, known) in zip(groups, matrices, strict=True)
    ]


def _starts(groups: list[Positions]) -> tuple[Positions, Positions]:
    sizes = np.array([len(group) for group in groups])
    return np.cumsum(sizes) - sizes, sizes


def _matrices(
    groups: list[Positions], own: list[tuple[Positions, Positions, Positions]], pair_bits: PairBits
) -> list[tuple[Positions, Positions]]:
    """For each group the bits of all its pairs, and which of them are edges (``own``: ends and bits)."""
    upper = {n: np.triu_indices(n, 1) for n in {len(group) for group in groups} if n <= _LARGEST_SCORED}
    found, gaps = [], []
    for group, (i, j, bits) in zip(groups, own, strict=True):
        n = len(group)
        matrix, known = np.zeros((n, n)), np.zeros((n, n), dtype=np.bool_)
        matrix[i, j] = matrix[j, i] = bits
        known[i, j] = known[j, i] = True
        found.append((matrix, known))
        x, y = upper.get(n, _NOTHING)
        gap = ~known[x, y]
        gaps.append((x[gap], y[gap]))
    sides = [np.concatenate([group[gap[side]] for group, gap in zip(groups, gaps, strict=True)]) for side in (0, 1)]
    scored = pair_bits(*sides)
    start = 0
    for (matrix, _), (x, y) in zip(found, gaps, strict=True):
        matrix[x, y] = matrix[y, x] = scored[start : start + len(x)]
        start += len(x)
    return found


_NOTHING = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


def _agglomerate(matrix: Positions, known: Positions) -> Positions:
    """The smallest member of each member's group, joining along edges from the strongest to the weakest.

    Components are small (three to ten members), so plain lists beat arrays here.
    """
    n = len(matrix)
    bits: list[list[float]] = matrix.tolist()
    edges = [(-bits[x][y], x, y) for x, y in zip(*(at.tolist() for at in np.nonzero(known)), strict=True) if x < y]
    unclear = _ambiguous(bits, edges, n)
    groups = [[x] for x in range(n)]
    for weight, x, y in sorted(edges):
        left, right = groups[x], groups[y]
        bound = -weight >= BOUND
        if left is right or ((x, y) in unclear and not bound):
            continue
        if not bound and (_better_known(bits, groups, x, y) or _better_known(bits, groups, y, x)):
            continue
        if bound or _may_join([bits[i][j] for i in left for j in right]):
            left.extend(right)
            for member in right:
                groups[member] = left
    return np.array([min(group) for group in groups])


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
