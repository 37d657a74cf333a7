"""What is true of each person: name, birth, numbers, home and health.

No number can be a real person's: CCCD serials begin at 500000, which no province reaches in a year; CMND begin
with 5 to 9; insurance numbers with 98 or 99; phones with prefixes no operator has (050, 051, 053, 054, 071–075).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from dedup.simulation.draw import Bools, Draw, Floats, Ints
from dedup.simulation.facilities import Facilities
from dedup.simulation.households import CHILD, GRANDFATHER, MAN, Households, day_number, make_households
from dedup.simulation.tables import PROFILES, names, places

__all__ = ["PHONE_PREFIXES", "Persons", "make_persons"]

PHONE_PREFIXES = (50, 51, 53, 54, 71, 72, 73, 74, 75)
#: Steps coprime to 10: counting in them walks through a range of numbers without meeting itself.
_SERIAL_STEP, _PHONE_STEP, _CMND_STEP, _CARD_STEP = 611_953, 7_368_787, 161_803_399, 73_939_133


@dataclass(frozen=True)
class Persons:
    """One entry a person. Dates are days since 1970-01-01; numbers are 0 where there is none."""

    home: Households
    family: Ints
    middle: Ints  #: -1: none
    given: Ints
    year: Ints
    commune: Ints
    cccd: Ints
    cmnd: Ints
    card: Ints  #: the last ten digits
    phone: Ints  #: without the leading zero
    profile: Ints  #: what usually brings them to a laboratory: position in PROFILES
    frail: Floats  #: how often: 1 is average
    newborn: Bools  #: born in or just before the period

    def __len__(self) -> int:
        return len(self.family)


def _by_sex(draw: Draw, weights: tuple[Floats, Floats], sex: Ints) -> Ints:
    chosen = np.empty(len(sex), dtype=np.int64)
    for value in (0, 1):
        at = np.flatnonzero(sex == value)
        chosen[at] = draw.pick(weights[value], len(at))
    return chosen


def _family_names(home: Households, draw: Draw) -> Ints:
    """Children have the father's name (else the mother's), the man of the house his father's."""
    own = draw.pick(names().family_weight, len(home.sex))
    line = np.full(int(home.household.max()) + 1, -1, dtype=np.int64)
    for role in (MAN, GRANDFATHER):
        at = np.flatnonzero(home.role == role)
        line[home.household[at]] = own[at]
    of_line = np.isin(home.role, (MAN, GRANDFATHER)) | ((home.role == CHILD) & (home.father >= 0))
    result = np.where(of_line, line[home.household], own)
    orphan = (home.role == CHILD) & (home.father < 0) & (home.mother >= 0)
    return np.where(orphan, result[home.mother], result)


def _middle_names(home: Households, year: Ints, draw: Draw) -> Ints:
    """Thị and Văn go out of fashion; brothers and sisters often share a middle name; a few have none."""
    lists, count = names(), len(year)
    weights = []
    for sex, common in ((0, lists.van), (1, lists.thi)):
        changed = lists.middle_weight[sex].copy()
        changed[common] = 0.0
        weights.append(changed)
    drawn = _by_sex(draw, (weights[0], weights[1]), home.sex)
    era = np.searchsorted(np.array([1975, 1995, 2010]), year, side="right")
    share = np.where(home.sex == 1, np.array([0.75, 0.5, 0.25, 0.12])[era], np.array([0.4, 0.28, 0.15, 0.08])[era])
    usual = np.where(home.sex == 1, lists.thi, lists.van)
    middle = np.where(draw.chance(share, count), usual, drawn)
    before = np.arange(count) - 1
    sibling = (home.role == CHILD) & (home.role[before] == CHILD) & (home.sex == home.sex[before])
    sibling &= home.household == home.household[before]
    shares = sibling & draw.chance(np.where(home.twin, 0.7, 0.3), count)
    middle = np.where(shares, middle[before], middle)
    return np.where(draw.chance(0.02, count), -1, middle)


def _given_names(home: Households, draw: Draw) -> Ints:
    count = len(home.sex)
    given = _by_sex(draw, names().given_weight, home.sex)
    son = (home.role == CHILD) & (home.sex == 0) & (home.father >= 0)
    junior = son & draw.chance(0.004, count)  # father and son then differ in the middle name only
    given = np.where(junior, given[home.father], given)
    before = np.arange(count) - 1
    same = (home.household == home.household[before]) & (home.role == CHILD) & (home.role[before] == CHILD)
    clash = same & (given == given[before])  # brothers and sisters never have one given name
    other = _by_sex(draw, names().given_weight, home.sex)
    return np.where(clash, np.where(other == given, given[home.mother], other), given)


