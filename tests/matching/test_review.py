"""Pairs go out to a human, masked, and decisions come back and bind."""

from __future__ import annotations

import csv
import stat
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from dedup.errors import ConfigError, InputError, UsageError
from dedup.matching import explain_pair, review_export, review_import
from dedup.settings import Settings
from dedup.warehouse import Warehouse, start_run
from tests.matching.conftest import Record, add_records, run_match

HUONG: Record = {"full_name": "Trần Thị Thu Hương", "birth_date": "1980-03-04", "sex": "female"}
HERE = HUONG | {"facility_id": "A", "province": "Hà Nội", "national_id": "001180000123"}
THERE = HUONG | {"facility_id": "B", "province": "Cần Thơ", "phone": "0912000111"}


@pytest.fixture
def matched(warehouse: Warehouse) -> Warehouse:
    add_records(warehouse, [HERE, THERE])
    run_match(warehouse)
    return warehouse


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as handle:
        return list(csv.DictReader(handle))


def _decide(matched: Warehouse, folder: Path, decision: str) -> int:
    file = folder / "review.csv"
    review_export(matched, Settings(), file)
    rows = _rows(file)
    with file.open("w", encoding="utf-8-sig", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0])
        writer.writeheader()
        writer.writerows(row | {"decision": decision, "decided_by": "reviewer"} for row in rows)
    with start_run(matched, "review import") as run:
        return review_import(matched, run, file)


def _persons(warehouse: Warehouse) -> int:
    row = warehouse.con.execute("SELECT count(DISTINCT person_id) FROM patient_record").fetchone()
    return 0 if row is None else int(row[0])


def test_export_shows_both_sides_and_the_evidence(matched: Warehouse, tmp_path: Path) -> None:
    file = tmp_path / "review.csv"
    assert review_export(matched, Settings(), file, identified=True) == 1
    (row,) = _rows(file)
    assert {row["facility_a"], row["facility_b"]} == {"A", "B"}
    assert row["guard"] == "namesakes"
    assert "birth date equal" in row["evidence_for"]
    assert "place province differs" in row["evidence_against"]
    assert row["name_a"] == "tran thi thu huong"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_export_is_masked_unless_asked(matched: Warehouse, tmp_path: Path) -> None:
    file = tmp_path / "review.csv"
    review_export(matched, Settings(), file)
    text = file.read_text(encoding="utf-8-sig")
    for secret in ("huong", "001180000123", "0912000111", "1980-03-04"):
        assert secret not in text


def test_export_to_a_spreadsheet(matched: Warehouse, tmp_path: Path) -> None:
    file = tmp_path / "review.xlsx"
    assert review_export(matched, Settings(), file) == 1
    assert file.read_bytes()[:2] == b"PK"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(UsageError):
        review_export(matched, Settings(), tmp_path / "review.txt")


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_a_file_comes_back_as_a_spreadsheet_program_saves_it(matched: Warehouse, tmp_path: Path, ending: str) -> None:
    """Other order of columns, a note, blank rows, semicolons: as people leave it."""
    file = tmp_path / f"review.{ending}"
    names = ["Note", " decision", "patient_b", "facility_b", "patient_a", "facility_a"]
    table = [names, [], ["ask; twice", "Same ", "1", "B", "1", "A"], [], ["", "", "", "", "", ""]]
    if ending == "xlsx":
        book = openpyxl.Workbook()
        for row in table:
            book.active.append([int(cell) if cell == "1" else cell for cell in row])
        book.save(file)
    else:
        with file.open("w", encoding="utf-8-sig", newline="") as handle:
            csv.writer(handle, delimiter=";").writerows(table)
    with start_run(matched, "review import") as run:
        assert review_import(matched, run, file) == 1
    run_match(matched)
    assert _persons(matched) == 1


def test_what_is_exported_to_a_spreadsheet_can_be_taken_in(matched: Warehouse, tmp_path: Path) -> None:
    file = tmp_path / "review.xlsx"
    review_export(matched, Settings(), file)
    with start_run(matched, "review import") as run:
        assert review_import(matched, run, file) == 0
        book = openpyxl.load_workbook(file)
        names = [cell.value for cell in book.active[1]]
        book.active.cell(2, names.index("decision") + 1, "different")
        book.save(file)
        assert review_import(matched, run, file) == 1


def test_same_binds_and_survives_new_records(matched: Warehouse, tmp_path: Path) -> None:
    assert _decide(matched, tmp_path, "same") == 1
    run_match(matched)
    assert _persons(matched) == 1
    methods = matched.con.execute("SELECT DISTINCT match_method FROM patient_record").fetchall()
    assert methods == [("review",)]
    add_records(matched, [HERE | {"facility_id": "C"}])
    run_match(matched)
    assert _persons(matched) == 1
    assert review_export(matched, Settings(), tmp_path / "again.csv") == 0


