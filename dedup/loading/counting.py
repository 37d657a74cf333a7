"""How many records a file holds, counted without the reader that loads it."""

from __future__ import annotations

import hashlib
import mmap
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Scan", "scan_lines", "sha256"]

_CHUNK = 1 << 22


@dataclass(frozen=True)
class Scan:
    """What the bytes of a text file say by themselves."""

    records: int  #: lines that are not blank; a line break between quotation marks ends no line
    lines: int  #: lines that are not blank, whatever stands between quotation marks
    balanced: bool  #: every quotation mark is closed
    has_nul: bool


def sha256(path: Path) -> str:
    """The SHA-256 of the file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def scan_lines(path: Path) -> Scan:
    """Count the lines of ``path``; LF, CRLF and a lone CR each end one."""
    if path.stat().st_size == 0:
        return Scan(0, 0, True, False)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        counter = _Counter()
        for start in range(0, len(data), _CHUNK):
            counter.feed(data[start : start + _CHUNK])
        return counter.done()


class _Counter:
    """Counts line ends chunk by chunk, inside and outside quotation marks, and blank lines apart."""

    def __init__(self) -> None:
        self.ends = self.outside = 0
        self.blank = self.blank_outside = 0
        self.quoted = self.has_nul = False
        self.last = b"\n"  # a blank first line is a line end after a line end

    def feed(self, chunk: bytes) -> None:
        self.has_nul = self.has_nul or b"\0" in chunk
        if b"\r" in chunk or self.last == b"\r":
            self._feed_any(chunk)
        elif b'"' in chunk or self.quoted:
            self._feed_quoted(chunk)
        else:
            self._feed_plain(chunk)
        self.last = chunk[-1:]

    def _feed_plain(self, chunk: bytes) -> None:
        ends = chunk.count(b"\n")
        blank = _pairs(chunk, self.last)
        self.ends, self.outside = self.ends + ends, self.outside + ends
        self.blank, self.blank_outside = self.blank + blank, self.blank_outside + blank

    def _feed_quoted(self, chunk: bytes) -> None:
        # Between two quotation marks every second piece stands outside.
        for number, piece in enumerate(chunk.split(b'"')):
            if number:
                self.quoted, self.last = not self.quoted, b'"'
            if not piece:
                continue
            ends, blank = piece.count(b"\n"), _pairs(piece, self.last)
            self.ends, self.blank = self.ends + ends, self.blank + blank
            if not self.quoted:
                self.outside, self.blank_outside = self.outside + ends, self.blank_outside + blank
            self.last = piece[-1:]

    def _feed_any(self, chunk: bytes) -> None:
        """CRLF counts once: the LF after a CR is dropped, and a lone CR becomes LF."""
        if self.last == b"\r":
            chunk, self.last = chunk.removeprefix(b"\n"), b"\n"
        self._feed_quoted(chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")) if chunk else None

    def done(self) -> Scan:
        tail = 0 if self.last in (b"\n", b"\r") else 1  # the last line needs no line end
        return Scan(
            records=self.outside - self.blank_outside + (tail or int(self.quoted)),
            lines=self.ends - self.blank + tail,
            balanced=not self.quoted,
            has_nul=self.has_nul,
        )


def _pairs(piece: bytes, last: bytes) -> int:
    """Line ends that follow a line end at once, so end a blank line. (``count`` skips overlaps.)"""
    blank = int(last == b"\n" and piece.startswith(b"\n"))
    at = piece.find(b"\n\n")
    while at >= 0:
        run = at + 2
        while piece[run : run + 1] == b"\n":
            run += 1
        blank += run - at - 1
        at = piece.find(b"\n\n", run)
    return blank
