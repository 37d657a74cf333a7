"""What two variants have in common, field by field, as levels: pure functions on columns of pairs.

A level is a small integer, an index into the field's tuple in FIELDS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from dedup.matching.likeness import Flags, Positions, alike, distance_one, share_token, tokens_compared

if TYPE_CHECKING:
    from dedup.matching.variants import Coded, Variants

__all__ = ["FIELDS", "Flags", "Levels", "Positions", "compare"]

Levels: TypeAlias = "np.ndarray[Any, np.dtype[np.uint8]]"

#: field → its levels; the first one is "says nothing".
FIELDS: dict[str, tuple[str, ...]] = {
    "given_name": (
        "missing", "equal", "equal_marks_differ", "sounds_alike", "similar", "typed_wrong", "swapped", "differs",
    ),
    "middle_name": ("missing", "equal", "one_missing", "overlaps", "similar", "differs"),
    "family_name": ("missing", "equal", "similar", "differs"),
    "name_rarity": (
        "says_nothing", "to_6_bits", "to_8_bits", "to_10_bits", "to_12_bits", "to_14_bits", "to_16_bits", "to_18_bits",
        "to_20_bits", "to_22_bits", "to_24_bits", "to_26_bits", "to_28_bits", "over_28_bits",
    ),
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

#: Where the levels of name_rarity part: the surprise, in bits, that all parts of the name which are equal add up to.
RARITY_BITS = range(6, 30, 2)
#: The surprise of a name part next to nobody has.
UNHEARD_BITS = 16.0


def level(field: str, name: str) -> int:
    """The number of a level."""
    return FIELDS[field].index(name)


def compare(v: Variants, a: Positions, b: Positions, rarity: dict[str, Positions]) -> dict[str, Levels]:
    """Levels of every pair (v[a], v[b]); ``rarity`` gives per name part the surprise of each variant's in bits."""
    given, middle, family = _names(v, a, b, rarity)
    return {
        "given_name": given,
        "middle_name": middle,
        "family_name": family,
        "name_rarity": _name_rarity(a, b, rarity, given, middle, family),
        "birth_date": _birth_date(v, a, b),
        "sex": _choose(((v.sex[a] == 0) | (v.sex[b] == 0), 0), (v.sex[a] == v.sex[b], 1), otherwise=2),
        "phone": _number(v.text["phone"], a, b),
        "insurance": _insurance(v.text["insurance_numbers"], a, b),
        "id": _id(v, a, b),
        "place": _place(v, a, b),
    }


def _name_rarity(
    a: Positions, b: Positions, rarity: dict[str, Positions], given: Levels, middle: Levels, family: Levels
) -> Levels:
    """How surprising it is that two people chosen at random have the parts in common that these have."""
    same = {
        "given": (given == level("given_name", "equal")) | (given == level("given_name", "equal_marks_differ")),
        "middle": middle == level("middle_name", "equal"),
        "family": family == level("family_name", "equal"),
    }
    bits = np.zeros(len(a))
    for part, equal in same.items():
        bits += np.where(equal, rarity[part][a], 0.0)
    swapped = np.flatnonzero(given == level("given_name", "swapped"))
    whole = rarity["given"] + rarity["middle"] + rarity["family"]
    bits[swapped] = np.minimum(whole[a[swapped]], whole[b[swapped]])  # in the wrong order nobody has such parts
    told = np.searchsorted(RARITY_BITS, bits, side="right") + 1
    return np.where(bits > 0, told, 0).astype(np.uint8)


def _choose(*cases: tuple[Flags, int], otherwise: int) -> Levels:
    """The level of the first case that holds."""
    found = np.full(len(cases[0][0]), otherwise, dtype=np.uint8)
    for case, number in reversed(cases):
        np.putmask(found, case, number)
    return found


