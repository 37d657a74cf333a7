"""Spreadsheets (XLSX) with the contract's columns in the first row of the first sheet that is shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from dedup.loading.canonical_csv import canonical_layout
from dedup.loading.damaged_csv import stage_rows
from dedup.loading.landing import Landing
from dedup.loading.table_layout import Layout
from dedup.workbook import WorkbookError, count_rows, count_sheets, is_workbook, rows

__all__ = ["land", "land_rows", "recognise"]

_BATCH = 20_000


def recognise(head: bytes) -> bool:
    """A zip that holds a workbook."""
    return is_workbook(head)


def land(landing: Landing, path: Path) -> None:
    """Stage the first sheet; a workbook without the contract's columns needs a mapping."""
    try:
        found = rows(path)
        layout = canonical_layout(next(found, []))
    except WorkbookError:
        landing.fail("unreadable_file")
        return
    if layout is None:
        landing.fail("unknown_format")
    else:
        land_rows(landing, path, found, layout)


def land_rows(
    landing: Landing, path: Path, found: Iterator[list[str]], layout: Layout, sheet: str | None = None
) -> None:
    """Stage the remaining ``found`` rows; short rows are filled up, as spreadsheets leave out blank cells."""
    if "birth_date" in layout.columns:  # a cell with a style for date and time, as databases write dates
        birth = f"regexp_replace({layout.columns['birth_date']}, 'T00:00:00$', '')"
        layout = replace(layout, columns={**layout.columns, "birth_date": birth})
    batch: list[tuple[int, list[str]]] = []
    number = 0
    try:
        landing.counted = count_rows(path, sheet) - layout.header_rows
        landing.sheets_left = max(count_sheets(path) - 1, 0) if sheet is None else 0
        landing.check_columns(layout.missing)
        for cells in found:
            number += 1
            batch.append((number, (cells + [""] * layout.width)[: layout.width]))
            if len(batch) >= _BATCH:
                stage_rows(landing, batch, layout)
                batch = []
    except WorkbookError:
        landing.fail("unreadable_file")
    stage_rows(landing, batch, layout)
    landing.unknown_columns = layout.unknown
    if landing.failed:  # what comes after the damage cannot be counted
        landing.counted = number
