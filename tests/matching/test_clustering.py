"""Edges become persons without chaining."""

from __future__ import annotations

from typing import Any

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

    pairs = sorted(edges)
    made = clustering.Edges(
        np.array([a for a, _ in pairs], dtype=np.int32),
        np.array([b for _, b in pairs], dtype=np.int32),
        np.array([edges[pair] for pair in pairs], dtype=np.float64),
    )
    return [int(label) for label in clustering.cluster(size, made, pair_bits)]


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


@given(st.dictionaries(st.tuples(st.integers(0, 9), st.integers(0, 9)), st.floats(5, 20), max_size=20), st.data())
def test_no_group_holds_a_forbidden_pair(drawn: dict[Pair, float], data: st.DataObject) -> None:
    edges = {(min(pair), max(pair)): round(bits, 3) for pair, bits in drawn.items() if pair[0] != pair[1]}
    free = [(a, b) for a in range(10) for b in range(a + 1, 10) if (a, b) not in edges]
    forbidden = data.draw(st.lists(st.sampled_from(free), max_size=10)) if free else []
    labels = _cluster(10, edges, dict.fromkeys(forbidden, clustering.FORBIDDEN))
    assert all(labels[a] != labels[b] for a, b in forbidden)


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
