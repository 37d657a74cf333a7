"""What was said on a night stays known: who first said it, and who ended it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dedup import pipeline
from dedup.settings import Settings, WarehouseSettings
from dedup.warehouse import open_warehouse

HEADER = (
    "facility_id,order_id,patient_id,national_id,birth_date,sex,test_code,ordered_at,collected_at,resulted_at,status"
)


def line(facility: str, order: str, day: int, status: str = "final") -> str:
    at = f"2026-03-{day:02}T08"
    return f"{facility},{order},p,001090000001,1990-05-01,male,23.0083.1523,{at}:00,{at}:10,{at}:50,{status}"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(warehouse=WarehouseSettings(path=tmp_path / "w.duckdb"))


def night(settings: Settings, *lines: str) -> None:
    folder = settings.warehouse.path.parent
    file = folder / f"{len(list(folder.glob('*.csv'))):03}.csv"
    file.write_text("\n".join([HEADER, *lines]) + "\n")
    pipeline.run([file], settings)


def said(settings: Settings, table: str, *columns: str) -> list[tuple[object, ...]]:
    with open_warehouse(settings.warehouse.path, read_only=True) as warehouse:
        return warehouse.con.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY ALL").fetchall()


def test_a_flag_keeps_the_run_that_first_said_it(settings: Settings) -> None:
    night(settings, line("A", "1", 1), line("B", "2", 5))
    night(settings, line("C", "3", 9))
    assert said(settings, "flag", "order_id", "prior_order_id", "run_id") == [("2", "1", 1), ("3", "2", 2)]
    assert said(settings, "flag_history", "order_id") == []


def test_a_flag_that_no_longer_holds_is_history(settings: Settings) -> None:
    night(settings, line("A", "1", 1), line("B", "2", 5))
    night(settings, line("A", "1", 1, "cancelled"))
    assert said(settings, "flag", "order_id") == []
    history = said(settings, "flag_history", "order_id", "verdict", "prior_order_id", "run_id", "until_run_id")
    assert history == [("2", "avoidable", "1", 1, 2)]


def test_rebuilding_everything_under_the_same_rules_changes_nothing(settings: Settings) -> None:
    night(settings, line("A", "1", 1), line("B", "2", 5))
    before = said(settings, "flag", "*")
    pipeline.flag(settings, everything=True)
    assert said(settings, "flag", "*") == before
    assert said(settings, "flag_history", "order_id") == []
