"""The figures of the small world, counted by hand."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest

from dedup.errors import UsageError
from dedup.reporting import Filters, each_hospital, figures
from dedup.warehouse import Warehouse, memory_warehouse


def test_headline(warehouse: Warehouse) -> None:
    report = figures(warehouse)
    assert (report.lines, report.persons) == (10, 4)
    assert report.price_vnd == 3 * 50000 + 7 * 20000
    assert report.first_at == datetime.datetime(2026, 3, 2, 8)
    assert report.last_at == datetime.datetime(2026, 3, 9, 12)
    assert (report.basis.profile, report.basis.recognition) == ("moh-draft-2026-08", "level")


def test_scopes_stand_side_by_side(warehouse: Warehouse) -> None:
    elsewhere, same = figures(warehouse).scopes
    assert (elsewhere.scope, elsewhere.repeats) == ("elsewhere", 5)
    assert elsewhere.verdicts == {"avoidable": 3, "review": 0, "justified": 1, "unrecognised": 0, "pending": 1}
    assert elsewhere.avoidable_share == 0.3
    assert (elsewhere.avoidable_vnd, elsewhere.chain_vnd) == (Decimal(120000), Decimal(70000))
    assert (same.scope, same.repeats, same.avoidable_vnd) == ("same_facility", 1, Decimal(20000))


def test_tables(warehouse: Warehouse) -> None:
    tables = figures(warehouse).tables
    tests = tables["tests"].dicts()
    assert [(row["scope"], row["test_id"], row["lines"], row["avoidable"]) for row in tests] == [
        ("elsewhere", "hba1c", 3, 2),
        ("elsewhere", "glucose", 6, 1),
        ("same_facility", "glucose", 6, 1),
    ]
    pairs = tables["pairs"].dicts()
    assert [(row["facility_id"], row["prior_facility_id"], row["repeats"]) for row in pairs] == [
        ("00002", "00001", 3),
        ("00003", "00002", 1),
        ("00001", "00003", 1),
    ]
    assert [row["rows_read"] for row in tables["deliveries"].dicts()] == [6, 7, 8]
    assert [row["rows"] for row in tables["skipped"].dicts()] == [1, 2, 3]


@pytest.mark.parametrize(
    ("filters", "lines", "repeats"),
    [
        (Filters(hospitals=("00002",)), 3, 3),
        (Filters(hospitals=("99999",)), 4, 1),  # an old code of 00001
        (Filters(provinces=("01",)), 6, 4),
        (Filters(tiers=("private",)), 3, 1),
        (Filters(tests=("hba1c",)), 3, 2),
        (Filters(since=datetime.date(2026, 3, 3), until=datetime.date(2026, 3, 3)), 2, 2),
        (Filters(until=datetime.date(2026, 3, 2)), 5, 2),
        (Filters(hospitals=("00002",), tests=("hba1c",)), 1, 1),
    ],
)
def test_filters(warehouse: Warehouse, filters: Filters, lines: int, repeats: int) -> None:
    report = figures(warehouse, filters)
    assert (report.lines, report.scope("elsewhere").repeats) == (lines, repeats)


def test_scope_filter(warehouse: Warehouse) -> None:
    report = figures(warehouse, Filters(scopes=("same_facility",)))
    assert [scope.scope for scope in report.scopes] == ["same_facility"]
    assert {row["scope"] for row in report.tables["verdicts"].dicts()} == {"same_facility"}
    assert report.tables["pairs"].rows == ()


@pytest.mark.parametrize(
    "filters",
    [
        Filters(hospitals=("77777",)),
        Filters(provinces=("00",)),
        Filters(tiers=("galactic",)),
        Filters(tests=("nope",)),
        Filters(scopes=("everywhere",)),
        Filters(since=datetime.date(2026, 3, 4), until=datetime.date(2026, 3, 3)),
    ],
)
def test_filters_that_can_match_nothing(warehouse: Warehouse, filters: Filters) -> None:
    with pytest.raises(UsageError):
        figures(warehouse, filters)


def test_hospitals_add_up(warehouse: Warehouse) -> None:
    whole = figures(warehouse)
    hospitals = list(each_hospital(warehouse))
    assert [report.facility_id for report in hospitals] == ["00001", "00002", "00003"]
    assert sum(report.lines for report in hospitals) == whole.lines
    for scope in ("elsewhere", "same_facility"):
        mine = [report.scope(scope) for report in hospitals]
        for name in ("repeats", "avoidable_vnd", "chain_avoidable", "chain_vnd"):
            assert sum(getattr(one, name) for one in mine) == getattr(whole.scope(scope), name)


def test_hospital_report_is_the_filtered_report(warehouse: Warehouse) -> None:
    for report in each_hospital(warehouse):
        alone = figures(warehouse, Filters(hospitals=(str(report.facility_id),)))
        assert alone.scopes == report.scopes
        for name, table in report.tables.items():
            assert table.rows == alone.tables[name].rows, name


def test_nothing_is_left_behind(warehouse: Warehouse) -> None:
    figures(warehouse)
    left = warehouse.con.execute(
        "SELECT count(*) FROM duckdb_tables() WHERE temporary UNION ALL "
        "SELECT count(*) FROM duckdb_views() WHERE temporary AND NOT internal"
    ).fetchall()
    assert left == [(0,), (0,)]


def test_patients_are_named_only_when_asked(warehouse: Warehouse) -> None:
    warehouse.con.execute("UPDATE patient_identity SET full_name = 'Trần Thị Canary'")
    assert "Canary" not in str([table.dicts() for table in figures(warehouse).tables.values()])
    named = figures(warehouse, identified=True)
    assert named.identified and not figures(warehouse).identified
    assert {(row["patient_id"], row["full_name"]) for row in named.tables["orders"].dicts()} == {
        ("P1", "Trần Thị Canary"),
        ("P2", "Trần Thị Canary"),
        ("P3", "Trần Thị Canary"),
    }
    assert all(report.identified for report in each_hospital(warehouse, identified=True))


def test_two_reports_at_once(warehouse: Warehouse) -> None:
    one, other = each_hospital(warehouse), each_hospital(warehouse, Filters(tests=("hba1c",)))
    assert [(a.lines, b.lines) for a, b in zip(one, other, strict=True)] == [(4, 1), (3, 1), (3, 1)]


def test_empty_warehouse() -> None:
    with memory_warehouse() as empty:
        report = figures(empty)
        assert (report.lines, report.persons, report.price_vnd) == (0, 0, 0)
        assert all(scope.repeats == 0 and scope.avoidable_share is None for scope in report.scopes)
        assert list(each_hospital(empty)) == []
