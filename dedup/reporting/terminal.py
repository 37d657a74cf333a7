"""The report on a terminal: what a quality officer asks first, on one or two screens."""

from __future__ import annotations

from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from dedup.reporting import numbers
from dedup.reporting.advice import advice
from dedup.reporting.cells import RIGHT, writer
from dedup.reporting.figures import Figures, ScopeFigures
from dedup.reporting.tables import Table, mark
from dedup.reporting.titles import head, title
from dedup.reporting.words import Words
from dedup.schema import VERDICTS

__all__ = ["render_table"]

#: Section → how many rows, and which columns a screen has room for, the most important first: a narrow screen gets
#: fewer. Of several scopes the first is shown.
_SHOWN: dict[str, tuple[int, tuple[str, ...]]] = {
    "tests": (10, ("test_id", "avoidable", "avoidable_vnd", "repeats", "share", "lines", "chain_vnd")),
    "pairs": (10, ("facility_id", "prior_facility_id", "avoidable", "avoidable_vnd", "repeats")),
    "deliveries": (
        20,
        ("source_name", "rows_read", "rows_loaded", "rows_rejected", "rows_duplicate", "rows_skipped"),
    ),
    "rejected": (10, ("source_name", "reason", "rows", "column_name")),
    "skipped": (10, ("source_name", "reason", "rows")),
    "tiers": (10, ("tier", "facilities", "connected", "to_go", "connected_share", "delivering")),
    "waiting": (10, ("test_id", "waiting", "waiting_vnd", "avoidable", "share")),
    "next": (15, ("step", "facility_id", "reached", "share", "largest_first_share", "gain", "tier")),
    "rules": (10, ("rule_id", "valid_hours", "repeats", "applies_to", "source")),
}
_NARROW = 16  # characters of a column of text, at least
_HEADING = 14  # characters of a heading of numbers before it is broken
_MORE = mark("{number} more; all of them: --format html, xlsx or json")


def render_table(figures: Figures, lang: str, console: Console) -> None:
    """Print the report to ``console``. ``lang``: vi or en."""
    words = Words(lang)
    console.print(Text(title(figures, words), style="bold"))
    for line in head(figures, words):
        console.print(Text(line))
    console.print()
    console.print(_verdicts(figures, words))
    if len(figures.scopes) > 1:
        console.print(Text(words("A line may be a repeat in both scopes, so the two are never added up."), style="dim"))
    _advise(figures, words, console)
    for name, (rows, columns) in _SHOWN.items():
        table = figures.tables.get(name)
        if table is not None and table.rows:
            _print_section(table, rows, columns, words, figures, console)


def _verdicts(figures: Figures, words: Words) -> Grid:
    """Verdicts down, scopes across; below them the money."""
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column(words("Repeats by verdict"))
    for scope in figures.scopes:
        grid.add_column(words.label(scope.scope), justify="right")
    lang = words.lang
    for verdict in VERDICTS:
        grid.add_row(words.label(verdict), *(numbers.count(scope.verdicts[verdict], lang) for scope in figures.scopes))
    grid.add_section()
    grid.add_row(words("Repeats"), *(numbers.count(scope.repeats, lang) for scope in figures.scopes))
    grid.add_row(words("Avoidable share of order lines"), *(_share(scope, lang) for scope in figures.scopes))
    grid.add_row(words("95% interval"), *(_interval(scope, lang) for scope in figures.scopes))
    grid.add_row(words("Avoidable đồng"), *(numbers.dong(scope.avoidable_vnd, lang) for scope in figures.scopes))
    grid.add_row(
        words("Honest saving (chains considered)"),
        *(numbers.dong(scope.chain_vnd, lang) for scope in figures.scopes),
    )
    return grid


def _share(scope: ScopeFigures, lang: str) -> str:
    return "–" if scope.avoidable_share is None else numbers.percent(scope.avoidable_share, lang)


def _interval(scope: ScopeFigures, lang: str) -> str:
    if scope.avoidable_95 is None:
        return "–"
    return " – ".join(numbers.percent(end, lang) for end in scope.avoidable_95)


def _print_section(
    table: Table, limit: int, names: tuple[str, ...], words: Words, figures: Figures, console: Console
) -> None:
    heading, rows = words(table.section.title), table.rows
    if table.section.columns[0].name == "scope":
        first = figures.filters.scopes[0]
        heading, rows = f"{heading} ({words.label(first)})", tuple(row for row in rows if row[0] == first)
    grid = _grid(_columns(table, rows[:limit], names, words, figures), names, console.width)
    console.print()
    console.print(Text(heading, style="bold"))
    console.print(grid)
    if len(rows) > limit:
        more = words(_MORE, number=numbers.count(len(rows) - limit, words.lang))
        console.print(Padding(Text(more, style="dim"), (0, 0, 0, 2)))


@dataclass(frozen=True)
class _Shown:
    name: str
    title: str
    texts: list[str]
    width: int | None  #: None: text, which gives way

    @property
    def least(self) -> int:
        return self.width or _NARROW


def _columns(
    table: Table, rows: tuple[tuple[object, ...], ...], names: tuple[str, ...], words: Words, figures: Figures
) -> list[_Shown]:
    """The columns in the order of the section. Numbers are never broken."""
    found = []
    for place, column in enumerate(table.section.columns):
        if column.name in names:
            write, title, width = writer(column.kind, words, figures), words(column.title), None
            texts = [write(row[place]) for row in rows]
            if column.kind in RIGHT:
                longest = max(map(cell_len, [*texts, *title.split()]))
                width = max(longest, min(cell_len(title), _HEADING))
            found.append(_Shown(column.name, title, texts, width))
    return found


def _grid(columns: list[_Shown], names: tuple[str, ...], width: int) -> Grid:
    """As many columns, the most important of them, as fit into ``width``."""
    while len(columns) > 2 and sum(column.least + 3 for column in columns) - 1 > width:
        columns = [column for column in columns if column.name != names[-1]]
        names = names[:-1]
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        if column.width is None:
            grid.add_column(column.title, min_width=_NARROW)
        else:
            grid.add_column(column.title, justify="right", width=column.width)
    for line in zip(*(column.texts for column in columns), strict=True):
        grid.add_row(*map(Text, line))
    return grid


def _advise(figures: Figures, words: Words, console: Console) -> None:
    said = advice(figures, words)
    if said:
        console.print()
        console.print(Text(words("What to do first"), style="bold"))
        grid = Grid.grid(padding=(0, 1))
        for one in said:
            grid.add_row("•", Text(one.text))
        console.print(grid)
