"""HL7 v2 messages: orders (ORM^O01, OML^O21) and results (ORU^R01), one or many in a file.

Plain or with MLLP framing, with or without batch headers, any separators, character sets by MSH-18. A row is an OBR. A
result carries the key of its order, so it supersedes the order's line: the placer's order number (else the filler's),
and the place among the OBR of that number in the message.

Segments are split here; ``hl7v2_sql`` turns fields into canonical columns.
"""

from __future__ import annotations

import itertools
import mmap
import re
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

from dedup.loading.hl7v2_sql import COLUMNS, FIELDS, SOURCE, STAND_INS
from dedup.loading.landing import Landing

__all__ = ["land", "messages", "recognise"]

_BATCH = 50_000
_CHUNK = 1 << 24
_MAX_MESSAGE = 1 << 24
_TYPES = ("ORM", "OML", "ORU")
_OBR = re.compile(rb"(?:^|[\r\n\x0b])OBR(?=[^\r\n]|[\r\n]|$)")
_START = re.compile(rb"(?:^|[\r\n\x0b\x1c])MSH")
_HEX = re.compile(r"\\X((?:[0-9A-Fa-f]{2})+)\\")
_ESCAPES = dict(zip(("\\F\\", "\\S\\", "\\T\\", "\\R\\", "\\E\\"), STAND_INS, strict=True)) | {
    "\\.br\\": " ",
    "\\H\\": "",
    "\\N\\": "",
}
_CHARSETS = {"8859/1": "latin-1", "UNICODE UTF-16": "utf-16", "CP1258": "cp1258", "WINDOWS-1258": "cp1258"}


def recognise(head: bytes) -> bool:
    """A message header, or the header of a batch or a file of batches."""
    text = head.lstrip(b"\xef\xbb\xbf\x0b\r\n \t")
    return re.match(rb"(MSH|BHS|FHS)[^A-Za-z0-9\s]", text) is not None and b"MSH" in head


def land(landing: Landing, path: Path) -> None:
    """Stage the file message by message; ``landing.counted`` becomes the number of OBR segments in its bytes."""
    landing.counted = _count(path)
    rows: list[tuple[Any, ...]] = []
    rejects: list[tuple[int, str, str]] = []
    number = 0
    for text in messages(path):
        supported, found = _orders(text) if text is not None else (False, [])
        for one in found:
            number += 1
            if supported:
                rows.append((number, *one))
            else:
                rejects.append((number, "", "unsupported_message"))
        if len(rows) >= _BATCH:
            _stage(landing, rows)
            rows = []
    _stage(landing, rows)
    landing.reject(rejects)
    # OBR before the first message header belong to nobody.
    landing.reject([(n, "", "unsupported_message") for n in range(number + 1, landing.counted + 1)])


def _count(path: Path) -> int:
    if path.stat().st_size == 0:
        return 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return sum(1 for _ in _OBR.finditer(data))


def messages(path: Path) -> Iterator[str]:
    """The messages of the file as text, segments ended by CR, with the usual separators ``|^~\\&``."""
    with path.open("rb") as file:
        rest = b""
        while chunk := file.read(_CHUNK):
            data = rest + chunk
            starts = [found.end() - 3 for found in _START.finditer(data)]
            for start, end in itertools.pairwise(starts):
                yield _text(data[start:end])
            # The last one may go on in the next chunk; keep one byte before it for the pattern.
            rest = data[max(starts[-1] - 1, 0) :] if starts else data[-4:]
        starts = [found.end() - 3 for found in _START.finditer(rest)]
        if starts:
            yield _text(rest[starts[-1] :])


def _text(data: bytes) -> str:
    if b"\n" in data:
        data = data.replace(b"\r\n", b"\r").replace(b"\n", b"\r")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode(_charset(data), "replace")
    if not text.startswith("MSH|^~\\&"):
        text = _usual_separators(text)
    return _unescaped(text) if text.count("\\") > 1 else text  # one stands in MSH-2


def _unescaped(text: str) -> str:
    """Escape sequences resolved; separators among them wait as stand-ins until the fields are taken apart."""
    start = len("MSH|^~\\&")
    head, body = text[:start], _HEX.sub(lambda found: _from_hex(found[1]), text[start:])
    for escape, char in _ESCAPES.items():
        body = body.replace(escape, char)
    return head + body


