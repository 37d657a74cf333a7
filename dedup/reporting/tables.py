"""What a report consists of: tables with typed columns. Every format shows the same ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Column", "Kind", "Section", "Table", "mark"]

Kind = Literal[
    "text",  # somebody else's words: an id, a department, a file name
    "facility",  # a facility code; people are shown the name as well
    "test",  # a test_id; people are shown its name
    "word",  # one of our own words: a verdict, a scope, a reason, a step
    "count",
    "vnd",
    "share",  # 0 to 1
    "interval",  # the ends of a 95% interval of a share
    "hours",
    "date",
    "moment",
    "yes",
]

Rows = list[tuple[object, ...]]
Finish = Callable[[Rows, list[str]], Rows]


def mark(text: str) -> str:
    """Mark English text for the catalogues; it is translated when it is shown."""
    return text


@dataclass(frozen=True)
class Column:
    """One column: its name in SQL and JSON, its heading, what its values are."""

    name: str
    title: str
    kind: Kind


@dataclass(frozen=True)
class Section:
    """One part of a report: a named SELECT over the tables of ``facts``, whose first column is the unit.

    ``interval`` columns come out of SQL as the sums that ``intervals.interval`` wants.
    ``only_all``: says something about all hospitals together and is left out of one hospital's report.
    """

    name: str
    title: str
    about: str
    columns: tuple[Column, ...]
    sql: str
    only_all: bool = False
    finish: Finish | None = None  #: given the rows and the columns' names, gives the rows to show


@dataclass(frozen=True)
class Table:
    """A section's rows for one unit."""

    section: Section
    rows: tuple[tuple[object, ...], ...] = field(repr=False)

    def dicts(self) -> list[dict[str, object]]:
        """The rows by column name."""
        names = [column.name for column in self.section.columns]
        return [dict(zip(names, row, strict=True)) for row in self.rows]
