"""Where deliveries land: one staging table of typed rows for all formats, and the rows that failed.

A format module turns its file into the canonical columns as text, in the source's own order, and hands them to
``Landing``; typing and quarantine are the same for everybody (``parsing``).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dedup.errors import InputError
from dedup.loading.parsing import PARSED, parse
from dedup.schema import CANONICAL

if TYPE_CHECKING:
    import duckdb

__all__ = ["Filed", "Landing", "make_staging"]

_STAGING = {
    # row_number: 1 = the first record of the source; encounter_no: which Filed it belongs to (formats that send
    # whole encounters).
    "landed": {"delivery_no": "INTEGER", "row_number": "BIGINT", "encounter_no": "INTEGER"} | PARSED,
    "landed_reject": {
        "delivery_no": "INTEGER",
        "row_number": "BIGINT",
        "column_name": "VARCHAR",
        "reason": "VARCHAR",
    },
    "filed": {
        "delivery_no": "INTEGER",
        "encounter_no": "INTEGER",
        "facility_id": "VARCHAR",
        "order_id": "VARCHAR",
        "filed_on": "DATE",
        "withdrawn": "BOOLEAN",
    },
}


def make_staging(con: duckdb.DuckDBPyConnection) -> None:
    """Fresh, empty staging tables; they are temporary and never outlive the run."""
    for name, columns in _STAGING.items():
        kinds = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
        con.execute(f'CREATE OR REPLACE TEMP TABLE "{name}" ({kinds})')


@dataclass(frozen=True)
class Filed:
    """One encounter as sent whole: later versions replace all its lines."""

    encounter_no: int
    facility_id: str
    order_id: str
    filed_on: datetime.date | None
    withdrawn: bool


@dataclass
class Landing:
    """One delivery on its way in. ``counted`` is the independent count of the file's records."""

    con: duckdb.DuckDBPyConnection
    path: Path  #: a private, plainly named link to the file: its own name never reaches SQL
    delivery_no: int
    rows_read: int = 0
    counted: int = 0
    first_rowid: int | None = None  #: where its unnumbered rows begin in ``landed``
    failed: bool = False  #: the file could not be read to its end
    dated: bool = False
    whole_encounters: bool = False
    unknown_columns: list[str] = field(default_factory=list)

    def insert(
        self,
        source: str,
        columns: Mapping[str, str],
        *,
        parameters: Sequence[object] = (),
        missing: dict[str, str] | None = None,
        row_number: str | None = None,
        encounter_no: str = "NULL",
    ) -> int:
        """Type and stage the rows of the relation ``source``; returns how many there were.

        ``columns`` maps a canonical column to an expression over the source; absent ones are NULL. Rows are
        numbered by the expression ``row_number`` or, when there is none, from 1 in the order they come; a delivery
        may hand over unnumbered rows only once.
        """
        chosen = ", ".join(f'CAST({columns.get(name, "NULL")} AS VARCHAR) AS "{name}"' for name in CANONICAL)
        carried = {"_row_number": row_number or "NULL", "_encounter_no": encounter_no}
        text = f"(SELECT {chosen}, {', '.join(f'{sql} AS {name}' for name, sql in carried.items())} FROM {source})"
        made = self.con.execute(
            f"INSERT INTO landed SELECT {self.delivery_no}, {', '.join(carried)}, {', '.join(PARSED)} "
            f"FROM ({parse(text, missing, keep=tuple(carried))}){' ORDER BY _row_number' if row_number else ''}",
            list(parameters),
        ).fetchone()
        rows = int(made[0]) if made else 0
        if row_number is None and rows:
            self.first_rowid = self._first_rowid(rows)
        self.rows_read += rows
        return rows

    def reject(self, rows: Iterable[tuple[int, str, str]]) -> None:
        """Quarantine rows that cannot even be landed: (row number, column, reason). They count as read."""
        found = list(rows)
        self._append("landed_reject", ("row_number", "column_name", "reason"), found)
        self.rows_read += len(found)

    def fail(self, reason: str) -> None:
        """The file as a whole is damaged: one entry with row number 0 that counts as no row."""
        self.failed = True
        self.con.execute("INSERT INTO landed_reject VALUES (?, 0, '', ?)", [self.delivery_no, reason])

    def file(self, encounters: Iterable[Filed]) -> None:
        """Register whole encounters, in the order they stand in the file."""
        names = ("encounter_no", "facility_id", "order_id", "filed_on", "withdrawn")
        self._append("filed", names, [tuple(getattr(one, name) for name in names) for one in encounters])

    def _append(self, table: str, names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
        import pyarrow as pa

        if not rows:
            return
        columns = dict(zip(names, (pa.array(column) for column in zip(*rows, strict=True)), strict=True))
        self.con.register("appended", pa.table(columns))
        chosen = ", ".join(f'"{name}"' for name in names)
        self.con.execute(f"INSERT INTO {table} SELECT {self.delivery_no}, {chosen} FROM appended")
        self.con.unregister("appended")

    def forget(self) -> None:
        """Take back everything this delivery has staged, to read it again more carefully."""
        for table in _STAGING:
            self.con.execute(f'DELETE FROM "{table}" WHERE delivery_no = ?', [self.delivery_no])
        self.rows_read = 0
        self.first_rowid = None
        self.failed = False

    def _first_rowid(self, rows: int) -> int:
        """Insertion keeps the source's order, so a row's place in the table is its place in the file."""
        span = self.con.execute(
            "SELECT min(rowid), max(rowid) FROM landed WHERE delivery_no = ?", [self.delivery_no]
        ).fetchone()
        if span is None or span[1] - span[0] + 1 != rows:
            raise InputError(f"{self.path.name}: rows came out of order while they were read.")
        return int(span[0])
