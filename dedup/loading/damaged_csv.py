"""Reading a damaged CSV file line by line, so that good rows load and each bad one is named.

Slow on purpose. A record is one line, or several when a quotation mark stays open and closes again in a row of the
right width; otherwise the line with the open mark is set aside alone, so that one stray mark cannot swallow its
neighbours.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dedup.loading.landing import Landing

if TYPE_CHECKING:
    from dedup.loading.table_layout import Layout

__all__ = ["land_damaged", "stage_rows"]

_BATCH = 20_000
_MAX_LINES = 100  # lines one quoted field may span
_MAX_RECORD = 4_000_000  # characters; longer is no record

Row = tuple[int, list[str]]
Reject = tuple[int, str, str]


def land_damaged(landing: Landing, path: Path, layout: Layout) -> None:
    """Stage ``path`` row by row. ``landing.counted`` becomes its lines less those that continue a record."""
    lines = 0
    rows: list[Row] = []
    rejects: list[Reject] = []
    for number, used, fields, problem in _records(path, layout):
        lines += used - 1
        if problem:
            rejects.append((number, "", problem))
        else:
            rows.append((number, fields))
        if len(rows) >= _BATCH:
            stage_rows(landing, rows, layout)
            rows = []
    stage_rows(landing, rows, layout)
    landing.reject(rejects)
    landing.counted = max(_count_lines(path) - layout.header_rows - lines, 0)


def stage_rows(landing: Landing, rows: list[Row], layout: Layout) -> None:
    """Hand over rows that are fields in the order of the layout's columns."""
    import pyarrow as pa

    if not rows:
        return
    table = {"row_number": pa.array([number for number, _ in rows], pa.int64())}
    for place in range(layout.width):
        table[f"c{place}"] = pa.array([fields[place] for _, fields in rows], pa.string())
    landing.con.register("row_by_row", pa.table(table))
    landing.insert("row_by_row", layout.columns, missing=layout.missing, row_number="row_number")
    landing.con.unregister("row_by_row")


def _count_lines(path: Path) -> int:
    """Lines that are not blank, counted on the bytes."""
    data = path.read_bytes().removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return sum(1 for line in data.split(b"\n") if line)


def _lines(path: Path) -> Iterator[bytes]:
    """The lines that are not blank, without their ends; only CR and LF end a line."""
    data = path.read_bytes().removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    start = 0
    while start < len(data):
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        if end > start:
            yield data[start:end]
        start = end + 1


def _records(path: Path, layout: Layout) -> Iterator[tuple[int, int, list[str], str]]:
    """(row number, lines used, fields, problem) for each record after the header."""
    lines = list(_lines(path))[layout.header_rows :]
    at = number = 0
    while at < len(lines):
        number += 1
        used, fields, problem = _record(lines, at, layout.delimiter, layout.width)
        at += used
        yield number, used, fields, problem


def _record(lines: list[bytes], at: int, delimiter: str, width: int) -> tuple[int, list[str], str]:
    """The record that begins at line ``at``."""
    if lines[at].count(b'"') % 2 == 0:
        return 1, *_fields(lines[at], delimiter, width)
    joined = lines[at]
    for used in range(2, min(_MAX_LINES, len(lines) - at) + 1):
        joined += b"\n" + lines[at + used - 1]
        if len(joined) > _MAX_RECORD:
            break
        if joined.count(b'"') % 2 == 0:
            fields, problem = _fields(joined, delimiter, width)
            if not problem:
                return used, fields, ""
            break
    return 1, [], "open_quote"


def _fields(record: bytes, delimiter: str, width: int) -> tuple[list[str], str]:
    if len(record) > _MAX_RECORD:
        return [], "too_long"
    if b"\0" in record:
        return [], "bad_text"
    try:
        text = record.decode("utf-8")
    except UnicodeDecodeError:
        return [], "bad_encoding"
    try:
        rows = list(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error as error:
        return [], "too_long" if "field larger" in str(error) else "open_quote"
    if len(rows) != 1 or len(rows[0]) != width:
        return [], "ragged_row"
    return rows[0], ""
