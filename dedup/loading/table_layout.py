"""How a table in a file is laid out, and staging its rows: shared by canonical CSV, mapped CSV and spreadsheets."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dedup.loading.counting import scan_lines
from dedup.loading.damaged_csv import land_damaged
from dedup.loading.landing import ENGINE_REFUSED, Landing, as_text, insert_typed

__all__ = ["DELIMITERS", "CleanFile", "Layout", "land_csv", "read_together", "split"]

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


@dataclass(frozen=True)
class CleanFile:
    """A CSV file of UTF-8 in which no quotation mark stays open, so that the engine can be trusted with it.

    DuckDB 1.5.5 fails as a whole on a broken byte in a column too many.
    """

    path: Path
    layout: Layout
    tidy: bool  #: no cell is blank or has blanks around it


def land_csv(landing: Landing, path: Path, layout: Layout) -> None:
    """Stage a CSV file line by line when it is damaged; put a clean one by for ``read_together``."""
    landing.unknown_columns = layout.unknown
    scan = scan_lines(path, layout.delimiter)
    landing.counted = max(scan.records - layout.header_rows, 0)
    if scan.has_nul or not scan.balanced or not scan.utf8:
        land_damaged(landing, path, layout)
    else:
        plain = all(column.isalnum() for column in layout.columns.values())  # no expression that could add blanks
        landing.put_by = CleanFile(path, layout, plain and scan.tidy)
    landing.check_columns(layout.missing)


def read_together(landings: Iterable[Landing]) -> None:
    """Read and type the files that were put by, those of one layout in one query."""
    alike: list[tuple[CleanFile, list[Landing]]] = []
    for landing in landings:
        clean = landing.put_by
        if not isinstance(clean, CleanFile):
            continue
        for first, group in alike:
            if first.layout == clean.layout and first.tidy == clean.tidy:
                group.append(landing)
                break
        else:
            alike.append((clean, [landing]))
    for first, group in alike:
        _read(group, first)


def _read(group: list[Landing], like: CleanFile) -> None:
    """Read a group; when the engine stumbles or counts otherwise, its halves, and a single file line by line."""
    if _read_clean(group, like):
        for landing in group:
            landing.rows_read, landing.put_by = landing.counted, None
    elif len(group) == 1:
        (landing,) = group
        if isinstance(landing.put_by, CleanFile):
            land_damaged(landing, landing.put_by.path, like.layout)
            landing.put_by = None
    else:
        half = len(group) // 2
        _read(group[:half], like)
        _read(group[half:], like)


def _read_clean(group: list[Landing], like: CleanFile) -> bool:
    """Whether DuckDB read all the files whole, each with the same number of records as counted."""
    con, layout = group[0].con, like.layout
    names = ", ".join(f"'c{place}': 'VARCHAR'" for place in range(layout.width))
    numbers = [landing.delivery_no for landing in group]
    source = (
        f"(SELECT {as_text(f'{numbers}[CAST(file_index AS BIGINT) + 1]', layout.columns, layout.missing)} "
        f"FROM read_csv(?, auto_detect = false, header = false, skip = {layout.header_rows}, strict_mode = true, "
        f"compression = 'none', delim = '{layout.delimiter}', quote = '\"', escape = '\"', columns = {{{names}}}))"
    )
    paths = [str(landing.put_by.path) for landing in group if isinstance(landing.put_by, CleanFile)]
    mine = f"FROM landed WHERE delivery_no IN ({', '.join(map(str, numbers))})"
    try:
        insert_typed(con, source, [paths], tidy=like.tidy)
    except ENGINE_REFUSED:
        return False
    found = dict(con.execute(f"SELECT delivery_no, count(*) {mine} GROUP BY delivery_no").fetchall())
    if all(found.get(landing.delivery_no, 0) == landing.counted for landing in group):
        return True
    con.execute(f"DELETE {mine}")
    return False
