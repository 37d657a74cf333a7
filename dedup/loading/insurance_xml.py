"""The national insurance XML (decisions 4210, 130, 4750 and 3176 of the Ministry of Health).

An envelope ``GIAMDINHHS`` holds encounters (``HOSO``): XML1 the patient and the stay, XML3 the services, XML4 the
results. A row is a ``CHI_TIET_DVKT`` of a laboratory, imaging or function group (``MA_NHOM`` 1, 2, 3). An encounter
is always sent whole: its newest version by ``NGAYLAP`` replaces all earlier ones. XML6 (HIV) is never read.

Elements are collected as text columns here; ``insurance_sql`` turns them into canonical columns.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import etree

from dedup.loading.insurance_count import count_orders, count_payload, has_doctype, is_label
from dedup.loading.insurance_fields import Element, first_fields, local_name, plain, rows_of, spelt_oddly, trimmed
from dedup.loading.insurance_sql import COLUMNS, ORDERS, RESULTS, SOURCE, STAYS
from dedup.loading.landing import Filed, Landing

__all__ = ["land", "recognise"]

_BATCH = 50_000
_TRIED = 20  # encounters; a program that writes names in other letters does so from the first on
_GROUPS = {"1", "2", "3"}
_ROOT = re.compile(rb"<(?:\w+:)?(GIAMDINHHS|HOSO)[\s>/]", re.IGNORECASE)


def recognise(head: bytes) -> bool:
    """XML whose root is the envelope or a single record; UTF-16 too."""
    text = head.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    found = _ROOT.search(text[:4096])
    return text.startswith(b"<") and found is not None


def land(landing: Landing, path: Path) -> None:
    """Stage the file at ``path`` encounter by encounter; memory holds one of them and a batch of rows."""
    landing.whole_encounters = True
    if has_doctype(path):
        landing.fail("forbidden_doctype")
        return
    landing.counted = count_orders(path)
    batch = _Batch(landing)
    try:
        for record in _records(path):
            batch.add(record)
    except etree.XMLSyntaxError as error:
        reason = "too_deep" if "depth" in str(error) else "unreadable_file"
        batch.flush()
        left = range(batch.row_number + 1, landing.counted + 1)
        landing.reject([(number, "", reason) for number in left])
        landing.fail(reason)
        return
    batch.flush()


def _parser_options() -> dict[str, Any]:
    # huge_tree: a month of base64 is longer than libxml2's 10 MB of text. Without a DTD nothing can expand.
    return {"huge_tree": True, "resolve_entities": False, "no_network": True, "load_dtd": False}


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


class _Batch:
    """Rows collected as columns of text until there are enough of them for one INSERT."""

    def __init__(self, landing: Landing) -> None:
        self.landing = landing
        self.encounter_no = 0
        self.row_number = 0
        self.odd = False
        self._clear()

    def _clear(self) -> None:
        self.stays: list[tuple[Any, ...]] = []
        self.orders: list[tuple[Any, ...]] = []
        self.results: list[tuple[Any, ...]] = []
        self.filed: list[Filed] = []
        self.rejects: list[tuple[int, str, str]] = []

    def add(self, record: _Record) -> None:
        self.encounter_no += 1
        stay = first_fields(record.roots["XML1"], STAYS)
        if self.encounter_no <= _TRIED:
            self.odd |= any(spelt_oddly(root, "CHI_TIET_DVKT") for root in record.roots["XML3"])
        orders = [row for root in record.roots["XML3"] for row in rows_of(root, "CHI_TIET_DVKT", ORDERS, odd=self.odd)]
        orders = [row for row in orders if plain(row[_GROUP]) in _GROUPS]
        problem = self._problem(record, stay, orders)
        place = 0
        for row in orders:
            self.row_number += 1
            if problem:
                self.rejects.append((self.row_number, *problem))
            elif stay and trimmed(row[_ENCOUNTER]) not in ("", stay[_STAY]):
                self.rejects.append((self.row_number, "encounter_id", "missing_encounter"))
            else:
                place += 1
                self.orders.append((self.row_number, self.encounter_no, place, *row))
        for _ in range(record.lost):
            self.row_number += 1
            self.rejects.append((self.row_number, "", "unreadable_payload"))
        if problem or stay is None:
            return
        self.stays.append((self.encounter_no, record.facility_id, *stay))
        results = [row for root in record.roots["XML4"] for row in rows_of(root, "CHI_TIET_CLS", RESULTS, odd=self.odd)]
        self.results += [(self.encounter_no, number, *row) for number, row in enumerate(results)]
        self._file(record, stay)
        if len(self.orders) + len(self.results) >= _BATCH:
            self.flush()

    def _problem(self, record: _Record, stay: tuple[str, ...] | None, orders: list[Any]) -> tuple[str, str] | None:
        if record.unreadable:
            if not orders and not record.lost:
                self.landing.fail("unreadable_payload")
            return "", "unreadable_payload"
        if stay is None:
            return "encounter_id", "missing_encounter"
        own = stay[STAYS.index("MA_CSKCB")]
        if own and record.facility_id and own != record.facility_id:
            return "facility_id", "facility_mismatch"
        return None

    def _file(self, record: _Record, stay: tuple[str, ...]) -> None:
        facility_id = stay[STAYS.index("MA_CSKCB")] or record.facility_id
        if facility_id and stay[_STAY]:
            withdrawn = plain(stay[STAYS.index("MA_DOITUONG_KCB")]) == "8"
            self.filed.append(Filed(self.encounter_no, facility_id, stay[_STAY], record.filed_on, withdrawn))
            self.landing.dated = record.filed_on is not None

    def flush(self) -> None:
        self.landing.reject(self.rejects)
        self.landing.file(self.filed)
        if self.orders:
            tables = {
                "xml1": _table(("encounter_no", "ENVELOPE", *STAYS), self.stays),
                "xml3": _table(("row_number", "encounter_no", "place", *ORDERS), self.orders),
                "xml4": _table(("encounter_no", "result_no", *RESULTS), self.results),
            }
            for name, table in tables.items():
                self.landing.con.register(name, table)
            self.landing.insert(SOURCE, COLUMNS, row_number="row_number", encounter_no="encounter_no")
            for name in tables:
                self.landing.con.unregister(name)
        self._clear()


_GROUP = ORDERS.index("MA_NHOM")
_ENCOUNTER = ORDERS.index("MA_LK")
_STAY = STAYS.index("MA_LK")
_NUMBERS = ("row_number", "encounter_no", "place", "result_no")


def _table(names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Any:
    """Rows as columns; texts without blanks around them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = dict(zip(names, zip(*rows, strict=True) if rows else [()] * len(names), strict=True))
    numbers = {name: pa.array(columns.pop(name), pa.int64()) for name in names if name in _NUMBERS}
    texts = {name: pc.utf8_trim_whitespace(pa.array(column, pa.string())) for name, column in columns.items()}
    return pa.table(numbers | {name: pc.fill_null(column, "") for name, column in texts.items()})
