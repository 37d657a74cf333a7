"""From the catalogue's rows to tables that judging can look up: which rule and exemptions hold, and what covers what.

Everything is numbered, and every cell (test, setting, period) is resolved once, before any order line is read.
The most specific validity row wins: test before discipline before ``*``; then setting before any; then the latest
``valid_from``; then the smallest ``rule_id``.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from dedup.rules.reading import Catalogue
from dedup.schema import SETTINGS

__all__ = ["DAY_ZERO", "RuleBook", "resolve"]

#: Times are seconds since then, days are days since then; both in local time. As 32-bit integers the times reach
#: from 1932 to 2068, which loading sees to.
DAY_ZERO = datetime.date(2000, 1, 1)
#: How many settings fit into a slot number; a power of two.
SETTING_SLOTS = 8
#: Classes of the prior's abnormal flag, as exemptions ask for it.
PRIOR_FLAGS = (None, "abnormal", "critical")
ANY, BY_DISCIPLINE, BY_TEST = 0, 1, 2

Row = dict[str, Any]


@dataclass(frozen=True)
class RuleBook:
    """The resolved rules of one profile.

    ``tables`` are small Arrow tables, the same in every bucket:

    - ``d_rule(slot, rule, valid, condition)``: the validity row of a slot; ``valid`` in seconds;
      condition 0 none, 1 positive_only, 2 normal_only. slot = (test × 8 + setting) × periods + period.
    - ``d_reach(slot, reach)``: the longest validity any way of covering that slot can use, in seconds.
    - ``d_cover(o_test, q_test)``: a line of ``q_test`` may cover one of ``o_test``, whole or in part.
    - ``d_target(o_test, q_test, target, part, specimen)``: what it covers: the test itself, or (part) a component.
    - ``d_panel(test, required)``: panels and how many components they require.
    - ``d_exempt(cell, justified, review)``: exemption rows by cell = ((slot × 3 + prior flag) × 2 + same encounter) ×
      ages + age band; -1 for none.

    ``starts`` are the first days of the periods (days since DAY_ZERO) between two changes of any rule; ``ages`` the
    upper bounds of the age bands in days, above which lies one more, open band (also for an unknown age).
    """

    profile: str
    version: str
    tests: tuple[str, ...]
    specimens: tuple[str | None, ...]
    test_specimen: tuple[int, ...]
    validity: tuple[Row, ...]
    exemptions: tuple[Row, ...]
    starts: tuple[int, ...]
    ages: tuple[int, ...]
    tables: dict[str, pa.Table]


def resolve(catalogue: Catalogue, profile: str) -> RuleBook:
    """Resolve one profile of a catalogue. A profile without rows judges nothing; it is for the caller to refuse it."""
    tests = sorted(catalogue.tests.to_dicts(), key=lambda row: row["test_id"])
    number = {row["test_id"]: at for at, row in enumerate(tests)}
    validity = _of_profile(catalogue.validity.to_dicts(), profile)
    exemptions = _of_profile(catalogue.exemptions.to_dicts(), profile)
    specimens = (None, *sorted({row["specimen"] for row in tests if row["specimen"]}))
    test_specimen = [specimens.index(row["specimen"] or None) for row in tests]
    starts = _period_starts([*validity, *exemptions])
    ages = tuple(sorted({row["max_age_days"] for row in exemptions if row["max_age_days"] is not None}))
    rule = _rule_grid(tests, number, validity, starts)
    cover = _cover(catalogue, number)
    tables = {
        "d_rule": _rule_table(rule, validity),
        "d_reach": _reach_table(rule, validity, cover),
        "d_cover": _columns(o_test=[o for o, _ in _pairs(cover)], q_test=[q for _, q in _pairs(cover)]),
        "d_target": _target_table(cover, test_specimen),
        "d_panel": _panel_table(catalogue, number),
        "d_exempt": _exempt_table(tests, exemptions, starts, ages),
    }
    return RuleBook(
        profile, catalogue.version, tuple(number), specimens, tuple(test_specimen),
        tuple(validity), tuple(exemptions), tuple(starts), ages, tables,
    )  # fmt: skip


def _of_profile(rows: list[Row], profile: str) -> list[Row]:
    """The rows of a profile (blank: of any), smallest rule_id first."""
    mine = [row for row in rows if row["profile"] in (None, profile)]
    return sorted(mine, key=lambda row: (row["rule_id"] or "", row["origin"], row["file_line"]))


def _day(date: datetime.date) -> int:
    return (date - DAY_ZERO).days


def _span(row: Row, starts: list[int]) -> slice:
    """The periods in which a dated row holds; both of its dates are inclusive."""
    first = 0 if row["valid_from"] is None else starts.index(_day(row["valid_from"]))
    last = len(starts) if row["valid_to"] is None else starts.index(_day(row["valid_to"]) + 1)
    return slice(first, last)


def _period_starts(rows: Iterable[Row]) -> list[int]:
    starts = {-(2**31)}
    for row in rows:
        if row["valid_from"] is not None:
            starts.add(_day(row["valid_from"]))
        if row["valid_to"] is not None:
            starts.add(_day(row["valid_to"]) + 1)
    return sorted(starts)


def _settings(row: Row) -> list[int]:
    return list(range(len(SETTINGS))) if row["setting"] is None else [SETTINGS.index(row["setting"])]


def _rule_grid(tests: list[Row], number: dict[str, int], rows: list[Row], starts: list[int]) -> np.ndarray:
    """rule[test, setting, period]: the winning validity row, -1 for none. The strongest row is written last."""
    grid = np.full((len(tests), SETTING_SLOTS, len(starts)), -1, dtype=np.int64)

    def strength(at: int) -> tuple[int, bool, datetime.date, int]:
        row = rows[at]
        return (_aim(row), row["setting"] is not None, row["valid_from"] or datetime.date.min, -at)

    for at in sorted(range(len(rows)), key=strength):
        for test in _aimed_at(rows[at], tests, number):
            for setting in _settings(rows[at]):
                grid[test, setting, _span(rows[at], starts)] = at
    return grid


def _aim(row: Row) -> int:
    target = row["test_id"] or "*"
    return ANY if target == "*" else BY_DISCIPLINE if target.startswith("discipline:") else BY_TEST


def _aimed_at(row: Row, tests: list[Row], number: dict[str, int]) -> list[int]:
    target = row["test_id"] or "*"
    if target == "*":
        return list(range(len(tests)))
    if target.startswith("discipline:"):
        return [at for at, test in enumerate(tests) if test["discipline"] == target.removeprefix("discipline:")]
    return [number[target]]


CONDITIONS = (None, "positive_only", "normal_only")


def _rule_table(grid: np.ndarray, rows: list[Row]) -> pa.Table:
    slots = np.flatnonzero(grid.ravel() >= 0)
    picked = grid.ravel()[slots]
    valid = np.array([row["valid_seconds"] for row in rows] or [0], dtype=np.int64)[picked]
    condition = np.array([CONDITIONS.index(row["condition"]) for row in rows] or [0])[picked]
    keep = valid > 0  # 0 hours: never reuse
    return _columns(slot=slots[keep], rule=picked[keep], valid=valid[keep], condition=condition[keep])


def _cover(catalogue: Catalogue, number: dict[str, int]) -> list[tuple[int, int, int]]:
    """All (o_test, q_test, target): the test itself, panels that hold it, and for a panel its components' covers."""
    parts: dict[int, list[int]] = {}
    for row in catalogue.panels.to_dicts():
        if row["required"]:
            parts.setdefault(number[row["test_id"]], []).append(number[row["component_id"]])
    holding: dict[int, list[int]] = {}
    for panel, components in parts.items():
        for component in components:
            holding.setdefault(component, []).append(panel)
    single = {test: [test, *holding.get(test, [])] for test in number.values()}
    cover = [(test, q, test) for test, covers in single.items() for q in covers]
    cover += [(panel, q, part) for panel, components in parts.items() for part in components for q in single[part]]
    return sorted(set(cover))


