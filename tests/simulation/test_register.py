"""The facility register of a world."""

from __future__ import annotations

import polars as pl

from dedup.simulation import SimulationSummary
from dedup.simulation.facilities import REGISTER, TIERS, default_facilities
from dedup.simulation.tables import places


def _register(written: SimulationSummary) -> pl.DataFrame:
    return pl.read_csv(written.out / "facilities.csv", infer_schema=False)


def test_it_has_the_columns_and_values_of_the_contract(written: SimulationSummary) -> None:
    frame = _register(written)
    assert tuple(frame.columns) == REGISTER
    own = frame.filter(pl.col("alias_of").is_null())
    assert set(own["tier"]) == set(TIERS)
    assert own["lab_level"].drop_nulls().is_in([str(level) for level in range(6)]).all()
    assert own["iso15189"].is_in(["true", "false"]).all()
    assert own["iso15189"].eq("true").any()
    assert own["facility_id"].str.contains(r"^\d{5}$").all()
    assert own["facility_id"].str.starts_with("0").any()


def test_a_level_lapses_another_rises_some_are_unknown_and_one_code_is_old(written: SimulationSummary) -> None:
    frame = _register(written)
    periods = frame.filter(pl.col("alias_of").is_null()).group_by("facility_id").agg(pl.len(), pl.col("level_to"))
    lapsed = periods.filter(pl.col("len") == 1, pl.col("level_to").list.drop_nulls().list.len() == 1)
    assert len(lapsed) == 1
    assert (periods["len"] == 2).sum() == 1
    assert frame["lab_level"].null_count() > 1
    alias = frame.filter(pl.col("alias_of").is_not_null())
    assert len(alias) == 1
    assert alias["alias_of"].is_in(frame["facility_id"].to_list()).all()


def test_the_old_code_is_used_at_first(written: SimulationSummary, lines: pl.DataFrame) -> None:
    alias = _register(written).filter(pl.col("alias_of").is_not_null())
    code, today = alias.row(0, named=True)["facility_id"], alias.row(0, named=True)["alias_of"]
    old = lines.filter(pl.col("facility_id") == code)["ordered_at"]
    new = lines.filter(pl.col("facility_id") == today)["ordered_at"]
    assert len(old) > 0
    assert str(old.max()) < str(new.min())


def test_no_prefix_is_a_province_s(written: SimulationSummary) -> None:
    taken = {f"{prefix:03d}"[1:] for prefix in places().prefix.tolist()}
    assert not taken & set(_register(written)["facility_id"].str.slice(0, 2))


def test_bigger_worlds_have_more_facilities() -> None:
    assert [default_facilities(n) for n in (1, 2_000, 1_000_000, 10**9)] == [8, 16, 350, 1500]
