"""Flags, order lines and patients as Parquet or CSV.

**Parquet** holds every value as it is. **CSV** is for people and spreadsheets: UTF-8 with a byte order mark, a header
row, no value as an empty cell, đồng without needless decimals. A cell of *text* that a spreadsheet would take for a
formula (it begins with ``= + - @``, a tab or a carriage return) gets an apostrophe in front. A text that begins with
an apostrophe gets one too, so that taking one leading apostrophe off gives back exactly what was there.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from dedup.errors import DedupError, UsageError
from dedup.quoting import FORMULA, literal
from dedup.research.frames import columns_of, select
from dedup.warehouse import Warehouse, aside

__all__ = ["export"]

_PARQUET = "FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false"
_CSV = "FORMAT csv, HEADER, USE_TMP_FILE false, TIMESTAMPFORMAT '%Y-%m-%d %H:%M:%S', DATEFORMAT '%Y-%m-%d'"
_MARK = "\N{BYTE ORDER MARK}"
_FORMULAS = ", ".join(literal(one) for one in FORMULA)


def export(warehouse: Warehouse, what: str, out: Path, *, identified: bool = False) -> int:
    """Write ``what`` (flags, orders or patients) to ``out`` (.parquet or .csv) and give the number of rows.

    The file appears whole or not at all, readable by its owner only, its rows in the order of their key.
    ``identified``: patients with their identity columns. Raises UsageError for a call that makes no sense and
    DedupError when the file cannot be written.
    """
    out = Path(out)
    query = select(what, identified=identified)
    if identified and what != "patients":
        raise UsageError("--identified is for the export of patients.")
    ending = out.suffix.lower()
    if ending not in (".parquet", ".csv"):
        raise UsageError(f"{out.name}: an export ends in .parquet or .csv.")
    options = _PARQUET
    if ending == ".csv":
        query, options = _for_people(query, columns_of(warehouse.con, query)), _CSV
    with aside(out) as place:
        try:
            written = warehouse.con.execute(f"COPY ({query}) TO {literal(place)} ({options})").fetchone()
        except duckdb.Error as error:  # its text may quote a value
            raise DedupError(f"{out} could not be written ({type(error).__name__}).") from None
    return written[0] if written else 0


def _for_people(query: str, columns: list[tuple[str, str]]) -> str:
    """The same rows with cells that a spreadsheet reads as they are meant."""
    cells: list[str] = []
    for name, kind in columns:
        cell = f'"{name}"'
        if kind.endswith("[]"):
            cell = f"array_to_string({cell}, ';')"
        if kind.startswith("VARCHAR"):
            cell = f"CASE WHEN {cell}[1] IN ({_FORMULAS}) THEN '''' || {cell} ELSE {cell} END"
        elif kind.startswith("DECIMAL"):
            cell = f"rtrim(rtrim(CAST({cell} AS VARCHAR), '0'), '.')"
        # the file begins with the first column's heading, so the mark goes there
        cells.append(f'{cell} AS "{name if cells else _MARK + name}"')
    return f"SELECT {', '.join(cells)} FROM ({query})"
