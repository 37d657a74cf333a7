"""The same lines in one file or in many, in any order, under any names: the same tables."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.loading import load
from dedup.settings import Settings
from dedup.warehouse import Warehouse, memory_warehouse, start_run
from tests.loading.conftest import order, rows, stored, write_csv

#: Three facilities, patients whose identity is written in two ways, codes and times that repeat.
LINES = [
    order(
        facility_id=f"0100{number % 3}",
        order_id=f"A{number // 2}",
        line_no=number % 2 + 1,
        patient_id=f"P{number // 2 % 4}",
        full_name="Trần Văn Thử" if number // 2 % 5 else "TRAN VAN THU",
        phone="0912345678" if number // 2 % 4 else None,
        test_code=("23.0075.1494", "4548-4", "GLU")[number % 3],
        ordered_at=f"2026-03-{number // 4 + 1:02}T08:30",
        value=number,
        price_vnd="bad" if number == 7 else 22400,
    )
    for number in range(24)
]
TABLES = {
    "patient_identity": "FROM patient_identity ORDER BY ALL",
    "identity": "FROM identity ORDER BY ALL",
    "code": "SELECT code_system, test_code, facility_id FROM code ORDER BY ALL",
    "facility": "FROM facility ORDER BY ALL",
    "todo": "SELECT stage, patient_record_id, min(since) FROM todo GROUP BY ALL ORDER BY ALL",
    "counts": "SELECT sum(rows_read), sum(rows_loaded), sum(rows_rejected), sum(rows_duplicate) FROM delivery",
    "rejects": "SELECT column_name, reason FROM rejected_row ORDER BY ALL",
}


def tables(warehouse: Warehouse) -> dict[str, object]:
    found: dict[str, object] = {name: rows(warehouse, sql) for name, sql in TABLES.items()}
    return found | {"line": stored(warehouse)}


def loaded(nights: list[list[Path]]) -> dict[str, object]:
    with memory_warehouse() as warehouse:
        for paths in nights:
            with start_run(warehouse, "load") as run:
                load(warehouse, run, paths, Settings())
        return tables(warehouse)


with tempfile.TemporaryDirectory() as _folder:
    WHOLE = loaded([[write_csv(Path(_folder) / "all.csv", *LINES)]])


@settings(max_examples=15, deadline=None)
@given(
    order=st.permutations(LINES),
    cuts=st.sets(st.integers(1, len(LINES) - 1), max_size=6),
    names=st.permutations(["a.csv", "B.csv", "b1.txt", "0", "ф.csv", "z'*.csv", "a.xml"]),
    nightly=st.booleans(),
    delimiter=st.sampled_from(",;\t|"),
)
def test_split_over_files(
    order: list[dict[str, str]], cuts: set[int], names: list[str], nightly: bool, delimiter: str
) -> None:
    with tempfile.TemporaryDirectory() as place:
        edges = [0, *sorted(cuts), len(order)]
        paths = [
            write_csv(Path(place) / name, *order[start:end], delimiter=delimiter)
            for name, start, end in zip(names, edges, edges[1:], strict=False)
        ]
        assert loaded([[path] for path in paths] if nightly else [paths]) == WHOLE
