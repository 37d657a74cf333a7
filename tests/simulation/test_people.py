"""What is true of the people: names by frequency, numbers by their rules, none of them a real person's."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import numpy as np
import pytest

from dedup.simulation.facilities import make_facilities
from dedup.simulation.households import CHILD, MAN, WOMAN, day_number
from dedup.simulation.persons import PHONE_PREFIXES, Persons, make_persons
from dedup.simulation.tables import names, places

START = date(2026, 1, 1)


@pytest.fixture(scope="module")
def people() -> Persons:
    facilities = make_facilities(60, 1, ("csv",), START, 90)
    return make_persons(60_000, 1, facilities, START, 90)


def test_family_names_follow_their_frequency(people: Persons) -> None:
    share = np.bincount(people.family, minlength=len(names().family)) / len(people)
    assert share[names().family.index("Nguyễn")] == pytest.approx(0.384, abs=0.015)
    assert share[names().family.index("Trần")] == pytest.approx(0.074, abs=0.01)


def test_thi_goes_out_of_fashion(people: Persons) -> None:
    women = people.home.sex == 1
    old, young = women & (people.year < 1970), women & (people.year > 2010)
    assert (people.middle[old] == names().thi).mean() > 0.6
    assert (people.middle[young] == names().thi).mean() < 0.25
    assert (people.middle[~women] == names().thi).mean() < 0.01


def test_cccd_agree_with_birthplace_sex_and_year_and_are_unique(people: Persons) -> None:
    digits = people.cccd
    assert len(np.unique(digits)) == len(people)
    assert np.isin(digits // 1_000_000_000, places().prefix).all()
    century = digits // 100_000_000 % 10
    assert (century == people.home.sex + 2 * (people.year >= 2000)).all()
    assert (digits // 1_000_000 % 100 == people.year % 100).all()


def test_no_number_can_be_a_real_person_s(people: Persons) -> None:
    assert (people.cccd % 1_000_000 >= 500_000).all()  # more than any province registers of one sex in a year
    assert np.isin(people.card[people.card > 0] // 100_000_000, (98, 99)).all()
    assert (people.cmnd[people.cmnd > 0] >= 500_000_000).all()
    assert (people.cmnd < 1_000_000_000).all()
    assert np.isin(people.phone[people.phone > 0] // 10_000_000, PHONE_PREFIXES).all()
    mobile = {int(f"{first}{second}") for first, seconds in
              {3: range(2, 10), 5: (2, 5, 6, 8, 9), 7: (0, 6, 7, 8, 9), 8: range(1, 10), 9: range(10)}.items()
              for second in seconds}  # fmt: skip
    assert not mobile & set(PHONE_PREFIXES)
    for numbers in (people.card, people.cmnd, people.phone):
        given = numbers[numbers > 0]
        assert len(np.unique(given)) == len(given)


def test_children_have_a_parent_of_a_fitting_age_and_the_father_s_name(people: Persons) -> None:
    home = people.home
    children = np.flatnonzero((home.role == CHILD) & (home.mother >= 0))
    gap = (home.birth[children] - home.birth[home.mother[children]]) / 365.25
    assert gap.min() > 15
    assert gap.max() < 50
    assert (home.role[home.mother[children]] == WOMAN).all()
    fathered = np.flatnonzero((home.role == CHILD) & (home.father >= 0))
    assert (home.role[home.father[fathered]] == MAN).all()
    assert (people.family[fathered] == people.family[home.father[fathered]]).all()


def test_there_are_twins_newborns_and_neighbouring_numbers(people: Persons) -> None:
    home = people.home
    twins = np.flatnonzero(home.twin)
    assert 0.004 < len(twins) / len(people) < 0.02
    pairs = [(a, b) for a, b in pairwise(twins) if home.household[a] == home.household[b]]
    assert all(home.birth[a] == home.birth[b] and people.given[a] != people.given[b] for a, b in pairs)
    assert any(abs(int(people.cccd[a] - people.cccd[b])) == 1 for a, b in pairs)
    assert people.newborn.sum() > 100
    assert (home.birth[people.newborn] < day_number(START) + 90).all()


def test_a_family_shares_its_home(people: Persons) -> None:
    same = people.home.household[1:] == people.home.household[:-1]
    assert (people.commune[1:][same] == people.commune[:-1][same]).all()
