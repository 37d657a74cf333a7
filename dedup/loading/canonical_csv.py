"""Canonical order lines as CSV: the contract's columns in any order, UTF-8, a header row.

The separator may be a comma, a semicolon, a tab or a bar; the header shows which. Clean files go through DuckDB's
reader at full speed. A file it stumbles over, or counts differently than ``scan_lines``, is read again line by
line (``damaged_csv``), so each bad row can be named and the good ones load.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import duckdb

from dedup.loading.counting import Scan, scan_lines
from dedup.loading.damaged_csv import land_damaged
from dedup.loading.landing import Landing
from dedup.schema import CANONICAL

__all__ = ["Layout", "land", "layout", "recognise"]

_DELIMITERS = (",", ";", "\t", "|")
_ENOUGH = 3  # canonical names in a header that make a file an order file


@dataclass(frozen=True)
class Layout:
    """How a file is laid out: its separator, and which column stands where."""

    delimiter: str
    width: int
    places: dict[str, int]  #: canonical column → position, from 0
    unknown: list[str]
    missing: dict[str, str]  #: canonical column → why it cannot be used in any row


def recognise(head: bytes) -> bool:
    """A header row that names enough canonical columns, among them one that only orders have."""
    return layout(head) is not None


def layout(head: bytes) -> Layout | None:
    """Read the header row at the start of ``head``; None when it is none of ours."""
    line = head.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n").splitlines()[:1]
    text = line[0].decode("utf-8", "replace") if line else ""
    found = [_read(text, delimiter) for delimiter in _DELIMITERS]
    best = max(found, key=lambda one: len(one.places))
    if len(best.places) < _ENOUGH or not best.places.keys() & {"order_id", "test_code", "ordered_at"}:
        return None
    return best


def _read(text: str, delimiter: str) -> Layout:
    try:
        names = [name.strip().lower() for name in next(csv.reader([text], delimiter=delimiter), [])]
    except csv.Error:
        names = []
    places: dict[str, int] = {}
    missing: dict[str, str] = {}
    for place, name in enumerate(names):
        if name in CANONICAL and names.count(name) > 1:
            missing[name] = "duplicate_column"
        elif name in CANONICAL:
            places[name] = place
    absent = [name for name, must in CANONICAL.items() if must and name not in names]
    unknown = [name for name in names if name not in CANONICAL]
    return Layout(delimiter, len(names), places, unknown, missing | dict.fromkeys(absent, "missing_column"))


def land(landing: Landing, path: Path) -> None:
    """Stage the file at ``path``; ``landing.counted`` becomes the count of its records."""
    with path.open("rb") as file:
        shape = layout(file.read(1 << 20))
    if shape is None:
        raise ValueError("land() is for recognised files")
    landing.unknown_columns = shape.unknown
    scan = scan_lines(path)
    landing.counted = max(scan.records - 1, 0)
    if not _land_clean(landing, path, shape, scan):
        land_damaged(landing, path, shape.delimiter, shape.width, shape.places, shape.missing)


def _land_clean(landing: Landing, path: Path, shape: Layout, scan: Scan) -> bool:
    """Whether DuckDB read the file whole, with the same number of records as counted."""
    if scan.has_nul or not scan.balanced:
        return False
    names = ", ".join(f"'c{place}': 'VARCHAR'" for place in range(shape.width))
    source = (
        f"read_csv(?, auto_detect = false, header = false, skip = 1, strict_mode = true, compression = 'none', "
        f"delim = '{shape.delimiter}', quote = '\"', escape = '\"', columns = {{{names}}})"
    )
    columns = {name: f"c{place}" for name, place in shape.places.items()}
    try:
        rows = landing.insert(source, columns, parameters=[str(path)], missing=shape.missing)
    except duckdb.Error:
        return False
    if rows == landing.counted:
        return True
    landing.forget()
    return False
