"""Values and names written into SQL, where the engine takes no bound parameter or a step is given as text."""

from __future__ import annotations

__all__ = ["identifier", "literal"]


def identifier(value: object) -> str:
    """A quoted SQL identifier."""
    return '"' + str(value).replace('"', '""') + '"'


def literal(value: object) -> str:
    """An SQL string literal of ``str(value)``."""
    return "'" + str(value).replace("'", "''") + "'"
