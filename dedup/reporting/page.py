"""The report as one self-contained HTML file: no network, no style or script that the page did not bring itself."""

from __future__ import annotations

import base64
import dataclasses
import functools
import hashlib
import json
import math
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from dedup.reporting import numbers
from dedup.reporting.advice import advice
from dedup.reporting.cells import RIGHT, writer
from dedup.reporting.figures import Figures, ScopeFigures
from dedup.reporting.glossary import GLOSSARY
from dedup.reporting.pictures import PICTURES
from dedup.reporting.tables import Column, Table, mark
from dedup.reporting.titles import head, title
from dedup.reporting.words import Words

__all__ = ["policy", "render_html", "style_sheet", "template"]

_TEMPLATES = Path(__file__).parent / "templates"
_PAGE_BYTES = 1_000_000  # as much as a mailbox or a slow line bears
_ROWS_KEPT = 500  # of every table but the orders, which limits itself
_ROWS_OPEN = 15  # shown before "show all"
_ROWS_PRINTED = 40  # as report.css has it

_SCRIPT_WORDS = {
    "filter": mark("Filter:"),
    "rows": mark("{found} of {all} rows"),
    "more": mark("Show all"),
    "fewer": mark("Show fewer"),
}


@dataclass(frozen=True)
class _Heading:
    name: str
    title: str
    sort: str
    css: str
    finds: bool  #: the script takes this cell to find the orders behind a row


@dataclass(frozen=True)
class _Card:
    title: str
    number: str
    more: list[str]


@dataclass(frozen=True)
class _Part:
    name: str
    title: str
    about: str
    chart: Markup
    columns: list[_Heading]
    body: Markup
    limit: int
    broad: bool
    left_out: str
    cut: str


def render_html(figures: Figures, lang: str) -> str:
    """The whole page, of at most a megabyte: the last of the orders make room. ``lang``: vi or en."""
    page = _page(figures, lang)
    while (
        (over := len(page.encode()) - _PAGE_BYTES) > 0 and "orders" in figures.tables and figures.tables["orders"].rows
    ):
        orders = figures.tables["orders"]
        held = len(orders.rows)
        kept = held - math.ceil(held * over / len(page.encode())) - 1  # if the page were orders only; else once more
        fewer = dataclasses.replace(orders, rows=orders.rows[: max(0, kept)])
        figures = dataclasses.replace(figures, tables={**figures.tables, "orders": fewer})
        page = _page(figures, lang)
    return page


def _page(figures: Figures, lang: str) -> str:
    words = Words(lang)
    style, script = style_sheet(), _read("report.js")
    spoken = {name: words(text) for name, text in _SCRIPT_WORDS.items()}
    return template("report.html").render(
        words=words,
        policy=policy(style, script),
        style=Markup(style),  # noqa: S704 (our own files)
        script=Markup(script),  # noqa: S704
        script_words=Markup(json.dumps(spoken, ensure_ascii=True).replace("<", "\\u003c")),  # noqa: S704
        title=title(figures, words),
        head=head(figures, words),
        cards=_cards(figures, words),
        two_scopes=len(figures.scopes) > 1,
        advised=figures.report == "repeats",
        advice=_advice(figures, words),
        no_advice=_no_advice(figures, words),
        parts=[_part(table, figures, words) for table in figures.tables.values() if table.rows],
        empty=", ".join(words(table.section.title) for table in figures.tables.values() if not table.rows),
        glossary=[(words(term), words(meaning)) for term, meaning in GLOSSARY],
    )


def policy(style: str, script: str = "") -> str:
    """A content security policy that lets this style and script in, and nothing else."""
    parts = ["default-src 'none'", f"style-src '{_digest(style)}'", "base-uri 'none'", "form-action 'none'"]
    return "; ".join(parts + ([f"script-src '{_digest(script)}'"] if script else []))


@functools.cache
def template(name: str) -> Template:
    """A template of the room; whatever is put into it is escaped."""
    loader = FileSystemLoader(_TEMPLATES, encoding="utf-8")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True).get_template(name)


