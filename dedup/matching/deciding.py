"""From levels and bits to a decision for each pair: certain, likely, for a human, or none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dedup.matching.comparing import FIELDS, Flags, level
from dedup.matching.model import probability

if TYPE_CHECKING:
    from dedup.matching.comparing import Levels, Positions
    from dedup.matching.model import Scorecard
    from dedup.matching.variants import Variants
    from dedup.settings import MatchingSettings

__all__ = ["GUARDS", "HARD_GUARDS", "METHODS", "Decisions", "decide"]

CONFLICTS = ("conflicts", "conflicts_by_one_digit")
OTHER_DAY = ("year_equal_rest_differs", "near_years", "differs", "generation_apart")
#: With so many bits although provinces differ, or only the year is known, the name is too rare for a namesake.
_OUTWEIGHED = {"namesakes": 9.5, "bare_years": 7.0}
#: From the surest to the least; a record's match_method is the surest of the edges that hold it.
METHODS = ("national_id", "insurance_id", "fuzzy", "review", "none")
#: What the two rules of certainty are held to be worth, in bits: the odds measured for pairs they join.
_CERTAIN_BITS = {"national_id": 13.0, "insurance_id": 10.0}


@dataclass(frozen=True)
class Decisions:
    """For every pair: an index into METHODS, bits, and the index of the guard that refused it (-1: none)."""

    method: np.ndarray[Any, np.dtype[np.int8]]
    bits: np.ndarray[Any, np.dtype[np.float64]]
    guard: np.ndarray[Any, np.dtype[np.int8]]
    mistyped: np.ndarray[Any, np.dtype[np.bool_]]  #: conflicting ids, but one digit apart


def decide(
    v: Variants, a: Positions, b: Positions, levels: dict[str, Levels], card: Scorecard, settings: MatchingSettings
) -> Decisions:
    """Decide every pair (v[a], v[b])."""
    bits = card.score(levels)
    guard = _first_guard(v, a, b, levels, card.guards)
    for name, enough in _OUTWEIGHED.items():
        guard[(guard == list(GUARDS).index(name)) & (bits >= enough)] = -1
    certain, insured = _same_id(v, a, b, levels), _same_insurance(v, a, b, levels)
    chance = probability(bits)
    free = guard < 0
    method = np.select(
        [free & certain, free & insured, free & (chance >= settings.match_probability),
         chance >= settings.review_probability,
         certain | insured],
        [0, 1, 2, 3, 3],
        4,
    ).astype(np.int8)  # fmt: skip
    for number, name in enumerate(("national_id", "insurance_id")):
        bits = np.where(method == number, np.maximum(bits, _CERTAIN_BITS[name]), bits)
    return Decisions(method, bits, guard, _is(levels, "id", "conflicts_by_one_digit"))


def _is(levels: dict[str, Levels], field: str, *names: str) -> Flags:
    wanted = np.zeros(len(FIELDS[field]), dtype=np.bool_)
    wanted[[level(field, name) for name in names]] = True
    return wanted[levels[field]]


def _same_id(v: Variants, a: Positions, b: Positions, levels: dict[str, Levels]) -> Flags:
    """One number on two records it fits, unless their given names or what it cannot check speak against it."""
    grades = np.minimum(v.id_grade[a], v.id_grade[b])
    checked = (v.id_type[a] == 1) & (grades == 2)
    born = ~_is(levels, "birth_date", "differs", "generation_apart", "near_years")
    named = ~_is(levels, "given_name", "differs")
    return np.asarray(
        _is(levels, "id", "equal") & (grades > 0) & named & (checked | (born & ~_is(levels, "sex", "differs")))
    )


def _same_insurance(v: Variants, a: Positions, b: Positions, levels: dict[str, Levels]) -> Flags:
    """One insurance number, one name, a birth year and a sex that may be the same."""
    name = v.text["name"].codes
    named = (
        (name[a] >= 0) & ((name[a] == name[b]) | _is(levels, "given_name", "swapped")) & ~v.newborn[a] & ~v.newborn[b]
    )
    born = _is(
        levels, "birth_date", "missing", "equal", "day_month_swapped", "one_part_differs", "year_only_equal",
        "year_equal_rest_differs",
    )  # fmt: skip
    against = _is(levels, "sex", "differs") | _is(levels, "id", *CONFLICTS)
    return np.asarray(_is(levels, "insurance", "equal") & named & born & ~against)


def _own_id(levels: dict[str, Levels], v: Variants, a: Positions, b: Positions) -> Flags:
    """One number, which both can be trusted to have as their own."""
    return np.asarray(_is(levels, "id", "equal") & (v.id_grade[a] == 2) & (v.id_grade[b] == 2))


def _held(levels: dict[str, Levels]) -> Flags:
    """Held together by a number: one phone, one insurance number or one id."""
    return _is(levels, "phone", "equal") | _is(levels, "insurance", "equal") | _is(levels, "id", "equal")


def _other_middle(levels: dict[str, Levels], v: Variants, a: Positions, b: Positions) -> Flags:
    """Middle names that differ, neither of them an initial."""
    middle = v.text["middle_name"]
    whole = np.append(middle.lengths > 1, False)
    other = _is(levels, "middle_name", "differs")
    differ = np.flatnonzero(other)
    other[differ] = whole[middle.codes[a[differ]]] & whole[middle.codes[b[differ]]]
    return other


#: Why a pair may never be joined without a human, however much else agrees; a model names those that hold in it.
def _conflicting_ids(levels: dict[str, Levels], v: Variants, a: Positions, b: Positions) -> Flags:
    return _is(levels, "id", *CONFLICTS)


def _generations(levels: dict[str, Levels], v: Variants, a: Positions, b: Positions) -> Flags:
    return _is(levels, "birth_date", "generation_apart")


def _newborns(levels: dict[str, Levels], v: Variants, a: Positions, b: Positions) -> Flags:
    return np.asarray((v.newborn[a] | v.newborn[b]) & ~_own_id(levels, v, a, b))


def _twins(levels: dict[str, Levels], v: Variants, a: Positions, b: Positions) -> Flags:
    own = _own_id(levels, v, a, b) | _is(levels, "insurance", "equal")
    differ = _is(levels, "given_name", "differs") | (_is(levels, "given_name", "similar", "equal_marks_differ") & ~own)
    born = _is(levels, "birth_date", "equal", "day_month_swapped", "one_part_differs", "year_only_equal")
    named_apart = _is(levels, "birth_date", "equal") & _other_middle(levels, v, a, b) & ~own
    return np.asarray((born & differ) | named_apart)


def _birth_years(levels: dict[str, Levels], v: Variants, a: Positions, b: Positions) -> Flags:
    own = _own_id(levels, v, a, b) | _is(levels, "insurance", "equal")
    return np.asarray(_is(levels, "birth_date", "differs") & ~own)


def _namesakes(levels: dict[str, Levels], v: Variants, a: Positions, b: Positions) -> Flags:
    # A number that cannot be checked is often typed to get past a form, the same by many.
    typed = _is(levels, "birth_date", "year_equal_rest_differs") & (v.id_type[a] != 1)
    held = _is(levels, "phone", "equal") | _is(levels, "insurance", "equal") | (_is(levels, "id", "equal") & ~typed)
    return np.asarray(_is(levels, "place", "province_differs") & ~held)


def _nameless(levels: dict[str, Levels], v: Variants, a: Positions, b: Positions) -> Flags:
    held = _is(levels, "insurance", "equal") | (
        _is(levels, "id", "equal") & (np.minimum(v.id_grade[a], v.id_grade[b]) > 0)
    )
    return np.asarray(_is(levels, "given_name", "missing") & ~held)


def _bare_years(levels: dict[str, Levels], v: Variants, a: Positions, b: Positions) -> Flags:
    return np.asarray(
        _is(levels, "birth_date", "year_only_equal") & ~_held(levels) & ~_is(levels, "place", "ward_equal")
    )


def _names_alone(levels: dict[str, Levels], v: Variants, a: Positions, b: Positions) -> Flags:
    alone = ~_held(levels) & ~_is(levels, "place", "ward_equal")
    other = _other_middle(levels, v, a, b) & ~_is(levels, "insurance", "equal")
    return np.asarray(_is(levels, "birth_date", "missing") & (alone | other))


def _guardians(levels: dict[str, Levels], v: Variants, a: Positions, b: Positions) -> Flags:
    undated = _is(levels, "birth_date", "missing")
    middle, family = _other_middle(levels, v, a, b), _is(levels, "family_name", "differs")
    given = _is(levels, "given_name", "differs")
    nothing = middle & family & ~_is(levels, "given_name", "equal") & _is(levels, "birth_date", *OTHER_DAY)
    return np.asarray(_is(levels, "id", "equal") & (given | nothing | (undated & (middle | family))))


GUARDS = {
    "conflicting_ids": _conflicting_ids,
    "generations": _generations,
    "newborns": _newborns,
    "guardians": _guardians,
    "twins": _twins,
    "birth_years": _birth_years,
    "nameless": _nameless,
    "namesakes": _namesakes,
    "bare_years": _bare_years,
    "names_alone": _names_alone,
}


#: Guards that say two records *are* different people, not only that nobody can be sure.
HARD_GUARDS = ("conflicting_ids", "generations", "newborns")


def _first_guard(
    v: Variants, a: Positions, b: Positions, levels: dict[str, Levels], held: tuple[str, ...]
) -> np.ndarray[Any, np.dtype[np.int8]]:
    found = np.full(len(a), -1, dtype=np.int8)
    for number, (name, guard) in enumerate(GUARDS.items()):
        if name in held:
            found[(found < 0) & guard(levels, v, a, b)] = number
    return found