def _charset(data: bytes) -> str:
    """MSH-18, for messages that are not UTF-8."""
    header = data.split(b"\r", 1)[0].split(data[3:4])
    name = header[17].decode("ascii", "replace").split("~")[0].strip().upper() if len(header) > 17 else ""
    return _CHARSETS.get(name, "latin-1")


def _from_hex(digits: str) -> str:
    text = bytes.fromhex(digits).decode("utf-8", "replace")
    return "".join(c if c.isprintable() and c not in "|^~&\\" else " " for c in text)


def _usual_separators(text: str) -> str:
    """Translate a message with separators of its own; characters that would be mistaken become spaces."""
    own = text[3:8]
    if len(own) < 5 or len(set(own)) < 5 or any(c.isalnum() or c.isspace() for c in own):
        return text
    usual = "|^~\\&"
    table: dict[str, str] = dict.fromkeys(set(usual) - set(own), " ")
    table.update(zip(own, usual, strict=True))
    return text.translate({ord(char): stand_in for char, stand_in in table.items()})


def _orders(text: str) -> tuple[bool, list[tuple[Any, ...]]]:
    """Whether the type of message is known, and the raw fields (FIELDS) of each OBR in it."""
    header: list[str] = []
    pid: list[str] = []
    pv1: list[str] = []
    orc: list[str] = []
    orders: list[_Order] = []
    for segment in text.split("\r"):
        name = segment[:3]
        if name == "OBX":
            if orders:
                orders[-1].obx.append(segment.split("|"))
        elif name == "OBR":
            orders.append(_Order(orc, segment.split("|")))
            orc = []
        elif name == "ORC":
            orc = segment.split("|")
        elif name == "SPM":
            if orders and not orders[-1].spm:
                orders[-1].spm = segment.split("|")
        elif name == "PID":
            pid = segment.split("|")
        elif name == "PV1":
            pv1 = segment.split("|")
        elif name == "MSH":
            header = segment.split("|")
    if not orders:
        return True, []
    header += _BLANK
    shared = (header[3], header[6], header[8][:3], *_PID(pid + _BLANK), *_PV1(pv1 + _BLANK))
    seen: dict[str, int] = {}
    found = []
    for order in orders:
        fields, key = order.fields()
        seen[key] = place = seen.get(key, 0) + 1
        found.append((*shared, *fields, str(place)))
    return header[8][:3] in _TYPES, found


# Segments are filled up with blanks, so that any field can be taken without asking whether it is there.
_BLANK = [""] * 32
_PID = itemgetter(3, 5, 7, 8, 11, 13, 19)
_PV1 = itemgetter(2, 3, 19)
_ORC = itemgetter(1, 2, 3, 5, 9, 12, 15, 16)
_OBR_FIELDS = itemgetter(2, 3, 4, 6, 7, 15, 16, 22, 25, 31)
_SPM = itemgetter(4, 17)
_OBX_FIRST = itemgetter(5, 6)
_OBX_LAST = itemgetter(15, 19, 23)


class _Order:
    """An OBR with the ORC before it and what follows it."""

    __slots__ = ("obr", "obx", "orc", "spm")

    def __init__(self, orc: list[str], obr: list[str]) -> None:
        self.orc = orc
        self.obr = obr
        self.obx: list[list[str]] = []
        self.spm: list[str] = []

    def fields(self) -> tuple[tuple[str, ...], str]:
        """The raw fields between the shared ones and the place, and the number the order goes by."""
        orc, obr = self.orc + _BLANK, self.obr + _BLANK
        results = [one + _BLANK for one in self.obx] or [_BLANK]
        flags = "~".join([one[8] for one in results])
        states = "".join([one[11][:1] for one in results])
        fields = (
            *_ORC(orc),
            *_OBR_FIELDS(obr),
            *_SPM(self.spm + _BLANK),
            *_OBX_FIRST(results[0]),
            flags,
            states,
            *_OBX_LAST(results[0]),
        )
        return fields, obr[2] or orc[2] or obr[3] or orc[3]


def _stage(landing: Landing, rows: list[tuple[Any, ...]]) -> None:
    import pyarrow as pa

    if not rows:
        return
    names = ("row_number", *FIELDS)
    columns = zip(*rows, strict=True)
    kinds = (pa.int64() if name == "row_number" else pa.string() for name in names)
    table = {name: pa.array(column, kind) for name, column, kind in zip(names, columns, kinds, strict=True)}
    landing.con.register("obr", pa.table(table))
    landing.insert(SOURCE, COLUMNS, row_number="row_number", in_order=True)
    landing.con.unregister("obr")
