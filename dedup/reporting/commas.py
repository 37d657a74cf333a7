"""The report as one CSV file that a spreadsheet opens without harm: the tables one below the other.

Each table begins with its title in a row of its own, then the headings, then the rows; an empty line ends it. Numbers
are plain (a point for decimals, no grouping), so that programs read them too. Text that a spreadsheet would take for
a formula gets an apostrophe in front, and so does text that begins with one, as in ``dedup export``.
"""

from __future__ import annotations

import csv
import datetime
import decimal
import io

from dedup.quoting import no_formula
from dedup.reporting.figures import Figures
from dedup.reporting.flat import flatten
from dedup.reporting.titles import head, title
from dedup.reporting.words import Words

__all__ = ["render_csv"]


def render_csv(figures: Figures, lang: str) -> str:
    """The file's text, byte order mark first. ``lang``: vi or en."""
    words, out = Words(lang), io.StringIO()
    out.write("\N{BYTE ORDER MARK}")
    writer = csv.writer(out, lineterminator="\r\n")
    for text in (title(figures, words), *head(figures, words)):
        writer.writerow([_cell(text)])
    for flat in flatten(figures, words):
        writer.writerow([])
        writer.writerow([_cell(flat.title)])
        writer.writerow([_cell(text) for text, _ in flat.columns])
        writer.writerows([_cell(value) for value in row] for row in flat.rows)
        if flat.note:
            writer.writerow([_cell(flat.note)])
    return out.getvalue()


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case str():
            return no_formula(value)
        case decimal.Decimal():
            return f"{value:f}".rstrip("0").rstrip(".") if "." in f"{value:f}" else f"{value:f}"
        case datetime.datetime():
            return value.isoformat(sep=" ", timespec="seconds")
        case _:
            return str(value)
