"""The truth agrees with what the facilities send."""

from __future__ import annotations

import polars as pl

from dedup.schema import CANONICAL, TABLES
from dedup.simulation import SimulationSummary
from tests.simulation.conftest import truth

KEY = ["facility_id", "order_id", "line_no"]


def _aliased(lines: pl.DataFrame, written: SimulationSummary) -> pl.DataFrame:
    alias = pl.read_csv(written.out / "facilities.csv", infer_schema=False).filter(pl.col("alias_of").is_not_null())
    codes = dict(zip(alias["facility_id"], alias["alias_of"], strict=True))
    return lines.with_columns(pl.col("facility_id").replace(codes), at=pl.col("ordered_at").str.slice(0, 16))


def test_the_input_folder_holds_no_truth(written: SimulationSummary) -> None:
    assert not [path for path in (written.out / "input").rglob("*") if "truth" in path.name]
    assert {path.name for path in written.out.iterdir()} == {"input", "truth", "facilities.csv"}


def test_lines_have_contract_columns_and_unique_keys(lines: pl.DataFrame) -> None:
    assert set(lines.columns) <= set(CANONICAL)
    assert lines.select(pl.col(name for name, must in CANONICAL.items() if must).null_count()).row(0) == (0,) * 6
    assert lines.select(KEY).is_unique().all()


def test_every_record_has_its_person(written: SimulationSummary, lines: pl.DataFrame) -> None:
    known = truth(written.out, "patients")
    assert known.columns == ["facility_id", "patient_id", "true_person"]
    sent = _aliased(lines, written).select("facility_id", "patient_id").unique()
    assert len(sent.join(known, on=["facility_id", "patient_id"], how="anti")) == 0
    assert len(known) == written.records


def test_repeats_are_of_the_same_person_later_and_carried_out(written: SimulationSummary, lines: pl.DataFrame) -> None:
    made = truth(written.out, "duplicates")
    assert len(made) == written.duplicates > 500
    assert set(made["kind"]) == {"serial", "transfer", "second_opinion", "revisit"}
    people = truth(written.out, "patients")
    sent = (
        _aliased(lines, written)
        .join(people, on=["facility_id", "patient_id"])
        .select(*KEY, "at", "true_person", "status")
    )
    both = made.join(sent, on=KEY).join(sent, left_on=[f"prior_{name}" for name in KEY], right_on=KEY, suffix="_prior")
    assert len(both) > 400  # the rest came as XML
    assert (both["true_person"] == both["true_person_prior"]).all()
    assert (both["at"] > both["at_prior"]).all()
    assert not both["status"].is_in(["cancelled", "rejected"]).any()
    elsewhere = made["facility_id"] != made["prior_facility_id"]
    assert elsewhere.filter(made["kind"] == "transfer").all()
    assert not elsewhere.filter(made["kind"].is_in(["serial", "revisit"])).any()


def test_times_follow_one_another(lines: pl.DataFrame) -> None:
    t = lines.select(pl.col("ordered_at", "collected_at", "resulted_at").str.slice(0, 16), "status")
    before = (t["ordered_at"] <= t["collected_at"]).drop_nulls()
    assert 0.97 < before.mean() < 1  # specimens sent to a laboratory are booked there after their collection
    assert (t["collected_at"] < t["resulted_at"]).drop_nulls().all()
    assert t.filter(pl.col("status").is_in(["cancelled", "rejected", "ordered", "collected"]))[
        "resulted_at"
    ].null_count() == (t["status"].is_in(["cancelled", "rejected", "ordered", "collected"]).sum())
    assert t.filter(pl.col("status") == "final")["resulted_at"].null_count() == 0


def test_there_is_something_of_everything(lines: pl.DataFrame) -> None:
    assert set(lines["status"]) >= {"final", "corrected", "cancelled", "rejected", "collected", "preliminary"}
    assert set(lines["setting"]) == {"outpatient", "inpatient", "emergency", "icu", "screening"}
    assert lines["order_reason"].drop_nulls().n_unique() >= 4
    assert lines["performed_by"].drop_nulls().len() > 20
    assert lines["test_code"].str.contains(r"^\d+-\d$").sum() > 20  # LOINC
    assert lines["test_code"].str.contains("^XN").sum() > 20  # local
    assert (lines["test_code"] == "24.0169.1616").sum() > 0  # HIV, to be dropped
    assert lines["collected_at"].null_count() > 0
    assert set(lines["abnormal_flag"].drop_nulls()) >= {"N", "L", "H", "HH", "A", "POS", "NEG"}
    doctors = lines.group_by("facility_id", "department").agg(pl.col("ordered_by").n_unique())["ordered_by"]
    assert doctors.max() <= 7
    assert "true_person" not in TABLES["patient_identity"].columns
