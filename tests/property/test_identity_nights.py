"""What is known of a patient after every night, against all current lines looked at in plain Python."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path
from unittest import mock

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dedup.loading import load
from dedup.settings import Settings
from dedup.warehouse import Warehouse, memory_warehouse, start_run
from tests.loading.conftest import order, write_csv

Row = dict[str, str]
Known = dict[str, tuple[str | None, ...]]
TEXTS = ("full_name", "phone", "national_id")

#: Few of everything: orders are sent again with another time, as another's, or with other words for the same patient.
rows = st.builds(
    order,
    order_id=st.sampled_from([f"A{n}" for n in range(8)]),
    patient_id=st.sampled_from(["P1", "P2", "P3"]),
    ordered_at=st.integers(1, 6).map(lambda day: f"2026-03-0{day}T08:00"),
    collected_at=st.just(""),
    resulted_at=st.sampled_from(["", "2026-03-07T08:00"]),
    full_name=st.sampled_from(["", "Trần Văn Thử", "Trần Thử"]),
    phone=st.sampled_from(["", "0901000001", "0901000002"]),
    national_id=st.sampled_from(["", "001080000017"]),
    birth_date=st.sampled_from(["", "1980", "1980-05-17"]),
)
nights = st.lists(st.lists(st.lists(rows, min_size=1, max_size=4), min_size=1, max_size=2), min_size=2, max_size=5)


def known(current: dict[str, Row]) -> Known:
    """Of each patient the first order, and per column the value of the identity seen last that has one."""
    found: Known = {}
    for patient in {row["patient_id"] for row in current.values()}:
        mine = [row for row in current.values() if row["patient_id"] == patient]
        last: dict[tuple[str, ...], str] = {}
        for row in mine:
            words = tuple(row[name] for name in (*TEXTS, "birth_date"))
            last[words] = max(last.get(words, ""), row["ordered_at"])
        best = [
            max(((at, words[n]) for words, at in last.items() if words[n]), default=("", None))[1]
            for n in range(len(TEXTS))
        ]
        births = [(at, *_day(words[-1])) for words, at in last.items() if words[-1]]
        found[patient] = (min(row["ordered_at"] for row in mine), *best, *max(births, default=("", None, None))[1:])
    return found


def _day(text: str) -> tuple[str, str]:
    return (text, "day") if len(text) > 4 else (f"{text}-01-01", "year")


def stored(warehouse: Warehouse) -> Known:
    found = warehouse.con.execute(
        f"SELECT patient_id, first_ordered_at, {', '.join(TEXTS)}, CAST(birth_date AS VARCHAR), birth_precision "
        "FROM patient_identity"
    ).fetchall()
    return {
        str(patient): (at.strftime("%Y-%m-%dT%H:%M") if isinstance(at, datetime) else at, *rest)
        for patient, at, *rest in found
    }


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(nights, st.sampled_from([1, 500_000]))
def test_a_patient_is_known_as_by_all_current_lines(night_files: list[list[list[Row]]], at_once: int) -> None:
    current: dict[str, Row] = {}
    before: Known = {}
    seen: set[bytes] = set()
    with (
        mock.patch("dedup.loading.identities._AT_ONCE", at_once),
        tempfile.TemporaryDirectory() as folder,
        memory_warehouse() as warehouse,
    ):
        for night, files in enumerate(night_files):
            paths = [write_csv(Path(folder, f"{night}-{n}.csv"), *file) for n, file in enumerate(files)]
            with start_run(warehouse, "load") as run:
                load(warehouse, run, paths, Settings())
            for path, file in zip(paths, files, strict=True):
                if path.read_bytes() not in seen:  # the same delivery again says nothing
                    current |= {row["order_id"]: row for row in file}
                seen.add(path.read_bytes())
            now = known(current)
            assert stored(warehouse) == now
            waiting = warehouse.con.execute("SELECT DISTINCT patient_record_id FROM todo WHERE stage = 'match'")
            changed = {patient for patient in before.keys() | now.keys() if before.get(patient) != now.get(patient)}
            assert len(waiting.fetchall()) == len(changed)
            warehouse.con.execute("DELETE FROM todo")
            before = now
