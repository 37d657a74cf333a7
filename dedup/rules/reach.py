"""Which rows of a catalogue can ever hold: found by resolving every test, setting and period."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from dedup.rules.reading import Catalogue
from dedup.schema import SETTINGS

__all__ = ["unreachable_exemptions", "unreachable_validity", "winners"]

Row = dict[str, Any]


def unreachable_validity(catalogue: Catalogue) -> Iterator[tuple[Row, str]]:
    """Validity rows that win for no test, no setting and on no day, each with the reason."""
    tests = catalogue.tests.to_dicts()
    disciplines = {test["discipline"] for test in tests}
    rows = catalogue.validity.to_dicts()
    for profile in sorted({row["profile"] for row in rows}):
        mine = [row for row in rows if row["profile"] == profile]
        winning = {id(row) for row in winners(tests, mine)}
        for row in (row for row in mine if id(row) not in winning):
            name = row["test_id"].removeprefix("discipline:")
            if name != row["test_id"] and name not in disciplines:
                yield row, f"no test has the discipline {name!r}"
            else:
                yield row, "more specific or later rows always win"


def winners(tests: list[Row], rows: list[Row]) -> Iterator[Row]:
    """The row that wins in each cell of test, setting and day, as the contract chooses it; rows of one profile."""
    by_target: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_target[row["test_id"]].append(row)
    for test in tests:
        aimed = [by_target[test["test_id"]], by_target[f"discipline:{test['discipline']}"], by_target["*"]]
        days = _turning_days([row for target in aimed for row in target])
        for setting in SETTINGS:
            for day in days:
                winner = _winner(aimed, setting, day)
                if winner is not None:
                    yield winner


def _winner(aimed: list[list[Row]], setting: str, day: date) -> Row | None:
    for target in aimed:  # test before discipline before *
        for wanted in (setting, None):  # then setting before any
            holding = [row for row in target if row["setting"] == wanted and _holds(row, day)]
            if holding:
                latest = max(_start(row) for row in holding)
                return min((row for row in holding if _start(row) == latest), key=lambda row: row["rule_id"] or "")
    return None


def _start(row: Row) -> date:
    return row["valid_from"] or date.min


def _holds(row: Row, day: date) -> bool:
    return _start(row) <= day <= (row["valid_to"] or date.max)


def _turning_days(rows: list[Row]) -> list[date]:
    """One day of every period in which the same rows hold."""
    days = {date.min}
    for row in rows:
        days.add(_start(row))
        if row["valid_to"] is not None and row["valid_to"] < date.max:
            days.add(row["valid_to"] + timedelta(days=1))
    return sorted(days)


def unreachable_exemptions(catalogue: Catalogue) -> Iterator[tuple[Row, str]]:
    """Exemption rows whose cells fit no test or no profile, each with the reason."""
    tests = catalogue.tests.to_dicts()
    profiles = set(catalogue.validity["profile"])
    columns = ("test_id", "discipline", "class")
    for row in catalogue.exemptions.to_dicts():
        if not any(all(row[name] in (None, test[name]) for name in columns) for test in tests):
            yield row, "no test has this test_id, discipline and class"
        elif row["profile"] is not None and row["profile"] not in profiles:
            yield row, f"validity.csv has no profile {row['profile']!r}"
