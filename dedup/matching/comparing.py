"""What two variants have in common, field by field, as levels: pure functions on columns of pairs.

A level is a small integer, an index into the field's tuple in FIELDS. Strings are compared by code; only distinct
pairs of different values reach rapidfuzz.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from dedup.matching.names import skeleton

if TYPE_CHECKING:
    from dedup.matching.variants import Coded, Variants

__all__ = ["FIELDS", "compare"]

Levels: TypeAlias = "np.ndarray[Any, np.dtype[np.uint8]]"
Flags: TypeAlias = "np.ndarray[Any, np.dtype[np.bool_]]"
Positions: TypeAlias = "np.ndarray[Any, Any]"

#: field → its levels; the first one is "says nothing".
FIELDS: dict[str, tuple[str, ...]] = {
    "given_name": (
        "missing", "equal", "equal_marks_differ", "sounds_alike", "similar", "typed_wrong", "swapped", "differs",
    ),
    "middle_name": ("missing", "equal", "one_missing", "overlaps", "similar", "differs"),
    "family_name": ("missing", "equal", "similar", "differs"),
    "given_rarity": ("says_nothing", "common", "uncommon", "rare", "very_rare", "unheard_of"),
    "middle_rarity": ("says_nothing", "common", "uncommon", "rare", "very_rare", "unheard_of"),
    "family_rarity": ("says_nothing", "common", "uncommon", "rare", "very_rare", "unheard_of"),
    "birth_date": (
        "missing", "equal", "day_month_swapped", "one_part_differs", "year_typed_wrong", "year_only_equal",
        "year_equal_rest_differs", "near_years", "differs", "generation_apart",
    ),
    "sex": ("missing", "equal", "differs"),
    "phone": ("missing", "equal", "one_digit_differs", "differs"),
    "insurance": ("missing", "equal", "one_digit_differs", "differs"),
    "id": ("missing", "equal", "one_digit_differs", "differs", "conflicts", "conflicts_by_one_digit"),
    "place": ("missing", "ward_equal", "province_equal", "province_differs"),
}  # fmt: skip

#: A birth year this much apart is another generation (the youngest mothers of the civil register are about 14).
GENERATION = 14


#: The rarity level of a name part next to nobody has.
UNHEARD = len(FIELDS["given_rarity"]) - 1


def level(field: str, name: str) -> int:
    """The number of a level."""
    return FIELDS[field].index(name)


def compare(v: Variants, a: Positions, b: Positions, rarity: dict[str, Positions]) -> dict[str, Levels]:
    """Levels of every pair (v[a], v[b]); ``rarity`` gives per name part the rarity level of each variant."""
    given, middle, family = _names(v, a, b, rarity["given"])
    same = {
        "given": (given == level("given_name", "equal"))
        | (given == level("given_name", "equal_marks_differ"))
        | (given == level("given_name", "swapped")),
        "middle": middle == level("middle_name", "equal"),
        "family": (family == level("family_name", "equal")),
    }
    return {
        "given_name": given,
        "middle_name": middle,
        "family_name": family,
        **{
            f"{part}_rarity": np.where(same[part], np.minimum(rarity[part][a], rarity[part][b]), 0).astype(np.uint8)
            for part in same
        },
        "birth_date": _birth_date(v, a, b),
        "sex": _choose(((v.sex[a] == 0) | (v.sex[b] == 0), 0), (v.sex[a] == v.sex[b], 1), otherwise=2),
        "phone": _number(v.text["phone"], a, b),
        "insurance": _insurance(v.text["insurance_numbers"], a, b),
        "id": _id(v, a, b),
        "place": _place(v, a, b),
    }


def _choose(*cases: tuple[Flags, int], otherwise: int) -> Levels:
    """The level of the first case that holds."""
    found = np.full(len(cases[0][0]), otherwise, dtype=np.uint8)
    for case, number in reversed(cases):
        np.putmask(found, case, number)
    return found


def _names(v: Variants, a: Positions, b: Positions, rarity: Positions) -> tuple[Levels, Levels, Levels]:
    """Levels of given, middle and family name. Of names in another order only the given name speaks, as swapped."""
    given, middle, family, name = (v.text[part].codes for part in ("given_name", "middle_name", "family_name", "name"))
    unknown = (name[a] < 0) | (name[b] < 0) | v.newborn[a] | v.newborn[b]
    other = ~unknown & (name[a] != name[b])
    swapped, cut = _tokens_compared(v.text["name"], a, b, other)
    swapped &= given[a] != given[b]
    alike, sounding = _alike(v.text["given_name"], a, b, other & ~swapped)
    heard = (rarity[a] < UNHEARD) & (rarity[b] < UNHEARD)
    marked = v.text["marked_given"].codes
    marks_differ = ~unknown & (given[a] == given[b]) & (marked[a] >= 0) & (marked[b] >= 0) & (marked[a] != marked[b])
    given_level = _choose(
        (unknown, 0), (swapped, 6), ((given[a] < 0) | (given[b] < 0), 0), (marks_differ, 2), (given[a] == given[b], 1),
        ((alike | sounding) & ~heard, 5), (sounding, 3), (alike | cut, 4), otherwise=7,
    )  # fmt: skip
    says_nothing = unknown | swapped
    near, _ = _alike(v.text["middle_name"], a, b, ~says_nothing)
    shared = _share_token(v.text["middle_name"], a, b, ~says_nothing)
    middle_level = _choose(
        (says_nothing | ((middle[a] < 0) & (middle[b] < 0)), 0), (middle[a] == middle[b], 1),
        ((middle[a] < 0) | (middle[b] < 0), 2), (shared, 3), (near, 4), otherwise=5,
    )  # fmt: skip
    close, heard_alike = _alike(v.text["family_name"], a, b, ~says_nothing)
    family_level = _choose(
        (says_nothing | (family[a] < 0) | (family[b] < 0), 0), (family[a] == family[b], 1),
        (close | heard_alike, 2), otherwise=3,
    )  # fmt: skip
    return given_level, middle_level, family_level


def _birth_date(v: Variants, a: Positions, b: Positions) -> Levels:
    ya, yb, ma, mb, da, db = v.year[a], v.year[b], v.month[a], v.month[b], v.day[a], v.day[b]
    full = (da > 0) & (db > 0)
    same_year, gap = ya == yb, np.abs(ya.astype(np.int32) - yb)
    typed_wrong = full & (ma == mb) & (da == db) & _year_typed_wrong(ya, yb)
    coarse = same_year & ~full & ((ma == 0) | (mb == 0) | (ma == mb))
    return _choose(
        ((ya == 0) | (yb == 0), 0), (full & same_year & (ma == mb) & (da == db), 1),
        (full & same_year & (ma == db) & (da == mb), 2), (full & same_year & ((ma == mb) | (da == db)), 3),
        (typed_wrong, 4), (coarse, 5), (same_year, 6), (gap >= GENERATION, 9), (~full & (gap <= 1), 7), otherwise=8,
    )  # fmt: skip


def _year_typed_wrong(ya: Positions, yb: Positions) -> Flags:
    """One digit of the last two differs, or those two are swapped, or the century differs."""
    ta, ua, tb, ub = ya // 10 % 10, ya % 10, yb // 10 % 10, yb % 10
    one = (ya // 100 == yb // 100) & ((ta == tb) | (ua == ub))
    return np.asarray(one | ((ya // 100 == yb // 100) & (ta == ub) & (ua == tb)))


def _number(column: Coded, a: Positions, b: Positions) -> Levels:
    codes = column.codes
    ca, cb = codes[a], codes[b]
    missing, equal = (ca < 0) | (cb < 0), ca == cb
    near = _distance_one(column, a, b, ~missing)
    return _choose((missing, 0), (equal, 1), (near, 2), otherwise=3)


def _insurance(column: Coded, a: Positions, b: Positions) -> Levels:
    found = _number(column, a, b)
    found[(found >= 2) & _share_token(column, a, b, found >= 2)] = 1
    return found


def _id(v: Variants, a: Positions, b: Positions) -> Levels:
    kind, grade = v.id_type, v.id_grade
    plain = _number(v.text["id_number"], a, b)
    apart = (kind[a] == 0) | (kind[a] != kind[b])
    usable = (grade[a] > 0) & (grade[b] > 0)
    return _choose(
        (apart, 0), (plain == 1, 1), ((plain >= 2) & usable, 4), (plain == 2, 2), (plain == 3, 3), otherwise=0
    )


def _place(v: Variants, a: Positions, b: Positions) -> Levels:
    province, ward = v.text["province"].codes, v.text["ward"].codes
    same = province[a] == province[b]
    return _choose(
        ((province[a] < 0) | (province[b] < 0), 0), (same & (ward[a] >= 0) & (ward[a] == ward[b]), 1), (same, 2),
        otherwise=3,
    )  # fmt: skip


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
    import pyarrow.compute as pc
    from rapidfuzz.distance import OSA
    from rapidfuzz.process import cpdist

    found = np.full(len(x), most + 1, dtype=np.uint8)
    lengths = pc.utf8_length(column.values).to_numpy().astype(np.int32)
    close = np.flatnonzero(np.abs(lengths[x] - lengths[y]) <= most)
    if len(close):
        left, right = (column.values.take(codes[close]).to_pylist() for codes in (x, y))
        found[close] = cpdist(left, right, scorer=OSA.distance, score_cutoff=most, dtype=np.uint8)
    return found


def _distance_one(column: Coded, a: Positions, b: Positions, among: Flags) -> Flags:
    rows, x, y = _differing(column, a, b, among)
    return _marked(len(a), rows[_errors(column, x, y, 1) <= 1])


def _alike(column: Coded, a: Positions, b: Positions, among: Flags) -> tuple[Flags, Flags]:
    """Where two different name parts are one typing error apart (two in long ones), and where they sound alike."""
    import pyarrow.compute as pc

    rows, x, y = _differing(column, a, b, among)
    # Few name parts, met in many pairs: each pair of them is compared once.
    pairs, back = np.unique((np.minimum(x, y).astype(np.int64) << 32) | np.maximum(x, y), return_inverse=True)
    x, y = pairs >> 32, pairs & 0xFFFFFFFF
    lengths = pc.utf8_length(column.values).to_numpy()
    shorter, errors = np.minimum(lengths[x], lengths[y]), _errors(column, x, y, 2)
    near = ((shorter > 2) & (errors <= 1)) | ((shorter > 6) & (errors <= 2))
    sounds = np.unique([skeleton(text) for text in column.values.to_pylist()], return_inverse=True)[1]
    heard = sounds[x] == sounds[y]
    return _marked(len(a), rows[near[back]]), _marked(len(a), rows[heard[back]])


def _words(column: Coded, x: Positions, y: Positions) -> tuple[Positions, Positions, list[Any], list[Any]]:
    """For each side how many words each text has, and 64 bits of which each word sets one; and the texts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    sides = [column.values.take(codes) for codes in (x, y)]
    words = pc.split_pattern(pa.concat_arrays(sides), " ")
    bit = np.left_shift(np.uint64(1), words.flatten().dictionary_encode().indices.to_numpy().astype(np.uint64) % 64)
    starts = words.offsets.to_numpy()
    return np.diff(starts).reshape(2, -1), np.bitwise_or.reduceat(bit, starts[:-1]).reshape(2, -1), *sides


