"""One cell as people read it, whatever the format."""

from __future__ import annotations

from typing import Any

from dedup.reporting import numbers
from dedup.reporting.figures import Figures
from dedup.reporting.tables import Kind
from dedup.reporting.words import Words, plain

__all__ = ["RIGHT", "facility", "show", "test"]

#: Kinds that stand on the right of their column.
RIGHT = ("count", "vnd", "share", "interval", "hours")


def show(value: Any, kind: Kind, words: Words, figures: Figures) -> str:
    """``value`` as text in the language; an unknown value is an empty string, except where a word exists for it."""
    lang = words.lang
    if kind == "word":
        return words.label("" if value is None else str(value))
    if value is None:
        return ""
    match kind:
        case "facility":
            return facility(value, figures)
        case "test":
            return test(value, words, figures)
        case "count":
            return numbers.count(int(value), lang)
        case "vnd":
            return numbers.dong(value, lang)
        case "share":
            return numbers.percent(value, lang)
        case "interval":
            return f"{numbers.percent(value[0], lang)} – {numbers.percent(value[1], lang)}"
        case "hours":
            return numbers.decimals(value, lang)
        case "date":
            return numbers.date(value, lang)
        case "moment":
            return numbers.moment(value, lang)
        case "yes":
            return words("yes") if value else words("no")
        case _:
            return plain(str(value))


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
            return plain(f"{text} {code.removeprefix(prefix)}")
    names = figures.test_names.get(code)
    return plain(code if names is None else names[0] if words.lang == "vi" else names[1])
