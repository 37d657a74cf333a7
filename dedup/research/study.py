"""A warehouse opened for study: read-only, pseudonymous, as DuckDB relations that become polars or pandas frames."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

import duckdb

from dedup.research.frames import select
from dedup.warehouse import Warehouse, open_finished

__all__ = ["Study", "open_study"]


class Study:
    """The last finished state of a warehouse.

    Every method gives a DuckDB relation: ``.pl()`` makes a polars frame of it, ``.df()`` a pandas one, ``.arrow()`` an
    Arrow reader; ``.filter``, ``.aggregate`` and so on compute inside DuckDB first.

    No patient number, name or other identity is in it. ``person_id`` and ``patient_record_id`` are pseudonyms made
    from the hospital's patient number *without a secret key*: whoever has the numbers can make them again. So these
    frames remain personal data and want the same care as their source.
    """

    def __init__(self, warehouse: Warehouse, name: str) -> None:
        self._warehouse, self._name = warehouse, name

    def flags(self) -> duckdb.DuckDBPyRelation:
        """The judged order lines that repeat something: one row per line and scope, evidence included."""
        return self._relation(select("flags", ordered=False))

    def orders(self) -> duckdb.DuckDBPyRelation:
        """All current order lines with their test and person."""
        return self._relation(select("orders", ordered=False))

    def patients(self) -> duckdb.DuckDBPyRelation:
        """Patient records: facility, person, and how the record joined that person."""
        return self._relation(
            "SELECT patient_record_id, facility_id, person_id, match_method, match_probability FROM patient_record"
        )

    def _relation(self, query: str) -> duckdb.DuckDBPyRelation:
        return self._warehouse.con.sql(query)

    def close(self) -> None:
        """Close the warehouse; relations made from it end with it."""
        self._warehouse.close()

    def __enter__(self) -> Study:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Study({self._name!r})"


def open_study(path: str | os.PathLike[str]) -> Study:
    """Open the warehouse at ``path`` for study. Raises WarehouseError when there is none."""
    return Study(open_finished(Path(path)), Path(path).name)
