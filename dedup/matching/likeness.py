"""How alike two texts of a column are: columns of pairs of codes in, flags out.

Only distinct pairs of different values reach Python or rapidfuzz.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from dedup.matching.variants import Coded

__all__ = ["alike", "distance_one", "share_token", "tokens_compared"]

Flags: TypeAlias = "np.ndarray[Any, np.dtype[np.bool_]]"
Positions: TypeAlias = "np.ndarray[Any, Any]"

#: Words of a name that say no more than the sex, and are left out at will.
SILENT = ("thi", "van")


def _differing(column: Coded, a: Positions, b: Positions, among: Flags) -> tuple[Positions, Positions, Positions]:
    """The rows in which both have a value and these differ, and the codes of the two."""
    ca, cb = column.codes[a], column.codes[b]
    rows = np.flatnonzero(among & (ca >= 0) & (cb >= 0) & (ca != cb))
    return rows, ca[rows], cb[rows]


def _marked(size: int, rows: Positions) -> Flags:
    found = np.zeros(size, dtype=np.bool_)
    found[rows] = True
    return found


def _errors(column: Coded, x: Positions, y: Positions, most: int) -> Positions:
    """How often a character is replaced, left out, added, or swapped with its neighbour; more than ``most``: one more.

    Texts whose lengths alone say so are not looked at.
    """
    from rapidfuzz.distance import OSA
    from rapidfuzz.process import cpdist

    found = np.full(len(x), most + 1, dtype=np.uint8)
    close = np.flatnonzero(np.abs(column.lengths[x] - column.lengths[y]) <= most)
    if len(close):
        left, right = (column.values.take(codes[close]).to_pylist() for codes in (x, y))
        found[close] = cpdist(left, right, scorer=OSA.distance, score_cutoff=most, dtype=np.uint8)
    return found


def distance_one(column: Coded, a: Positions, b: Positions, among: Flags) -> Flags:
    """Where two different values are one typing error apart."""
    rows, x, y = _differing(column, a, b, among)
    maybe = np.flatnonzero(_one_end_alike(column, x, y))
    return _marked(len(a), rows[maybe[_errors(column, x[maybe], y[maybe], 1) <= 1]])


#: A typing error spoils at most two characters side by side, so in a longer text one end of so many stays as it was.
_END = 4


def _one_end_alike(column: Coded, x: Positions, y: Positions) -> Flags:
    """Where two texts begin or end alike, or are too short for that to tell something."""
    _, offsets, data = column.values.buffers()
    if data is None or data.size < _END:
        return np.ones(len(x), dtype=np.bool_)
    start = np.frombuffer(offsets, dtype=np.int32)[column.values.offset :]
    octets = np.ndarray(data.size - _END + 1, dtype="<u4", buffer=data, strides=(1,))
    short = np.minimum(start[x + 1] - start[x], start[y + 1] - start[y]) <= 2 * _END
    first, last = len(octets) - 1, -_END
    heads = octets[np.minimum(start[x], first)] == octets[np.minimum(start[y], first)]
    tails = octets[np.maximum(start[x + 1] + last, 0)] == octets[np.maximum(start[y + 1] + last, 0)]
    return np.asarray(short | heads | tails)


def alike(column: Coded, a: Positions, b: Positions, among: Flags) -> tuple[Flags, Flags, Flags]:
    """Where two different name parts are one typing error apart (two in long ones) and long enough for that to tell
    something, where they are one apart at all, and where they sound alike."""
    rows, x, y = _differing(column, a, b, among)
    # Few name parts, met in many pairs: each pair of them is compared once.
    pairs, back = np.unique((np.minimum(x, y).astype(np.int64) << 32) | np.maximum(x, y), return_inverse=True)
    x, y = pairs >> 32, pairs & 0xFFFFFFFF
    shorter, errors = np.minimum(column.lengths[x], column.lengths[y]), _errors(column, x, y, 2)
    near = ((shorter > 2) & (errors <= 1)) | ((shorter > 6) & (errors <= 2))
    one = (shorter > 1) & (errors <= 1)
    heard = column.sounds[x] == column.sounds[y]
    return _marked(len(a), rows[near[back]]), _marked(len(a), rows[one[back]]), _marked(len(a), rows[heard[back]])


def _words(column: Coded, x: Positions, y: Positions) -> tuple[Positions, Positions, Positions, Any, Any]:
    """For each side how many telling words each text has, 64 bits of which each sets one, and a sum that only the same
    words give (as far as 64 random bits for each can tell); and the texts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    sides = [column.values.take(codes) for codes in (x, y)]
    words = pc.split_pattern(pa.concat_arrays(sides), " ")
    word = words.flatten().dictionary_encode()
    telling = ~np.isin(word.dictionary.to_numpy(zero_copy_only=False), SILENT)[word.indices.to_numpy()]
    bit = np.left_shift(telling.astype(np.uint64), word.indices.to_numpy().astype(np.uint64) % 64)
    worth = np.random.default_rng(0).integers(2**64, size=len(word.dictionary), dtype=np.uint64)
    starts = words.offsets.to_numpy()[:-1]
    many = np.add.reduceat(telling.astype(np.int8), starts)
    total = np.add.reduceat(worth[word.indices.to_numpy()] * telling, starts)
    return many.reshape(2, -1), np.bitwise_or.reduceat(bit, starts).reshape(2, -1), total.reshape(2, -1), *sides


