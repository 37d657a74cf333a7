"""Who goes where and when: acts, the moments at which somebody orders tests for a person.

A first act has no parent. Its children are what makes repeats: another day of the same stay (``serial``), the
hospital a patient is transferred to (``transfer``), a second opinion (``second_opinion``), coming back to the
same facility (``revisit``).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date

import numpy as np

from dedup.simulation.draw import Bools, Draw, Floats, Ints, whole
from dedup.simulation.facilities import Facilities
from dedup.simulation.households import day_number
from dedup.simulation.persons import Persons
from dedup.simulation.tables import PROFILES, places

__all__ = ["KINDS", "OF_SETTING", "Acts", "joined", "make_acts"]

KINDS = ("first", "serial", "transfer", "second_opinion", "revisit", "send_out")
FIRST, SERIAL, TRANSFER, SECOND, REVISIT, SEND_OUT = range(6)
OF_SETTING = ("outpatient", "inpatient", "emergency", "icu", "screening")
OUTPATIENT, INPATIENT, EMERGENCY, ICU, SCREENING = range(5)
DAY = 1440
_VISITS = 0.62  #: first acts of an average person in 90 days


@dataclass(frozen=True)
class Acts:
    """One entry an act; ``at`` is minutes since 1970-01-01 (local time)."""

    person: Ints
    facility: Ints
    at: Ints
    profile: Ints
    setting: Ints
    kind: Ints
    parent: Ints  #: number of the act; -1: none
    encounter: Ints  #: acts of one stay share it

    def __len__(self) -> int:
        return len(self.person)


def joined(parts: list[Acts]) -> Acts:
    """Several lists of acts as one."""
    return Acts(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Acts)))


Usual = tuple[Ints, Ints, Ints]


def _usual(persons: Persons, facilities: Facilities, seed: int) -> Usual:
    """Each person's nearest facility, the bigger one of the province, and the far central hospital."""
    draw = Draw(seed, "usual facilities")
    province = places().commune_province[persons.commune]
    near, big = np.empty(len(persons), np.int64), np.empty(len(persons), np.int64)
    small = np.where(facilities.tier >= 2, 1.0, 0.25)
    large = np.where(facilities.tier <= 1, 1.0, 0.15)
    for here in np.unique(province).tolist():
        at = np.flatnonzero(province == here)
        local = facilities.pull * (facilities.province == here)
        near[at] = draw.pick(local * small, len(at))
        big[at] = draw.pick(local * large, len(at))
    far = draw.pick(facilities.pull * np.where(facilities.tier == 0, 1.0, 0.02), len(persons))
    return near, big, far


def _settings(profile: Ints, tier: Ints, draw: Draw) -> Ints:
    """Outpatient mostly; infections come by emergency, operations and newborns are inpatients."""
    name = PROFILES.index
    count = len(profile)
    inpatient = np.full(count, 0.1)
    emergency = np.full(count, 0.06)
    for what, stays, hurries in (("infection", 0.22, 0.3), ("surgery", 0.7, 0.15), ("newborn", 0.8, 0.02)):
        inpatient[profile == name(what)] = stays
        emergency[profile == name(what)] = hurries
    u = draw.uniform(count)
    setting = np.where(u < inpatient, INPATIENT, np.where(u < inpatient + emergency, EMERGENCY, OUTPATIENT))
    setting = np.where((setting == INPATIENT) & draw.chance(0.07, count), ICU, setting)
    setting = np.where(np.isin(tier, (3, 4)), OUTPATIENT, setting)  # communes and clinics have no beds
    return np.where(profile == name("screening"), SCREENING, setting)


def _minute(setting: Ints, draw: Draw) -> Ints:
    """Minute of the day: office hours with a morning peak, emergencies at any time."""
    count = len(setting)
    office = whole(390 + 330 * draw.uniform(count) + 270 * draw.uniform(count) * draw.uniform(count))
    return np.where(setting == EMERGENCY, draw.below(DAY, count), office)


def _first_acts(persons: Persons, facilities: Facilities, usual: Usual, start: date, days: int, draw: Draw) -> Acts:
    rate = persons.frail * _VISITS * days / 90
    visits = whole(2 * rate * draw.uniform(len(persons)) + draw.uniform(len(persons)))
    visits = np.maximum(visits, persons.newborn.astype(np.int64))
    person = np.repeat(np.arange(len(persons)), visits)
    count, first = len(person), day_number(start)
    near, big, far = usual
    u = draw.uniform(count)
    anywhere = draw.pick(facilities.pull, count)
    facility = np.select([u < 0.5, u < 0.8, u < 0.93], [near[person], big[person], far[person]], anywhere)
    profile = np.where(
        draw.chance(0.2, count), draw.pick([6, 0, 0, 0, 0, 0, 0, 2.5, 0, 1, 0, 0], count), persons.profile[person]
    )
    profile = np.where(persons.newborn[person], PROFILES.index("newborn"), profile)
    earliest = np.maximum(first, persons.home.birth[person])
    early = whole(np.minimum(first + days - earliest, 12) * draw.uniform(count))  # newborns come at once
    day = earliest + np.where(persons.newborn[person], early, draw.below(first + days - earliest, count))
    facility = np.where(persons.newborn[person] & (facilities.tier[facility] >= 3), big[person], facility)
    setting = _settings(profile, facilities.tier[facility], draw)
    at = day * DAY + _minute(setting, draw)
    none = np.full(count, -1, dtype=np.int64)
    return Acts(person, facility, at, profile, setting, np.full(count, FIRST), none, np.arange(count))


