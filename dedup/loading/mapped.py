"""Landing a hospital's own table, CSV or spreadsheet, by its mapping."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dedup.loading.encodings import decoded
from dedup.loading.landing import Landing
from dedup.loading.mapping import Column, Mapping, date_pattern, folded
from dedup.loading.spreadsheet import land_rows
from dedup.loading.table_layout import DELIMITERS, Layout, land_csv, split
from dedup.loading.unknown import unknown_columns
from dedup.quoting import literal
from dedup.workbook import WorkbookError, is_workbook, rows

__all__ = ["Mapped", "choose", "header", "land_mapped"]

_HEAD = 1 << 20


@dataclass(frozen=True)
class Mapped:
    """A file, the mapping that fits it, and the header it was recognised by."""

    path: Path
    mapping: Mapping
    names: list[str]
    delimiter: str


def choose(mappings: Sequence[Mapping], path: Path, folder: Path) -> Mapped | None:
    """The first mapping all of whose columns are in the file's header."""
    for number, mapping in enumerate(mappings):
        place = folder / f"mapping{number}-{path.name}"
        place.mkdir()
        found = header(mapping, path, place)
        if found is not None and mapping.sources <= {folded(name) for name in found.names}:
            return found
    return None


def header(mapping: Mapping, path: Path, folder: Path) -> Mapped | None:
    """The file's column names as ``mapping`` has them laid out; None when there is no such row."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    row = mapping.file.header_row
    if is_workbook(head):
        try:
            names = next(itertools.islice(rows(path, mapping.file.sheet), max(row - 1, 0), None), [])
        except WorkbookError:
            return None
        return Mapped(path, mapping, _named(names, row), "") if names else None
    readable = _readable(mapping, path, folder)
    with readable.open("rb") as file:
        lines = [line for line in file.read(_HEAD).removeprefix(b"\xef\xbb\xbf").splitlines() if line]
    if len(lines) < max(row, 1) or b"\0" in lines[max(row - 1, 0)]:
        return None
    line = lines[max(row - 1, 0)].decode("utf-8", "replace")
    given = mapping.file.delimiter
    delimiter = given or max(DELIMITERS, key=lambda one: len(split(line, one)))
    return Mapped(readable, mapping, _named(split(line, delimiter), row), delimiter)


def _named(names: list[str], header_row: int) -> list[str]:
    return [name.strip() for name in names] if header_row else [f"c{n}" for n in range(1, len(names) + 1)]


def _readable(mapping: Mapping, path: Path, folder: Path) -> Path:
    """The file as UTF-8."""
    if mapping.file.encoding is None:
        return decoded(path, folder)[0]
    return decoded(path, folder, mapping.file.encoding)[0]


def land_mapped(landing: Landing, found: Mapped) -> None:
    """Stage the file's rows as canonical columns."""
    names = [folded(name) for name in found.names]
    used = found.mapping.sources
    layout = Layout(
        delimiter=found.delimiter,
        width=len(names),
        columns={
            name: _expression(name, column, names, not found.delimiter)
            for name, column in found.mapping.columns.items()
        },
        unknown=unknown_columns(names, used),
        missing={
            name: "duplicate_column"
            for name, column in found.mapping.columns.items()
            if any(names.count(folded(source)) > 1 for source in column.sources)
        },
        header_rows=found.mapping.file.header_row,
    )
    if found.delimiter:
        land_csv(landing, found.path, layout)
    else:
        sheet = found.mapping.file.sheet
        land_rows(landing, found.path, _after(rows(found.path, sheet), layout.header_rows), layout, sheet)


def _after(found: Iterator[list[str]], skip: int) -> Iterator[list[str]]:
    return itertools.islice(found, skip, None)


def _expression(name: str, column: Column, names: list[str], typed: bool) -> str:
    """The canonical column as SQL over c0, c1, …; ``typed``: a number in a cell has a decimal point, whatever else."""
    if column.constant is not None:
        return literal(column.constant)
    cells = [f"nullif(trim(c{names.index(folded(source))}), '')" for source in column.sources]
    if len(cells) > 1:  # a day that has a time beside it is that day, though its cell says midnight
        cells = [f"regexp_replace({cell}, 'T00:00:00$', '')" for cell in cells]
    value = cells[0] if len(cells) == 1 else f"nullif(concat_ws(' ', {', '.join(cells)}), '')"
    if column.values:
        value = _translated(value, column)
    elif column.default is not None:
        value = f"coalesce({value}, {literal(column.default)})"
    if column.format is not None:
        value = _dated(value, column.format)
    if name == "price_vnd":
        value = f"nullif(regexp_replace(nfc_normalize({value}), '{_CURRENCY}', '', 'gi'), '')"
    if column.decimal is not None or column.thousands is not None:
        other = f"CASE WHEN {value} IS NOT NULL THEN '{_UNREADABLE}' END" if name == "price_vnd" else value
        if typed:
            other = f"CASE WHEN regexp_full_match({value}, '\\d+\\.\\d+') THEN {value} ELSE {other} END"
        value = _amount(value, column, other)
    return value


_CURRENCY = r"^(vnđ|vnd|đồng|đ|₫)[\s\x{A0}]*|[\s\x{A0}]*(vnđ|vnd|đồng|đ|₫)$"
_UNREADABLE = "?"  # an amount that breaks the marks it is said to have is none, rather than another one


def _translated(value: str, column: Column) -> str:
    """Words of the hospital → words of the contract, in any case; others stay and are rejected, or take the default."""
    cases = " ".join(
        f"WHEN lower(nfc_normalize({literal(word.strip())})) THEN {literal(meaning)}"
        for word, meaning in column.values.items()
    )
    other = literal(column.default) if column.default is not None else value
    return f"CASE lower(nfc_normalize({value})) {cases} ELSE {other} END"


def _dated(value: str, text: str) -> str:
    """ISO 8601; what does not fit the format stays as it is, and is rejected unless it is ISO 8601 already."""
    pattern = date_pattern(text)
    shown = (
        "%Y-%m-%dT%H:%M:%S"
        if "%H" in pattern
        else "%Y-%m-%d"
        if "%d" in pattern
        else "%Y-%m"
        if "%m" in pattern
        else "%Y"
    )
    parsed = f"try_strptime({value}, {literal(pattern)})"
    return f"coalesce(strftime({parsed}, '{shown}'), {value})"


def _amount(value: str, column: Column, other: str) -> str:
    """The amount with a decimal point and no other mark; four decimals, because now it is no longer ambiguous.

    ``other``: what becomes of a value that is not written so."""
    thousands = re.escape(column.thousands) if column.thousands else ""
    decimal = re.escape(column.decimal) if column.decimal else ""
    whole = rf"(\d{{1,3}}({thousands}\d{{3}})+|\d+)" if thousands else r"\d+"
    shape = whole + (rf"({decimal}\d+)?" if decimal else "")
    plain = f"replace({value}, {literal(column.thousands)}, '')" if column.thousands else value
    if column.decimal == ",":
        plain = f"replace({plain}, ',', '.')"
    padded = f"CAST(TRY_CAST({plain} AS DECIMAL(18, 4)) AS VARCHAR)"
    return f"CASE WHEN regexp_full_match({value}, '{shape}') THEN {padded} ELSE {other} END"
