"""What may be told of columns that nobody knows."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence

from dedup.schema import CANONICAL

__all__ = ["unknown_columns"]

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,39}")
_VALUE = re.compile(r"\d|.*\d{4}", re.DOTALL)  # an amount, a date, or some number of a patient's


def unknown_columns(names: Sequence[str], known: Container[str] = CANONICAL) -> list[str]:
    """The names, in lower case, that are not ``known``; of what may be a patient's value only where it stands.

    The header of a damaged file may have run together with its first row, or be one.
    """
    is_header = not any(_VALUE.match(name) for name in names)
    return [
        name if is_header and _NAME.fullmatch(name) else f"column {place}"
        for place, name in enumerate(names, 1)
        if name not in known
    ]
