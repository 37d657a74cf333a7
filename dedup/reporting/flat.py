"""A section's rows for spreadsheets: one value a cell, typed, with a code and what it is called side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dedup.reporting import numbers
from dedup.reporting.advice import advice
from dedup.reporting.cells import test
from dedup.reporting.figures import Figures
from dedup.reporting.tables import Column, Kind, Section, Table, mark
from dedup.reporting.words import Words, plain

__all__ = ["Flat", "flatten", "headline"]

_NAME, _LOW, _HIGH = mark("{column}: name"), mark("{column}: from"), mark("{column}: to")


@dataclass(frozen=True)
class Flat:
    """One sheet: its name, heading and explanation, columns (heading and kind), rows."""

    name: str
    title: str
    about: str
    columns: tuple[tuple[str, Kind], ...]
    rows: tuple[tuple[Any, ...], ...]
    note: str = ""  #: what is not in the rows


def flatten(figures: Figures, words: Words) -> Iterator[Flat]:
    """All tables of a report, the headline first."""
    yield headline(figures, words)
    if said := advice(figures, words):
        about = words("Sentences drawn from the tables below.")
        yield Flat(
            "first",
            words("What to do first"),
            about,
            ((words("What to do"), "text"),),
            tuple((one.text,) for one in said),
        )
    for table in figures.tables.values():
        yield _flat(table, figures, words)


def headline(figures: Figures, words: Words) -> Flat:
    """The figures at a glance, one row each scope."""
    columns: list[tuple[str, Kind]] = [
        (words("Earlier result"), "word"),
        (words("Order lines"), "count"),
        (words("Persons"), "count"),
        (words("Repeats"), "count"),
        (words("Avoidable"), "count"),
        (words("Avoidable share"), "share"),
        (words(_LOW, column=words("95% interval")), "share"),
        (words(_HIGH, column=words("95% interval")), "share"),
        (words("Avoidable đồng"), "vnd"),
        (words("Avoidable, chains considered"), "count"),
        (words("Honest saving"), "vnd"),
    ]
    rows = [
        (
            words.label(scope.scope),
            figures.lines,
            figures.persons,
            scope.repeats,
            scope.verdicts["avoidable"],
            scope.avoidable_share,
            *(scope.avoidable_95 or (None, None)),
            scope.avoidable_vnd,
            scope.chain_avoidable,
            scope.chain_vnd,
        )
        for scope in figures.scopes
    ]
    about = words("A line may be a repeat in both scopes, so the two are never added up.")
    return Flat("glance", words("At a glance"), about, tuple(columns), tuple(rows))


def _flat(table: Table, figures: Figures, words: Words) -> Flat:
    section: Section = table.section
    columns = [heading for column in section.columns for heading in _headings(column, words)]
    rows = [
        tuple(
            cell
            for value, column in zip(row, section.columns, strict=True)
            for cell in _cells(value, column.kind, figures, words)
        )
        for row in table.rows
    ]
    note = ""
    if section.name == "orders" and figures.orders_left_out > 0:
        number = numbers.count(figures.orders_left_out, words.lang)
        note = words("{number} more orders do not fit here: dedup export flags gives all of them.", number=number)
    return Flat(section.name, words(section.title), words(section.about), tuple(columns), tuple(rows), note)


def _headings(column: Column, words: Words) -> list[tuple[str, Kind]]:
    title = words(column.title)
    if column.kind == "interval":
        return [(words(_LOW, column=title), "share"), (words(_HIGH, column=title), "share")]
    if column.kind in ("facility", "test"):
        return [(title, "text"), (words(_NAME, column=title), "text")]
    return [(title, column.kind)]


def _cells(value: Any, kind: Kind, figures: Figures, words: Words) -> tuple[Any, ...]:
    if kind == "interval":
        return value or (None, None)
    if kind == "facility":
        return (plain(value or ""), plain(figures.facility_names.get(value, "")))
    if kind == "test":
        return (plain(value or ""), test(value, words, figures) if value else "")
    if kind == "word":
        return (words.label(value or ""),)
    if kind == "text":
        return ("" if value is None else plain(str(value)),)
    if kind == "yes":
        return (None if value is None else words("yes") if value else words("no"),)
    return (value,)
