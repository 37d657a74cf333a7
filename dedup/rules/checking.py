"""What is doubtful in a catalogue that can be read: rows that overlap, tie, never hold, or say no source.

Judging copes with all of these as the contract says (the latest ``valid_from``, then the smallest ``rule_id``);
the people who wrote the rules should know about them. Each check is one function; ``CHECKS`` lists them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import Any

from dedup.errors import ConfigError, Problem
from dedup.rules.reach import unreachable_exemptions, unreachable_validity
from dedup.rules.reading import Catalogue, read_sound_rows

__all__ = ["CHECKS", "check_catalogue", "check_folder"]

Row = dict[str, Any]
#: Cells of an exemption that decide whether it holds.
EXEMPTION_CELLS = (
    "test_id",
    "discipline",
    "class",
    "setting",
    "prior_flag",
    "max_age_days",
    "order_reason",
    "same_encounter",
    "profile",
)


def check_catalogue(catalogue: Catalogue) -> list[Problem]:
    """Every finding of every check, with file and line; empty when there is nothing to say."""
    return sorted({problem for check in CHECKS.values() for problem in check(catalogue)})


def check_folder(folder: Path | None, overlay: Path | None) -> Catalogue:
    """Read a catalogue and check it; ConfigError with all that cannot be meant and all that is doubtful, at once.

    Beside rows that cannot be meant, nothing is said of rows that miss others: those may be the very ones.
    """
    catalogue, problems = read_sound_rows(folder, overlay)
    checks = [check for name, check in CHECKS.items() if not problems or name not in MISSING_OTHERS]
    if found := sorted({*problems, *(problem for check in checks for problem in check(catalogue))}):
        raise ConfigError(found)
    return catalogue


def check_overlaps(catalogue: Catalogue) -> Iterator[Problem]:
    """Two validity rows of one profile, test and setting whose dates overlap, one starting later than the other."""
    for first, second in _meeting(catalogue):
        if _start(first) != _start(second):
            message = (
                f"dates overlap with rule {first['rule_id']} in line {first['file_line']}; give that one a valid_to"
            )
            yield _problem(catalogue, "validity", second, message)


def check_ambiguous(catalogue: Catalogue) -> Iterator[Problem]:
    """Two rows that hold at once with nothing but the ``rule_id`` to choose between them."""
    for first, second in _meeting(catalogue):
        if _start(first) == _start(second):
            message = f"ambiguous with rule {first['rule_id']} in line {first['file_line']}: only the rule_id decides"
            yield _problem(catalogue, "validity", second, message)
    for rows in _groups(catalogue.exemptions.to_dicts(), EXEMPTION_CELLS):
        for first, second in _together(rows):
            if (first["verdict"], first["reason"]) != (second["verdict"], second["reason"]):
                message = f"ambiguous with rule {first['rule_id']} in line {first['file_line']}: the same cells"
                yield _problem(catalogue, "exemptions", second, message)


def check_unreachable(catalogue: Catalogue) -> Iterator[Problem]:
    """Rows that can never hold for any test, setting and date."""
    for row, why in unreachable_validity(catalogue):
        yield _problem(catalogue, "validity", row, f"unreachable: {why}")
    for row, why in unreachable_exemptions(catalogue):
        yield _problem(catalogue, "exemptions", row, f"unreachable: {why}")


def check_panels(catalogue: Catalogue) -> Iterator[Problem]:
    """Panels without a required component: nothing could stand for their parts."""
    for rows in _groups(catalogue.panels.to_dicts(), ("test_id",)):
        if not any(row["required"] for row in rows):
            yield _problem(catalogue, "panels", rows[0], f"panel {rows[0]['test_id']!r} has no required component")


def check_rule_ids(catalogue: Catalogue) -> Iterator[Problem]:
    """Every rule has an id, and no two rules share one."""
    first: dict[str, tuple[str, Row]] = {}
    for name in ("validity", "exemptions"):
        for row in getattr(catalogue, name).iter_rows(named=True):
            if row["rule_id"] is None:
                yield _problem(catalogue, name, row, "has no rule_id")
                continue
            file, other = first.setdefault(row["rule_id"], (name, row))
            if other is not row:
                place = f"{file}.csv line {other['file_line']}"
                yield _problem(catalogue, name, row, f"rule_id {row['rule_id']!r} is also in {place}")


def check_sources(catalogue: Catalogue) -> Iterator[Problem]:
    """Every row says where it comes from (``unsourced: …`` when no public source backs it)."""
    for name in ("tests", "codes", "validity", "exemptions", "specimens"):
        for row in getattr(catalogue, name).iter_rows(named=True):
            if row["source"] is None:
                yield _problem(catalogue, name, row, "has no source")


def check_slugs(catalogue: Catalogue) -> Iterator[Problem]:
    """Test ids are lower case, and every test has a discipline."""
    for row in catalogue.tests.iter_rows(named=True):
        if row["test_id"] != row["test_id"].lower():
            yield _problem(catalogue, "tests", row, f"test_id {row['test_id']!r} is not in lower case")
        if row["discipline"] is None:
            yield _problem(catalogue, "tests", row, f"test {row['test_id']!r} has no discipline")


CHECKS: dict[str, Callable[[Catalogue], Iterator[Problem]]] = {
    "overlaps": check_overlaps,
    "ambiguous": check_ambiguous,
    "unreachable": check_unreachable,
    "panels": check_panels,
    "rule_ids": check_rule_ids,
    "sources": check_sources,
    "slugs": check_slugs,
}
#: Checks that find rows for which no other row is there.
MISSING_OTHERS = ("unreachable", "panels")


def _meeting(catalogue: Catalogue) -> Iterator[tuple[Row, Row]]:
    """Pairs of validity rows for one profile, test and setting that hold on some day both, the earlier first."""
    for rows in _groups(catalogue.validity.to_dicts(), ("profile", "test_id", "setting")):
        yield from _together(rows)


def _together(rows: list[Row]) -> Iterator[tuple[Row, Row]]:
    """Pairs of rows that share a day, the earlier first."""
    for first, second in combinations(sorted(rows, key=lambda row: (_start(row), row["rule_id"] or "")), 2):
        if _start(second) <= (first["valid_to"] or date.max):
            yield first, second


def _start(row: Row) -> date:
    return row["valid_from"] or date.min


def _groups(rows: list[Row], columns: tuple[str, ...]) -> list[list[Row]]:
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in columns)].append(row)
    return list(groups.values())


def _problem(catalogue: Catalogue, name: str, row: Row, message: str) -> Problem:
    return Problem(catalogue.path(name, row["origin"]), row["file_line"], message)
