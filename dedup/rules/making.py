"""Small steps in SQL: a SELECT that becomes a temporary table, a SELECT that is one number."""

from __future__ import annotations

import duckdb

__all__ = ["count", "make"]


def make(con: duckdb.DuckDBPyConnection, name: str, sql: str) -> None:
    """Make (or replace) the temporary table ``name``."""
    con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {sql}")


def count(con: duckdb.DuckDBPyConnection, sql: str) -> int:
    """The one number ``sql`` gives."""
    row = con.execute(sql).fetchone()
    return int(row[0]) if row else 0