def _serial(group: Ints) -> Ints:
    """A different serial for everybody of one group; neighbours in a group get neighbouring numbers in pairs."""
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    rank = np.empty(len(group), dtype=np.int64)
    rank[order] = np.arange(len(group)) - np.repeat(starts, np.diff(np.append(starts, len(group))))
    return 500_000 + ((rank // 2 * _SERIAL_STEP + group * 7919) % 250_000) * 2 + rank % 2


def _cccd(home: Households, year: Ints, birthplace: Ints) -> Ints:
    prefix = places().prefix[birthplace]
    century = np.where(year >= 2000, 2, 0) + home.sex
    group = (prefix * 10 + century) * 100 + year % 100
    return group * 1_000_000 + _serial(group)


def _phones(home: Households, year_now: int, year: Ints, draw: Draw) -> Ints:
    count = len(year)
    prefix = np.array(PHONE_PREFIXES)[draw.below(len(PHONE_PREFIXES), count)]
    age = year_now - year
    owns = (age >= 15) & draw.chance(np.where(age > 70, 0.45, 0.93), count)
    return np.where(owns, prefix * 10_000_000 + (np.arange(count) + 811) * _PHONE_STEP % 10_000_000, 0)


def _profiles(home: Households, age: Ints, fresh_mothers: Bools, newborn: Bools, draw: Draw) -> Ints:
    count = len(age)
    chronic = draw.chance(np.select([age < 16, age < 40, age < 60], [0.03, 0.12, 0.32], 0.6), count)
    illness = 1 + draw.pick([0.32, 0.3, 0.12, 0.12, 0.08, 0.06], count)  # diabetes … tumour
    acute = draw.pick([0.6, 0, 0, 0, 0, 0, 0, 0.22, 0, 0.12, 0.06, 0], count)
    acute = np.where((age < 16) & (acute == 9), 7, acute)
    profile = np.where(chronic, illness, acute)
    expecting = fresh_mothers | ((home.sex == 1) & (age >= 19) & (age < 41) & draw.chance(0.05, count))
    profile = np.where(expecting, PROFILES.index("antenatal"), profile)
    return np.where(newborn, PROFILES.index("newborn"), profile)


def _homes(home: Households, facilities: Facilities, draw: Draw) -> Ints:
    """A commune for each person: that of the household, in a province that has facilities."""
    place, households = places(), int(home.household.max()) + 1
    served = np.zeros(len(place.weight), dtype=bool)
    served[facilities.province] = True
    weight = np.where(served, place.weight, 0.0)[place.commune_province]
    communes = np.bincount(place.commune_province, minlength=len(place.weight))[place.commune_province]
    return draw.pick(weight / communes, households)[home.household]


def make_persons(persons: int, seed: int, facilities: Facilities, start: date, days: int) -> Persons:
    """The people of the world."""
    home = make_households(persons, seed, start, days)
    draw = Draw(seed, "persons")
    year = home.birth.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    age = start.year - year
    newborn = home.birth > day_number(start) - 28
    fresh = np.zeros(persons, dtype=bool)
    fresh[home.mother[newborn & (home.mother >= 0)]] = True
    commune = _homes(home, facilities, draw)
    moved = draw.chance(0.18, persons)
    birthplace = np.where(moved, draw.pick(places().weight, persons), places().commune_province[commune])
    serial = np.arange(persons) + 1_237
    chronic_or_old = np.where(age > 60, 1.5, 1.0)
    profile = _profiles(home, age, fresh, newborn, draw)
    return Persons(
        home=home,
        family=_family_names(home, draw),
        middle=_middle_names(home, year, draw),
        given=_given_names(home, draw),
        year=year,
        commune=commune,
        cccd=_cccd(home, year, birthplace),
        cmnd=np.where(year < 2003, 500_000_000 + serial * _CMND_STEP % 500_000_000, 0),
        card=np.where(draw.chance(0.93, persons), 9_800_000_000 + serial * _CARD_STEP % 200_000_000, 0),
        phone=_phones(home, start.year, year, draw),
        profile=profile,
        frail=chronic_or_old
        * np.where((profile >= 1) & (profile <= 6), 2.6, 1.0)
        * (0.4 + 1.2 * draw.uniform(persons)),
        newborn=newborn,
    )
