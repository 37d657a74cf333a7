"""The facility register: which laboratories have which level, and what old facility codes mean today."""

from __future__ import annotations

import csv
import datetime
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dedup.errors import ConfigError, Problem
from dedup.loading.renaming import rename_facilities
from dedup.warehouse import Warehouse

__all__ = ["is_register", "load_register"]

TIERS = ("central", "provincial", "district", "commune", "private")
_COLUMNS = (
    "facility_id",
    "name",
    "tier",
    "province",
    "lab_level",
    "iso15189",
    "level_from",
    "level_to",
    "connected_since",
    "accredited_tests",  # additions to the contract, all optional: the tests ISO 15189 is limited to, ``;`` between
    "electronic_records",
    "insurance_connected",
    "electronic_payment",
    "alias_of",
)
_BOOLEANS = ("iso15189", "electronic_records", "insurance_connected", "electronic_payment")
_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": None}


@dataclass(frozen=True)
class _Row:
    line: int
    facility_id: str
    values: dict[str, Any]
    alias_of: str


def is_register(path: Path) -> bool:
    """Whether the file's first line is the header of a facility register."""
    with path.open("rb") as file:
        head = file.read(4096).removeprefix(b"\xef\xbb\xbf").splitlines()[:1]
    text = head[0].decode("utf-8", "replace") if head else ""
    names = {name.strip().strip('"').lower() for name in text.split(",")}
    return {"facility_id", "lab_level"} <= names and "order_id" not in names


def load_register(warehouse: Warehouse, path: Path) -> int:
    """Replace the register by the CSV at ``path``; returns the number of facilities in it.

    Facilities known only from the data stay, with ``registered`` false; what was stored under an old code moves to
    today's. Raises ConfigError with every problem found,
    each with its line: wrong values, level periods that overlap, aliases that lead nowhere or in a circle.
    """
    rows, problems = _read(path)
    aliases, more = _aliases(path, rows)
    problems += more + _overlaps(path, rows)
    if problems:
        raise ConfigError(problems)
    own = [row for row in rows if not row.alias_of]
    with warehouse.transaction() as con:
        con.execute("DELETE FROM facility WHERE registered")
        con.execute("DELETE FROM facility_alias")
        if aliases:
            con.executemany("INSERT INTO facility_alias VALUES (?, ?)", sorted(aliases.items()))
        for row in own:
            con.execute(
                f"INSERT INTO facility ({', '.join(_COLUMNS[:-1])}, registered) "
                f"VALUES ({'?, ' * len(_COLUMNS[:-1])} true)",
                [row.facility_id, *(row.values[name] for name in _COLUMNS[1:-1])],
            )
        con.execute(
            "DELETE FROM facility WHERE NOT registered AND (facility_id IN (SELECT facility_id FROM facility "
            "WHERE registered) OR facility_id IN (SELECT alias FROM facility_alias))"
        )
        rename_facilities(con)
    return len({row.facility_id for row in own})


def _read(path: Path) -> tuple[list[_Row], list[Problem]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(path, 1, f"cannot be read: {type(error).__name__}")]) from None
    delimiter = max(",;\t", key=text.partition("\n")[0].count)  # as a spreadsheet of any language saves it
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    header = [name.strip().lower() for name in next(reader, [])]
    if "facility_id" not in header:
        raise ConfigError([Problem(path, 1, "the column facility_id is missing")])
    rows: list[_Row] = []
    problems: list[Problem] = []
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            problems.append(Problem(path, reader.line_num, f"{len(cells)} fields where the header has {len(header)}"))
            continue
        row, wrong = _row(path, reader.line_num, dict(zip(header, (c.strip() for c in cells), strict=True)))
        rows.append(row)
        problems += wrong
    return rows, problems


def _row(path: Path, line: int, cells: dict[str, str]) -> tuple[_Row, list[Problem]]:
    wrong: list[str] = []
    values: dict[str, Any] = dict.fromkeys(_COLUMNS)
    for name in ("name", "province", "tier"):
        values[name] = cells.get(name, "") or None
    if values["tier"] is not None and values["tier"] not in TIERS:
        wrong.append(f"tier is none of {', '.join(TIERS)}")
    level = cells.get("lab_level", "")
    if level in {"0", "1", "2", "3", "4", "5"}:
        values["lab_level"] = int(level)
    elif level:
        wrong.append("lab_level is not a number from 0 to 5")
    for name in _BOOLEANS:
        truth = cells.get(name, "").lower()
        if truth not in _TRUTH:
            wrong.append(f"{name} is neither true nor false")
        values[name] = _TRUTH.get(truth)
    tests = [test.strip() for test in cells.get("accredited_tests", "").split(";") if test.strip()]
    values["accredited_tests"] = tests or None
    for name in ("level_from", "level_to", "connected_since"):
        try:
            values[name] = datetime.date.fromisoformat(cells[name]) if cells.get(name) else None
        except ValueError:
            wrong.append(f"{name} is not a date like 2026-07-01")
    if not cells["facility_id"]:
        wrong.append("facility_id is empty")
    if values["level_from"] and values["level_to"] and values["level_to"] < values["level_from"]:
        wrong.append("level_to is before level_from")
    row = _Row(line, cells["facility_id"], values, cells.get("alias_of", ""))
    return row, [Problem(path, line, message) for message in wrong]


def _aliases(path: Path, rows: list[_Row]) -> tuple[dict[str, str], list[Problem]]:
    """Old code → today's code, through any number of changes."""
    steps: dict[str, str] = {}
    problems: list[Problem] = []
    for row in rows:
        if row.alias_of and steps.setdefault(row.facility_id, row.alias_of) != row.alias_of:
            problems.append(Problem(path, row.line, "alias_of differs from an earlier row of the same facility"))
    own = {row.facility_id for row in rows if not row.alias_of}
    ends: dict[str, str] = {}
    for row in rows:
        if not row.alias_of:
            continue
        if row.facility_id in own:
            problems.append(Problem(path, row.line, "the facility is an alias here and a facility in another row"))
        end, seen = row.alias_of, {row.facility_id}
        while end in steps and end not in seen:
            seen.add(end)
            end = steps[end]
        if end in seen:
            problems.append(Problem(path, row.line, "alias_of leads in a circle"))
        else:
            ends[row.facility_id] = end
    return ends, problems


def _overlaps(path: Path, rows: list[_Row]) -> list[Problem]:
    """Level periods of one facility must not share a day; a blank end is open."""
    problems: list[Problem] = []
    first, last = datetime.date.min, datetime.date.max
    latest: dict[str, tuple[datetime.date, int]] = {}
    own = [row for row in rows if not row.alias_of]
    for row in sorted(own, key=lambda r: (r.facility_id, r.values["level_from"] or first, r.line)):
        begins, ends = row.values["level_from"] or first, row.values["level_to"] or last
        if row.facility_id in latest and begins <= latest[row.facility_id][0]:
            line = max(row.line, latest[row.facility_id][1])
            other = min(row.line, latest[row.facility_id][1])
            problems.append(Problem(path, line, f"the level period overlaps with that of line {other}"))
        latest[row.facility_id] = max(latest.get(row.facility_id, (first, 0)), (ends, row.line))
    return problems
