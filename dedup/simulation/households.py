"""Who lives together: men, women, their children and the grandparents, with their birth dates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from dedup.simulation.draw import Bools, Draw, Ints, whole

__all__ = ["CHILD", "GRANDFATHER", "GRANDMOTHER", "MAN", "WOMAN", "Households", "day_number", "make_households"]

MAN, WOMAN, CHILD, GRANDFATHER, GRANDMOTHER = range(5)
_YEAR = 365.25
#: Shares of households: one person, a couple, parents with children, three generations.
_SHAPES = [0.12, 0.16, 0.5, 0.22]
_PERSONS_PER_HOUSEHOLD = 3.0  #: a little below the true mean, so that there are always enough


@dataclass(frozen=True)
class Households:
    """One entry a person, household by household. Dates are days since 1970-01-01."""

    household: Ints
    role: Ints
    sex: Ints  #: 0 male, 1 female
    birth: Ints
    mother: Ints  #: number of the person; -1: not in the world
    father: Ints
    twin: Bools  #: shares the birth date with the brother or sister before or after


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return day.toordinal() - date(1970, 1, 1).toordinal()


def _births(shape: Ints, first: int, days: int, draw: Draw) -> tuple[dict[int, Ints], list[Ints], Bools]:
    """Birth days of each role, of up to three children (-1: not there), and who has twins."""
    count = len(shape)
    parents = shape >= 2
    eldest = draw.below(26 * 365, count)
    woman = np.where(
        parents,
        first - eldest - whole((19 + 16 * draw.uniform(count)) * _YEAR),
        first - whole((22 + 58 * draw.uniform(count) ** 1.2) * _YEAR),
    )
    man = woman - whole((-3 + 10 * draw.uniform(count)) * _YEAR)
    children = [np.where(parents, first - eldest, -1)]
    twins = parents & draw.chance(0.03, count)
    for share in (0.62, 0.2):
        born = children[-1] + whole((1.5 + 5 * draw.uniform(count)) * _YEAR)
        if len(children) == 1:
            born = np.where(twins, children[0], born)
        there = (children[-1] >= 0) & (draw.chance(share, count) | (twins & (len(children) == 1)))
        children.append(np.where(there & (born < first - 30), born, -1))
    twins &= children[1] >= 0
    fresh = parents & (first - woman < 42 * _YEAR) & draw.chance(0.035, count)
    children[2] = np.where(fresh, first - 25 + draw.below(days + 20, count), children[2])
    births = {
        MAN: man,
        WOMAN: woman,
        GRANDFATHER: man - whole((21 + 12 * draw.uniform(count)) * _YEAR),
        GRANDMOTHER: man - whole((19 + 11 * draw.uniform(count)) * _YEAR),
    }
    return births, children, twins


def _present(shape: Ints, births: dict[int, Ints], first: int, draw: Draw) -> dict[int, Bools]:
    count = len(shape)
    alone_is_man = draw.chance(0.45, count)
    oldest = first - int(97 * _YEAR)
    return {
        MAN: np.where(shape == 0, alone_is_man, draw.chance(0.94, count)),
        WOMAN: (shape > 0) | ~alone_is_man,
        GRANDFATHER: (shape == 3) & draw.chance(0.6, count) & (births[GRANDFATHER] > oldest),
        GRANDMOTHER: (shape == 3) & draw.chance(0.85, count) & (births[GRANDMOTHER] > oldest),
    }


def _number_of(role: int, household: Ints, roles: Ints, households: int) -> Ints:
    """For each household the number of the person with that role, or -1."""
    found = np.full(households, -1, dtype=np.int64)
    at = np.flatnonzero(roles == role)
    found[household[at]] = at
    return found


def make_households(persons: int, seed: int, start: date, days: int) -> Households:
    """Exactly ``persons`` people in households; births go on until five days before the end of the period."""
    draw = Draw(seed, "households")
    first = day_number(start)
    count = int(persons / _PERSONS_PER_HOUSEHOLD) + 8
    shape = draw.pick(_SHAPES, count)
    births, children, twins = _births(shape, first, days, draw)
    present = _present(shape, births, first, draw)
    members = [(role, np.flatnonzero(present[role]), births[role]) for role in (MAN, WOMAN)]
    members += [(CHILD, np.flatnonzero(born >= 0), born) for born in children]
    members += [(role, np.flatnonzero(present[role]), births[role]) for role in (GRANDFATHER, GRANDMOTHER)]
    household = np.concatenate([at for _, at, _ in members])
    role = np.concatenate([np.full(len(at), kind) for kind, at, _ in members])
    birth = np.concatenate([born[at] for _, at, born in members])
    order = np.argsort(household, kind="stable")[:persons]
    if len(order) < persons:
        raise AssertionError("too few households were made")
    household, role, birth = household[order], role[order], birth[order]
    child = role == CHILD
    sex = np.where(child, draw.below(2, persons), np.isin(role, (WOMAN, GRANDMOTHER)).astype(np.int64))
    return Households(
        household=household,
        role=role,
        sex=sex,
        birth=birth,
        mother=np.where(child, _number_of(WOMAN, household, role, count)[household], -1),
        father=np.where(child, _number_of(MAN, household, role, count)[household], -1),
        twin=child & twins[household] & _twin(child, household, birth),
    )


def _twin(child: Bools, household: Ints, birth: Ints) -> Bools:
    same = (household[1:] == household[:-1]) & (birth[1:] == birth[:-1]) & child[1:] & child[:-1]
    twin: Bools = np.concatenate([[False], same]) | np.concatenate([same, [False]])
    return twin
