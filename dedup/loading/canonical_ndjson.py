"""Canonical order lines as NDJSON: one JSON object a line, keys named like the contract's columns.

DuckDB reads a clean file in one go. It gives up at the first broken line, so a damaged file is read again line by
line: each bad line is named, the good ones load.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dedup.loading.counting import scan_lines
from dedup.loading.landing import ENGINE_REFUSED, Landing
from dedup.loading.unknown import unknown_columns
from dedup.schema import CANONICAL

__all__ = ["land", "recognise"]

_ENOUGH = 3
_SAMPLE = 1 << 20
_BATCH = 20_000
_MAX_LINE = 4_000_000


def recognise(head: bytes) -> bool:
    """The first of the lines that is one JSON object has enough of the contract's columns as keys."""
    for line in head.removeprefix(b"\xef\xbb\xbf").splitlines()[:20]:
        if line.strip() and not line.lstrip().startswith(b"{"):
            return False
        found = _object(line)
        if found is not None:
            return len(found.keys() & CANONICAL.keys()) >= _ENOUGH
    return False


def land(landing: Landing, path: Path) -> None:
    """Stage the file at ``path``; ``landing.counted`` becomes the count of its lines."""
    landing.counted = scan_lines(path).lines
    landing.unknown_columns = _unknown(path)
    columns = ", ".join(f"'{name}': 'VARCHAR'" for name in CANONICAL)
    source = (
        f"read_json(?, format = 'newline_delimited', columns = {{{columns}}}, compression = 'uncompressed', "
        f"maximum_object_size = {_MAX_LINE})"
    )
    names = {name: f'"{name}"' for name in CANONICAL}
    try:
        rows = landing.insert(source, names, parameters=[str(path)])
    except ENGINE_REFUSED:
        _land_damaged(landing, path)
        return
    if rows != landing.counted:
        landing.forget()
        _land_damaged(landing, path)


def _unknown(path: Path) -> list[str]:
    """Keys of the first lines that are no canonical column, in order of appearance."""
    with path.open("rb") as file:
        lines = file.read(_SAMPLE).splitlines()[:1000]
    keys = [key for line in lines for key in _object(line) or {}]
    return unknown_columns(list(dict.fromkeys(keys)))


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line.decode("utf-8-sig"), parse_float=lambda text: repr(float(text)))
    except (ValueError, RecursionError):  # ValueError: bad JSON and bad UTF-8 both
        return None
    return found if isinstance(found, dict) else None


def _land_damaged(landing: Landing, path: Path) -> None:
    rows: list[tuple[int, dict[str, Any]]] = []
    rejects: list[tuple[int, str, str]] = []
    number = 0
    with path.open("rb") as file:
        for block in file:
            for line in block.split(b"\r"):
                if not line.strip(b"\n"):
                    continue
                number += 1
                found = _object(line) if len(line) <= _MAX_LINE else None
                if found is None:
                    rejects.append((number, "", "too_long" if len(line) > _MAX_LINE else "bad_json"))
                else:
                    rows.append((number, found))
            if len(rows) >= _BATCH:
                _stage(landing, rows)
                rows = []
    _stage(landing, rows)
    landing.reject(rejects)


def _stage(landing: Landing, rows: list[tuple[int, dict[str, Any]]]) -> None:
    import pyarrow as pa

    if not rows:
        return
    table = {"row_number": pa.array([number for number, _ in rows], pa.int64())}
    for name in CANONICAL:
        table[name] = pa.array([_text(found.get(name)) for _, found in rows], pa.string())
    landing.con.register("damaged", pa.table(table))
    landing.insert("damaged", {name: f'"{name}"' for name in CANONICAL}, row_number="row_number")
    landing.con.unregister("damaged")


def _text(value: object) -> str | None:
    """As DuckDB writes it: text as it is, everything else as JSON; half of a surrogate pair is no text."""
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.encode("utf-8", "replace").decode("utf-8")
