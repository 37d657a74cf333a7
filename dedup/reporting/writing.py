"""Reports as files: one, or one for each hospital with an index."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from dedup.errors import UsageError
from dedup.reporting import numbers
from dedup.reporting.collation import sort_key
from dedup.reporting.commas import render_csv
from dedup.reporting.data import render_json
from dedup.reporting.figures import Figures, each_hospital
from dedup.reporting.filters import Filters
from dedup.reporting.page import policy, render_html, style_sheet, template
from dedup.reporting.sections.orders import ORDERS_IN_FILES, ORDERS_SHOWN
from dedup.reporting.spreadsheet import render_xlsx
from dedup.reporting.words import Words, plain
from dedup.warehouse import Warehouse, aside

__all__ = ["FORMATS", "orders_held", "render", "write_each_hospital", "write_report"]

#: Format → what renders a report in a language.
FORMATS: dict[str, Callable[[Figures, str], str | bytes]] = {
    "html": render_html,
    "xlsx": render_xlsx,
    "csv": render_csv,
    "json": lambda figures, lang: render_json(figures),
}


def orders_held(form: str) -> int:
    """How many orders a report of that format lists: a page must stay small, a file to work with may be long."""
    return ORDERS_IN_FILES if form in ("xlsx", "csv", "json") else ORDERS_SHOWN


def render(figures: Figures, form: str, lang: str) -> bytes:
    """The report's bytes. Raises UsageError for an unknown format or language."""
    if form not in FORMATS:
        raise UsageError(f"There is no format {form!r}. Choose from table, {', '.join(FORMATS)}.")
    made = FORMATS[form](figures, lang)
    return made if isinstance(made, bytes) else made.encode()


def write_report(figures: Figures, form: str, lang: str, out: Path) -> None:
    """Write one report to ``out``: whole or not at all, for its owner only."""
    content = render(figures, form, lang)
    with aside(Path(out)) as place:
        place.write_bytes(content)


@dataclass(frozen=True)
class _Entry:
    code: str
    name: str
    file: str
    lines: str
    avoidable: str
    dong: str


def write_each_hospital(
    warehouse: Warehouse, filters: Filters | None, form: str, lang: str, folder: Path, *, identified: bool = False
) -> list[Path]:
    """Write one report for each ordering facility into ``folder`` and, as HTML, an index; gives the reports' paths.

    A missing folder is made. Raises UsageError for an unknown format, language or filter.
    """
    words, folder = Words(lang), Path(folder)
    if form not in FORMATS:
        raise UsageError(f"There is no format {form!r}. Choose from {', '.join(FORMATS)}.")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    entries, paths = [], []
    for figures in each_hospital(warehouse, filters, identified=identified, orders=orders_held(form)):
        path = folder / f"{file_name(str(figures.facility_id))}.{form}"
        write_report(figures, form, lang, path)
        paths.append(path)
        entries.append(_entry(figures, path.name, lang))
    if form == "html":
        entries.sort(key=lambda entry: (sort_key(entry.name), entry.code))
        with aside(folder / "index.html") as place:
            place.write_text(_index(entries, words), encoding="utf-8")
    return paths


def file_name(code: str) -> str:
    """A facility's code as a file name: anything but letters, digits, ``-`` and ``_`` by its number.

    Two codes never share a name, and none is hidden or leads out of the folder.
    """
    return re.sub(r"[^A-Za-z0-9_-]", lambda found: f"~{ord(found[0]):x}~", code) or "~"


def _entry(figures: Figures, file: str, lang: str) -> _Entry:
    scope = figures.scope(figures.filters.scopes[0])
    return _Entry(
        plain(str(figures.facility_id)),
        plain(figures.facility_name or ""),
        file,
        numbers.count(figures.lines, lang),
        numbers.count(scope.verdicts["avoidable"], lang),
        numbers.dong(scope.avoidable_vnd, lang),
    )


def _index(entries: list[_Entry], words: Words) -> str:
    style = style_sheet()
    return template("index.html").render(
        words=words,
        policy=policy(style),
        style=Markup(style),  # noqa: S704 (our own file)
        entries=entries,
    )