def share_token(column: Coded, a: Positions, b: Positions, among: Flags) -> Flags:
    """Where two different values have a telling word in common."""
    rows, x, y = _differing(column, a, b, among)
    if not len(rows):
        return _marked(len(a), rows)
    _, (in_x, in_y), _, left, right = _words(column, x, y)
    maybe = np.flatnonzero(in_x & in_y)
    pairs = _texts(left, right, maybe)
    return _marked(len(a), rows[maybe[_flags(not set(x.split()).isdisjoint(y.split()) for x, y in pairs)]])


def tokens_compared(column: Coded, a: Positions, b: Positions, among: Flags) -> tuple[Flags, Flags, Flags]:
    """Where two names hold the same words in another order, where one holds all words of the other and more (Văn
    and Thị aside), and where one is the other with a space left out or mistyped."""
    rows, x, y = _differing(column, a, b, among)
    if not len(rows):
        return (_marked(len(a), rows),) * 3
    (many_x, many_y), (in_x, in_y), (all_x, all_y), left, right = _words(column, x, y)
    several = np.minimum(many_x, many_y) > 1
    same = several & (many_x == many_y) & (all_x == all_y)
    maybe = np.flatnonzero(several & (many_x != many_y) & (((in_x & ~in_y) == 0) | ((in_y & ~in_x) == 0)))
    words = ((set(x.split()), set(y.split())) for x, y in _texts(left, right, maybe))
    cut = maybe[_flags(x < y or y < x for x, y in words)]
    return _marked(len(a), rows[same]), _marked(len(a), rows[cut]), _marked(len(a), rows[_joined(left, right)])


def _joined(left: Any, right: Any) -> Positions:
    """Where two names have unlike numbers of words, and without their spaces are at most one typing error apart."""
    import pyarrow.compute as pc
    from rapidfuzz.distance import OSA
    from rapidfuzz.process import cpdist

    bare = [pc.replace_substring(names, " ", "") for names in (left, right)]
    letters = [pc.utf8_length(names).to_numpy() for names in bare]
    spaces = [pc.utf8_length(names).to_numpy() - size for names, size in zip((left, right), letters, strict=True)]
    maybe = np.flatnonzero(
        (spaces[0] != spaces[1]) & (np.abs(letters[0] - letters[1]) <= 1) & (np.minimum(*letters) > 6)
    )
    if not len(maybe):
        return maybe
    texts = [names.take(maybe).to_pylist() for names in bare]
    return maybe[cpdist(*texts, scorer=OSA.distance, score_cutoff=1, dtype=np.uint8) <= 1]


def _texts(left: Any, right: Any, at: Positions) -> Iterable[tuple[str, str]]:
    return zip(left.take(at).to_pylist(), right.take(at).to_pylist(), strict=True)


def _flags(answers: Iterable[bool]) -> Flags:
    return np.fromiter(answers, dtype=np.bool_)
