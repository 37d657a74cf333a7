"""How many records a file holds, counted without the reader that loads it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Scan", "count_starts", "scan_lines", "sha256"]

_CHUNK = 1 << 22
_PIECE = 1 << 19  # small enough to stay in the processor while it is looked at from all sides


@dataclass(frozen=True)
class Scan:
    """What the bytes of a text file say by themselves."""

    records: int  #: lines that are not blank; a line break between quotation marks ends no line
    lines: int  #: lines that are not blank, whatever stands between quotation marks
    balanced: bool  #: every quotation mark is closed
    has_nul: bool
    utf8: bool  #: no byte is anything but UTF-8
    tidy: bool  #: no cell begins or ends with a blank, so that nobody has to look for them


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


def scan_lines(path: Path, delimiter: str = ",") -> Scan:
    """Count the lines of ``path``; LF, CRLF and a lone CR each end one."""
    if path.stat().st_size == 0:
        return Scan(0, 0, balanced=True, has_nul=False, utf8=True, tidy=True)
    with path.open("rb") as file:
        counter = _Counter(ord(delimiter))
        while chunk := file.read(_PIECE):
            counter.feed(chunk)
        return counter.done()


def _is_utf8(data: bytes) -> bool:
    """Arrow checks five times as fast as ``bytes.decode``."""
    import numpy as np
    import pyarrow as pa

    text = pa.StringArray.from_buffers(1, pa.py_buffer(np.array([0, len(data)], np.int32)), pa.py_buffer(data))
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


class _Counter:
    """Counts line ends piece by piece, inside and outside quotation marks, and blank lines apart."""

    def __init__(self, delimiter: int) -> None:
        self.delimiter = delimiter
        self.ends = self.outside = 0
        self.blank = self.blank_outside = 0
        self.quoted = self.has_nul = False
        self.utf8, self.cut = True, b""  # the bytes of a character that the next chunk goes on with
        self.tidy, self.begun = True, False
        self.last = b"\n"  # a blank first line is a line end after a line end

    def feed(self, chunk: bytes) -> None:
        self.has_nul = self.has_nul or b"\0" in chunk
        self._check_utf8(chunk)
        if b"\r" in chunk or self.last == b"\r":
            # CRLF counts once: the LF after a CR is dropped, and a lone CR becomes LF.
            ends_in_cr = chunk.endswith(b"\r")
            if self.last == b"\r":
                chunk, self.last = chunk.removeprefix(b"\n"), b"\n"
            self._count(chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))
            self.last = b"\r" if ends_in_cr else self.last
        else:
            self._count(chunk)

    def _check_utf8(self, chunk: bytes) -> None:
        whole = self.cut + chunk
        begun = next((n for n in (1, 2, 3) if whole[-n : -n + 1 or None] >= b"\xc0"), 0)
        # An ASCII letter, or a tail byte further back, ends a character.
        self.cut = whole[-begun:] if begun and not _is_utf8(whole[-begun:]) else b""
        self.utf8 = self.utf8 and _is_utf8(whole[: len(whole) - len(self.cut)])

    def _count(self, chunk: bytes) -> None:
        import numpy as np

        if not chunk:
            return
        piece = self.last + chunk
        data = np.frombuffer(piece, np.uint8)
        end, mark = data == 10, data == 34
        ends = np.flatnonzero(end[1:]) + 1
        marks = np.flatnonzero(mark[1:]) + 1 if b'"' in chunk else np.empty(0, np.int64)
        outside = ~self._inside(ends, marks)
        after = end[ends - 1]  # a line end right after a line end ends a blank line
        self.ends += len(ends)
        self.blank += int(after.sum())
        self.outside += int(outside.sum())
        self.blank_outside += int((after & outside).sum())
        self.tidy = self.tidy and not self._wide_blank(piece) and self._is_tidy(data, end, mark, marks)
        self.begun = True
        self.quoted ^= len(marks) % 2 == 1
        self.last = chunk[-1:]

    def _inside(self, places: Any, marks: Any) -> Any:
        """Which of the places stand between quotation marks."""
        import numpy as np

        return (np.searchsorted(marks, places) + self.quoted) % 2 == 1

    def _wide_blank(self, piece: bytes) -> bool:
        """A no-break space, or a byte-order mark that is not the file's own; their first bytes are rare."""
        at = 0 if self.begun else 2
        return (b"\xc2" in piece and b"\xc2\xa0" in piece) or (b"\xef" in piece and piece.find(b"\xef\xbb", at) >= 0)

    def _is_tidy(self, data: Any, end: Any, mark: Any, marks: Any) -> bool:
        """Whether no cell in this piece begins or ends with a blank; in doubt it is not."""
        import numpy as np

        if self.delimiter < 33 and len(marks):
            return False
        edge = data == self.delimiter
        blank = (data < 33) & ~(edge | end)
        edge |= end
        edge |= mark
        # A blank beside a separator between quotation marks is inside a cell, unless the "separator" is the mark.
        for beside, to_blank, to_edge in ((edge[:-1] & blank[1:], 1, 0), (blank[:-1] & edge[1:], 0, 1)):
            found = np.flatnonzero(beside)
            if not (self._inside(found + to_blank, marks) & ~mark[found + to_edge]).all():
                return False
        breaks = np.flatnonzero(mark[:-1] & end[1:]) + 1, np.flatnonzero(end[:-1] & mark[1:])
        return not any(self._inside(found, marks).any() for found in breaks)

    def done(self) -> Scan:
        tail = 0 if self.last in (b"\n", b"\r") else 1  # the last line needs no line end
        return Scan(
            records=self.outside - self.blank_outside + (tail or int(self.quoted)),
            lines=self.ends - self.blank + tail,
            balanced=not self.quoted,
            has_nul=self.has_nul,
            utf8=self.utf8 and not self.cut,
            tidy=self.tidy and (not tail or self.last > b" "),
        )
