"""The report on a terminal: what a quality officer asks first, on one or two screens."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from dedup.reporting import numbers
from dedup.reporting.cells import RIGHT, writer
from dedup.reporting.figures import Figures, ScopeFigures
from dedup.reporting.tables import Table, mark
from dedup.reporting.titles import head, title
from dedup.reporting.words import Words
from dedup.schema import VERDICTS

__all__ = ["render_table"]

#: Section → how many rows, and which columns, a screen has room for. Of several scopes the first is shown.
_SHOWN: dict[str, tuple[int, tuple[str, ...]]] = {
    "tests": (10, ("test_id", "lines", "repeats", "avoidable", "share", "avoidable_vnd", "chain_vnd")),
    "pairs": (10, ("facility_id", "prior_facility_id", "repeats", "avoidable", "avoidable_vnd")),
    "deliveries": (
        20,
        ("source_name", "rows_read", "rows_loaded", "rows_rejected", "rows_duplicate", "rows_skipped"),
    ),
    "rejected": (10, ("source_name", "column_name", "reason", "rows")),
    "skipped": (10, ("source_name", "reason", "rows")),
    "tiers": (10, ("tier", "facilities", "delivering", "connected", "connected_share", "to_go")),
    "waiting": (10, ("test_id", "avoidable", "waiting", "share", "waiting_vnd")),
    "next": (15, ("step", "facility_id", "tier", "gain", "reached", "share", "largest_first_share")),
    "rules": (10, ("rule_id", "applies_to", "valid_hours", "repeats", "source")),
}
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
    columns = [(place, column) for place, column in enumerate(table.section.columns) if column.name in names]
    heading, rows = words(table.section.title), table.rows
    if table.section.columns[0].name == "scope":
        first = figures.filters.scopes[0]
        heading, rows = f"{heading} ({words.label(first)})", tuple(row for row in rows if row[0] == first)
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False)
    for _, column in columns:
        right = column.kind in RIGHT
        grid.add_column(words(column.title), justify="right" if right else "left", min_width=None if right else 16)
    writers = [(place, writer(column.kind, words, figures)) for place, column in columns]
    for row in rows[:limit]:
        grid.add_row(*(Text(write(row[place])) for place, write in writers))
    console.print()
    console.print(Text(heading, style="bold"))
    console.print(grid)
    if len(rows) > limit:
        more = words(_MORE, number=numbers.count(len(rows) - limit, words.lang))
        console.print(Padding(Text(more, style="dim"), (0, 0, 0, 2)))
