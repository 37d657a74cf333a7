"""Making the tables, and moving an older file forward: a backup first, then one small step after the other."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import shutil
from pathlib import Path

import duckdb

from dedup.errors import DedupError, WarehouseError
from dedup.schema import SCHEMA_VERSION, TABLES, VIEWS
from dedup.warehouse.migrations import MIGRATIONS, Migration
from dedup.warehouse.writing import take_the_place

__all__ = ["back_up", "backups", "create", "log_step", "move_forward", "version_of", "wrong_tables"]


def version_of(con: duckdb.DuckDBPyConnection, path: Path | None, *, read_only: bool) -> int | None:
    """The version of the file's tables; None when it has none yet.

    Raises WarehouseError for a file that is newer or somebody else's, and, ``read_only``, for one that is older or has
    no tables.
    """
    tables = con.execute("SELECT table_name FROM duckdb_tables() WHERE database_name = current_database()").fetchall()
    if ("schema_version",) not in tables:
        if read_only or tables:
            raise WarehouseError(f"{path} is not a dedup warehouse.")
        return None
    row = con.execute("SELECT max(version) FROM schema_version").fetchone()
    version = int(row[0]) if row and row[0] else 0
    if version > SCHEMA_VERSION:
        raise WarehouseError(
            f"{path} was written by a newer dedup (schema {version}, this one knows {SCHEMA_VERSION}). Upgrade dedup."
        )
    if version < SCHEMA_VERSION and read_only:
        raise WarehouseError(
            f"{path} was written by an older dedup (schema {version}, this one has {SCHEMA_VERSION}). "
            "The next 'dedup run', or 'dedup flag', moves it forward and keeps a backup."
        )
    return version


def create(con: duckdb.DuckDBPyConnection) -> None:
    """All tables and views, in one transaction."""
    con.begin()
    for table in TABLES.values():
        con.execute(table.ddl())
    for view in VIEWS.values():
        con.execute(view)
    con.execute("CREATE TABLE schema_version (version INTEGER)")
    con.execute("INSERT INTO schema_version VALUES (?)", [SCHEMA_VERSION])
    con.commit()


def back_up(path: Path, version: int) -> Path:
    """Copy the closed file at ``path`` beside itself, whole or not at all; nothing removes the copy but people.

    Raises DedupError when there is no room for it.
    """
    place = path.with_name(f"{path.name}.schema-{version}.backup")
    part = place.with_suffix(".part")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        shutil.copyfile(path, part)
        take_the_place(part, place)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise DedupError(
            f"{path} is from an older dedup, and its backup {place.name} could not be written: {error.strerror}. "
            "Nothing was changed."
        ) from None
    return place


def backups(path: Path) -> list[Path]:
    """The copies made before the tables of the warehouse at ``path`` were moved forward."""
    return sorted(path.parent.glob(f"{path.name}.schema-*.backup"))


def move_forward(con: duckdb.DuckDBPyConnection, version: int, backup: str) -> None:
    """From ``version`` to SCHEMA_VERSION; each step is one transaction, and a row of the run log names ``backup``.

    Raises WarehouseError, and leaves the last step undone, when the tables would not be those of this program.
    """
    for step in MIGRATIONS:
        if step.version > version:
            con.begin()
            try:
                _take(con, step, backup)
            except BaseException:
                with contextlib.suppress(duckdb.Error):
                    con.rollback()
                raise
            con.commit()


def _take(con: duckdb.DuckDBPyConnection, step: Migration, backup: str) -> None:
    for statement in step.statements:
        con.execute(statement)
    if step.version == SCHEMA_VERSION:
        for view in VIEWS.values():
            con.execute(view)
        wrong = wrong_tables(con)
        if wrong:
            raise WarehouseError(f"Tables are not as any dedup made them: {', '.join(wrong)}. Backup: {backup}.")
    con.execute("UPDATE schema_version SET version = ?", [step.version])
    log_step(con, "migrate", f"Tables moved to schema {step.version}: {step.about}. The file as it was: {backup}")


def log_step(con: duckdb.DuckDBPyConnection, command: str, sentence: str) -> None:
    """Write into the run log what was done while the file was opened."""
    con.execute(
        "INSERT INTO run (run_id, command, started_at, ended_at, outcome, program_version, counts, seconds, notes) "
        "SELECT (SELECT coalesce(max(run_id), 0) + 1 FROM run), ?, moment, moment, 'done', ?, ?, '{}', ? "
        "FROM (SELECT date_trunc('second', current_localtimestamp()) AS moment)",
        [command, importlib.metadata.version("dedup"), json.dumps({command: {}}), json.dumps({command: [sentence]})],
    )


def wrong_tables(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Tables that lack a column, or have one more or in another place than this program knows."""
    rows = con.execute(
        "SELECT table_name, list(column_name ORDER BY column_index) FROM duckdb_columns() "
        "WHERE database_name = current_database() AND schema_name = 'main' GROUP BY ALL"
    ).fetchall()
    found = dict(rows)
    return [name for name, table in TABLES.items() if found.get(name) != list(table.columns)]
