"""The lists of who must never, and who must, be one person: cases/never.csv and cases/must.csv.

Each case stands alone, and again in a crowd of all others.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from dedup.warehouse import memory_warehouse
from tests.matching.conftest import Record, add_records, run_match

CASES = Path(__file__).parent / "cases"


def _cases(name: str) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    with (CASES / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            record: Record = {key: value or None for key, value in row.items()}
            found.setdefault(row["case"], []).append(record)
    return found


NEVER, MUST = _cases("never"), _cases("must")


def _persons(records: list[Record]) -> dict[str, int]:
    """The person of each record's facility."""
    with memory_warehouse() as warehouse:
        add_records(warehouse, records)
        run_match(warehouse)
        return dict(warehouse.con.execute("SELECT facility_id, person_id FROM patient_record").fetchall())


@pytest.mark.parametrize("case", NEVER)
def test_never_one_person(case: str) -> None:
    found = _persons(NEVER[case])
    strangers = [found[record["facility_id"]] for record in NEVER[case] if record["about"] != "bridge"]
    assert len(set(strangers)) == len(strangers)


@pytest.mark.parametrize("case", MUST)
def test_one_person(case: str) -> None:
    assert len(set(_persons(MUST[case]).values())) == 1
