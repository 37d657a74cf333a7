"""Making the tables, and moving an older file forward."""

from __future__ import annotations

from pathlib import Path

import duckdb

from dedup.errors import WarehouseError
from dedup.schema import SCHEMA_VERSION, TABLES, VIEWS

__all__ = ["migrate"]


def migrate(con: duckdb.DuckDBPyConnection, path: Path | None, *, read_only: bool) -> None:
    """Bring the file to SCHEMA_VERSION. Raises WarehouseError for a file that is newer or no warehouse."""
    version = _version(con)
    if version is None and read_only:
        raise WarehouseError(f"{path} is not a dedup warehouse.")
    if version is not None and version > SCHEMA_VERSION:
        raise WarehouseError(
            f"{path} was written by a newer dedup (schema {version}, this one knows {SCHEMA_VERSION}). Upgrade dedup."
        )
    if version is None:
        _create(con)


def _version(con: duckdb.DuckDBPyConnection) -> int | None:
    row = con.execute("SELECT count(*) FROM information_schema.tables WHERE table_name = 'schema_version'").fetchone()
    if row is None or row[0] == 0:
        return None
    found = con.execute("SELECT max(version) FROM schema_version").fetchone()
    return None if found is None else found[0]


def _create(con: duckdb.DuckDBPyConnection) -> None:
    con.begin()
    for table in TABLES.values():
        con.execute(table.ddl())
    for view in VIEWS.values():
        con.execute(view)
    con.execute("CREATE TABLE schema_version (version INTEGER)")
    con.execute("INSERT INTO schema_version VALUES (?)", [SCHEMA_VERSION])
    con.commit()
