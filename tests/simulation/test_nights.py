"""Nights: what comes late, twice or corrected adds up to the world as it ends."""

from __future__ import annotations

import hashlib
from pathlib import Path

import polars as pl
import pytest

from dedup.errors import UsageError
from dedup.simulation import simulate
from dedup.simulation.nights import NightsSummary, simulate_nights


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> NightsSummary:
    return simulate_nights(1_500, 4, tmp_path_factory.mktemp("nights"), nights=30)


def _files(nights: NightsSummary, pattern: str) -> list[Path]:
    return sorted((nights.out / "nights").glob(f"*/{pattern}"))


def test_there_is_a_folder_for_each_night(nights: NightsSummary) -> None:
    assert [path.name for path in sorted((nights.out / "nights").iterdir())] == [f"{n:02d}" for n in range(1, 31)]
    assert {path.name for path in nights.out.iterdir()} == {"nights", "truth", "facilities.csv"}
    assert len(_files(nights, "*")) == nights.files + nights.twice


def test_files_come_late_out_of_order_and_twice(nights: NightsSummary) -> None:
    assert min(nights.late, nights.out_of_order, nights.twice, nights.corrected) > 0
    for copy in _files(nights, "*_lai.*"):
        first = next(path for path in _files(nights, copy.name.replace("_lai", "")))
        assert hashlib.sha256(copy.read_bytes()).digest() == hashlib.sha256(first.read_bytes()).digest()
        assert int(first.parent.name) < int(copy.parent.name)


def test_a_facility_s_csv_files_never_overtake_one_another(nights: NightsSummary) -> None:
    came: dict[str, str] = {}
    for path in _files(nights, "*.csv"):
        if not path.stem.endswith("_lai"):
            facility, day = path.stem.split("_")
            assert day > came.get(facility, "")
            came[facility] = day


def test_the_last_word_on_every_line_is_the_world_s(nights: NightsSummary, tmp_path: Path) -> None:
    simulate(1_500, 4, tmp_path / "w", days=30, file_days=30)
    whole = pl.concat(
        [pl.read_csv(p, infer_schema=False) for p in (tmp_path / "w/input").glob("*.csv")], how="diagonal"
    )
    first = [path for path in _files(nights, "*.csv") if "_lai" not in path.name]  # the same bytes again change nothing
    came = pl.concat([pl.read_csv(path, infer_schema=False) for path in first], how="diagonal")
    key = ["facility_id", "order_id", "line_no"]
    last = came.unique(key, keep="last", maintain_order=True).select(whole.columns).sort(key)
    assert len(came) > len(last)
    assert last.equals(whole.sort(key))


def test_lines_grow_from_ordered_to_final(nights: NightsSummary) -> None:
    came = pl.concat([pl.read_csv(path, infer_schema=False) for path in _files(nights, "*.csv")], how="diagonal")
    steps = came.group_by("facility_id", "order_id", "line_no", maintain_order=True).agg("status")["status"]
    seen = set(map(tuple, steps.to_list()))
    assert {("collected", "final"), ("final",)} <= seen
    assert any(way[-2:] == ("final", "corrected") for way in seen)
    assert any(way[-1] == "cancelled" and len(way) > 1 for way in seen)
    assert came.filter(pl.col("status").is_in(["ordered", "collected"]))["resulted_at"].null_count() == (
        came["status"].is_in(["ordered", "collected"]).sum()
    )
    assert came.filter(pl.col("status") == "ordered")["collected_at"].drop_nulls().is_empty()


def test_fewer_than_seven_nights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nights"):
        simulate_nights(10, 1, tmp_path, nights=3)
