"""The report as a spreadsheet: one sheet a table, typed cells, headings that stay, filters, no formula anywhere."""

from __future__ import annotations

import datetime
import io
from typing import Any

from dedup.reporting.figures import Figures
from dedup.reporting.flat import Flat, flatten
from dedup.reporting.tables import Kind
from dedup.reporting.titles import head, title
from dedup.reporting.words import Words

__all__ = ["render_xlsx"]

_FORMATS: dict[Kind, str] = {
    "count": "#,##0",
    "vnd": '#,##0 "₫"',
    "share": "0.0%",
    "hours": "#,##0.0",
    "date": "yyyy-mm-dd",
    "moment": "yyyy-mm-dd hh:mm",
}
_WIDTHS: dict[Kind, int] = {"text": 22, "word": 26, "vnd": 18, "moment": 17}
_LONGEST = 32_767  # characters a cell may hold
_NAME = 31  # characters a sheet's name may hold


def render_xlsx(figures: Figures, lang: str) -> bytes:
    """The workbook. ``lang``: vi or en. The same figures give the same bytes."""
    import xlsxwriter

    words, out = Words(lang), io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    book = xlsxwriter.Workbook(out, options)
    # without a date of its own the file would carry the hour it was written
    book.set_properties(
        {"title": title(figures, words), "created": figures.basis.ended_at or datetime.datetime(2026, 1, 1)}
    )
    styles = {kind: book.add_format({"num_format": form}) for kind, form in _FORMATS.items()}
    heading = book.add_format({"bold": True, "text_wrap": True, "valign": "top", "bottom": 1})
    flats = list(flatten(figures, words))
    names = _names(flats)
    contents = book.add_worksheet(words("Contents")[:_NAME])
    for row, text in enumerate([title(figures, words), *head(figures, words), ""]):
        contents.write_string(row, 0, text[:_LONGEST], heading if row == 0 else None)
    first = len(head(figures, words)) + 2
    for row, (flat, name) in enumerate(zip(flats, names, strict=True), start=first):
        contents.write_url(row, 0, f"internal:'{name.replace(chr(39), chr(39) * 2)}'!A1", string=flat.title[:255])
        contents.write_string(row, 1, f"{flat.about} {flat.note}".rstrip()[:_LONGEST])
    contents.set_column(0, 0, 48)
    contents.set_column(1, 1, 90)
    for flat, name in zip(flats, names, strict=True):
        _sheet(book.add_worksheet(name), flat, heading, styles)
    book.close()
    return out.getvalue()


def _sheet(sheet: Any, flat: Flat, heading: Any, styles: dict[Kind, Any]) -> None:
    for place, (text, kind) in enumerate(flat.columns):
        sheet.write_string(0, place, text, heading)
        sheet.set_column(place, place, _WIDTHS.get(kind, 13), styles.get(kind))
    for number, row in enumerate(flat.rows, start=1):
        for place, (value, (_, kind)) in enumerate(zip(row, flat.columns, strict=True)):
            if value is None:
                continue
            if isinstance(value, str):
                sheet.write_string(number, place, value[:_LONGEST])
            elif isinstance(value, datetime.date):  # a datetime is one too
                sheet.write_datetime(number, place, value, styles[kind])
            else:
                sheet.write_number(number, place, value, styles.get(kind))
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, max(len(flat.rows), 1), len(flat.columns) - 1)
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)


def _names(flats: list[Flat]) -> list[str]:
    """Names of sheets: short, different, without the characters that spreadsheets forbid."""
    names: list[str] = []
    for number, flat in enumerate(flats, start=1):
        name = "".join(" " if char in "[]:*?/\\'" else char for char in flat.title)
        names.append(f"{number} {name}"[:_NAME].rstrip())
    return names
