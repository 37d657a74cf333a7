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
        "given": np.isin(given, [level("given_name", n) for n in ("equal", "equal_marks_differ", "swapped")]),
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
    return np.select([case for case, _ in cases], [number for _, number in cases], otherwise).astype(np.uint8)


def _names(v: Variants, a: Positions, b: Positions, rarity: Positions) -> tuple[Levels, Levels, Levels]:
    """Levels of given, middle and family name. Of names in another order only the given name speaks, as swapped."""
    given, middle, family, name = (v.text[part].codes for part in ("given_name", "middle_name", "family_name", "name"))
    unknown = (name[a] < 0) | (name[b] < 0) | v.newborn[a] | v.newborn[b]
    other = ~unknown & (name[a] != name[b])
    swapped, cut = _tokens_compared(v.text["name"], a, b, other)
    swapped &= given[a] != given[b]
    alike, sounding = _alike(v.text["given_name"], a, b, other & ~swapped)
    heard = (rarity[a] < UNHEARD) & (rarity[b] < UNHEARD)
    marks_differ = _given_marks_differ(v, a, b, ~unknown & (given[a] == given[b]))
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


def _differing(
    column: Coded, a: Positions, b: Positions, among: Flags
) -> tuple[Flags, Positions, list[Any], list[Any]]:
    """Where both have a value and these differ; the distinct pairs of values there, and which one each row has."""
    ca, cb = column.codes[a], column.codes[b]
    where = among & (ca >= 0) & (cb >= 0) & (ca != cb)
    low, high = np.minimum(ca[where], cb[where]), np.maximum(ca[where], cb[where])
    packed, back = np.unique((low.astype(np.int64) << 32) | high, return_inverse=True)
    left = column.values.take(packed >> 32).to_pylist()
    right = column.values.take(packed & 0xFFFFFFFF).to_pylist()
    return where, back, left, right


def _spread(where: Flags, back: Positions, found: Flags) -> Flags:
    """An answer for each distinct pair → for each row."""
    result = np.zeros(len(where), dtype=np.bool_)
    result[where] = found[back]
    return result


def _at_most(errors: int, left: list[str], right: list[str]) -> Flags:
    """So many times a character replaced, left out, added, or two neighbours swapped."""
    from rapidfuzz.distance import OSA
    from rapidfuzz.process import cpdist

    if not left:
        return np.zeros(0, dtype=np.bool_)
    distance = cpdist(left, right, scorer=OSA.distance, score_cutoff=errors, dtype=np.uint8)
    return np.asarray(distance <= errors)


def _distance_one(column: Coded, a: Positions, b: Positions, among: Flags) -> Flags:
    where, back, left, right = _differing(column, a, b, among)
    return _spread(where, back, _at_most(1, left, right))


def _alike(column: Coded, a: Positions, b: Positions, among: Flags) -> tuple[Flags, Flags]:
    """Where two different name parts are one typing error apart (two in long ones), and where they sound alike."""
    where, back, left, right = _differing(column, a, b, among)
    pairs = list(zip(left, right, strict=True))
    long = _flags(min(len(x), len(y)) > 2 for x, y in pairs)
    heard = _flags(skeleton(x) == skeleton(y) for x, y in pairs)
    near = (long & _at_most(1, left, right)) | (
        _flags(min(len(x), len(y)) > 6 for x, y in pairs) & _at_most(2, left, right)
    )
    return _spread(where, back, near), _spread(where, back, heard)


def _share_token(column: Coded, a: Positions, b: Positions, among: Flags) -> Flags:
    where, back, left, right = _differing(column, a, b, among)
    pairs = zip(left, right, strict=True)
    return _spread(where, back, _flags(not set(x.split()).isdisjoint(y.split()) for x, y in pairs))


def _tokens_compared(column: Coded, a: Positions, b: Positions, among: Flags) -> tuple[Flags, Flags]:
    """Where two names hold the same words in another order, and where one holds all words of the other and more."""
    where, back, left, right = _differing(column, a, b, among)
    words = [(x.split(), y.split()) for x, y in zip(left, right, strict=True)]
    same = _flags(len(x) == len(y) and sorted(x) == sorted(y) for x, y in words)
    cut = _flags(
        len(x) != len(y) and min(len(x), len(y)) > 1 and (set(x) < set(y) or set(y) < set(x)) for x, y in words
    )
    return _spread(where, back, same), _spread(where, back, cut)


def _given_marks_differ(v: Variants, a: Positions, b: Positions, among: Flags) -> Flags:
    """Where both given names are written with their diacritics and these differ."""
    where, back, left, right = _differing(v.text["marked"], a, b, among)
    pairs = zip(left, right, strict=True)
    return _spread(where, back, _flags(x.rsplit(" ", 1)[-1] != y.rsplit(" ", 1)[-1] for x, y in pairs))


def _flags(answers: Iterable[bool]) -> Flags:
    return np.fromiter(answers, dtype=np.bool_)
