"""How records are written: the mistakes are there, at about the rates that were asked for."""

from __future__ import annotations

from dataclasses import fields, replace

import duckdb
import polars as pl
import pytest

from dedup.schema import TABLES
from dedup.simulation.rates import ErrorRates
from dedup.simulation.records import records

NONE = ErrorRates(**{field.name: 0.0 for field in fields(ErrorRates)})


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    return records(30_000, 2)


def test_columns_are_those_of_patient_identity_and_the_truth(frame: pl.DataFrame) -> None:
    made_by_loading = {"identity_id", "filled"}
    known = [name for name in TABLES["patient_identity"].columns if name not in made_by_loading]
    assert frame.columns == [*known, "true_person"]
    assert frame.schema["birth_date"] == pl.Date
    assert frame["patient_record_id"].n_unique() == len(frame)
    assert frame.select("facility_id", "patient_id").is_unique().all()
    sql = """SELECT count(*) FROM frame WHERE patient_record_id <>
             CAST(md5_number_lower(concat(facility_id, chr(31), patient_id)) >> 1 AS BIGINT)"""
    assert duckdb.sql(sql).fetchone() == (0,)


def test_about_a_third_of_the_records_has_no_national_id(frame: pl.DataFrame) -> None:
    assert 0.25 < frame["national_id"].null_count() / len(frame) < 0.35


def test_people_have_records_at_several_facilities(frame: pl.DataFrame) -> None:
    held = frame.group_by("true_person").len()["len"]
    assert held.mean() > 1.3
    assert held.max() < 25


def test_most_cccd_fit_the_record_and_some_are_somebody_else_s(frame: pl.DataFrame) -> None:
    whole = frame.filter(pl.col("national_id").str.contains(r"^\d{12}$"), pl.col("birth_date").is_not_null())
    year = pl.col("national_id").str.slice(4, 2) == pl.col("birth_date").dt.strftime("%y")
    woman = pl.col("national_id").str.slice(3, 1).is_in(["1", "3"])
    fits = whole.select((year & (woman == (pl.col("sex") == "female"))).mean()).item()
    assert 0.93 < fits < 0.99


@pytest.mark.parametrize(
    "pattern",
    ["^CB ", "(?i)^con bà ", "(?i)^khoa sơ sinh$", "(?i)^không rõ$", "  ", "\u0323", "^[A-Za-z ]+$", "^[^a-z]+$"],
    ids=["CB", "con bà", "ward", "unknown", "two spaces", "decomposed", "plain", "capitals"],
)  # fmt: skip
def test_names_are_written_in_every_way(pattern: str, frame: pl.DataFrame) -> None:
    big = frame["full_name"].str.contains(pattern)
    assert big.sum() > 0


def test_numbers_are_written_in_every_way(frame: pl.DataFrame) -> None:
    ids, cards, phones = frame["national_id"], frame["insurance_id"], frame["phone"]
    assert ids.str.contains(r"^[5-9]\d{8}$").sum() > 100  # CMND
    assert ids.is_in(["000000000000", "123456789"]).sum() > 0
    assert ids.str.contains(r"^\d{11}$").sum() > 0  # a zero lost
    assert cards.str.contains("^TE1").sum() > 100
    assert cards.str.contains(";").sum() > 100
    assert phones.is_in(["0900000000"]).sum() > 0
    assert phones.str.contains(r"^\+84").sum() > 0
    assert (frame["birth_precision"] == "year").mean() > 0.03


def test_babies_lie_under_their_mother_s_name_with_her_number(frame: pl.DataFrame) -> None:
    babies = frame.filter(pl.col("full_name").str.contains("(?i)^(CB|con ba|con bà) "))
    born_late = babies["birth_date"].dt.year().is_in([2025, 2026]).mean()
    assert born_late is not None and born_late > 0.97
    assert babies["national_id"].is_not_null().mean() > 0.2  # type: ignore[operator]


def test_without_errors_everybody_is_written_alike() -> None:
    clean = records(4_000, 3, replace(NONE, newborn_under_parent=0.0))
    clean = clean.with_columns(
        folded=pl.col("full_name").str.to_lowercase().str.normalize("NFKD").str.replace_all(r"\p{M}|đ|d", "")
    )
    per_person = clean.group_by("true_person").agg(pl.col("birth_date", "sex", "folded").n_unique())
    assert per_person.select(pl.col("birth_date", "sex", "folded").max()).row(0) == (1, 1, 1)
    grown = clean.filter(pl.col("birth_date").dt.year() < 2025)
    assert grown["national_id"].str.contains(r"^\d{12}$").all()


def test_a_rate_moves_its_mistake() -> None:
    many = records(4_000, 3, replace(ErrorRates(), birth_missing=0.5))
    assert 0.4 < many["birth_date"].null_count() / len(many) < 0.6