def _share_token(column: Coded, a: Positions, b: Positions, among: Flags) -> Flags:
    rows, x, y = _differing(column, a, b, among)
    if not len(rows):
        return _marked(len(a), rows)
    _, (in_x, in_y), left, right = _words(column, x, y)
    maybe = np.flatnonzero(in_x & in_y)
    pairs = _texts(left, right, maybe)
    return _marked(len(a), rows[maybe[_flags(not set(x.split()).isdisjoint(y.split()) for x, y in pairs)]])


def _tokens_compared(column: Coded, a: Positions, b: Positions, among: Flags) -> tuple[Flags, Flags]:
    """Where two names hold the same words in another order, and where one holds all words of the other and more."""
    rows, x, y = _differing(column, a, b, among)
    if not len(rows):
        return _marked(len(a), rows), _marked(len(a), rows)
    (many_x, many_y), (in_x, in_y), left, right = _words(column, x, y)
    maybe = np.flatnonzero((many_x == many_y) & (in_x == in_y))
    same = maybe[_flags(sorted(x.split()) == sorted(y.split()) for x, y in _texts(left, right, maybe))]
    several = (many_x != many_y) & (np.minimum(many_x, many_y) > 1)
    maybe = np.flatnonzero(several & (((in_x & ~in_y) == 0) | ((in_y & ~in_x) == 0)))
    words = ((set(x.split()), set(y.split())) for x, y in _texts(left, right, maybe))
    cut = maybe[_flags(x < y or y < x for x, y in words)]
    return _marked(len(a), rows[same]), _marked(len(a), rows[cut])


def _texts(left: Any, right: Any, at: Positions) -> Iterable[tuple[str, str]]:
    return zip(left.take(at).to_pylist(), right.take(at).to_pylist(), strict=True)


def _flags(answers: Iterable[bool]) -> Flags:
    return np.fromiter(answers, dtype=np.bool_)
