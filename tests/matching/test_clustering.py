"""Edges become persons without chaining."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedup.matching import clustering

Pair = tuple[int, int]


def _cluster(size: int, edges: dict[Pair, float], others: dict[Pair, float] | None = None) -> list[int]:
    """Groups of ``size`` nodes; pairs that are no edge score as in ``others``, else -20 bits."""
    found = others or {}

    def pair_bits(a: Any, b: Any) -> Any:
        return np.array([found.get((min(x, y), max(x, y)), -20.0) for x, y in zip(a.tolist(), b.tolist(), strict=True)])

    return [int(label) for label in clustering.cluster(size, _made(edges), pair_bits)]


def _made(edges: dict[Pair, float]) -> clustering.Edges:
    pairs = sorted(edges)
    return clustering.Edges(
        np.array([a for a, _ in pairs], dtype=np.int32),
        np.array([b for _, b in pairs], dtype=np.int32),
        np.array([edges[pair] for pair in pairs], dtype=np.float64),
    )


def test_a_clique_is_one_person() -> None:
    assert _cluster(4, {(0, 1): 9, (0, 2): 9, (1, 2): 9}) == [0, 0, 0, 3]


def test_a_chain_that_nothing_else_supports_breaks_at_its_weakest_link() -> None:
    assert _cluster(3, {(0, 1): 12, (1, 2): 6}) == [0, 0, 2]


def test_a_chain_holds_when_its_ends_fit_too() -> None:
    assert _cluster(3, {(0, 1): 12, (1, 2): 6}, {(0, 2): 3}) == [0, 0, 0]


def test_a_forbidden_pair_is_never_joined() -> None:
    assert _cluster(3, {(0, 1): 20, (1, 2): 12}, {(0, 2): clustering.FORBIDDEN}) == [0, 0, 2]


def test_who_fits_two_rivals_alike_joins_neither() -> None:
    assert _cluster(3, {(0, 1): 12, (1, 2): 11}, {(0, 2): clustering.FORBIDDEN}) == [0, 1, 2]


def test_rivals_by_a_typing_error_leave_the_better_one() -> None:
    assert _cluster(3, {(0, 1): 12, (1, 2): 11}, {(0, 2): clustering.MISTYPED}) == [0, 0, 2]


def test_what_a_human_joined_stays_joined() -> None:
    joined = {(0, 1): clustering.BOUND, (1, 2): clustering.BOUND}
    assert _cluster(3, joined, {(0, 2): clustering.FORBIDDEN}) == [0, 0, 0]


def test_what_a_human_parted_stays_apart_whoever_ties_them() -> None:
    joined = {(0, 1): clustering.BOUND, (1, 2): clustering.BOUND}
    assert _cluster(3, joined, {(0, 2): clustering.PARTED}) == [0, 0, 2]


_EDGES = st.dictionaries(st.tuples(st.integers(0, 9), st.integers(0, 9)), st.floats(5, 20), max_size=20)
_LIMITS = st.integers(1, 10)


def _drawn(edges: dict[Pair, float]) -> dict[Pair, float]:
    return {(min(pair), max(pair)): round(bits, 3) for pair, bits in edges.items() if pair[0] != pair[1]}


@given(_EDGES, _LIMITS, st.data())
def test_no_group_holds_a_forbidden_pair_however_large_its_component(
    drawn: dict[Pair, float], limit: int, data: st.DataObject
) -> None:
    edges = _drawn(drawn)
    free = [(a, b) for a in range(10) for b in range(a + 1, 10) if (a, b) not in edges]
    forbidden = data.draw(st.lists(st.sampled_from(free), max_size=10)) if free else []
    with mock.patch.object(clustering, "_LARGEST", limit):
        labels = _cluster(10, edges, dict.fromkeys(forbidden, clustering.FORBIDDEN))
    assert all(labels[a] != labels[b] for a, b in forbidden)


@given(_EDGES, _EDGES, _LIMITS, st.sampled_from([1, 3, 1_000_000]))
def test_a_component_comes_out_as_when_it_is_all_there_is(
    some: dict[Pair, float], others: dict[Pair, float], limit: int, at_once: int
) -> None:
    both = _drawn(some) | {(a + 10, b + 10): bits for (a, b), bits in _drawn(others).items()}
    with mock.patch.multiple(clustering, _LARGEST=limit):
        alone = [_cluster(10, _drawn(edges)) for edges in (some, others)]
        with mock.patch.multiple(clustering, _AT_ONCE=at_once):
            assert _cluster(20, both) == alone[0] + [label + 10 for label in alone[1]]


@given(_EDGES, _LIMITS)
def test_a_large_component_loses_its_weakest_edges_until_its_pieces_fit(drawn: dict[Pair, float], limit: int) -> None:
    def pieces(members: set[int], least: int) -> list[set[int]]:
        """Join whoever an edge of so many bits ties; what has too many members, only by more bits."""
        found = [{member} for member in sorted(members)]
        inside = {pair: bits for pair, bits in edges.items() if members.issuperset(pair) and bits >= least}
        for a, b in inside:
            tied = [group for group in found if group & {a, b}]
            found = [group for group in found if group not in tied] + [set().union(*tied)]
        return [
            piece
            for group in found
            for piece in (
                pieces(group, least + 1)
                if len(group) > max(limit, 2)
                and len(group) * (len(group) - 1) // 2 > sum(group.issuperset(pair) for pair in inside)
                else [group]
            )
        ]

    edges = _drawn(drawn)
    with mock.patch.object(clustering, "_LARGEST", limit):
        labels = clustering._pieces(10, _made(edges)).tolist()
    assert sorted(map(sorted, pieces(set(range(10)), 0))) == sorted(
        [member for member in range(10) if labels[member] == label] for label in set(labels)
    )


def test_what_humans_joined_stays_whole_however_large_it_is() -> None:
    joined = {(at, at + 1): clustering.BOUND for at in range(8)} | {(0, 9): 12.0}
    with mock.patch.object(clustering, "_LARGEST", 4):
        assert _cluster(10, joined) == [0] * 9 + [9]


@pytest.mark.parametrize("size", [0, 1, 5])
def test_without_edges_everybody_is_alone(size: int) -> None:
    assert _cluster(size, {}) == list(range(size))


def test_of_two_numbers_a_digit_apart_the_better_known_one_gets_the_record_without() -> None:
    known = {(1, 2): 30.0, (1, 3): 30.0, (2, 3): 30.0}
    unsure = {(0, 4): 17.0, (1, 4): 17.0, (2, 4): 17.0, (3, 4): 17.0}
    apart = {(0, other): clustering.MISTYPED for other in (1, 2, 3)}
    assert _cluster(5, known | unsure, apart) == [0, 1, 1, 1, 1]


_BITS = st.one_of(st.floats(-20, 20), st.sampled_from([clustering.FORBIDDEN, clustering.MISTYPED]))


@given(st.dictionaries(st.tuples(st.integers(0, 7), st.integers(0, 7)), st.floats(0, 20), max_size=12), st.data())
def test_a_component_without_dispute_comes_out_as_when_joined_step_by_step(
    drawn: dict[Pair, float], data: st.DataObject
) -> None:
    edges = {(min(pair), max(pair)): bits for pair, bits in drawn.items() if pair[0] != pair[1]}
    component = list(range(8))
    for _ in component:
        for a, b in edges:
            component[a] = component[b] = min(component[a], component[b])
    inside = [(a, b) for a in range(8) for b in range(a + 1, 8) if component[a] == component[b]]
    scored = {pair: data.draw(_BITS) for pair in inside if pair not in edges}
    pairs = [(*pair, (edges | scored)[pair], pair in edges) for pair in inside]
    assert _cluster(8, edges, scored) == clustering._agglomerate(list(range(8)), pairs)
