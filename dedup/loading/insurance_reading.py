"""Insurance XML files as columns of text: encounter by encounter, many of them and many files in one part.

A part is a handful of Arrow tables. So what is read is the same whether it is staged by the process that read it or
by another one (``insurance_apart``), and the engine gets enough rows at a time to be worth planning a query for.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from lxml import etree

from dedup.loading.insurance_count import count_orders, count_payload, has_doctype, is_label
from dedup.loading.insurance_fields import Element, first_fields, local_name, plain, rows_of, spelt_oddly, trimmed
from dedup.loading.insurance_sql import ORDERS, RESULTS, STAYS

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["MANY", "TABLES", "Part", "parts"]

#: Name → table, as in ``TABLES``.
Part: TypeAlias = "dict[str, pa.Table]"

#: Columns of the tables of a part; ``stay`` numbers the encounters of all files, ``encounter_no`` those of one.
#: ``rejects``: row 0 is the file as a whole. ``files``: those read to their end; ``counted``: their orders, counted
#: without the parser; ``dated``: whether they say when they were written.
TABLES: dict[str, tuple[str, ...]] = {
    "stays": ("stay", "delivery_no", "encounter_no", "ENVELOPE", *STAYS),
    "orders": ("stay", "row_number", "place", *ORDERS),
    "results": ("stay", "result_no", *RESULTS),
    "filed": ("delivery_no", "encounter_no", "facility_id", "order_id", "filed_on", "withdrawn"),
    "rejects": ("delivery_no", "row_number", "column_name", "reason"),
    "files": ("delivery_no", "counted", "dated"),
}
_NUMBERS = {"stay", "delivery_no", "encounter_no", "row_number", "place", "result_no", "counted"}
_TRUTHS = {"withdrawn", "dated"}
_DATES = {"filed_on"}

#: Rows that are worth planning a query for.
MANY = 50_000

_TRIED = 20  # encounters; a program that writes names in other letters does so from the first on
_GROUPS = {"1", "2", "3"}
_GROUP = ORDERS.index("MA_NHOM")
_ENCOUNTER = ORDERS.index("MA_LK")
_STAY = STAYS.index("MA_LK")
_FACILITY = STAYS.index("MA_CSKCB")
_COMING = STAYS.index("MA_DOITUONG_KCB")


def parts(files: Iterable[tuple[int, Path]]) -> Iterator[Part]:
    """What the files hold (each with its delivery_no); memory holds one encounter and one part."""
    rows = _Rows()
    for delivery_no, path in files:
        for _ in _encounters(rows, delivery_no, path):
            if len(rows["orders"]) + len(rows["results"]) >= MANY:
                yield rows.taken()
    yield rows.taken()


class _Rows(dict[str, list[tuple[Any, ...]]]):
    """The rows of a part while it grows."""

    def __init__(self) -> None:
        super().__init__({name: [] for name in TABLES})

    def taken(self) -> Part:
        """The part as it is; the next one begins."""
        part = {name: _table(columns, self[name]) for name, columns in TABLES.items()}
        for rows in self.values():
            rows.clear()
        return part


def _encounters(rows: _Rows, delivery_no: int, path: Path) -> Iterator[None]:
    """Read a file into ``rows``, an encounter a step."""
    file = _File(rows, delivery_no)
    if has_doctype(path):
        file.fail("forbidden_doctype")
        rows["files"].append((delivery_no, 0, False))
        return
    counted = count_orders(path)
    try:
        for record in _records(path):
            file.add(record)
            yield
    except etree.XMLSyntaxError as error:
        reason = "too_deep" if "depth" in str(error) else "unreadable_file"
        rows["rejects"] += [(delivery_no, number, "", reason) for number in range(file.row_number + 1, counted + 1)]
        file.fail(reason)
    rows["files"].append((delivery_no, counted, file.dated))


def _parser_options() -> dict[str, Any]:
    # huge_tree: a month of base64 is longer than libxml2's 10 MB of text. Without a DTD nothing can expand. A comment
    # that were kept would end the text of its element.
    options = {"huge_tree": True, "resolve_entities": False, "no_network": True, "load_dtd": False}
    return options | {"remove_comments": True, "remove_pis": True}


class _Record:
    """One HOSO: its envelope's facility and date, and its payloads as parsed roots."""

    __slots__ = ("facility_id", "filed_on", "lost", "roots", "unreadable")

    def __init__(self, facility_id: str, filed_on: datetime.date | None) -> None:
        self.facility_id = facility_id
        self.filed_on = filed_on
        self.roots: dict[str, list[Element]] = {"XML1": [], "XML3": [], "XML4": []}
        self.unreadable = 0
        self.lost = 0  # orders inside payloads that cannot be read


