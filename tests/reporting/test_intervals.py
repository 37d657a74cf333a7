"""The interval against plain formulas and against scipy."""

from __future__ import annotations

import math
import random

import pytest
from scipy import stats

from dedup.reporting.intervals import _t, interval


def sums(clusters: list[tuple[int, int]]) -> tuple[int, int, int, int, int, int]:
    return (
        len(clusters),
        sum(n for n, _ in clusters),
        sum(y for _, y in clusters),
        sum(n * n for n, _ in clusters),
        sum(n * y for n, y in clusters),
        sum(y * y for _, y in clusters),
    )


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 10, 30, 1000, 10**6])
def test_t_quantile(freedom: int) -> None:
    assert _t(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=0.002)


def test_single_lines_are_nearly_wilson() -> None:
    clusters = [(1, 1)] * 300 + [(1, 0)] * 700
    wilson = stats.binomtest(300, 1000).proportion_ci(method="wilson")
    assert interval(*sums(clusters)) == pytest.approx((wilson.low, wilson.high), abs=0.0005)


def test_clusters_widen() -> None:
    alone = interval(*sums([(1, 1)] * 200 + [(1, 0)] * 800))
    together = interval(*sums([(10, 10)] * 20 + [(10, 0)] * 80))
    assert alone is not None and together is not None
    assert together[1] - together[0] > 2.5 * (alone[1] - alone[0])


@pytest.mark.parametrize("clusters", [[(5, 0)], [(5, 5)], [(5, 2)], [(3, 0), (2, 0)], [(3, 3), (2, 2)]])
def test_edges_stay_within_and_are_wide(clusters: list[tuple[int, int]]) -> None:
    found = interval(*sums(clusters))
    assert found is not None
    low, high = found
    share = sum(y for _, y in clusters) / sum(n for n, _ in clusters)
    assert 0 <= low <= share <= high <= 1
    assert high - low > 0.3


def test_no_lines() -> None:
    assert interval(0, 0, 0, 0, 0, 0) is None


def test_covers_nineteen_times_in_twenty() -> None:
    rng = random.Random(7)
    hits = 0
    for _ in range(400):
        clusters = []
        for _ in range(80):
            share = rng.betavariate(1, 4)
            size = rng.choice([1, 1, 2, 3, 8])
            clusters.append((size, sum(rng.random() < share for _ in range(size))))
        low, high = interval(*sums(clusters)) or (math.nan, math.nan)
        hits += low <= 0.2 <= high
    assert 0.92 <= hits / 400 <= 0.98
