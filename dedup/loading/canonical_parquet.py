"""Canonical order lines as Parquet: columns named like the contract's, text or typed.

Typed values become text the way the contract writes them: whole numbers without a point (a missing value turns
integers into floats in many tools), amounts so that nothing is ambiguous, midnight birth times as dates.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from dedup.loading.landing import ENGINE_REFUSED, Landing
from dedup.loading.unknown import unknown_columns
from dedup.schema import CANONICAL

__all__ = ["land", "recognise"]

_READ = "read_parquet(?, binary_as_string = true)"


def recognise(head: bytes) -> bool:
    """Parquet's magic bytes."""
    return head.startswith(b"PAR1")


def land(landing: Landing, path: Path) -> None:
    """Stage the file at ``path``; ``landing.counted`` comes from the file's own footer."""
    try:
        found = landing.con.execute(f"DESCRIBE SELECT * FROM {_READ}", [str(path)]).fetchall()
        landing.counted = _rows_in_footer(path)
    except (duckdb.Error, OSError, ValueError):
        landing.fail("unreadable_file")
        return
    names = [str(row[0]) for row in found]
    kinds = {name.lower(): str(row[1]) for name, row in zip(names, found, strict=True)}
    lower = [name.lower() for name in names]
    landing.unknown_columns = unknown_columns(lower)
    missing = {name: "duplicate_column" for name in CANONICAL if lower.count(name) > 1}
    missing |= {name: "missing_column" for name, must in CANONICAL.items() if must and name not in kinds}
    landing.check_columns(missing)
    columns = {name: _as_text(name, kinds[name]) for name in CANONICAL if name in kinds and name not in missing}
    try:
        landing.insert(_READ, columns, parameters=[str(path)], missing=missing)
    except ENGINE_REFUSED:
        landing.forget()
        landing.counted = 0
        landing.fail("unreadable_file")


def _rows_in_footer(path: Path) -> int:
    import pyarrow.parquet

    return int(pyarrow.parquet.ParquetFile(path).metadata.num_rows)


def _as_text(name: str, kind: str) -> str:
    column = f'"{name}"'
    if kind in ("DOUBLE", "FLOAT"):
        whole = f"CASE WHEN {column} = trunc({column}) AND abs({column}) < 1e15 THEN"
        column = f"{whole} CAST(CAST({column} AS BIGINT) AS VARCHAR) ELSE CAST({column} AS VARCHAR) END"
    if name == "price_vnd" and kind.startswith("DECIMAL"):
        # Four decimals: a typed amount is never ambiguous, so it must not look like 21.500.
        return f"CAST(CAST({column} AS DECIMAL(38,4)) AS VARCHAR)"
    if name == "birth_date" and kind.startswith("TIMESTAMP"):
        return f"CAST({column} AS DATE)"
    return column
