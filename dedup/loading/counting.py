"""How many records a file holds, counted without the reader that loads it."""

from __future__ import annotations

import hashlib
import mmap
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Scan", "count_starts", "scan_lines", "sha256"]

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


def count_starts(path: Path, word: bytes, before: bytes) -> int:
    """How often ``word`` stands at the beginning of the file or right after one of the bytes ``before``."""
    import numpy as np

    count, rest = 0, before[:1]
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            data = np.frombuffer(rest + chunk, np.uint8)
            found = np.flatnonzero(data[1 : len(data) - len(word) + 1] == word[0])
            for place, letter in enumerate(word[1:], 2):
                found = found[data[found + place] == letter]
            count += int(np.isin(data[found], np.frombuffer(before, np.uint8)).sum())
            rest = data[-len(word) :].tobytes()
    return count


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
            # CRLF counts once: the LF after a CR is dropped, and a lone CR becomes LF.
            ends_in_cr = chunk.endswith(b"\r")
            if self.last == b"\r":
                chunk, self.last = chunk.removeprefix(b"\n"), b"\n"
            self._count(chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))
            self.last = b"\r" if ends_in_cr else self.last
        else:
            self._count(chunk)

    def _count(self, chunk: bytes) -> None:
        import numpy as np

        if not chunk:
            return
        data = np.frombuffer(chunk, np.uint8)
        ends = np.flatnonzero(data == 10)
        after = np.empty(len(ends), bool)  # a line end right after a line end ends a blank line
        after[1:] = np.diff(ends) == 1
        if len(ends):
            after[0] = data[ends[0] - 1] == 10 if ends[0] else self.last == b"\n"
        marks = np.flatnonzero(data == 34) if b'"' in chunk else np.empty(0, np.int64)
        outside = (np.searchsorted(marks, ends) + self.quoted) % 2 == 0
        self.ends += len(ends)
        self.blank += int(after.sum())
        self.outside += int(outside.sum())
        self.blank_outside += int((after & outside).sum())
        self.quoted ^= len(marks) % 2 == 1
        self.last = chunk[-1:]

    def done(self) -> Scan:
        tail = 0 if self.last in (b"\n", b"\r") else 1  # the last line needs no line end
        return Scan(
            records=self.outside - self.blank_outside + (tail or int(self.quoted)),
            lines=self.ends - self.blank + tail,
            balanced=not self.quoted,
            has_nul=self.has_nul,
        )
