"""Where deliveries land: one staging table of text for all formats, then one of typed rows, and the rows that failed.

A format module turns its file into the canonical columns as text, in the source's own order, and hands them to
``Landing``. Typing and quarantine are the same for everybody (``parsing``) and happen once for all deliveries of a
run: planning that query costs more than the rows of a small file. Clean CSV files are typed while they are read,
many in one query (``table_layout``); no copy of their text is kept.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from dedup.errors import InputError
from dedup.loading.parsing import PARSED, parse
from dedup.schema import CANONICAL
from dedup.settings import FhirSettings

if TYPE_CHECKING:
    from dedup.loading.table_layout import CleanFile

__all__ = ["ENGINE_REFUSED", "Filed", "Landing", "as_text", "insert_typed", "make_staging", "type_rows"]

#: How a query over a foreign file fails. The engine's message quotes the file, now and then to the middle of a
#: character; then it cannot even be made into an exception of its own.
ENGINE_REFUSED = (duckdb.Error, UnicodeDecodeError)

_STAGING = {
    # missing: what is wrong with every row of the delivery, as ``column:reason``.
    "landed_text": {"delivery_no": "INTEGER", "row_number": "BIGINT", "encounter_no": "INTEGER", "missing": "VARCHAR"}
    | dict.fromkeys(CANONICAL, "VARCHAR"),
    # row_number: 1 = the first record of the source; encounter_no: which Filed it belongs to (formats that send
    # whole encounters).
    "landed": {"delivery_no": "INTEGER", "row_number": "BIGINT", "encounter_no": "INTEGER"} | PARSED,
    "first_row": {"delivery_no": "INTEGER", "first_rowid": "BIGINT"},  # where unnumbered rows begin in ``landed``
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
    # Tests that may not be kept; no facility: everybody's code. Filled by the load stage.
    con.execute(
        "CREATE OR REPLACE TEMP TABLE sensitive_code (code_system VARCHAR, test_code VARCHAR, facility_id VARCHAR)"
    )
    con.execute("CREATE OR REPLACE TEMP TABLE retold (order_key BIGINT)")  # see ``completing``


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
    path: Path  #: a private, plain name of the file: its own never reaches SQL
    delivery_no: int
    sender: str = ""  #: the folder the file, or its archive, came in
    scope: str = ""  #: deliveries that may refer to each other share one: those of a folder, or of an archive
    fhir: FhirSettings = field(default_factory=FhirSettings)
    rows_read: int = 0
    skipped: Counter[str] = field(default_factory=Counter)  #: reason → rows the reader itself left out on purpose
    counted: int = 0
    failed: bool = False  #: the file could not be read to its end
    dated: bool = False
    whole_encounters: bool = False
    in_parts: bool = False  #: a row says what is new of its line; what it leaves out stays
    notes: list[str] = field(default_factory=list)  #: for the run log
    unknown_columns: list[str] = field(default_factory=list)
    sheets_left: int = 0  #: further sheets of a workbook, which nobody asked for
    put_by: CleanFile | Path | None = None  #: not read yet: it will be, together with others of its format

    def insert(
        self,
        source: str,
        columns: Mapping[str, str],
        *,
        parameters: Sequence[object] = (),
        missing: dict[str, str] | None = None,
        row_number: str | None = None,
        encounter_no: str = "NULL",
        in_order: bool = False,
        counts: bool = True,
    ) -> int:
        """Stage the rows of the relation ``source`` as text; returns how many there were.

        ``columns`` maps a canonical column to an expression over the source; absent ones are NULL. Rows are
        numbered by the expression ``row_number`` or, when there is none, from 1 in the order they come; a delivery
        may hand over unnumbered rows only once. ``in_order`` saves sorting numbered rows that come sorted.
        ``counts``: False for what is no row of the file, only news of lines of other deliveries; its row number is 0.
        """
        chosen = as_text(str(self.delivery_no), columns, missing, row_number or "NULL", encounter_no)
        made = self.con.execute(
            f"INSERT INTO landed_text SELECT {chosen} FROM {source}"
            f"{' ORDER BY row_number' if row_number and not in_order else ''}",
            list(parameters),
        ).fetchone()
        rows = int(made[0]) if made else 0
        self.rows_read += rows if counts else 0
        return rows

    def skip(self, reason: str, rows: int) -> None:
        """Count rows that are left out on purpose, here and now."""
        self.skipped[reason] += rows
        self.rows_read += rows

    def reject(self, rows: Iterable[tuple[int, str, str]]) -> None:
        """Quarantine rows that cannot even be landed: (row number, column, reason). They count as read."""
        found = list(rows)
        self._append("landed_reject", ("row_number", "column_name", "reason"), found)
        self.rows_read += len(found)

    def fail(self, reason: str, column: str = "") -> None:
        """The file as a whole is damaged: one entry with row number 0 that counts as no row."""
        self.failed = True
        self.con.execute("INSERT INTO landed_reject VALUES (?, 0, ?, ?)", [self.delivery_no, column, reason])

    def check_columns(self, missing: Mapping[str, str]) -> None:
        """Tell what is wrong with the columns of a file without rows, as of one cut in its header. Rows tell theirs."""
        column = next((name for name in CANONICAL if name in missing), None)
        if column is not None and not self.counted:
            self.fail(missing[column], column)

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
        self.failed = False


_CARRIED = ("delivery_no", "row_number", "encounter_no")


def as_text(
    delivery_no: str,
    columns: Mapping[str, str],
    missing: Mapping[str, str] | None = None,
    row_number: str = "NULL",
    encounter_no: str = "NULL",
) -> str:
    """What to select from a source for the columns of ``landed_text``; all arguments hold SQL."""
    chosen = ", ".join(f'CAST({columns.get(name, "NULL")} AS VARCHAR) AS "{name}"' for name in CANONICAL)
    wrong = next((f"'{name}:{missing[name]}'" for name in CANONICAL if missing and name in missing), "NULL")
    return (
        f"{delivery_no} AS delivery_no, {row_number} AS row_number, {encounter_no} AS encounter_no, "
        f"{wrong} AS missing, {chosen}"
    )


def insert_typed(
    con: duckdb.DuckDBPyConnection, source: str, parameters: Sequence[object] = (), *, tidy: bool = False
) -> None:
    """Parse the rows of the relation ``source`` (columns like ``as_text``'s) into ``landed``, in their order."""
    con.execute(
        f"INSERT INTO landed SELECT {', '.join(_CARRIED)}, {', '.join(PARSED)} "
        f"FROM ({parse(source, keep=(*_CARRIED, 'missing'), tidy=tidy)})",
        list(parameters),
    )


def type_rows(con: duckdb.DuckDBPyConnection) -> None:
    """Parse everything that landed as text. An unnumbered row's place says which row of its file it was."""
    insert_typed(con, "landed_text")
    con.execute("DROP TABLE landed_text")
    con.execute(
        "INSERT INTO first_row SELECT delivery_no, min(rowid) FROM landed WHERE row_number IS NULL GROUP BY delivery_no"
    )
    scattered = con.execute(
        "SELECT count(*) FROM (SELECT max(rowid) - min(rowid) + 1 <> count(*) AS gaps FROM landed "
        "WHERE row_number IS NULL GROUP BY delivery_no) WHERE gaps"
    ).fetchone()
    if scattered is None or scattered[0]:
        raise InputError("Rows came out of order while they were read.")
