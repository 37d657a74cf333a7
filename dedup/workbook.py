"""Reading the cells of an XLSX file as text, without a spreadsheet program's habits.

A workbook is a zip of XML. Cells become text the way they are stored: numbers without rounding, dates as ISO 8601,
errors as blanks. A number is a date, or keeps its leading zeros, when its style says so. No document type, no macros,
no links are ever looked at.
"""

from __future__ import annotations

import datetime
import mmap
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import etree

__all__ = ["WorkbookError", "count_rows", "count_sheets", "is_locked", "is_workbook", "rows"]

MAX_PART = 2 << 30  # bytes of one part, unpacked
MAX_COLUMNS = 1000
_DATE_FORMATS = {14, 15, 16, 17, 22, *range(27, 32), 36, *range(50, 55), 57, 58}
_DATE_AND_TIME = 22
_TIME_FORMATS = {18, 19, 20, 21, 45, 46, 47}
_EPOCH = datetime.datetime(1899, 12, 30)  # Excel's day 0; it believes that 1900 was a leap year
_DAYS_TO_1904 = 1462  # in workbooks that count from 1 January 1904
_COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OPTIONS: dict[str, Any] = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": True}


_ROW = re.compile(rb"<(?:\w+:)?row[\s>].*?</(?:\w+:)?row>", re.DOTALL)
_CELL = re.compile(rb"<(?:\w+:)?(?:v|t)(?:\s[^>]*)?>[^<]")


_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    etree.XMLSyntaxError,
    LookupError,
    ValueError,
    OSError,
    RuntimeError,
    EOFError,
)


class WorkbookError(Exception):
    """The file is no workbook that can be read."""


def is_workbook(head: bytes) -> bool:
    """Whether the bytes begin like a zip that holds a workbook."""
    return head.startswith(b"PK\x03\x04") and (b"xl/" in head or b"[Content_Types].xml" in head[:200])


def is_locked(path: Path) -> bool:
    """Whether the file is a workbook, or another office document, with a password: what is encrypted lies in a compound
    file (MS-CFB) as a stream of this name (MS-OFFCRYPTO)."""
    with path.open("rb") as file:
        if file.read(len(_COMPOUND)) != _COMPOUND:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return data.find("EncryptedPackage".encode("utf-16-le")) >= 0


def rows(path: Path, sheet: str | None = None) -> Iterator[list[str]]:
    """The rows of a sheet (the first that is shown when None) as text, blank rows left out. Raises WorkbookError."""
    try:
        with zipfile.ZipFile(path) as archive:
            shared = _shared(archive)
            styles = _styles(archive)
            first_day = _DAYS_TO_1904 if _counts_from_1904(archive) else 0
            with _part(archive, _sheet_part(archive, sheet)) as part:
                yield from _sheet(part, shared, styles, first_day)
    except _DAMAGE:
        raise WorkbookError from None


def count_rows(path: Path, sheet: str | None = None) -> int:
    """Rows of a sheet with something in them, counted on its bytes without an XML parser."""
    try:
        with zipfile.ZipFile(path) as archive:
            data = archive.read(_sheet_part(archive, sheet))
    except _DAMAGE:
        raise WorkbookError from None
    return sum(_CELL.search(row[0]) is not None for row in _ROW.finditer(data))


def count_sheets(path: Path) -> int:
    """Sheets that are shown. Raises WorkbookError."""
    try:
        with zipfile.ZipFile(path) as archive:
            return len(_shown(archive))
    except _DAMAGE:
        raise WorkbookError from None


def _part(archive: zipfile.ZipFile, name: str) -> Any:
    info = archive.getinfo(name)
    if info.file_size > MAX_PART or info.file_size > 1000 * max(info.compress_size, 100_000):
        raise ValueError("too large")
    with archive.open(info) as part:
        if b"<!DOCTYPE" in part.read(4096).upper():
            raise ValueError("a DOCTYPE")
    return archive.open(info)


def _name(element: Any) -> str:
    return str(etree.QName(element).localname)


def _tree(archive: zipfile.ZipFile, name: str) -> Any:
    with _part(archive, name) as part:
        return etree.parse(part, etree.XMLParser(**_OPTIONS)).getroot()


def _sheet_part(archive: zipfile.ZipFile, sheet: str | None) -> str:
    relations = {
        one.get("Id"): one.get("Target") for one in _tree(archive, "xl/_rels/workbook.xml.rels") if one.get("Target")
    }
    sheets = list(_tree(archive, "xl/workbook.xml").iter("{*}sheet"))
    for one in _shown(archive) + sheets:
        if sheet is None or one.get("name") == sheet:
            relation = [value for key, value in one.attrib.items() if key.endswith("}id")]
            target = str(relations[relation[0]])  # IndexError and KeyError are damage
            return target.lstrip("/") if target.startswith("/") else f"xl/{target}"
    raise KeyError("sheet")


