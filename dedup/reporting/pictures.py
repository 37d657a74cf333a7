"""Which section has which chart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from markupsafe import Markup

from dedup.reporting import numbers
from dedup.reporting.cells import facility, writer
from dedup.reporting.charts import Bar, Dot, bars, columns, forest, heat
from dedup.reporting.figures import Figures
from dedup.reporting.tables import Table
from dedup.reporting.words import Words

__all__ = ["PICTURES"]

_BARS, _DOTS, _SIDE = 12, 25, 12  # as many as can be taken in at a glance


def _rows(table: Table, figures: Figures) -> list[dict[str, Any]]:
    """The rows of the first scope: charts never mix two."""
    rows = table.dicts()
    return [row for row in rows if row.get("scope", figures.filters.scopes[0]) == figures.filters.scopes[0]]


def _counts(name: str, weak: str, strong: str) -> Callable[[Table, Figures, Words], Markup]:
    """Bars of the column ``weak``, the part ``strong`` drawn strongly; ``name`` labels them."""

    def draw(table: Table, figures: Figures, words: Words) -> Markup:
        kind = next(column.kind for column in table.section.columns if column.name == name)
        label = writer(kind, words, figures)
        return _titled(
            figures,
            words,
            words("Repeats, the avoidable ones drawn strongly"),
            bars(
                [
                    Bar(
                        label(row[name]) or "–",
                        row[weak],
                        f"{numbers.count(row[strong], words.lang)} / {numbers.count(row[weak], words.lang)}",
                        row[strong],
                    )
                    for row in _rows(table, figures)[:_BARS]
                ]
            ),
        )

    return draw


def _titled(figures: Figures, words: Words, text: str, chart: Markup) -> Markup:
    where = words.label(figures.filters.scopes[0])
    return Markup('<p class="quiet">{} ({})</p>{}').format(text, where, chart)


def _funnel(table: Table, figures: Figures, words: Words) -> Markup:
    lang = words.lang
    rows = [
        Bar(
            words.label(row["step"]),
            row["lines"],
            f"{numbers.count(row['lines'], lang)} ({numbers.percent(row['share'], lang)})",
            row["lines"] if row["step"] == "surely_avoidable" else 0,
        )
        for row in _rows(table, figures)
    ]
    return _titled(figures, words, words("Order lines left after each step"), bars(rows))


def _weeks(table: Table, figures: Figures, words: Words) -> Markup:
    rows = [
        Bar(
            numbers.date(row["week"], words.lang),
            row["repeats"],
            f"{numbers.count(row['avoidable'], words.lang)} / {numbers.count(row['repeats'], words.lang)}",
            row["avoidable"],
        )
        for row in _rows(table, figures)
    ]
    text = words("Repeats by week, the avoidable ones drawn strongly")
    return _titled(figures, words, text, columns(text, rows))


def _hospitals(table: Table, figures: Figures, words: Words) -> Markup:
    rows = _rows(table, figures)
    if not rows:
        return Markup("")  # repeats of the other scope only
    whole = sum(row["avoidable"] for row in rows) / sum(row["lines"] for row in rows)
    dots = [
        Dot(
            facility(row["facility_id"], figures),
            row["share"],
            row["share_95"][0],
            row["share_95"][1],
            numbers.percent(row["share"], words.lang),
            row["standing"],
        )
        for row in rows
        if row["rank"] is not None
    ]
    text = words("Avoidable share with its 95% interval; the upright line is the share of all")
    return _titled(figures, words, text, forest(text, dots[:_DOTS], whole))


def _matrix(table: Table, figures: Figures, words: Words) -> Markup:
    rows = table.dicts()
    orderers = _largest(rows, "facility_id")
    sources = _largest(rows, "prior_facility_id")
    known: dict[tuple[Any, Any], int] = {
        (row["facility_id"], row["prior_facility_id"]): int(str(row["avoidable"])) for row in rows
    }
    caption = words("Avoidable repeats: who orders (down), whose result was there (across)")
    matrix = heat(
        caption,
        words("Ordering facility"),
        [facility(code, figures) for code in orderers],
        [facility(code, figures) for code in sources],
        [[known.get((one, other), 0) for other in sources] for one in orderers],
    )
    return Markup('<div class="wide" tabindex="0" role="region" aria-label="{}">{}</div>').format(caption, matrix)


def _largest(rows: list[dict[str, Any]], name: str) -> list[str]:
    sums: dict[str, int] = {}
    for row in rows:
        sums[row[name]] = sums.get(row[name], 0) + row["avoidable"]
    return sorted(sums, key=lambda code: (-sums[code], code))[:_SIDE]


def _curve(table: Table, figures: Figures, words: Words) -> Markup:
    text = words("Avoidable repeats reached after each step; the strong part: what largest first would have reached")
    rows = [
        Bar(
            f"{row['step']} {facility(row['facility_id'], figures)}",
            row["reached"],
            f"{numbers.percent(row['share'], words.lang)} / {numbers.percent(row['largest_first_share'], words.lang)}",
            row["largest_first"],
        )
        for row in _rows(table, figures)[:_DOTS]
    ]
    return Markup('<p class="quiet">{}</p>{}').format(text, bars(rows))


#: Section → its chart, drawn above the table.
PICTURES: dict[str, Callable[[Table, Figures, Words], Markup]] = {
    "funnel": _funnel,
    "tests": _counts("test_id", "repeats", "avoidable"),
    "pairs": _matrix,
    "hospitals": _hospitals,
    "departments": _counts("department", "repeats", "avoidable"),
    "sources": _counts("prior_facility_id", "repeats", "avoidable"),
    "ages": _counts("age", "repeats", "avoidable"),
    "used": _counts("part", "repeats", "avoidable"),
    "weeks": _weeks,
    "next": _curve,
}
