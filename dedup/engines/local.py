"""Person buckets one after the other in this process: memory is bounded by one bucket, not by the warehouse."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb

from dedup.quoting import literal

__all__ = ["BUCKET_LINES", "each_bucket"]

#: Order lines a bucket holds at about; judging a million of them takes some 250 MB.
BUCKET_LINES = 2_000_000


def each_bucket(con: duckdb.DuckDBPyConnection, query: str, *, person: str, lines: int, folder: Path) -> Iterator[str]:
    """Split the rows of ``query`` by a hash of the column ``person`` and yield each bucket as a table expression.

    ``lines`` is about how many rows there are; it sets the number of buckets. The buckets lie as Parquet in a private
    folder inside ``folder`` and vanish afterwards; each can be read until the next is asked for.
    """
    buckets = max(1, round(lines / BUCKET_LINES))
    place = Path(tempfile.mkdtemp(dir=folder))  # 0700
    try:
        split = f"SELECT *, abs(hash({person}) % {buckets}) AS bucket FROM ({query})"
        write, read = _encryption(con)
        con.execute(f"COPY ({split}) TO {literal(place / 'all')} (FORMAT parquet, PARTITION_BY (bucket){write})")
        for bucket in sorted((place / "all").glob("bucket=*")):
            yield f"read_parquet({literal(bucket / '*.parquet')}, hive_partitioning = false{read})"
            shutil.rmtree(bucket)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _encryption(con: duckdb.DuckDBPyConnection) -> tuple[str, str]:
    """Options for writing and for reading: no row of an encrypted database lies about in plain."""
    row = con.execute("SELECT encrypted FROM duckdb_databases() WHERE database_name = current_database()").fetchone()
    if row is None or not row[0]:
        return "", ""
    key = f"{{footer_key_value: '{secrets.token_hex(16)}'}}"
    return f", ENCRYPTION_CONFIG {key}", f", encryption_config = {key}"
