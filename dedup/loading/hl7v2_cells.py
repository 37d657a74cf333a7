"""Cells of delimited text as columns: where each begins and ends, found for all segments of a chunk at once.

Nothing is copied until the end: a column of cells is two arrays of byte offsets, and becomes Arrow text as views into
the chunk's own bytes. Delimiters are the usual ones, ``|`` between fields, ``~`` repetitions, ``^`` components, ``&``
subcomponents; they are ASCII, so the bytes between two of them are whole UTF-8 characters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property, reduce
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Cells", "Chunk", "Ints", "Mask", "Rows", "Words", "first_given", "word"]

Ints = npt.NDArray[np.int64]
Rows = npt.NDArray[np.intp]  #: segment numbers; -1 where there is no such segment
Words = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

_PADDING = 64  # bytes, and marks, behind the chunk's own that may be looked at without asking
_KEEP = np.array([(1 << 8 * length) - 1 for length in range(9)], np.uint64)  # of eight bytes, the first so many
_HALF = np.uint64(32)
_INLINE = 12  # shorter texts stand in Arrow's view itself
_WIDE = 5  # times eight bytes: longer than any date or time
_SPACE = ord(" ")  # control characters sort before it
_ENDS = b"\r\n\x0b\x1c"  # line ends, and the bytes MLLP puts around a message


class Cells(NamedTuple):
    """One text a row: the offsets of its first byte and of the byte behind its last. Equal: blank."""

    start: Ints
    end: Ints

    @property
    def given(self) -> Mask:
        """Which are not blank."""
        return self.end > self.start

    def at(self, rows: Rows) -> Cells:
        """Those of some rows."""
        return Cells(self.start[rows], self.end[rows])

    def where(self, condition: Mask) -> Cells:
        """Blank where the condition does not hold."""
        return Cells(self.start, np.where(condition, self.end, self.start))


def first_given(*cells: Cells) -> Cells:
    """Per row the first that is not blank."""

    def either(one: Cells, other: Cells) -> Cells:
        given = one.given
        return Cells(np.where(given, one.start, other.start), np.where(given, one.end, other.end))

    return reduce(either, cells)


def word(text: str) -> int:
    """A word of at most eight letters as ``Chunk.words`` writes it."""
    return int.from_bytes(text.encode(), "little")


class Segments(NamedTuple):
    """Some segments, one a row: which of the chunk's bars is the first behind its name, and where it ends; 0: none."""

    bar: Rows
    end: Ints


class Place(NamedTuple):
    """A field or a repetition a row: which of the chunk's marks stands before it, and where the field ends."""

    mark: Rows
    end: Ints


