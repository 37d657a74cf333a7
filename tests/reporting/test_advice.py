"""What to do first: said of enough cases, true, and led to its table."""

from __future__ import annotations

import pytest

from dedup.reporting import Filters, each_hospital, figures, rollout
from dedup.reporting.advice import advice
from dedup.reporting.flat import flatten
from dedup.reporting.words import Words
from dedup.warehouse import Warehouse, memory_warehouse


def repeat_often(warehouse: Warehouse, times: int) -> None:
    """The repeat of order O2 so many times over."""
    con = warehouse.con
    con.execute(f"""
INSERT INTO line SELECT * EXCLUDE (i) REPLACE (line_id + 100 * i AS line_id, order_id || '-' || i AS order_id)
FROM line, range({times}) AS r(i) WHERE line_id = 2""")
    con.execute(f"""
INSERT INTO flag SELECT * EXCLUDE (i) REPLACE (order_id || '-' || i AS order_id)
FROM flag, range({times}) AS r(i) WHERE order_id = 'O2'""")


def said(warehouse: Warehouse, lang: str = "en", **filters: tuple[str, ...]) -> dict[str, str]:
    return {one.section: one.text for one in advice(figures(warehouse, Filters(**filters)), Words(lang))}  # type: ignore[arg-type]


def test_few_cases_call_for_nothing(warehouse: Warehouse) -> None:
    assert set(said(warehouse)) <= {"recorded"}
    with memory_warehouse() as empty:
        assert said(empty) == {}


def test_says_what_the_tables_say(warehouse: Warehouse) -> None:
    repeat_often(warehouse, 9)
    found = said(warehouse)
    assert found["tests"] == (
        "Before ordering HbA1c, Glucose: look for a result elsewhere. They make up 100.0% of the avoidable đồng."
    )
    assert "00001 Bệnh viện Ánh Dương: 11 of 12 avoidable repeats" in found["sources"]
    assert found["recorded"].startswith("13 of 14 repeats carry no reason")
    assert "departments" not in found  # of several hospitals it would say nothing


def test_a_hospital_is_told_where_to_begin(warehouse: Warehouse) -> None:
    repeat_often(warehouse, 9)
    (own,) = [one for one in each_hospital(warehouse) if one.facility_id == "00002"]
    texts = {one.section: one.text for one in advice(own, Words("vi"))}
    assert texts["departments"] == "Bắt đầu từ “Nội”: nơi đã chỉ định 10 trong 11 lần lặp lại tránh được."


@pytest.mark.parametrize("scope", ["elsewhere", "same_facility"])
def test_every_scope_and_sheet(warehouse: Warehouse, scope: str) -> None:
    repeat_often(warehouse, 9)
    report = figures(warehouse, Filters(scopes=(scope,)))
    texts = [one.text for one in advice(report, Words("en"))]
    sheets = {flat.name: [row[0] for row in flat.rows] for flat in flatten(report, Words("en"))}
    assert sheets.get("first", []) == texts


def test_none_for_the_roll_out(warehouse: Warehouse) -> None:
    assert advice(rollout(warehouse), Words("en")) == []
