"""Evaluation against a truth: the numbers of a small world worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from dedup.errors import InputError
from dedup.matching import evaluate
from dedup.settings import Settings
from dedup.warehouse import Warehouse
from tests.matching.conftest import add_records, run_match

LAN = {"national_id": "001170000123", "full_name": "Nguyễn Thị Lan", "birth_date": "1970-05-12", "sex": "female"}
BINH = {"national_id": "001070000456", "full_name": "Trần Văn Bình", "birth_date": "1970-08-12", "sex": "male"}


@pytest.fixture
def truth(warehouse: Warehouse, tmp_path: Path) -> Path:
    """Found: {A, B, C}, {D}. True: {A, B}, {C, D}."""
    records = [LAN | {"facility_id": name} for name in "ABC"] + [BINH | {"facility_id": "D"}]
    add_records(warehouse, records)
    run_match(warehouse)
    file = tmp_path / "truth.csv"
    file.write_text("facility_id,patient_id,true_person\nA,1,x\nB,1,x\nC,1,y\nD,1,y\nZ,9,z\n", encoding="utf-8")
    return file


def test_pairs_and_clusters(warehouse: Warehouse, truth: Path) -> None:
    found = evaluate(warehouse, truth, Settings())
    assert found.records == 4
    assert (found.pair_precision, found.pair_recall) == (pytest.approx(1 / 3), pytest.approx(1 / 2))
    assert found.pair_f1 == pytest.approx(0.4)
    assert (found.false_pairs, found.missed_pairs) == (2, 1)
    assert (found.cluster_precision, found.cluster_recall, found.cluster_f1) == (0.0, 0.0, 0.0)
    assert (found.largest_cluster, found.largest_true_cluster) == (3, 2)
    assert found.false_by_cause == {"shared_id": {"pairs": 2, "share": 1.0}}
    assert found.missed_by_cause == {"conflicting_ids": {"pairs": 1, "share": 1.0}}
    # A, B: 2 of 3; C: 1 of 3; D: 1 of 1. Of the true: A, B: all; C, D: half.
    assert (found.b_cubed_precision, found.b_cubed_recall) == (pytest.approx(2 / 3), pytest.approx(3 / 4))


def test_records_of_which_the_truth_does_not_know_one_person_are_left_out(warehouse: Warehouse, truth: Path) -> None:
    text = truth.read_text(encoding="utf-8").replace("C,1,y", "C,1,") + "A,1,x\nD,1,other\n"
    truth.write_text(text, encoding="utf-8")
    found = evaluate(warehouse, truth, Settings())
    assert (found.records, found.pair_f1, found.cluster_f1) == (2, 1.0, 1.0)  # A, B


def test_a_truth_in_parquet_gives_the_same(warehouse: Warehouse, truth: Path) -> None:
    parquet = truth.with_suffix(".parquet")
    warehouse.con.execute(f"COPY (FROM read_csv('{truth}', all_varchar = true)) TO '{parquet}'")
    assert evaluate(warehouse, parquet, Settings()) == evaluate(warehouse, truth, Settings())


def test_a_file_that_is_no_truth_is_refused(warehouse: Warehouse, truth: Path) -> None:
    truth.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(InputError, match="facility_id, patient_id, true_person"):
        evaluate(warehouse, truth, Settings())
    truth.write_text("facility_id,patient_id,true_person\nQ,1,x\n", encoding="utf-8")
    with pytest.raises(InputError, match="names no patient record"):
        evaluate(warehouse, truth, Settings())
    truth.write_text('facility_id,patient_id,true_person\nA,"1,x\nB,2,y\n', encoding="utf-8")
    with pytest.raises(InputError, match="facility_id, patient_id, true_person"):
        evaluate(warehouse, truth, Settings())