def _names(v: Variants, a: Positions, b: Positions, rarity: dict[str, Positions]) -> tuple[Levels, Levels, Levels]:
    """Levels of given, middle and family name. Of names in another order only the given name speaks, as swapped."""
    parts = ("given_name", "middle_name", "family_name", "name", "marked_given")
    given, middle, family, name, marked = ((v.text[part].codes[a], v.text[part].codes[b]) for part in parts)
    unknown = _lacking(name) | v.newborn[a] | v.newborn[b]
    other = ~unknown & ~_equal(name)
    swapped, cut, joined = tokens_compared(v.text["name"], a, b, other)
    same_given = _equal(given)
    swapped &= ~same_given
    near, typo, sounding = alike(v.text["given_name"], a, b, other & ~swapped)
    heard, middle_heard = (
        (rarity[part][a] < UNHEARD_BITS) & (rarity[part][b] < UNHEARD_BITS) for part in ("given", "middle")
    )
    tone = v.text["marked_given"].tones
    both_marked = ~_lacking(marked)
    marks_differ = ~unknown & same_given & both_marked & ~_equal(marked)
    sounding &= ~both_marked | (tone[marked[0]] == tone[marked[1]])
    given_level = _choose(
        (unknown, 0), (swapped, 6), (_lacking(given), 0), (marks_differ, 2), (same_given, 1),
        (joined | ((near | typo | sounding) & ~heard), 5), (sounding, 3), (near | cut, 4), otherwise=7,
    )  # fmt: skip
    says_nothing = unknown | swapped
    near, typo, _ = alike(v.text["middle_name"], a, b, ~says_nothing)
    shared = share_token(v.text["middle_name"], a, b, ~says_nothing)
    middle_level = _choose(
        (says_nothing | ((middle[0] < 0) & (middle[1] < 0)), 0), (_equal(middle), 1), (joined, 0),
        (_lacking(middle), 2), (shared, 3), (near | (typo & ~middle_heard), 4), otherwise=5,
    )  # fmt: skip
    close, _, heard_alike = alike(v.text["family_name"], a, b, ~says_nothing)
    family_level = _choose(
        (says_nothing | _lacking(family), 0), (_equal(family), 1), (joined | close | heard_alike, 2), otherwise=3,
    )  # fmt: skip
    return given_level, middle_level, family_level


def _lacking(codes: tuple[Positions, Positions]) -> Flags:
    """Where one of the two has no value."""
    return np.asarray((codes[0] < 0) | (codes[1] < 0))


def _equal(codes: tuple[Positions, Positions]) -> Flags:
    return np.asarray(codes[0] == codes[1])


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
    codes = column.codes[a], column.codes[b]
    missing, equal = _lacking(codes), _equal(codes)
    near = distance_one(column, a, b, ~missing)
    return _choose((missing, 0), (equal, 1), (near, 2), otherwise=3)


def _insurance(column: Coded, a: Positions, b: Positions) -> Levels:
    found = _number(column, a, b)
    found[(found >= 2) & share_token(column, a, b, found >= 2)] = 1
    return found


def _id(v: Variants, a: Positions, b: Positions) -> Levels:
    kind = v.id_type[a]
    plain = _number(v.text["id_number"], a, b)
    apart = (kind == 0) | (kind != v.id_type[b])
    usable = (v.id_grade[a] > 0) & (v.id_grade[b] > 0)
    return _choose(
        (apart, 0), (plain == 1, 1), ((plain == 2) & usable, 5), ((plain == 3) & usable, 4), (plain == 2, 2),
        (plain == 3, 3), otherwise=0,
    )  # fmt: skip


def _place(v: Variants, a: Positions, b: Positions) -> Levels:
    province, ward = ((v.text[part].codes[a], v.text[part].codes[b]) for part in ("province", "ward"))
    same = _equal(province)
    return _choose(
        (_lacking(province), 0), (same & (ward[0] >= 0) & _equal(ward), 1), (same, 2), otherwise=3,
    )  # fmt: skip
