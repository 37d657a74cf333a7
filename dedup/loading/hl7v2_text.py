"""HL7 v2 files → whole messages as bytes that are all alike: UTF-8, the usual separators, no escape sequences."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from dedup.loading.hl7v2_cells import Chunk

__all__ = ["BEFORE", "STAND_INS", "alike", "chunks"]

#: A segment follows a line end, or a byte MLLP puts around a message.
BEFORE = b"\r\n\x0b\x1c"
#: What stands for | ^ & ~ and backslash that were escaped, until fields are taken apart.
STAND_INS = "\ue001\ue002\ue003\ue004\ue005"

_STANDING_IN = str.maketrans("|^&~\\", STAND_INS)

_CHUNK = 1 << 22
_MAX_MESSAGE = 1 << 26
_HEADER = b"MSH|^~\\&"
_START = re.compile(rb"(?<![^\r\n\x0b\x1c])MSH")
_ESCAPE = re.compile(rb"\\(?:([FSTREHN]|\.br)|X((?:[0-9A-Fa-f]{2})+))\\")
_SIMPLE = {b"H": b"", b"N": b"", b".br": b" "}
_CHARSETS = {"8859/1": "latin-1", "UNICODE UTF-16": "utf-16", "CP1258": "cp1258", "WINDOWS-1258": "cp1258"}
_BOM = b"\xef\xbb\xbf"


def chunks(path: Path) -> Iterator[bytes]:
    """Whole messages, some at a time; of one longer than any real message only the beginning."""
    with path.open("rb") as file:
        rest, skipping = file.read(len(_BOM)).removeprefix(_BOM), False
        while read := file.read(_CHUNK):
            data = rest + read
            if skipping:
                first = _START.search(data, 1)
                data, skipping = (data[first.start() :], False) if first else (data[-len(b"_MSH") :], True)
            last = 0 if skipping else _last_start(data)
            if last:
                yield data[:last]
            elif len(data) > _MAX_MESSAGE:
                yield data[: max(data.rfind(b"\r"), data.rfind(b"\n")) + 1]
                last, skipping = len(data) - len(b"_MSH"), True
            rest = data[last:]
        if rest and not skipping:
            yield rest


def _last_start(data: bytes) -> int:
    """Where the last message begins; 0 when it is the only one."""
    for size in (1 << 14, 1 << 20, len(data)):
        begin = max(len(data) - size, 0)
        starts = [found.start() for found in _START.finditer(data[begin:]) if found.start()]
        if starts:
            return begin + starts[-1]
    return 0


def alike(data: bytes) -> tuple[Chunk, bool]:
    """The messages as UTF-8 with the usual separators; and whether separators that were escaped have stand-ins."""
    chunk = Chunk(data)
    if not chunk.is_utf8() or not chunk.begin_with(_HEADER):
        starts = [found.start() for found in _START.finditer(data)]
        parts = itertools.pairwise(sorted({0, *starts, len(data)}))
        data = b"".join(_translated(data[start:end]) for start, end in parts)
        chunk = Chunk(data)
    if chunk.count("\\") > int(chunk.named("MSH").sum()):  # one stands in MSH-2
        data = _ESCAPE.sub(_unescaped, data)
        chunk = Chunk(data)
    stand_in = STAND_INS[0].encode()[:2]
    return chunk, stand_in[:1] in data and stand_in in data  # one byte is found faster, and is rare


def _translated(data: bytes) -> bytes:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode(_charset(data), "replace")
    return _usual_separators(text).encode("utf-8", "replace")


def _charset(data: bytes) -> str:
    """MSH-18, for messages that are not UTF-8."""
    header = re.split(rb"[\r\n]", data, maxsplit=1)[0].split(data[3:4] or b"|")
    name = header[17].decode("ascii", "replace").split("~")[0].strip().upper() if len(header) > 17 else ""
    return _CHARSETS.get(name, "latin-1")


def _usual_separators(text: str) -> str:
    """Translate a message with separators of its own; characters that would be mistaken get stand-ins."""
    own, usual = text[3:8], "|^~\\&"
    if own == usual or not text.startswith("MSH"):
        return text
    if len(own) < 5 or len(set(own)) < 5 or any(c.isalnum() or c.isspace() for c in own):
        return text
    text = text.translate(_STANDING_IN | {ord(char): meant for char, meant in zip(own, usual, strict=True)})
    escaped = {letter: char.translate(_STANDING_IN) for letter, char in zip("FSRET", own, strict=True)}
    return re.sub(r"\\([FSRET])\\", lambda found: escaped[found[1]], text)


def _unescaped(found: re.Match[bytes]) -> bytes:
    """What an escape sequence stands for; separators get stand-ins until fields have been taken apart."""
    letter, digits = found.groups()
    if letter is None:
        text = bytes.fromhex(digits.decode()).decode("utf-8", "replace")
        return "".join(c if c.isprintable() else " " for c in text).translate(_STANDING_IN).encode()
    return _SIMPLE[letter] if letter in _SIMPLE else STAND_INS[b"FSTRE".index(letter)].encode()
