"""Every case of the specification, by the real stage and by the oracle."""

from __future__ import annotations

import pytest

from tests.oracle.judging import flags
from tests.oracle.warehouse import flags_from_sql

from .cases import CASES
from .tables import said, world


@pytest.mark.parametrize("sentence", CASES)
def test_case(sentence: str) -> None:
    case = CASES[sentence]
    header, *expected = [line.split() for line in case["flags"].strip().splitlines()]
    there = world(case)
    assert said(flags(there), header) == sorted(expected), "the oracle reads the contract differently"
    assert said(flags_from_sql(there), header) == sorted(expected)
