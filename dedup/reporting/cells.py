"""Cells as people read them, whatever the format."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dedup.reporting import numbers
from dedup.reporting.figures import Figures
from dedup.reporting.tables import Kind
from dedup.reporting.words import Words, plain

__all__ = ["RIGHT", "facility", "test", "writer"]

#: Kinds that stand on the right of their column.
RIGHT = ("count", "vnd", "share", "interval", "hours")


def writer(kind: Kind, words: Words, figures: Figures) -> Callable[[Any], str]:
    """What turns a column's values into text in the language. No value is an empty string, of a word *any*."""
    write = _writer(kind, words, figures)
    if kind in ("word", "facility", "test", "text"):
        return _remembered(write)
    return lambda value: "" if value is None else write(value)


def _writer(kind: Kind, words: Words, figures: Figures) -> Callable[[Any], str]:
    lang = words.lang
    writers: dict[Kind, Callable[[Any], str]] = {
        "word": lambda value: words.label(str(value)),
        "facility": lambda value: facility(value, figures) if value else "",
        "test": lambda value: test(value, words, figures) if value else "",
        "text": lambda value: plain(str(value)),
        "count": lambda value: numbers.count(value, lang),
        "vnd": lambda value: numbers.dong(value, lang),
        "share": lambda value: numbers.percent(value, lang),
        "interval": lambda value: f"{numbers.percent(value[0], lang)} – {numbers.percent(value[1], lang)}",
        "hours": lambda value: numbers.decimals(value, lang),
        "date": lambda value: numbers.date(value, lang),
        "moment": lambda value: numbers.moment(value, lang),
        "yes": lambda value: words("yes") if value else words("no"),
    }
    return writers[kind]


def _remembered(write: Callable[[Any], str]) -> Callable[[Any], str]:
    """A few texts come again and again: write each once."""
    known: dict[object, str] = {}

    def remembered(value: object) -> str:
        found = known.get(value)
        if found is None:
            found = known[value] = write("" if value is None else value)
        return found

    return remembered


def facility(code: str, figures: Figures) -> str:
    """A facility's code and name."""
    name = figures.facility_names.get(code)
    return plain(f"{code} {name}" if name else code)


def test(code: str, words: Words, figures: Figures) -> str:
    """A test's name in the language; of a rule's place, what it stands for."""
    if code == "*":
        return words("all tests")
    for prefix, text in (("discipline:", words("discipline")), ("class:", words("class"))):
        if code.startswith(prefix):
            return f"{text} {words.label(code.removeprefix(prefix))}"
    names = figures.test_names.get(code)
    return plain(code if names is None else names[0] if words.lang == "vi" else names[1])
