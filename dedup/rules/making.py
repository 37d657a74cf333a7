"""One named step of judging: a SELECT that becomes a temporary table."""

from __future__ import annotations

import duckdb

__all__ = ["make"]


def make(con: duckdb.DuckDBPyConnection, name: str, sql: str) -> None:
    """Make (or replace) the temporary table ``name``."""
    con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {sql}")
