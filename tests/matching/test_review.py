"""Pairs go out to a human, masked, and decisions come back and bind."""

from __future__ import annotations

import csv
import stat
import tempfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from dedup.errors import ConfigError, InputError, UsageError
from dedup.matching import explain_pair, review_export, review_import
from dedup.reporting import ReviewWording
from dedup.settings import Settings
from dedup.warehouse import Warehouse, start_run
from tests.matching.conftest import Record, add_records, run_match

ENGLISH = ReviewWording("en")
HUONG: Record = {"full_name": "Trần Thị Thu Hương", "birth_date": "1980-03-04", "sex": "female"}
HERE = HUONG | {
    "facility_id": "A",
    "province": "Hà Nội",
    "address": "Phường Hai Bà Trưng",
    "national_id": "001180000123",
}
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
    review_export(matched, Settings(), file, ENGLISH)
    rows = _rows(file)
    with file.open("w", encoding="utf-8-sig", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0])
        writer.writeheader()
        writer.writerows(row | {"decision": decision, "decided_by": "reviewer"} for row in rows)
    with start_run(matched, "review import") as run:
        return review_import(matched, run, Settings(), file)


def _said(warehouse: Warehouse, *decisions: str) -> list[int]:
    """Take in these decisions on the facilities' first patients; the lines refused."""
    lines = [f"{a},1,{b},1,{decision}" for a, b, decision in map(str.split, decisions)]
    with tempfile.TemporaryDirectory() as folder, start_run(warehouse, "review import") as run:
        file = Path(folder, "decisions.csv")
        file.write_text("facility_a,patient_a,facility_b,patient_b,decision\n" + "\n".join(lines), encoding="utf-8")
        try:
            review_import(warehouse, run, Settings(), file)
        except ConfigError as error:
            return [problem.line for problem in error.problems]
    return []


def _groups(warehouse: Warehouse) -> list[str]:
    """The facilities whose first patients are one person."""
    rows = warehouse.con.execute(
        "SELECT string_agg(facility_id, ' ' ORDER BY facility_id) AS one FROM patient_record GROUP BY person_id "
        "ORDER BY one"
    ).fetchall()
    return [one for (one,) in rows]


def _persons(warehouse: Warehouse) -> int:
    row = warehouse.con.execute("SELECT count(DISTINCT person_id) FROM patient_record").fetchone()
    return 0 if row is None else int(row[0])