def _higher(acts: Acts, facilities: Facilities, draw: Draw) -> Ints:
    """Where a transferred patient goes: a provincial hospital of the province or a central one, never the same."""
    count, tier = len(acts), facilities.tier
    target = np.empty(count, dtype=np.int64)
    home = facilities.province[acts.facility]
    for here in np.unique(home).tolist():
        at = np.flatnonzero(home == here)
        weight = facilities.pull * np.where(tier == 0, 0.6, (tier == 1) & (facilities.province == here))
        target[at] = draw.pick(weight, len(at))
    return np.where(tier[target] < tier[acts.facility], target, draw.pick(facilities.pull * (tier == 0), count))


def _taken(acts: Acts, chosen: Bools, **changed: Ints) -> Acts:
    """The chosen acts as parents of new ones, with some columns changed."""
    values = {field.name: getattr(acts, field.name)[chosen] for field in fields(Acts)}
    values["parent"] = np.flatnonzero(chosen)
    return Acts(**(values | changed))


def _serial(acts: Acts, draw: Draw) -> Acts:
    """The following days of a stay (at most six), each ordering again for a part of the tests."""
    beds = np.isin(acts.setting, (INPATIENT, ICU)) & (acts.kind != SERIAL)
    nights = np.where(beds, np.minimum(whole(draw.skewed(1.6, len(acts))), 6), 0)
    parent = np.repeat(np.arange(len(acts)), nights)
    night = np.arange(len(parent)) - np.repeat(np.cumsum(nights) - nights, nights) + 1
    morning = (acts.at[parent] // DAY + night) * DAY + 330 + draw.below(120, len(parent))
    again = np.maximum(morning, acts.at[parent] + 240)
    return Acts(
        acts.person[parent], acts.facility[parent], again, acts.profile[parent], acts.setting[parent],
        np.full(len(parent), SERIAL), parent, acts.encounter[parent],
    )  # fmt: skip


def _moved(
    acts: Acts, kind: int, share: Floats, facility: Ints, delay: Ints, facilities: Facilities, draw: Draw
) -> Acts:
    """A part of the acts followed by one in another encounter."""
    chosen = draw.chance(share, len(acts)) & ((facility != acts.facility) | (kind == REVISIT))
    chosen &= acts.kind != SERIAL
    tier = facilities.tier[facility[chosen]]
    setting = _settings(acts.profile[chosen], tier, draw)
    if kind == TRANSFER:
        setting = np.where(draw.chance(0.45, len(setting)), EMERGENCY, INPATIENT)
    return _taken(
        acts, chosen,
        facility=facility[chosen],
        at=(acts.at + delay)[chosen],
        setting=setting,
        kind=np.full(int(chosen.sum()), kind),
        encounter=np.full(int(chosen.sum()), -1),
    )  # fmt: skip


def _later(acts: Acts, usual: Usual, facilities: Facilities, draw: Draw) -> list[Acts]:
    """Transfers, second opinions and revisits that follow some acts."""
    count = len(acts)
    below_central = facilities.tier[acts.facility] > 0
    hurried = np.isin(acts.setting, (EMERGENCY, INPATIENT, ICU))
    share = np.where(below_central, np.where(hurried, 0.2, 0.05), 0.0)
    hours = whole(60 * (1.5 + draw.skewed(7.0, count)))
    near, big, far = usual
    u = draw.uniform(count)
    other = np.select([u < 0.4, u < 0.8], [big[acts.person], far[acts.person]], near[acts.person])
    soon = whole(DAY * draw.skewed(6.0, count)) + 180
    morning = (acts.at + soon) // DAY * DAY + 400 + draw.below(400, count)
    return [
        _moved(acts, TRANSFER, share, _higher(acts, facilities, draw), hours, facilities, draw),
        _moved(acts, SECOND, np.full(count, 0.13), other, np.maximum(morning - acts.at, 180), facilities, draw),
        _moved(
            acts, REVISIT, np.full(count, 0.08), acts.facility, np.maximum(morning - acts.at, 1200), facilities, draw
        ),
    ]


def _numbered(acts: Acts, first: int, offset: int) -> Acts:
    """New encounters get numbers from ``first``; parents are moved by ``offset``."""
    new = acts.encounter < 0
    encounter = acts.encounter.copy()
    encounter[new] = first + np.arange(int(new.sum()))
    values = {field.name: getattr(acts, field.name) for field in fields(Acts)}
    return Acts(**(values | {"encounter": encounter, "parent": acts.parent + offset}))


def make_acts(persons: Persons, facilities: Facilities, seed: int, start: date, days: int) -> Acts:
    """All acts of the period, parents before children."""
    draw = Draw(seed, "acts")
    usual = _usual(persons, facilities, seed)
    generation = _first_acts(persons, facilities, usual, start, days, draw)
    parts, before = [generation], 0
    encounters = len(generation)
    for _ in range(2):  # children and grandchildren
        children = joined([_serial(generation, draw), *_later(generation, usual, facilities, draw)])
        children = _numbered(children, encounters, before)
        encounters += int((children.kind != SERIAL).sum())
        before += len(generation)
        parts.append(children)
        generation = children
    acts = joined(parts)
    return _within(acts, (day_number(start) + days) * DAY)


def _within(acts: Acts, end: int) -> Acts:
    """Only what happens before the end, and children only where the parent stayed."""
    keep = acts.at < end
    keep &= (acts.parent < 0) | keep[acts.parent]
    keep &= (acts.parent < 0) | keep[acts.parent]  # grandchildren of what went in the line above
    number = np.cumsum(keep) - 1
    values = {field.name: getattr(acts, field.name)[keep] for field in fields(Acts)}
    values["parent"] = np.where(values["parent"] < 0, -1, number[values["parent"]])
    return Acts(**values)
