"""How a table in a file is laid out, and staging its rows: shared by canonical CSV, mapped CSV and spreadsheets."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from dedup.loading.counting import scan_lines
from dedup.loading.damaged_csv import land_damaged
from dedup.loading.landing import Landing

__all__ = ["DELIMITERS", "Layout", "land_csv", "split"]

DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True)
class Layout:
    """Which columns a file has and what they become. Source columns are called c0, c1, … by their place."""

    delimiter: str
    width: int
    columns: Mapping[str, str]  #: canonical column → SQL over c0, c1, …
    unknown: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)  #: canonical column → why it is of no use in any row
    header_rows: int = 1  #: lines before the first record


def split(line: str, delimiter: str) -> list[str]:
    """The trimmed fields of one line; none when its quotation marks are broken."""
    try:
        return [name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error:
        return []


def land_csv(landing: Landing, path: Path, layout: Layout) -> None:
    """Stage a CSV file: whole and fast through DuckDB, or line by line when it is damaged."""
    landing.unknown_columns = layout.unknown
    scan = scan_lines(path)
    landing.counted = max(scan.records - layout.header_rows, 0)
    if scan.has_nul or not scan.balanced or not _land_clean(landing, path, layout):
        land_damaged(landing, path, layout)


def _land_clean(landing: Landing, path: Path, layout: Layout) -> bool:
    """Whether DuckDB read the file whole, with the same number of records as counted."""
    names = ", ".join(f"'c{place}': 'VARCHAR'" for place in range(layout.width))
    source = (
        f"read_csv(?, auto_detect = false, header = false, skip = {layout.header_rows}, strict_mode = true, "
        f"compression = 'none', delim = '{layout.delimiter}', quote = '\"', escape = '\"', columns = {{{names}}})"
    )
    try:
        rows = landing.insert(source, layout.columns, parameters=[str(path)], missing=layout.missing)
    except duckdb.Error:
        return False
    if rows == landing.counted:
        return True
    landing.forget()
    return False
