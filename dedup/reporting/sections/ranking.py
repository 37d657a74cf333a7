"""Ranking hospitals without ranking noise."""

from __future__ import annotations

from typing import Any

__all__ = ["MIN_LINES", "MIN_PERSONS", "rank"]

#: Below either, a share says more about luck than about the hospital.
MIN_PERSONS = 30
MIN_LINES = 100


def rank(rows: list[tuple[Any, ...]], names: list[str]) -> list[tuple[object, ...]]:
    """Fill ``rank`` and ``standing`` and sort: per scope the ranked ones by share, then the small ones by code."""
    place = {name: number for number, name in enumerate(names)}
    sized = []
    for scope in sorted({row[place["scope"]] for row in rows}):
        group = [list(row) for row in rows if row[place["scope"]] == scope]
        whole = sum(row[place["avoidable"]] for row in group) / sum(row[place["lines"]] for row in group)
        large = [row for row in group if _large(row, place)]
        large.sort(key=lambda row: (-row[place["share"]], row[place["facility_id"]]))
        for number, row in enumerate(large, start=1):
            low, high = row[place["share_95"]]
            row[place["rank"]] = number
            row[place["standing"]] = "above" if low > whole else "below" if high < whole else "no_clear_difference"
        small = [row for row in group if not _large(row, place)]
        for row in small:
            row[place["standing"]] = "too_few_to_rank"
        small.sort(key=lambda row: row[place["facility_id"]])
        sized += [tuple(row) for row in large + small]
    return sized


def _large(row: list[Any], place: dict[str, int]) -> bool:
    return bool(row[place["persons"]] >= MIN_PERSONS and row[place["lines"]] >= MIN_LINES)
