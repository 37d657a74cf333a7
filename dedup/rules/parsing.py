"""One file of the catalogue: CSV text to typed cells, with every problem found on the way."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path
from typing import Any

from dedup.errors import Problem
from dedup.rules.layout import File

__all__ = ["LIFETIME_SECONDS", "MAX_HOURS", "Row", "fold", "read_rows", "seconds_of"]

#: ``lifetime``: longer than any life, and small enough to add to a time in microseconds as a 64-bit integer.
LIFETIME_SECONDS = 10**11
#: The longest validity that may be written as a number (over a thousand years): stays below a lifetime.
MAX_HOURS = Decimal(10**7)

_DECIMAL = re.compile(r"[0-9]+(\.[0-9]+)?")
_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}(\.[0-9]{3})+")
_SLUG = re.compile(r"[^\s:*,;]+")
_DURATION_PART = re.compile(r"([0-9]{1,5}) ?(min|h|d|y)")
_DURATION = re.compile(rf"{_DURATION_PART.pattern}(?: {_DURATION_PART.pattern})*")
_SECONDS = {"min": 60, "h": 3600, "d": 86400, "y": 365 * 86400}
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

Cell = Any


@dataclass(frozen=True)
class Row:
    """One row: typed cells by column, and the line of the file it starts on."""

    cells: dict[str, Cell]
    line: int


def fold(text: str) -> str:
    """Text as it is compared: NFC, trimmed, single spaces, case folded."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def seconds_of(hours: str) -> int:
    """Whole seconds in a validity as written (``24``, ``0.5``, ``lifetime``), by decimal arithmetic."""
    if hours == "lifetime":
        return LIFETIME_SECONDS
    return int((Decimal(hours) * 3600).to_integral_value(rounding=ROUND_FLOOR))


def read_rows(path: Path, file: File) -> tuple[list[Row], list[Problem]]:
    """The rows of ``path`` and everything that is wrong with them; a wrong cell is None."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        return [], [Problem(path, 1, f"cannot be read ({type(error).__name__}); save it as CSV in UTF-8")]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        problems = [Problem(path, 1, message) for message in _header_problems(header, file)]
        if problems:
            return [], problems
        return _body(path, file, header, reader)
    except csv.Error:
        return [], [Problem(path, reader.line_num, "is not valid CSV (a quotation mark left open?)")]


def _delimiter(text: str) -> str:
    """The comma, or what a spreadsheet of another language writes instead: a semicolon or a tab."""
    header = text.partition("\n")[0]
    return max(",;\t", key=header.count)


def _header_problems(header: list[str], file: File) -> list[str]:
    known = ", ".join(file.columns)
    problems = [f"unknown column {name!r}; known are: {known}" for name in header if name not in file.columns]
    twice = sorted({name for name in header if header.count(name) > 1})
    problems += [f"column {name!r} appears twice" for name in twice]
    problems += [f"column {name!r} is missing" for name in file.filled if name not in header]
    return problems


def _body(path: Path, file: File, header: list[str], reader: Any) -> tuple[list[Row], list[Problem]]:
    rows: list[Row] = []
    problems: list[Problem] = []
    line = reader.line_num + 1
    for values in reader:
        if any(value.strip() for value in values):
            cells, wrong = _cells(header, values, file)
            problems += [Problem(path, line, message) for message in wrong]
            if cells:
                rows.append(Row(cells, line))
        line = reader.line_num + 1
    return rows, problems


def _cells(header: list[str], values: list[str], file: File) -> tuple[dict[str, Cell], list[str]]:
    if len(values) != len(header):
        return {}, [f"has {len(values)} cells where the header has {len(header)}"]
    cells: dict[str, Cell] = dict.fromkeys(file.columns)
    problems = []
    for name, value in zip(header, values, strict=True):
        text = unicodedata.normalize("NFC", value).strip()
        if not text:
            if name in file.filled:
                problems.append(f"{name} is blank")
            continue
        try:
            cells[name] = _parse(file.columns[name], text)
        except ValueError as error:
            problems.append(f"{name}: {error}")
    problems += _across(cells)
    return cells, problems


def _across(cells: dict[str, Cell]) -> list[str]:
    """What is wrong between the cells of one row."""
    since, until = cells.get("valid_from"), cells.get("valid_to")
    if since is not None and until is not None and since > until:
        return ["valid_from is after valid_to"]
    return []


def _parse(kind: str | tuple[str, ...], text: str) -> Cell:
    if isinstance(kind, tuple):
        if text not in kind:
            raise ValueError(f"{text!r} is none of {', '.join(kind)}")
        return text
    return _PARSERS[kind](text)


def _slug(text: str) -> str:
    if not _SLUG.fullmatch(text):
        raise ValueError(f"{text!r} is no slug (no blanks, no : * , ;)")
    return text


def _decimal(text: str) -> Decimal:
    if _THOUSANDS.fullmatch(text):
        raise ValueError(f"{text!r} can be read two ways; write đồng without a thousands separator")
    if not _DECIMAL.fullmatch(text) or len(text.split(".")[0]) > 15 or len(text.partition(".")[2]) > 3:
        raise ValueError(f"{text!r} is no amount in đồng (digits, at most three decimals)")
    return Decimal(text)


def _hours(text: str) -> str:
    if text != "lifetime" and not (_DECIMAL.fullmatch(text) and Decimal(text) <= MAX_HOURS):
        raise ValueError(f"{text!r} is no number of hours (a decimal up to {MAX_HOURS}, or lifetime)")
    return text


def _days(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise ValueError(f"{text!r} is no whole number of days")
    return int(text)


def _date(text: str) -> date:
    if not _DATE.fullmatch(text):
        raise ValueError(f"{text!r} is no date (YYYY-MM-DD)")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no day of the calendar") from None


def _duration(text: str) -> timedelta:
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{text!r} is no duration (numbers with min, h, d or y, such as 90 d 1 min)")
    parts = _DURATION_PART.findall(text)
    return timedelta(seconds=sum(int(number) * _SECONDS[unit] for number, unit in parts))


def _level(text: str) -> int:
    if not re.fullmatch(r"[0-5]", text):
        raise ValueError(f"{text!r} is no laboratory level (0 to 5)")
    return int(text)


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return text.lower() == "true"


_PARSERS: dict[str, Callable[[str], Cell]] = {
    "text": str,
    "folded": fold,
    "slug": _slug,
    "decimal": _decimal,
    "hours": _hours,
    "days": _days,
    "date": _date,
    "boolean": _boolean,
    "duration": _duration,
    "level": _level,
}