def _records(path: Path) -> Iterator[_Record]:
    """The encounters of the file, each freed once it has been read."""
    facility_id, filed_on = "", None
    with path.open("rb") as file:
        for _, element in etree.iterparse(file, events=("end",), tag=_tags(path), **_parser_options()):
            name = local_name(element)
            if name == "MACSKCB":
                facility_id = trimmed(element.text)
            elif name == "NGAYLAP":
                filed_on = _day(trimmed(element.text))
            elif element.getparent() is None or name == "HOSO":
                yield _record(element, facility_id, filed_on)
                _free(element)


def _tags(path: Path) -> list[str]:
    """How this file spells the names the reader stops at: tags may come in any case, with or without a namespace."""
    wanted = re.compile(rb"<(?:\w+:)?(HOSO|MACSKCB|NGAYLAP)[\s>/]", re.IGNORECASE)
    with path.open("rb") as file:
        head = file.read(1 << 20).replace(b"\0", b"")
    spelled = {found.decode() for found in wanted.findall(head)} | {"HOSO", "MACSKCB", "NGAYLAP"}
    return sorted({f"{{*}}{name}" for name in spelled})


def _day(text: str) -> datetime.date | None:
    try:
        return datetime.datetime.strptime(text[:8], "%Y%m%d").date()
    except ValueError:
        return None


def _free(element: Element) -> None:
    element.clear()
    while element.getprevious() is not None:
        del element.getparent()[0]


def _record(element: Element, facility_id: str, filed_on: datetime.date | None) -> _Record:
    record = _Record(facility_id, filed_on)
    for part in element:
        if not isinstance(part.tag, str) or local_name(part) != "FILEHOSO":
            continue
        fields = {local_name(child): child for child in part if isinstance(child.tag, str)}
        kind = trimmed(fields["LOAIHOSO"].text).upper() if "LOAIHOSO" in fields else ""
        if kind in record.roots and "NOIDUNGFILE" in fields:
            try:
                root = _payload(fields["NOIDUNGFILE"])
            except (ValueError, etree.XMLSyntaxError):
                record.unreadable += 1
                record.lost += count_payload(fields["NOIDUNGFILE"].text) if kind == "XML3" else 0
                continue
            if root is not None:
                record.roots[kind].append(root)
        if kind != "XML3" and "NOIDUNGFILE" in fields:
            misplaced = _misplaced(fields["NOIDUNGFILE"], kind)
            record.unreadable += misplaced > 0
            record.lost += misplaced
    return record


def _misplaced(content: Element, kind: str) -> int:
    """Orders in a part that is labelled as another one, or as none there is."""
    inside = sum(plain(row[_GROUP]) in _GROUPS for row in rows_of(content, "CHI_TIET_DVKT", ORDERS))
    return inside or (count_payload(content.text) if kind and not is_label(kind) else 0)