class Chunk:
    """Whole messages: bytes in UTF-8, taken apart into segments."""

    def __init__(self, data: bytes) -> None:
        self._data = data + _PADDING * b"\n"
        text = np.frombuffer(self._data, np.uint8)
        # All marks but the ampersand in one list: what comes next is found by counting on, without a search.
        marks = np.flatnonzero(_marks(text))
        kinds = text[marks]
        ends = np.flatnonzero(kinds < _SPACE)
        if not _any_of(kinds[ends], _ENDS).all():
            meant = _any_of(kinds, b"|^~" + _ENDS)
            marks, kinds = marks[meant], kinds[meant]
            ends = np.flatnonzero(kinds < _SPACE)
        self._at, self._kind = marks, kinds
        bars = kinds == ord("|")
        self._bars = np.append(np.flatnonzero(bars), np.full(_PADDING, len(marks) - _PADDING))
        first = np.append(0, ends[:-1] + 1)  # the first mark of each segment
        start, end = np.append(0, marks[ends[:-1]] + 1), marks[ends]
        whole = end - start >= 3
        self._start, self._end = start[whole], end[whole]
        each = np.add.reduceat(bars, first[:-1], dtype=np.uint32)
        self._bar = np.append(0, each.cumsum(dtype=np.intp))[whole]
        self._names = _eight(self._data, self._start) & _KEEP[3]

    def __len__(self) -> int:
        return len(self._start)

    def named(self, name: str) -> Mask:
        """Which segments have this name of three letters."""
        same: Mask = self._names == word(name)
        return same

    def count(self, mark: str) -> int:
        """How often a character of ASCII occurs."""
        return int(np.count_nonzero(np.frombuffer(self._data, np.uint8) == ord(mark)))

    def is_utf8(self) -> bool:
        import pyarrow as pa

        whole = pa.array([0, len(self._data)], pa.int64()).buffers()[1]
        try:
            pa.Array.from_buffers(pa.large_string(), 1, [None, whole, pa.py_buffer(self._data)]).validate(full=True)
        except pa.ArrowInvalid:
            return False
        return True

    def begin_with(self, header: bytes) -> bool:
        """Whether every MSH segment begins with these eight bytes."""
        begin = _eight(self._data, self._start[self.named("MSH")])
        return bool((begin == int.from_bytes(header, "little")).all())

    def segments(self, rows: Rows) -> Segments:
        return Segments(self._bar[rows], np.where(rows < 0, 0, self._end[rows]))

    def field(self, segments: Segments, number: int) -> Cells:
        """Field ``number`` of a segment a row, with all its repetitions; blank where there is none."""
        before = segments.bar + (number - 1)
        start = np.minimum(self._at[self._bars[before]] + 1, segments.end)
        return Cells(start, np.minimum(self._at[self._bars[before + 1]], segments.end))

    def place(self, segments: Segments, number: int) -> Place:
        """Where field ``number`` begins: its first repetition."""
        return Place(self._bars[segments.bar + (number - 1)], segments.end)

    def repetitions(self, segments: Segments, number: int, most: int) -> Iterator[Place]:
        """The repetitions of field ``number``, as many as any row has, but at most so many."""
        place, (_, end) = self.place(segments, number), self.field(segments, number)
        tildes = np.append(np.flatnonzero(self._kind == ord("~")), np.full(most, len(self._at) - _PADDING))
        after = np.searchsorted(tildes, place.mark)
        for again in range(most):
            yield place
            place = Place(tildes[after + again], end)
            if not (self._at[place.mark] < end).any():
                return

    def component(self, segments: Segments, field: int, number: int) -> Cells:
        """Component ``number`` of the first repetition."""
        return self.components(self.place(segments, field), number)[0]

    def components(self, place: Place, *numbers: int) -> list[Cells]:
        """Components of one repetition; ``numbers`` ascend."""
        mark, end = place
        there, found = np.ones(len(mark), np.bool_), []
        for number in range(1, numbers[-1] + 1):
            before, mark = mark, mark + 1
            if number in numbers:
                begin = np.minimum(self._at[before] + 1, end)
                found.append(Cells(begin, np.where(there, np.minimum(self._at[mark], end), begin)))
            there = there & (self._kind[mark] == ord("^"))
            if not there.any():
                break
        return found + [Cells(end, end)] * (len(numbers) - len(found))

    def subcomponents(self, cells: Cells, *numbers: int) -> list[Cells]:
        start, end = cells
        at = self._ampersands
        first = np.searchsorted(at, start)
        found = []
        for number in numbers:
            begin = start if number == 1 else np.minimum(at[first + (number - 2)] + 1, end)
            found.append(Cells(begin, np.minimum(at[first + (number - 1)], end).clip(min=begin)))
        return found

    @cached_property
    def _ampersands(self) -> Ints:
        text = np.frombuffer(self._data, np.uint8)[:-_PADDING]
        return np.append(np.flatnonzero(text == ord("&")), np.full(_PADDING, len(text)))

    def words(self, cells: Cells) -> Words:
        """Short texts as numbers (see ``word``); 0 when blank or longer than eight bytes."""
        length = cells.end - cells.start
        return np.where(length <= 8, _eight(self._data, cells.start) & _KEEP[np.minimum(length, 8)], 0).astype(
            np.uint64
        )

    def capitals(self, cells: Cells) -> Words:
        """The same in capital letters."""
        return self.words(cells) & np.uint64(0xDFDFDFDFDFDFDFDF)

    def like(self, cells: Cells, *shapes: str) -> list[Mask]:
        """Of each shape, which cells begin with it: 9 stands for any digit, other characters for themselves."""
        length = cells.end - cells.start
        fits = [length >= len(shape) for shape in shapes]
        for place in range(0, max(map(len, shapes)), 8):
            words = _eight(self._data, cells.start + place)
            for fit, shape in zip(fits, shapes, strict=True):
                fit &= _like(words, shape[place : place + 8])
        return fits

    def texts(self, cells: Cells) -> list[str]:
        """The cells as Python texts; for the few that need a closer look."""
        pairs = zip(cells.start.tolist(), cells.end.tolist(), strict=True)
        return [self._data[start:end].decode() for start, end in pairs]

    def column(self, cells: Cells) -> Any:
        """The cells as an Arrow column of views into the chunk."""
        return _views(self._data, cells)

    def rewritten(self, cells: Cells, shapes: Sequence[tuple[Mask, str]]) -> Any:
        """An Arrow column where cells that fit get other marks between their first bytes.

        Of each shape, the cells it is for (no cell is for two) and how they begin afterwards, ``a`` to ``z`` standing
        for the first bytes: ``abcd-ef`` makes 2026-04 of 202604. What follows, and cells of no shape, stay as they
        are; those that become longer than any date or time end as a question mark.
        """
        size = cells.end - cells.start
        old = [_eight(self._data, cells.start + 8 * place) for place in range(_words_of(size))]
        new = [*old]
        for fits, shape in ((fits, shape) for fits, shape in shapes if fits.any()):
            size = size + fits * (len(shape) - _taken(shape))
            changed = _shaped(old, shape)
            new += old[:1] * (len(changed) - len(new))  # those are no cell's yet
            new = [np.where(fits, one, other) for one, other in zip(changed, new, strict=True)]
        long = size > 8 * _WIDE
        new[0][long], size[long] = ord("?"), 1
        out = np.stack(new[: _words_of(size)], axis=1)
        start = np.arange(len(size)) * out.shape[1] * 8
        return _views(out.view(np.uint8).reshape(-1), Cells(start, start + size))


