"""Counting the orders of an insurance XML file on its bytes, without an XML parser."""

from __future__ import annotations

import base64
import binascii
import mmap
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["count_orders", "count_payload", "has_doctype", "is_label"]

# Patterns begin with plain letters, which the search can jump to; other spellings are slower, and rare.
_ORDER_TEXT = rb"MA_NHOM\s*>\s*(?:<!\[CDATA\[)?\s*0*[123]\s*(?:\]\]>)?\s*</"
_PAYLOAD_TEXT = rb"LOAIHOSO\s*>([^<]*)</[^>]*>[^<]*<(?:\w+:)?NOIDUNGFILE\s*>"
_ORDER, _ANY_ORDER = re.compile(_ORDER_TEXT), re.compile(_ORDER_TEXT, re.IGNORECASE)
_PAYLOAD, _ANY_PAYLOAD = re.compile(_PAYLOAD_TEXT), re.compile(_PAYLOAD_TEXT, re.IGNORECASE)
_SMALL_HOSO, _SMALL_NHOM = re.compile(rb"hoso"), re.compile(rb"_nhom")  # three times as fast as ``mmap.find``
_CONTENT = re.compile(rb"([^<]+)<")
_DOCTYPE = re.compile(rb"<!DOCTYPE", re.IGNORECASE)
# Comments and processing instructions, which the parser takes no notice of, and where text can look like them.
_OPENING = re.compile(rb"<!--|<\?|<!\[CDATA\[")
_CLOSING = {b"<!--": b"-->", b"<?": b"?>"}

_WINDOW = 1 << 25  # of a large file so much is looked at, and let go, at a time
_MARGIN = 1 << 16  # longer than any tag or label, so that what begins in a window can be seen whole
_PIECE = 1 << 20


def has_doctype(path: Path) -> bool:
    """Whether the file declares a document type: the door to entity tricks, and no real file has one."""
    with path.open("rb") as file:
        head = file.read(1 << 16).replace(b"\0", b"")
    return _DOCTYPE.search(head) is not None


def count_orders(path: Path) -> int:
    """Order records (groups 1, 2, 3) in the file: those standing in it, and those inside its base64 payloads."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            text = _plain(data[:].decode("utf-16", "replace").encode())
            return _count(text, 0, len(text))
        if not _has_remarks(data):
            return _count_all(data)
        with tempfile.TemporaryFile(dir=path.parent) as plain:  # beside the file, which is in a private folder
            with memoryview(data) as whole:
                seen = 0
                for start, end in _kept(data):
                    for at in range(start, end, _WINDOW):
                        with whole[at : min(at + _WINDOW, end)] as piece:
                            plain.write(piece)
                    if end > seen + _WINDOW:
                        data.madvise(mmap.MADV_DONTNEED)
                        seen = end
            plain.flush()
            if not plain.tell():  # nothing but comments
                return 0
            with mmap.mmap(plain.fileno(), 0, access=mmap.ACCESS_READ) as rest:
                return _count_all(rest)


def _has_remarks(data: mmap.mmap) -> bool:
    """Whether there may be something to leave out, behind the declaration that the file begins with."""
    for start in range(0, len(data), _PIECE):
        piece = data[start : start + _PIECE + 3]
        # A single byte is found twenty times as fast, and most pieces have none of the two.
        if (b"!" in piece and b"<!--" in piece) or (b"?" in piece and piece.find(b"<?", 0 if start else 5) >= 0):
            return True
        if start % _WINDOW == 0:
            data.madvise(mmap.MADV_DONTNEED)
    return False


def _kept(data: bytes | mmap.mmap) -> Iterator[tuple[int, int]]:
    """From where to where the bytes are without comments and instructions: no value is cut in two by one, and no
    order that stands in one is counted. Each byte is looked at once: what never closes ends the search."""
    kept = at = text_end = 0
    while found := _OPENING.search(data, at):
        start, at = found.span()
        closing = _CLOSING.get(found[0])
        if closing is None:
            text_end = text_end if start < text_end else data.find(b"]]>", at)
            if text_end < 0:
                break
            continue
        inside = start < text_end  # text that is XML once more, or only looks so
        end = data.find(closing, at, text_end if inside else len(data))
        if end < 0 and not inside:
            break
        if end >= 0:
            yield kept, start
            kept = end + len(closing)
        at = kept if end >= 0 else text_end
    yield kept, len(data)


def _plain(data: bytes) -> bytes:
    return b"".join(data[start:end] for start, end in _kept(data))


def _count_all(data: mmap.mmap) -> int:
    count = 0
    for start in range(0, len(data), _WINDOW):
        count += _count(data, start, start + _WINDOW)
        data.madvise(mmap.MADV_DONTNEED)
    return count


def _count(data: bytes | mmap.mmap, start: int, end: int) -> int:
    """Those that begin in a window."""
    inside = 0
    for found in _find(data, start, end, b"LOAIHOSO", _SMALL_HOSO, _PAYLOAD, _ANY_PAYLOAD):
        content = _CONTENT.match(data, found.end()) if _may_hold_orders(found[1]) else None
        inside += count_payload(content[1]) if content else 0
    return inside + _orders(data, start, end)


def _find(
    data: bytes | mmap.mmap,
    start: int,
    end: int,
    name: bytes,
    small: re.Pattern[bytes],
    usual: re.Pattern[bytes],
    unusual: re.Pattern[bytes],
) -> Iterator[re.Match[bytes]]:
    """What begins in a window, by the faster pattern where ``name`` is spelt as usual."""
    last = end + _MARGIN
    pattern = usual if data.find(name, start, last) >= 0 and not small.search(data, start, last) else unusual
    return (found for found in pattern.finditer(data, start, last) if found.start() < end)


def is_label(kind: str) -> bool:
    """Whether this is what a part of an encounter is called: XML1, XML2, …"""
    return re.fullmatch(r"XML\d{1,2}", kind) is not None


def _may_hold_orders(label: bytes) -> bool:
    kind = label.decode("utf-8", "replace").strip().upper()
    return kind == "XML3" or (kind != "" and not is_label(kind))


def _orders(data: bytes | mmap.mmap, start: int, end: int) -> int:
    return sum(1 for _ in _find(data, start, end, b"MA_NHOM", _SMALL_NHOM, _ORDER, _ANY_ORDER))


def count_payload(text: bytes | str | None) -> int:
    """Order records in a payload as it stands in the file: base64, or XML written as text."""
    data = text.encode("utf-8", "replace") if isinstance(text, str) else text or b""
    data = data.replace(b"&lt;", b"<").replace(b"&gt;", b">")
    if b"<" not in data:
        try:
            data = base64.b64decode(data)
        except (binascii.Error, ValueError):
            return 0
    data = _plain(data.replace(b"\0", b""))
    return _orders(data, 0, len(data))
