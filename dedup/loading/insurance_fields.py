"""Insurance XML: the fields of parsed elements, whatever letters or namespace their names are in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lxml import etree

__all__ = ["Element", "first_fields", "local_name", "plain", "rows_of", "spelt_oddly", "trimmed"]

Element = Any  # lxml's element types say less than this


def local_name(element: Element) -> str:
    """Its name in capitals, without a namespace."""
    return str(etree.QName(element).localname).upper()


def trimmed(cell: str | None) -> str:
    """The cell without blanks around it; blank for none."""
    return (cell or "").strip()


def plain(number: str | None) -> str:
    """A number as text, without leading zeros."""
    return trimmed(number).lstrip("0")


def first_fields(roots: list[Element], names: tuple[str, ...]) -> tuple[str, ...] | None:
    """The patient's fields: of TONG_HOP itself, or of the first element below that has them."""
    for root in roots:
        for element in root.iter("{*}*"):
            fields = {local_name(child): trimmed(child.text) for child in element if isinstance(child.tag, str)}
            if "MA_LK" in fields:
                return tuple(fields.get(name, "") for name in names)
    return None


def spelt_oddly(root: Element, tag: str) -> bool:
    """Whether a field of the first ``tag`` is not in capitals, or has a namespace."""
    first = next(root.iter(*_spellings(tag)), ())
    return any(isinstance(child.tag, str) and not child.tag.isupper() for child in first)


def _spellings(tag: str) -> list[str]:
    return [f"{{*}}{spelt}" for spelt in (tag, tag.lower(), tag.capitalize(), tag.title())]


def rows_of(root: Element, tag: str, names: tuple[str, ...], *, odd: bool = False) -> Iterator[tuple[str | None, ...]]:
    """The wanted fields of every ``tag`` at any depth, as they stand; absent and blank ones are None.

    One walk past everything else, since an element that Python sees costs more than the parser took to read it.
    ``odd``: names may be in other letters, or with a namespace, so that every element has to be seen.
    """
    tags = _spellings(tag)
    if next(root.iter(*tags), None) is None:
        return
    found: dict[Element, dict[str, str | None]] = {}
    wanted, unusual = frozenset(names), set()
    for element in root.iter(*tags, *names):
        name = element.tag
        if name not in wanted:
            found[element] = {}
            continue
        row = element.getparent()
        fields = found.get(row)
        if fields is not None:
            if name in fields:
                unusual.add(row)
            fields[name] = element.text
    for row, fields in found.items():
        if odd or row in unusual or "MA_DICH_VU" not in fields:
            yield from _unusual_rows(row, names)
        else:
            yield tuple(map(fields.get, names))


def _unusual_rows(element: Element, names: tuple[str, ...]) -> Iterator[tuple[str | None, ...]]:
    """The same of an element with names in other letters, with a namespace, or twice.

    Where two orders have run together, nobody knows which field is whose: each becomes a row without values.
    """
    fields = {local_name(child): child.text for child in element if isinstance(child.tag, str)}
    groups = _texts(element, "MA_NHOM") if len(fields) < len(element) else []
    if len(groups) > 1:
        yield from (tuple(group if name == "MA_NHOM" else None for name in names) for group in groups)
    else:
        yield tuple(map(fields.get, names))


def _texts(element: Element, name: str) -> list[str]:
    return [trimmed(child.text) for child in element if isinstance(child.tag, str) and local_name(child) == name]
