"""The same plain world gives the same flags whatever the format; so do nights and one load of everything."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from dedup import pipeline
from dedup.settings import LoadingSettings, Settings, WarehouseSettings
from dedup.simulation import simulate
from dedup.simulation.nights import simulate_nights

FORMATS = ("parquet", "ndjson", "xml", "hl7", "fhir", "fhir-bundle")
_KEY = (
    "CASE WHEN {0}order_id SIMILAR TO '.*-[0-9][0-9][0-9]' THEN {0}order_id ELSE {0}order_id || '-' || "
    "lpad(CAST({0}line_no AS VARCHAR), 3, '0') END"  # HL7 and FHIR number every single order
)
_LEFT_OUT = (
    "run_id, order_id, line_no, prior_order_id, prior_line_no, price_vnd, avoidable_vnd"  # nor do they have prices
)
_FLAGS = f"SELECT {_KEY.format('')}, {_KEY.format('prior_')}, * EXCLUDE ({_LEFT_OUT}) FROM flag ORDER BY ALL"


def _settings(folder: Path, register: Path) -> Settings:
    return Settings(
        warehouse=WarehouseSettings(path=folder / "w.duckdb", threads=1),
        loading=LoadingSettings(facilities=register),
    )


def _flags(settings: Settings) -> list[tuple[object, ...]]:
    with duckdb.connect(str(settings.warehouse.path), read_only=True) as con:
        return con.sql(_FLAGS).fetchall()


@pytest.fixture(scope="module")
def from_csv(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[object, ...]]:
    return _of_format("csv", tmp_path_factory.mktemp("csv"))


def _of_format(name: str, folder: Path) -> list[tuple[object, ...]]:
    simulate(600, 11, folder, formats=(name,), plain=True, days=28, file_days=28)
    settings = _settings(folder, folder / "facilities.csv")
    pipeline.run([folder / "input"], settings)
    return _flags(settings)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_flags(name: str, from_csv: list[tuple[object, ...]], tmp_path: Path) -> None:
    assert _of_format(name, tmp_path) == from_csv
    assert len(from_csv) > 20


def test_nights_give_the_flags_of_one_load(tmp_path: Path) -> None:
    simulate_nights(300, 6, tmp_path / "w", nights=8)
    (tmp_path / "once").mkdir()
    (tmp_path / "nightly").mkdir()
    register = tmp_path / "w" / "facilities.csv"
    once, nightly = _settings(tmp_path / "once", register), _settings(tmp_path / "nightly", register)
    pipeline.run([tmp_path / "w" / "nights"], once)
    for night in sorted((tmp_path / "w" / "nights").iterdir()):
        pipeline.run([night], nightly)
    assert _flags(nightly) == _flags(once)
