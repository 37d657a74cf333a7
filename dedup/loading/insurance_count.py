"""Counting the orders of an insurance XML file on its bytes, without an XML parser."""

from __future__ import annotations

import base64
import binascii
import mmap
import re
from pathlib import Path

__all__ = ["count_orders", "count_payload", "has_doctype", "is_label"]

# Patterns begin with plain letters, which the search can jump to; other spellings are slower, and rare.
_ORDER_TEXT = rb"MA_NHOM\s*>\s*(?:<!\[CDATA\[)?\s*0*[123]\s*(?:\]\]>)?\s*</"
_PAYLOAD_TEXT = rb"LOAIHOSO\s*>([^<]*)</[^>]*>[^<]*<(?:\w+:)?NOIDUNGFILE\s*>([^<]+)<"
_ORDER, _ANY_ORDER = re.compile(_ORDER_TEXT), re.compile(_ORDER_TEXT, re.IGNORECASE)
_PAYLOAD, _ANY_PAYLOAD = re.compile(_PAYLOAD_TEXT), re.compile(_PAYLOAD_TEXT, re.IGNORECASE)
_SMALL_HOSO, _SMALL_NHOM = re.compile(rb"hoso"), re.compile(rb"_nhom")  # three times as fast as ``mmap.find``
_DOCTYPE = re.compile(rb"<!DOCTYPE", re.IGNORECASE)


def has_doctype(path: Path) -> bool:
    """Whether the file declares a document type: the door to entity tricks, and no real file has one."""
    with path.open("rb") as file:
        head = file.read(1 << 16).replace(b"\0", b"")
    return _DOCTYPE.search(head) is not None


def count_orders(path: Path) -> int:
    """Order records (groups 1, 2, 3) in the file: those standing in it, and those inside its base64 payloads."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return _count(data[:].decode("utf-16", "replace").encode())
        return _count(data)


def _count(data: bytes | mmap.mmap) -> int:
    payload = _PAYLOAD if data.find(b"LOAIHOSO") >= 0 and not _SMALL_HOSO.search(data) else _ANY_PAYLOAD
    inside = sum(count_payload(found[2]) for found in payload.finditer(data) if _may_hold_orders(found[1]))
    return inside + _orders(data)


def is_label(kind: str) -> bool:
    """Whether this is what a part of an encounter is called: XML1, XML2, …"""
    return re.fullmatch(r"XML\d{1,2}", kind) is not None


def _may_hold_orders(label: bytes) -> bool:
    kind = label.decode("utf-8", "replace").strip().upper()
    return kind == "XML3" or (kind != "" and not is_label(kind))


def _orders(data: bytes | mmap.mmap) -> int:
    pattern = _ORDER if data.find(b"MA_NHOM") >= 0 and not _SMALL_NHOM.search(data) else _ANY_ORDER
    return sum(1 for _ in pattern.finditer(data))


def count_payload(text: bytes | str | None) -> int:
    """Order records in a payload as it stands in the file: base64, or XML written as text."""
    data = text.encode("utf-8", "replace") if isinstance(text, str) else text or b""
    data = data.replace(b"&lt;", b"<").replace(b"&gt;", b">")
    if b"<" not in data:
        try:
            data = base64.b64decode(data)
        except (binascii.Error, ValueError):
            return 0
    return _orders(data.replace(b"\0", b""))