def _shown(archive: zipfile.ZipFile) -> list[Any]:
    """Sheets that nobody has hidden."""
    sheets = _tree(archive, "xl/workbook.xml").iter("{*}sheet")
    return [one for one in sheets if one.get("state", "visible") == "visible"]


def _shared(archive: zipfile.ZipFile) -> list[str]:
    if "xl/sharedStrings.xml" not in archive.namelist():
        return []
    found = []
    with _part(archive, "xl/sharedStrings.xml") as part:
        for _, item in etree.iterparse(part, tag="{*}si", **_OPTIONS):
            found.append(_text(item))
            item.clear()
    return found


def _text(item: Any) -> str:
    """The text of a string, without phonetic hints."""
    return "".join(t.text or "" for t in item.iter("{*}t") if _name(t.getparent()) != "rPh")


def _counts_from_1904(archive: zipfile.ZipFile) -> bool:
    found = _tree(archive, "xl/workbook.xml").find("{*}workbookPr")
    return found is not None and found.get("date1904") in ("1", "true")


def _styles(archive: zipfile.ZipFile) -> list[str]:
    """For each cell style: date, datetime, time, as many zeros as a number has digits, or nothing."""
    if "xl/styles.xml" not in archive.namelist():
        return []
    root = _tree(archive, "xl/styles.xml")
    own = {int(one.get("numFmtId")): str(one.get("formatCode")) for one in root.iter("{*}numFmt")}
    styles = root.find("{*}cellXfs")
    return [] if styles is None else [_kind(int(one.get("numFmtId") or 0), own) for one in styles]


def _kind(number: int, own: dict[int, str]) -> str:
    whole = own.get(number, "")
    code = re.sub(r'"[^"]*"|\\.|\[[^\]]*\]', "", whole).lower()
    timed = number in _TIME_FORMATS or re.search("[hs]", code) is not None
    if number in _DATE_FORMATS or re.search("[yd]", code):
        return "datetime" if timed or number == _DATE_AND_TIME else "date"
    return "time" if timed else whole if re.fullmatch("0{2,}", whole) else ""


def _sheet(part: Any, shared: list[str], styles: list[str], first_day: int) -> Iterator[list[str]]:
    for _, row in etree.iterparse(part, tag="{*}row", **_OPTIONS):
        cells: list[str] = []
        for cell in row.iter("{*}c"):
            place = _place(cell.get("r"), len(cells))
            if place >= MAX_COLUMNS:
                raise ValueError("too wide")
            cells += [""] * (place - len(cells))
            cells[place:] = [_value(cell, shared, styles, first_day)]
        row.clear()
        while row.getprevious() is not None:
            del row.getparent()[0]
        if any(cells):
            yield cells


def _place(reference: str | None, default: int) -> int:
    letters = re.match("[A-Z]{1,3}", reference or "")
    if letters is None:
        return default
    place = 0
    for letter in letters[0]:
        place = place * 26 + ord(letter) - 64
    return place - 1


def _value(cell: Any, shared: list[str], styles: list[str], first_day: int) -> str:
    kind = cell.get("t") or "n"
    if kind == "inlineStr":
        return _text(cell).strip()
    element = cell.find("{*}v")
    text = (element.text or "").strip() if element is not None else ""
    if kind == "s":
        return shared[int(text)].strip() if text else ""
    if kind == "e" or not text:
        return ""
    if kind == "n":
        style = int(cell.get("s") or 0)
        return _number(text, styles[style] if style < len(styles) else "", first_day)
    return text


def _number(text: str, kind: str, first_day: int) -> str:
    number = float(text)
    if kind in ("date", "datetime") and 0 <= number < 2_958_466 - first_day:
        at = _EPOCH + datetime.timedelta(days=first_day, seconds=round(number * 86400))
        return at.date().isoformat() if kind == "date" and at.time() == datetime.time() else at.isoformat()
    if kind == "time" and 0 <= number < 1:
        return (_EPOCH + datetime.timedelta(seconds=round(number * 86400))).time().isoformat()
    if number.is_integer() and abs(number) < 1e15:
        return str(int(number)).zfill(kind.count("0"))
    # Four decimals at least: a typed number is never ambiguous, so it must not look like 21.500.
    return repr(number) if not re.fullmatch(r"\d{1,3}\.\d{3}", repr(number)) else repr(number) + "0"
