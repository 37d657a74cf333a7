"""HL7 v2 files → whole messages as bytes that are all alike: UTF-8, the usual separators, no escape sequences.

What is not UTF-8 is in the character set of MSH-18 (HL7 table 0211), or, where that says nothing, in the one that the
file as a whole shows; a message with bytes that are no text in it is refused.
"""

from __future__ import annotations

import contextlib
import itertools
import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from dedup.loading.encodings import composed
from dedup.loading.hl7v2_cells import Chunk

__all__ = ["BEFORE", "STAND_INS", "Alike", "alike", "breaks_off", "chunks"]

#: A segment follows a line end, or a byte MLLP puts around a message.
BEFORE = b"\r\n\x0b\x1c"
#: What stands for | ^ & ~ and backslash that were escaped, until fields are taken apart.
STAND_INS = "\ue001\ue002\ue003\ue004\ue005"

_STANDING_IN = str.maketrans("|^&~\\", STAND_INS)

_CHUNK = 1 << 21
_HEAD = 1 << 12
_MAX_MESSAGE = 1 << 26
_HEADER = b"MSH|^~\\&"
_START = re.compile(rb"(?<![^\r\n\x0b\x1c])MSH")
_ESCAPE = re.compile(rb"\\(?:([FSTREHN]|\.br)|X((?:[0-9A-Fa-f]{2})+))\\")
#: HL7's null, alone between two marks; the pattern begins with the text to be found fast.
_NULL = re.compile(rb'""(?<=[|^~&]"")(?=[|^~&\r\n\x0b\x1c]|\Z)')
_SIMPLE = {b"H": b"", b"N": b"", b".br": b" "}
_CHARSETS = {f"8859/{part}": f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)} | {
    **dict.fromkeys(("UNICODE UTF-8", "UTF-8", "UTF8"), "utf-8"),
    **dict.fromkeys(("CP1258", "WINDOWS-1258"), "cp1258"),
}
_BOM = b"\xef\xbb\xbf"
_BLANKS = b" \t\r\n"  # that may stand before the first message


def breaks_off(path: Path) -> bool:
    """Whether the file is framed (MLLP: a byte before each message and one behind) and its last message has no end."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        framed = data[:_CHUNK].removeprefix(_BOM).lstrip(_BLANKS).startswith(b"\x0b")
        return framed and data.rfind(b"\x0b") > data.rfind(b"\x1c")


def chunks(path: Path, *, all_but_last: bool = False) -> Iterator[bytes]:
    """Whole messages, some at a time; of one longer than any real message only the beginning."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
        file.seek(len(head) - len(head.removeprefix(_BOM).lstrip(_BLANKS)))
        rest, skipping = b"", False
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
        if rest and not skipping and not all_but_last:
            yield rest


def _last_start(data: bytes) -> int:
    """Where the last message begins; 0 when it is the only one."""
    for size in (1 << 14, 1 << 20, len(data)):
        begin = max(len(data) - size, 0)
        starts = [found.start() for found in _START.finditer(data[begin:]) if found.start()]
        if starts:
            return begin + starts[-1]
    return 0


class Alike(NamedTuple):
    """Messages that are alike."""

    chunk: Chunk
    escaped: bool  #: separators that were escaped have stand-ins
    undecoded: list[int]  #: of those with bytes that are no text the numbers, from 1


def alike(data: bytes, undeclared: str | None = None) -> Alike:
    """The messages as UTF-8 with the usual separators; HL7's null is nothing.

    ``undeclared``: the codec of messages that are not UTF-8 and do not say what they are; None: not known.
    """
    chunk, undecoded = Chunk(data), []
    if not chunk.is_utf8() or not chunk.begin_with(_HEADER):
        starts = [found.start() for found in _START.finditer(data)]
        parts = itertools.pairwise([0, *starts, len(data)])  # the first is what stands before any message
        texts = [_decoded(data[start:end], undeclared) for start, end in parts]
        undecoded = [number for number, (_, whole) in enumerate(texts) if not whole]
        data = b"".join(_usual_separators(text).encode("utf-8", "replace") for text, _ in texts)
        chunk = Chunk(data)
    if b'""' in data:
        data = _NULL.sub(b"", data)
        chunk = Chunk(data)
    if chunk.count("\\") > int(chunk.named("MSH").sum()):  # one stands in MSH-2
        data = _ESCAPE.sub(_unescaped, data)
        chunk = Chunk(data)
    stand_in = STAND_INS[0].encode()[:2]
    return Alike(chunk, stand_in[:1] in data and stand_in in data, undecoded)  # one byte is found faster, and is rare


def _decoded(data: bytes, undeclared: str | None) -> tuple[str, bool]:
    """A message as text, and whether all its bytes are text."""
    for codec in ("utf-8", _charset(data) or undeclared):
        with contextlib.suppress(UnicodeDecodeError):
            if codec is not None:
                return composed(data.decode(codec), codec), True
    return data.decode("utf-8", "replace"), False


def _charset(data: bytes) -> str | None:
    """MSH-18; None where it names no character set that is known here."""
    header = re.split(rb"[\r\n]", data, maxsplit=1)[0].split(data[3:4] or b"|")
    name = header[17].decode("ascii", "replace").split("~")[0].strip().upper() if len(header) > 17 else ""
    return _CHARSETS.get(name)


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