def _words_of(size: Ints) -> int:
    """How many times eight bytes hold the longest of the cells; no date or time needs more than ``_WIDE``."""
    return min(max(int(size.max(initial=0)) + 7, 8) // 8, _WIDE)


def _taken(shape: str) -> int:
    return sum(mark.islower() for mark in shape)


def _shaped(words: Sequence[Words], shape: str) -> list[Words]:
    """Texts, by their first eight bytes, next eight and so on, in another shape, what follows behind it."""
    none = np.zeros_like(words[0])
    letters = [_taken(shape[:place]) for place in range(len(shape) + 1)]
    shaped = []
    for number in range(min(len(words) + 1, _WIDE)):
        word, before = (words[one] if 0 <= one < len(words) else none for one in (number, number - 1))
        masks: dict[int, int] = {}  # how many places bytes move, and which of these eight
        put = 0
        for place in range(8):
            at = min(8 * number + place, len(shape))
            if at < len(shape) and not shape[at].islower():
                put |= ord(shape[at]) << 8 * place
            else:
                moved = at - letters[at]
                masks[moved] = masks.get(moved, 0) | 0xFF << 8 * place
        out = np.full_like(none, put)
        for moved, mask in masks.items():
            out |= ((word << 8 * moved | before >> 64 - 8 * moved) if moved else word) & np.uint64(mask)
        shaped.append(out)
    return shaped


def _views(data: bytes | npt.NDArray[np.uint8], cells: Cells) -> Any:
    """Arrow text: per row its length and first four bytes; then eight more, or the buffer's number and the offset."""
    import pyarrow as pa

    length = cells.end - cells.start
    if not length.any():
        views = np.zeros((len(length), 2), np.uint64)
        return pa.Array.from_buffers(pa.string_view(), len(length), [None, pa.py_buffer(views), pa.py_buffer(data)])
    first = _eight(data, cells.start) & _KEEP[np.minimum(length, 8)]
    views = np.empty((len(length), 2), np.uint64)
    views[:, 0] = length.view(np.uint64) | first << _HALF
    views[:, 1] = np.where(length <= _INLINE, first >> _HALF, cells.start.view(np.uint64) << _HALF)
    rows = np.flatnonzero((length > 8) & (length <= _INLINE))
    views[rows, 1] |= (_eight(data, cells.start[rows] + 8) & _KEEP[length[rows] - 8]) << _HALF
    return pa.Array.from_buffers(pa.string_view(), len(length), [None, pa.py_buffer(views), pa.py_buffer(data)])


def _eight(data: bytes | npt.NDArray[np.uint8], start: Ints) -> Words:
    """The eight bytes from each offset on, little-endian."""
    anywhere: Words = np.ndarray((len(data) - 7,), "<u8", data, strides=(1,))
    return anywhere[start]


def _marks(text: npt.NDArray[np.uint8]) -> Mask:
    """Where a ``|``, ``^`` or ``~`` stands, or any control character, in as few passes as can be."""
    found: Mask = text < _SPACE
    found |= text == ord("^")
    found |= text & 0xFD == ord("|")  # all but the bit in which it differs from the tilde
    return found


def _any_of(text: npt.NDArray[np.uint8], marks: bytes) -> Mask:
    found: Mask = text == marks[0]
    for mark in marks[1:]:
        found |= text == mark
    return found


def _like(words: Words, shape: str) -> Mask:
    """Which eight bytes begin with the shape, of at most eight characters."""
    fixed = bytes(0 if mark == "9" else 255 for mark in shape)
    meant = bytes(0 if mark == "9" else ord(mark) for mark in shape)
    others, same = (np.uint64(int.from_bytes(part, "little")) for part in (fixed, meant))
    ignored = others | ~_KEEP[len(shape)]
    zeros, high, six = (np.uint64(byte * 0x0101010101010101) for byte in (0x30, 0xF0, 0x06))
    digits = (words & ~ignored) | (zeros & ignored)
    fits: Mask = (words & others == same) & (digits & high == zeros) & ((digits + six) & high == zeros)
    return fits
