"""Canonical order lines as CSV: the contract's columns in any order, UTF-8, a header row.

The separator may be a comma, a semicolon, a tab or a bar; the header shows which. Clean files go through DuckDB's
reader at full speed. A file it stumbles over, or counts differently than ``scan_lines``, is read again line by
line (``damaged_csv``), so each bad row can be named and the good ones load.
"""

from __future__ import annotations

from pathlib import Path

from dedup.loading.landing import Landing
from dedup.loading.table_layout import DELIMITERS, Layout, land_csv, split
from dedup.loading.unknown import unknown_columns
from dedup.schema import CANONICAL

__all__ = ["canonical_layout", "land", "layout", "recognise"]

_ENOUGH = 3  # canonical names in a header that make a file an order file


def recognise(head: bytes) -> bool:
    """A header row that names enough canonical columns, among them one that only orders have."""
    return layout(head) is not None


def layout(head: bytes) -> Layout | None:
    """Read the header row at the start of ``head``; None when it is none of ours."""
    line = head.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n").splitlines()[:1]
    text = line[0].decode("utf-8", "replace") if line else ""
    found = [canonical_layout(split(text, delimiter), delimiter) for delimiter in DELIMITERS]
    return max((one for one in found if one is not None), key=lambda one: len(one.columns), default=None)


def canonical_layout(names: list[str], delimiter: str = ",") -> Layout | None:
    """The layout of a header; None when too few of its names are the contract's."""
    names = [name.lower() for name in names]
    places: dict[str, int] = {}
    missing: dict[str, str] = {}
    for place, name in enumerate(names):
        if name in CANONICAL and names.count(name) > 1:
            missing[name] = "duplicate_column"
        elif name in CANONICAL:
            places[name] = place
    if len(places) < _ENOUGH or not places.keys() & {"order_id", "test_code", "ordered_at"}:
        return None
    absent = [name for name, must in CANONICAL.items() if must and name not in names]
    columns = {name: f"c{place}" for name, place in places.items()}
    return Layout(
        delimiter, len(names), columns, unknown_columns(names), missing | dict.fromkeys(absent, "missing_column")
    )


def land(landing: Landing, path: Path) -> None:
    """Stage the file at ``path``; ``landing.counted`` becomes the count of its records."""
    with path.open("rb") as file:
        shape = layout(file.read(1 << 20))
    if shape is None:
        raise ValueError("land() is for recognised files")
    land_csv(landing, path, shape)