def _payload(element: Element) -> Element | None:
    """The root inside NOIDUNGFILE: child XML, base64, XML as text, or nothing at all."""
    for child in element:
        if isinstance(child.tag, str):
            return child
    text = trimmed(element.text).lstrip("\ufeff")
    if not text:
        return None
    if text.startswith("<"):
        data = re.sub(r"^<\?xml[^>]*\?>", "", text).encode()
    else:
        try:
            data = base64.b64decode("".join(text.split()), validate=True)
        except binascii.Error:
            raise ValueError("not base64") from None
    if b"<!DOCTYPE" in data.replace(b"\0", b"")[:65536].upper():
        raise ValueError("a DOCTYPE")
    return etree.fromstring(data.lstrip(b"\r\n\t "), etree.XMLParser(**_parser_options()))


class _File:
    """One file being read: numbers its encounters and orders, and puts what they say into the rows of a part."""

    def __init__(self, rows: _Rows, delivery_no: int) -> None:
        self.rows = rows
        self.delivery_no = delivery_no
        self.encounter_no = 0
        self.row_number = 0
        self.odd = False
        self.dated = False

    def fail(self, reason: str) -> None:
        self.rows["rejects"].append((self.delivery_no, 0, "", reason))

    def add(self, record: _Record) -> None:
        self.encounter_no += 1
        stay = first_fields(record.roots["XML1"], STAYS)
        if self.encounter_no <= _TRIED:
            self.odd |= any(spelt_oddly(root, "CHI_TIET_DVKT") for root in record.roots["XML3"])
        orders = [row for root in record.roots["XML3"] for row in rows_of(root, "CHI_TIET_DVKT", ORDERS, odd=self.odd)]
        orders = [row for row in orders if plain(row[_GROUP]) in _GROUPS]
        problem = self._problem(record, stay, orders)
        number = self.delivery_no << 32 | self.encounter_no
        place = 0
        for row in orders:
            if problem:
                self._reject(*problem)
            elif stay and trimmed(row[_ENCOUNTER]) not in ("", stay[_STAY]):
                self._reject("encounter_id", "missing_encounter")
            else:
                self.row_number += 1
                place += 1
                self.rows["orders"].append((number, self.row_number, place, *row))
        for _ in range(record.lost):
            self._reject("", "unreadable_payload")
        if problem or stay is None:
            return
        self.rows["stays"].append((number, self.delivery_no, self.encounter_no, record.facility_id, *stay))
        results = [row for root in record.roots["XML4"] for row in rows_of(root, "CHI_TIET_CLS", RESULTS, odd=self.odd)]
        self.rows["results"] += [(number, result_no, *row) for result_no, row in enumerate(results)]
        self._file(record, stay)

    def _reject(self, column: str, reason: str) -> None:
        self.row_number += 1
        self.rows["rejects"].append((self.delivery_no, self.row_number, column, reason))

    def _problem(self, record: _Record, stay: tuple[str, ...] | None, orders: list[Any]) -> tuple[str, str] | None:
        if record.unreadable:
            if not orders and not record.lost:
                self.fail("unreadable_payload")
            return "", "unreadable_payload"
        if stay is None:
            return "encounter_id", "missing_encounter"
        return None

    def _file(self, record: _Record, stay: tuple[str, ...]) -> None:
        facility_id = stay[_FACILITY] or record.facility_id
        if facility_id and stay[_STAY]:
            withdrawn = plain(stay[_COMING]) == "8"
            self.rows["filed"].append(
                (self.delivery_no, self.encounter_no, facility_id, stay[_STAY], record.filed_on, withdrawn)
            )
            self.dated = record.filed_on is not None


def _table(names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> pa.Table:
    """Rows as columns; texts without blanks around them."""
    import pyarrow as pa

    cells = zip(*rows, strict=True) if rows else [()] * len(names)
    return pa.table({name: _column(name, column) for name, column in zip(names, cells, strict=True)})


def _column(name: str, cells: tuple[Any, ...]) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if name in _NUMBERS:
        return pa.array(cells, pa.int64())
    if name in _TRUTHS:
        return pa.array(cells, pa.bool_())
    if name in _DATES:
        return pa.array(cells, pa.date32())
    return pc.fill_null(pc.utf8_trim_whitespace(pa.array(cells, pa.string())), "")