def test_same_survives_matching_all_again(matched: Warehouse, tmp_path: Path) -> None:
    _decide(matched, tmp_path, "same")
    run_match(matched)
    other = Settings.model_validate({"matching": {"match_probability": 0.99}})
    run_match(matched, other)
    assert _persons(matched) == 1


def test_different_binds(warehouse: Warehouse, tmp_path: Path) -> None:
    add_records(warehouse, [HERE, HERE | {"facility_id": "B"}])
    run_match(warehouse)
    assert _persons(warehouse) == 1
    file = tmp_path / "decisions.csv"
    file.write_text("facility_a,patient_a,facility_b,patient_b,decision\nA,1,B,1,different\n", encoding="utf-8")
    with start_run(warehouse, "review import") as run:
        review_import(warehouse, run, file)
    run_match(warehouse)
    assert _persons(warehouse) == 2


def test_all_wrong_rows_are_told_at_once_and_none_is_taken_in(matched: Warehouse, tmp_path: Path) -> None:
    file = tmp_path / "decisions.csv"
    file.write_text(
        "facility_a,patient_a,facility_b,patient_b,decision\nA,1,B,1,same\nA,1,B,1,maybe\nA,1,Z,9,same\nA,1,B,1,\n",
        encoding="utf-8",
    )
    with start_run(matched, "review import") as run, pytest.raises(ConfigError) as caught:
        review_import(matched, run, file)
    assert [problem.line for problem in caught.value.problems] == [3, 4]
    assert matched.con.execute("SELECT count(*) FROM match_decision").fetchone() == (0,)


def test_decisions_that_contradict_each_other_are_refused(warehouse: Warehouse, tmp_path: Path) -> None:
    add_records(warehouse, [HERE | {"facility_id": name} for name in "ABCD"])
    run_match(warehouse)
    file = tmp_path / "decisions.csv"

    def told(*decisions: str) -> list[int]:
        lines = [f"{a},1,{b},1,{decision}" for a, b, decision in map(str.split, decisions)]
        file.write_text("facility_a,patient_a,facility_b,patient_b,decision\n" + "\n".join(lines), encoding="utf-8")
        with start_run(warehouse, "review import") as run:
            try:
                review_import(warehouse, run, file)
            except ConfigError as error:
                return [problem.line for problem in error.problems]
        return []

    assert told("A B same", "C D same", "C B same", "D A different") == [2, 3, 4, 5]
    assert told("A B same", "D C different") == []
    assert told("B C same", "A D same") == [2, 3]  # with what was decided before
    assert told("B C same", "A D same", "C D same") == []  # taken back


def test_a_file_of_another_kind_is_refused(matched: Warehouse, tmp_path: Path) -> None:
    file = tmp_path / "decisions.csv"
    file.write_text("a,b\n1,2\n", encoding="utf-8")
    with start_run(matched, "review import") as run, pytest.raises(InputError, match="lacks the columns"):
        review_import(matched, run, file)
    file.write_text("facility_a,patient_a,facility_b,patient_b,decision\nA,1,B,Đ,same\n", encoding="cp1258")
    with start_run(matched, "review import") as run, pytest.raises(InputError, match="as XLSX"):
        review_import(matched, run, file)


def test_the_waterfall_adds_up(matched: Warehouse) -> None:
    told = explain_pair(matched, Settings(), ("A", "1"), ("B", "1"))
    assert told.steps[0].field == "prior"
    assert told.steps[-1].total == pytest.approx(sum(step.bits for step in told.steps), abs=1e-3)
    assert told.steps[-1].total == pytest.approx(told.bits, abs=1e-3)
    assert (told.guard, told.method, told.same_person, told.human_decision) == ("namesakes", "review", False, None)
    assert {step.field for step in told.steps} >= {"prior", "given_name", "birth_date", "place"}


def test_the_waterfall_of_an_unknown_record(matched: Warehouse) -> None:
    with pytest.raises(UsageError):
        explain_pair(matched, Settings(), ("A", "1"), ("Z", "1"))


def test_two_records_of_one_identity_can_be_explained(warehouse: Warehouse) -> None:
    add_records(warehouse, [HERE, HERE | {"facility_id": "B"}])
    run_match(warehouse)
    told: Any = explain_pair(warehouse, Settings(), ("A", "1"), ("B", "1"))
    assert (told.method, told.same_person, told.guard) == ("national_id", True, None)