def test_export_shows_both_sides_and_the_evidence(matched: Warehouse, tmp_path: Path) -> None:
    file = tmp_path / "review.csv"
    assert review_export(matched, Settings(), file, ENGLISH, identified=True) == 1
    (row,) = _rows(file)
    assert {row["facility_a"], row["facility_b"]} == {"A", "B"}
    assert row["guard"] == "namesakes"
    assert row["why"] == "maybe namesakes from two provinces"
    assert "birth date: equal (+12.2)" in row["evidence_for"]
    assert row["evidence_against"] == "home: another province (-4.0); middle name: equal (-1.2)"
    assert row["name_a"] == "Trần Thị Thu Hương"  # as it was sent: without marks Hùng is Hưng
    assert {row["province_a"], row["province_b"]} == {"Hà Nội", "Cần Thơ"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_evidence_is_in_the_language_of_who_decides(matched: Warehouse, tmp_path: Path) -> None:
    file = tmp_path / "review.csv"
    review_export(matched, Settings(), file, ReviewWording("vi"))
    (row,) = _rows(file)
    assert row["why"] == "có thể là người trùng tên ở hai tỉnh"
    assert "ngày sinh: giống nhau (+12,2)" in row["evidence_for"]


def test_export_is_masked_unless_asked(matched: Warehouse, tmp_path: Path) -> None:
    file = tmp_path / "review.csv"
    review_export(matched, Settings(), file, ENGLISH)
    text = file.read_text(encoding="utf-8-sig")
    for secret in ("Hương", "Hai Bà Trưng", "001180000123", "0912000111", "1980-03-04"):
        assert secret not in text


def test_export_to_a_spreadsheet(matched: Warehouse, tmp_path: Path) -> None:
    file = tmp_path / "review.xlsx"
    assert review_export(matched, Settings(), file, ENGLISH) == 1
    assert file.read_bytes()[:2] == b"PK"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(UsageError):
        review_export(matched, Settings(), tmp_path / "review.txt", ENGLISH)


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
        assert review_import(matched, run, Settings(), file) == 1
    run_match(matched)
    assert _persons(matched) == 1


def test_what_is_exported_to_a_spreadsheet_can_be_taken_in(matched: Warehouse, tmp_path: Path) -> None:
    file = tmp_path / "review.xlsx"
    review_export(matched, Settings(), file, ENGLISH)
    with start_run(matched, "review import") as run:
        assert review_import(matched, run, Settings(), file) == 0
        book = openpyxl.load_workbook(file)
        names = [cell.value for cell in book.active[1]]
        book.active.cell(2, names.index("decision") + 1, "different")
        book.save(file)
        assert review_import(matched, run, Settings(), file) == 1


def test_a_number_that_looks_like_a_formula_or_is_marked_as_text_comes_back(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    add_records(warehouse, [HERE | {"patient_id": "-7"}, THERE | {"patient_id": "'8"}])
    run_match(warehouse)
    for ending in ("csv", "xlsx"):
        file = tmp_path / f"review.{ending}"
        review_export(warehouse, Settings(), file, ENGLISH)
        if ending == "csv":
            rows = _rows(file)
            assert {row["patient_a"] for row in rows} | {row["patient_b"] for row in rows} == {"'-7", "''8"}
            with file.open("w", encoding="utf-8-sig", newline="") as handle:
                writer = csv.writer(handle)
                writer.writerow([name.upper() for name in rows[0]])
                writer.writerows((row | {"decision": "different"}).values() for row in rows)
        else:
            book = openpyxl.load_workbook(file)
            book.active.cell(2, [cell.value for cell in book.active[1]].index("decision") + 1, "same")
            book.save(file)
        with start_run(warehouse, "review import") as run:
            assert review_import(warehouse, run, Settings(), file) == 1
        warehouse.con.execute("DELETE FROM match_decision")


def test_two_columns_of_decisions_are_refused(matched: Warehouse, tmp_path: Path) -> None:
    file = tmp_path / "decisions.csv"
    file.write_text("facility_a,patient_a,facility_b,patient_b,Decision,decision\nA,1,B,1,same,\n", encoding="utf-8")
    with start_run(matched, "review import") as run, pytest.raises(InputError, match="decision twice"):
        review_import(matched, run, Settings(), file)


def test_same_binds_and_survives_new_records(matched: Warehouse, tmp_path: Path) -> None:
    assert _decide(matched, tmp_path, "same") == 1
    run_match(matched)
    assert _persons(matched) == 1
    methods = matched.con.execute("SELECT DISTINCT match_method FROM patient_record").fetchall()
    assert methods == [("review",)]
    add_records(matched, [HERE | {"facility_id": "C"}])
    run_match(matched)
    assert _persons(matched) == 1
    assert review_export(matched, Settings(), tmp_path / "again.csv", ENGLISH) == 0


@pytest.mark.parametrize(
    "mistyped", ["001180000124", "001180000132", "001180900123", "001180000213", "031180000123", "101180000123"]
)
def test_a_trusted_number_that_may_be_mistyped_is_for_a_human(
    warehouse: Warehouse, tmp_path: Path, mistyped: str
) -> None:
    add_records(warehouse, [HERE, HERE | {"facility_id": "B", "national_id": mistyped}])
    run_match(warehouse)
    assert _persons(warehouse) == 2
    assert _decide(warehouse, tmp_path, "same") == 1
    run_match(warehouse)
    assert _persons(warehouse) == 1


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
        review_import(warehouse, run, Settings(), file)
    run_match(warehouse)
    assert _persons(warehouse) == 2


def test_all_wrong_rows_are_told_at_once_and_none_is_taken_in(matched: Warehouse, tmp_path: Path) -> None:
    file = tmp_path / "decisions.csv"
    file.write_text(
        "facility_a,patient_a,facility_b,patient_b,decision\nA,1,B,1,same\nA,1,B,1,maybe\nA,1,Z,9,same\nA,1,B,1,\n",
        encoding="utf-8",
    )
    with start_run(matched, "review import") as run, pytest.raises(ConfigError) as caught:
        review_import(matched, run, Settings(), file)
    assert [problem.line for problem in caught.value.problems] == [3, 4]
    assert matched.con.execute("SELECT count(*) FROM match_decision").fetchone() == (0,)


def test_decisions_that_contradict_each_other_are_refused(warehouse: Warehouse, tmp_path: Path) -> None:
    add_records(warehouse, [HERE | {"facility_id": name, "national_id": None, "province": None} for name in "ABCD"])
    run_match(warehouse)
    assert _said(warehouse, "A B same", "C D same", "C B same", "D A different") == [2, 3, 4, 5]
    assert _said(warehouse, "A B same", "D C different") == []
    assert _said(warehouse, "B C same", "A D same") == [2, 3]  # with what was decided before
    assert _said(warehouse, "B C same", "A D same", "C D same") == []  # taken back


def test_a_pair_decided_both_ways_in_one_file_is_refused(matched: Warehouse) -> None:
    assert _said(matched, "A B same", "B A different") == [3]
    assert _said(matched, "A B same", "B A same") == []


def test_records_with_one_identity_are_decided_together(matched: Warehouse, tmp_path: Path) -> None:
    add_records(matched, [HERE | {"facility_id": "A2"}, THERE | {"facility_id": "B2"}])
    run_match(matched)
    assert _said(matched, "A B different", "A2 B2 same") == [2, 3]
    assert _said(matched, "A B different") == []
    assert _said(matched, "A2 B2 same") == [2]
    for name in "CDEFGH":  # whichever of them would stand for it in the file
        add_records(matched, [HERE | {"facility_id": name}])
        run_match(matched)
        assert review_export(matched, Settings(), tmp_path / "review.csv", ENGLISH) == 0
    assert _groups(matched) == ["A A2 C D E F G H", "B B2"]
    assert _said(matched, "A B same") == []
    assert _said(matched, "A2 B2 different") == [2]


def test_different_wins_when_identities_become_one_later(warehouse: Warehouse) -> None:
    other = {"full_name": "Lê Văn Bình", "birth_date": "1950-01-02", "sex": "male"}
    add_records(warehouse, [HERE, THERE, other | {"facility_id": "C"}, other | {"facility_id": "D"}])
    run_match(warehouse)
    assert _said(warehouse, "A B different", "B C same") == []
    add_records(warehouse, [HERE | {"facility_id": "C"}])
    run_match(warehouse)
    assert _groups(warehouse) == ["A C", "B", "D"]
    assert _said(warehouse, "B C different") == []


def test_newborns_booked_under_one_name_are_decided_one_by_one(warehouse: Warehouse) -> None:
    child = {"full_name": "CB Trần Thị Thu Hương", "birth_date": "2026-09-01", "sex": "female"}
    add_records(warehouse, [child | {"facility_id": name} for name in "ABC"] + [THERE | {"facility_id": "M"}])
    run_match(warehouse)
    assert _said(warehouse, "A M same", "B M different", "A B different") == []
    run_match(warehouse)
    assert _groups(warehouse) == ["A M", "B", "C"]


SWAPPED = HERE | {"birth_date": "1980-04-03", "facility_id": "G"}


@pytest.mark.parametrize(
    ("said", "groups"),
    [
        (["F0 F1 different"], ["F0", "F1", "F2 F3 F4 G"]),
        (["F0 F1 different", "F1 F2 same"], ["F0", "F1 F2", "F3 F4 G"]),
        (["F0 F1 different", "F0 F2 different"], ["F0", "F1 F2 F3 F4", "G"]),
        (["F0 F1 different", "F0 F2 different", "F1 F2 same"], ["F0", "F1 F2 F3 F4", "G"]),
        (["F0 F1 different", "F0 F2 same", "F1 F3 same"], ["F0 F2", "F1 F3", "F4 G"]),
        (["F0 F1 different", "F0 F2 different", "F0 G different"], ["F0", "F1 F2 F3 F4 G"]),
        (["F0 F1 different", "F0 G different"], ["F0", "F1 G", "F2 F3 F4"]),
        (["F0 F1 different", "F0 G same"], ["F0 G", "F1", "F2 F3 F4"]),
    ],
)
def test_two_records_of_one_identity_are_parted_and_no_others(
    warehouse: Warehouse, said: list[str], groups: list[str]
) -> None:
    everybody = [HERE | {"facility_id": f"F{number}"} for number in range(5)] + [SWAPPED]
    add_records(warehouse, everybody)
    run_match(warehouse)
    assert _groups(warehouse) == ["F0 F1 F2 F3 F4 G"]
    assert _said(warehouse, *said) == []
    run_match(warehouse)
    assert _groups(warehouse) == groups
    run_match(warehouse, Settings.model_validate({"matching": {"match_probability": 0.96}}))  # all again
    assert _groups(warehouse) == groups
    add_records(warehouse, [everybody[2] | {"facility_id": "H"}])
    run_match(warehouse)
    assert any({"F4", "H"} <= {*group.split()} for group in _groups(warehouse))


def test_who_may_be_either_of_the_parted_comes_to_review(warehouse: Warehouse, tmp_path: Path) -> None:
    add_records(warehouse, [HERE | {"facility_id": f"F{number}"} for number in range(5)])
    run_match(warehouse)
    assert _said(warehouse, "F0 F1 different") == []
    run_match(warehouse)
    file = tmp_path / "review.csv"
    assert review_export(warehouse, Settings(), file, ENGLISH) == 2
    answers = []
    for row in _rows(file):
        assert "national id: equal" in row["evidence_for"]
        pair = {row["facility_a"], row["facility_b"]}
        answers.append(f"{' '.join(pair)} {'same' if 'F1' in pair else 'different'}")
    assert _said(warehouse, *answers) == []
    run_match(warehouse)
    assert _groups(warehouse) == ["F0", "F1 F2 F3 F4"]
    assert review_export(warehouse, Settings(), file, ENGLISH) == 0


def test_a_file_of_another_kind_is_refused(matched: Warehouse, tmp_path: Path) -> None:
    file = tmp_path / "decisions.csv"
    file.write_text("a,b\n1,2\n", encoding="utf-8")
    with start_run(matched, "review import") as run, pytest.raises(InputError, match="lacks the columns"):
        review_import(matched, run, Settings(), file)
    file.write_text("facility_a,patient_a,facility_b,patient_b,decision\nA,1,B,Đ,same\n", encoding="cp1258")
    with start_run(matched, "review import") as run, pytest.raises(InputError, match="as XLSX"):
        review_import(matched, run, Settings(), file)


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
