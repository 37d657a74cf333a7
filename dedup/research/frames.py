"""The shared tables as outsiders see them: which columns, in which order, with or without identity."""

from __future__ import annotations

import duckdb

from dedup.errors import UsageError
from dedup.schema import NORMALISED, TABLES

__all__ = ["EXPORTS", "columns_of", "select"]

#: A column of ``flag`` that the reports read and nobody else may rely on.
_PRIVATE = "verdict_if_recognised"
_PATIENT = ("facility_id", "patient_id", "person_id", "match_method", "match_probability")

#: Export → the table and the key its rows are ordered by.
EXPORTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "flags": ("flag", ("facility_id", "order_id", "line_no", "scope")),
    "orders": ("order_line", ("facility_id", "order_id", "line_no")),
    "patients": ("patient_record", ("facility_id", "patient_id")),
}


def select(what: str, *, identified: bool = False, ordered: bool = True) -> str:
    """The SELECT behind an export. ``identified`` adds the identity columns to patients.

    Raises UsageError when there is no such export.
    """
    if what not in EXPORTS:
        raise UsageError(f"There is no export {what!r}. Choose from {', '.join(EXPORTS)}.")
    table, key = EXPORTS[what]
    columns = "*"
    if what == "flags":
        columns = ", ".join(name for name in TABLES["flag"].columns if name != _PRIVATE)
    elif what == "patients":
        more = list(NORMALISED)
        columns = ", ".join([*_PATIENT, *(more if identified else ())])
    query = f"SELECT {columns} FROM {table}"
    return f"{query} ORDER BY {', '.join(key)}" if ordered else query


def columns_of(con: duckdb.DuckDBPyConnection, query: str) -> list[tuple[str, str]]:
    """Name and DuckDB type of each column of ``query``."""
    return [(row[0], row[1]) for row in con.execute(f"DESCRIBE {query}").fetchall()]
