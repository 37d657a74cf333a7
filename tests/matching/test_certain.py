"""Numbers that decide, and numbers that must not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Persons = Callable[..., list[int]]

LAN: dict[str, Any] = {
    "national_id": "001170000123", "full_name": "Nguyễn Thị Lan", "birth_date": "1970-05-12", "sex": "female",
}  # fmt: skip


def test_one_fitting_number_is_one_person(persons: Persons) -> None:
    other = LAN | {"full_name": "NGUYEN THI LAN ANH", "birth_date": "1970-12-05", "phone": "0988111222"}
    first, second = persons(LAN, other)
    assert first == second


def test_different_trusted_numbers_are_different_persons(persons: Persons) -> None:
    first, second = persons(LAN, LAN | {"national_id": "001170000124"})
    assert first != second


def test_same_insurance_number_and_name_without_id(persons: Persons) -> None:
    card = {"national_id": None, "insurance_id": "GD4010112345678"}
    first, second = persons(LAN | card, LAN | card | {"insurance_id": "DN4790112345678", "full_name": "nguyen thi lan"})
    assert first == second


def test_newborn_is_not_the_woman_of_the_same_name(persons: Persons) -> None:
    woman = {"full_name": "NGUYỄN THỊ ÁNH", "birth_date": "1970-02-03", "sex": "female",
        "insurance_id": "GD4010112345678",
             "national_id": "001170000123"}  # fmt: skip
    baby = {"full_name": "NGUYỄN THỊ ÁNH", "birth_date": "2026-03-09", "sex": "female",
        "insurance_id": "TE1010112345678",
            "first_ordered_at": "2026-03-10 08:00"}  # fmt: skip
    first, second = persons(woman, baby)
    assert first != second


def test_a_guardians_number_does_not_tie(persons: Persons) -> None:
    child = LAN | {"full_name": "Trần Gia Bảo", "birth_date": "2019-05-12", "sex": "male"}
    first, second = persons(LAN, child)
    assert first != second


def test_one_number_on_two_whole_names_does_not_tie(persons: Persons) -> None:
    thanh = LAN | {"full_name": "Phùng Trung Thanh", "birth_date": "1970-09-04"}
    first, second = persons(thanh, thanh | {"full_name": "Trương Quang Thân", "birth_date": "1970-05-01"})
    assert first != second


@pytest.mark.parametrize("number", ["001170000123", "079085012345", "038199054321"])
def test_a_number_alone_ties(persons: Persons, number: str) -> None:
    first, second = persons({"national_id": number}, {"national_id": number})
    assert first == second


def test_a_number_with_a_name_ties(persons: Persons) -> None:
    known = {"national_id": "001170000123", "full_name": "Nguyễn Thị Lan"}
    first, second = persons(known, known | {"full_name": "Nguyen Thi Lan"})
    assert first == second


@pytest.mark.parametrize("number", ["000000000000", "123456789012", "123456789", "111111111", "001170000000"])
def test_a_placeholder_ties_nobody(persons: Persons, number: str) -> None:
    first, second = persons({"national_id": number}, {"national_id": number})
    assert first != second


NGUYET = {"full_name": "Khuất Duy Nguyệt Vỹ"}  # so rare that the name by itself would be worth a match


@pytest.mark.parametrize("known", [{}, {"sex": "male"}, {"province": "01"}])
def test_a_name_alone_ties_nobody(persons: Persons, known: dict[str, str]) -> None:
    first, second = persons(NGUYET | known, NGUYET | known | {"birth_date": "1950-02-03"} if known else NGUYET)
    assert first != second


@pytest.mark.parametrize("known", [{"phone": "0912345671"}, {"birth_date": "1950-02-03"}])
def test_a_name_with_something_else_does(persons: Persons, known: dict[str, str]) -> None:
    first, second = persons(NGUYET | known, NGUYET | known)
    assert first == second