def _pairs(cover: list[tuple[int, int, int]]) -> list[tuple[int, int]]:
    return sorted({(o, q) for o, q, _ in cover})


def _reach_table(grid: np.ndarray, rows: list[Row], cover: list[tuple[int, int, int]]) -> pa.Table:
    seconds = np.array([*(row["valid_seconds"] for row in rows), 0], dtype=np.int64)[grid]
    reach = np.zeros_like(seconds)
    for test, _, target in cover:
        np.maximum(reach[test], seconds[target], out=reach[test])
    slots = np.flatnonzero(reach.ravel() > 0)
    return _columns(slot=slots, reach=reach.ravel()[slots])


def _target_table(cover: list[tuple[int, int, int]], test_specimen: list[int]) -> pa.Table:
    return _columns(
        o_test=[o for o, _, _ in cover],
        q_test=[q for _, q, _ in cover],
        target=[target for _, _, target in cover],
        part=[int(target != o) for o, _, target in cover],
        specimen=[test_specimen[target] for _, _, target in cover],
    )


def _panel_table(catalogue: Catalogue, number: dict[str, int]) -> pa.Table:
    required: dict[int, set[str]] = {}
    for row in catalogue.panels.to_dicts():
        if row["required"]:
            required.setdefault(number[row["test_id"]], set()).add(row["component_id"])
    return _columns(test=list(required), required=[len(parts) for parts in required.values()])


def _exempt_table(tests: list[Row], rows: list[Row], starts: list[int], ages: tuple[int, ...]) -> pa.Table:
    shape = (len(tests), SETTING_SLOTS, len(starts), len(PRIOR_FLAGS), 2, len(ages) + 1)
    grids = {verdict: np.full(shape, -1, dtype=np.int32) for verdict in ("justified", "review")}
    for at in reversed(range(len(rows))):  # the smallest rule_id is written last and stays
        row = rows[at]
        if row["order_reason"] is not None:
            continue  # an order reason on the line already makes it justified, with that reason
        flags = slice(PRIOR_FLAGS.index(row["prior_flag"]), None)
        encounters = slice(1, 2) if row["same_encounter"] else slice(0, 2)
        bands = slice(0, len(ages) + 1 if row["max_age_days"] is None else ages.index(row["max_age_days"]) + 1)
        for test in _exempted(row, tests):
            for setting in _settings(row):
                grids[row["verdict"]][test, setting, _span(row, starts), flags, encounters, bands] = at
    justified, review = grids["justified"].ravel(), grids["review"].ravel()
    cells = np.flatnonzero((justified >= 0) | (review >= 0))
    return _columns(cell=cells, justified=justified[cells], review=review[cells])


def _exempted(row: Row, tests: list[Row]) -> list[int]:
    names = ("test_id", "discipline", "class")
    return [at for at, test in enumerate(tests) if all(row[name] in (None, test[name]) for name in names)]


def _columns(**columns: Any) -> pa.Table:
    return pa.table({name: pa.array(np.asarray(values, dtype=np.int64)) for name, values in columns.items()})
