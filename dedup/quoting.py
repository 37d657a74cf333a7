"""Values and names written into SQL, where the engine takes no bound parameter or a step is given as text; and text
written into a CSV file that a spreadsheet will open."""

from __future__ import annotations

__all__ = ["FORMULA", "identifier", "literal", "no_formula"]

#: What a spreadsheet takes for the beginning of a formula, and the apostrophe itself.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")


def identifier(value: object) -> str:
    """A quoted SQL identifier."""
    return '"' + str(value).replace('"', '""') + '"'


def literal(value: object) -> str:
    """An SQL string literal of ``str(value)``."""
    return "'" + str(value).replace("'", "''") + "'"


def no_formula(text: str) -> str:
    """Text that no spreadsheet takes for a formula: what begins like one, or with an apostrophe, gets an apostrophe.

    Taking one leading apostrophe off gives back exactly what was there.
    """
    return f"'{text}" if text.startswith(FORMULA) else text