@functools.cache
def _read(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def style_sheet() -> str:
    """The style that all pages share."""
    return _read("report.css")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _cards(figures: Figures, words: Words) -> list[_Card]:
    lang = words.lang
    cards = []
    for scope in figures.scopes:
        where = words.label(scope.scope)
        cards += [
            _Card(
                words("Avoidable repeats, earlier result {where}", where=where),
                numbers.count(scope.verdicts["avoidable"], lang),
                _shares(scope, figures, words),
            ),
            _Card(
                words("Avoidable đồng, earlier result {where}", where=where),
                numbers.dong(scope.avoidable_vnd, lang),
                [words("honest saving {saving}", saving=numbers.dong(scope.chain_vnd, lang))],
            ),
        ]
    persons = words("{persons} persons", persons=numbers.count(figures.persons, lang))
    price = words("price together {price}", price=numbers.dong(figures.price_vnd, lang))
    own = _connected(figures, words) if figures.report == "rollout" else _recorded(figures, words)
    return [*cards, *own, _Card(words("Order lines"), numbers.count(figures.lines, lang), [persons, price])]


def _connected(figures: Figures, words: Words) -> list[_Card]:
    tiers, waiting = figures.tables["tiers"].dicts(), figures.tables["waiting"].dicts()
    whole, connected, late = (
        sum(int(str(row[name])) for row in rows)
        for rows, name in ((tiers, "facilities"), (tiers, "connected"), (waiting, "waiting"))
    )
    of = words("of {number} facilities", number=numbers.count(whole, words.lang))
    why = words("because the orderer or the source is not connected yet")
    return [
        _Card(words("Connected facilities"), numbers.count(connected, words.lang), [of]),
        _Card(words("Avoidable repeats that wait"), numbers.count(late, words.lang), [why]),
    ]


def _advice(figures: Figures, words: Words) -> list[tuple[str, str, str]]:
    """What to do, and the section it rests on: its name and its title."""
    return [
        (said.text, said.section, words(figures.tables[said.section].section.title)) for said in advice(figures, words)
    ]


def _no_advice(figures: Figures, words: Words) -> str:
    if any(scope.verdicts["avoidable"] for scope in figures.scopes):
        return words("Too few avoidable repeats to advise anything.")
    return words("No avoidable repeats were found.")


def _shares(scope: ScopeFigures, figures: Figures, words: Words) -> list[str]:
    if scope.avoidable_share is None or scope.avoidable_95 is None:
        return []
    lang = words.lang
    low, high = (numbers.percent(end, lang) for end in scope.avoidable_95)
    share, lines = numbers.percent(scope.avoidable_share, lang), numbers.count(figures.lines, lang)
    return [
        words("{share} of {lines} order lines", share=share, lines=lines),
        words("95% interval {low} – {high}", low=low, high=high),
    ]


def _recorded(figures: Figures, words: Words) -> list[_Card]:
    rows = [row for row in figures.tables["recorded"].dicts() if row["scope"] == figures.filters.scopes[0]]
    whole = sum(int(str(row["repeats"])) for row in rows)
    given = sum(int(str(row["repeats"])) for row in rows if row["recorded"] != "none_recorded")
    if not whole:
        return []
    of = words(
        "{given} of {whole} repeats {where}",
        given=numbers.count(given, words.lang),
        whole=numbers.count(whole, words.lang),
        where=words.label(figures.filters.scopes[0]),
    )
    return [_Card(words("With a recorded reason"), numbers.percent(given / whole, words.lang), [of])]


def _part(table: Table, figures: Figures, words: Words) -> _Part:
    section = table.section
    keys = _keys(figures)
    # a hospital's own orders need not repeat its name in every row
    dropped = "facility_id" if figures.facility_id is not None and section.name == "orders" else ""
    places = [(place, column) for place, column in enumerate(section.columns) if column.name != dropped]
    rows = table.rows if section.name == "orders" else table.rows[:_ROWS_KEPT]
    left_out = figures.orders_left_out if section.name == "orders" else len(table.rows) - len(rows)
    picture = PICTURES.get(section.name)
    chart = picture(table, figures, words) if picture and rows else Markup("")
    number = numbers.count(_ROWS_PRINTED, words.lang)
    return _Part(
        name=section.name,
        title=words(section.title),
        about=words(section.about),
        chart=chart,
        columns=[_heading(column, words, section.name != "orders" and column.name in keys) for _, column in places],
        body=_body(rows, places, figures, words, linked=keys if section.name != "orders" else frozenset()),
        limit=_ROWS_OPEN if section.name != "orders" else 50,
        broad=len(section.columns) > 14,
        left_out=_left_out(left_out, section.name == "orders", words),
        cut=words("Only the first {number} rows are printed.", number=number) if len(rows) > _ROWS_PRINTED else "",
    )


def _left_out(rows: int, orders: bool, words: Words) -> str:
    if rows <= 0:
        return ""
    number = numbers.count(rows, words.lang)
    if orders:
        return words(
            "{number} more orders are not on this page: the spreadsheet (--format xlsx) holds them.", number=number
        )
    return words("{number} more rows: in the spreadsheet.", number=number)


def _keys(figures: Figures) -> frozenset[str]:
    """The columns of the orders by which a row elsewhere finds them."""
    if "orders" not in figures.tables:
        return frozenset()
    names = {"scope", "verdict", "reason", "test_id", "department", "ordered_by", "prior_facility_id", "rule_id"}
    return frozenset(names | ({"facility_id"} if figures.facility_id is None else set()))


def _heading(column: Column, words: Words, finds: bool) -> _Heading:
    sort = "n" if column.kind in RIGHT else "t" if column.kind in ("date", "moment") else ""
    css = "r" if column.kind in RIGHT else {"facility": "n", "test": "n", "word": "w", "text": "w"}.get(column.kind, "")
    return _Heading(column.name, words(column.title), sort, css, finds)


def _body(
    rows: tuple[tuple[Any, ...], ...],
    places: list[tuple[int, Column]],
    figures: Figures,
    words: Words,
    *,
    linked: frozenset[str],
) -> Markup:
    """The rows as HTML, closing tags left out where HTML lets them be: a page has thousands of cells.

    Column by column, because most columns have few different values: each is written and escaped once.
    """
    finders = [column.name for _, column in places if column.name in linked]
    last = finders[-1] if finders and finders != ["scope"] else None
    cells = []
    for place, column in places:
        tag = (
            "<td class=r>" if column.kind in RIGHT else "<td class=m>" if column.kind in ("date", "moment") else "<td>"
        )
        before, after = (tag + '<a href="#orders" data-find>', "</a>") if column.name == last else (tag, "")
        empty = "–" if column.kind == "text" else ""  # a link needs a text
        write = writer(column.kind, words, figures)
        values = [row[place] for row in rows]
        made = {value: before + (escape(write(value)) or empty) + after for value in set(values)}
        cells.append([made[value] for value in values])
    lines = ["<tr>" + "".join(line) for line in zip(*cells, strict=True)]
    return Markup("\n".join(lines))  # noqa: S704 (every cell went through escape)
