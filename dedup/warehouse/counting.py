"""A question to the warehouse whose answer is one number."""

from __future__ import annotations

import duckdb

__all__ = ["count"]


def count(con: duckdb.DuckDBPyConnection, sql: str) -> int:
    """The one number ``sql`` gives; 0 when it gives none."""
    row = con.execute(sql).fetchone()
    return 0 if row is None else int(row[0])
