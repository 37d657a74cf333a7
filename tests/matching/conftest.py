"""Little worlds of patient records, written as dictionaries."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from dedup.matching import MatchSummary, match
from dedup.settings import Settings
from dedup.warehouse import Warehouse, memory_warehouse, start_run

Record = dict[str, Any]
IDENTITY = ("national_id", "insurance_id", "full_name", "birth_date", "birth_precision", "sex", "phone", "province",
            "address")  # fmt: skip


def add_records(warehouse: Warehouse, records: Iterable[Record]) -> None:
    """Put records where loading would; ``facility_id`` and ``patient_id`` may be left out."""
    rows = []
    for number, record in enumerate(records):
        born = record.get("birth_date")
        precision = {10: "day", 7: "month", 4: "year"}[len(born)] if born else None
        date = datetime.date.fromisoformat((born + "-01-01")[:10]) if born else None
        rows.append(
            [
                record.get("facility_id", f"F{number:04}"),
                str(record.get("patient_id", "1")),
                record.get("first_ordered_at", "2026-09-01 08:00"),
                record.get("national_id"),
                record.get("insurance_id"),
                record.get("full_name"),
                date,
                precision,
                record.get("sex"),
                record.get("phone"),
                record.get("province"),
                record.get("address"),
            ]
        )
    con = warehouse.con
    key = "CAST(md5_number_lower(concat(?, chr(31), ?)) >> 1 AS BIGINT)"
    for row in rows:
        con.execute(f"DELETE FROM patient_identity WHERE patient_record_id = {key}", row[:2])
        con.execute(
            f"INSERT INTO patient_identity SELECT {key}, ?, ?, CAST(? AS TIMESTAMP){', ?' * len(IDENTITY)}, NULL, NULL",
            [*row[:2], *row],
        )
        con.execute(f"INSERT INTO todo (stage, patient_record_id) SELECT 'match', {key}", row[:2])


def run_match(warehouse: Warehouse, settings: Settings | None = None, *, train: bool = False) -> MatchSummary:
    with start_run(warehouse, "match") as run:
        return match(warehouse, run, settings or Settings(), train=train)


@pytest.fixture
def warehouse() -> Warehouse:
    return memory_warehouse()


@pytest.fixture
def persons(warehouse: Warehouse) -> Callable[..., list[int]]:
    """Match these records in one night; the person of each, in the order given."""

    def matched(*records: Record) -> list[int]:
        add_records(warehouse, records)
        run_match(warehouse)
        known = {
            (facility, patient): person
            for facility, patient, person in warehouse.con.execute(
                "SELECT facility_id, patient_id, person_id FROM patient_record"
            ).fetchall()
        }
        return [
            known[record.get("facility_id", f"F{number:04}"), str(record.get("patient_id", "1"))]
            for number, record in enumerate(records)
        ]

    return matched
