"""The same world gives the same persons and flags, however its files come in and whatever the machine is set to."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from dedup.simulation import simulate

#: name → (runs the files are spread over, order of the files, threads, environment)
WAYS: dict[str, tuple[int, int, int, dict[str, str]]] = {
    "one thread": (1, 0, 1, {}),
    "another order": (1, 1, 2, {"PYTHONHASHSEED": "1"}),
    "two nights": (2, 0, 2, {"TZ": "America/New_York", "PYTHONHASHSEED": "2"}),
    "five nights in disorder": (5, 2, 1, {"TZ": "UTC", "LC_ALL": "C", "PYTHONHASHSEED": "3"}),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    simulate(200, 7, folder, days=42)
    return folder


@pytest.fixture(scope="module")
def expected(world: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[pl.DataFrame, pl.DataFrame]:
    return outcome(world, tmp_path_factory.mktemp("expected"), 1, 0, 2, {})


def outcome(
    world: Path, folder: Path, runs: int, order: int, threads: int, environment: dict[str, str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Flags (without the run that wrote them) and persons."""
    files = sorted((world / "input").iterdir())
    if order:
        random.Random(order).shuffle(files)
    config = folder / "dedup.toml"
    config.write_text(
        f'[warehouse]\npath = "w.duckdb"\nthreads = {threads}\n[loading]\nfacilities = "{world / "facilities.csv"}"\n'
    )
    dedup = Path(sys.executable).with_name("dedup")
    for night in range(runs):
        command = [dedup, "run", *files[night::runs], "--config", config, "--quiet"]
        subprocess.run(command, env=os.environ | environment, stdout=subprocess.DEVNULL, check=True)
    found = []
    for what in ("flags", "patients"):
        out = folder / f"{what}.parquet"
        subprocess.run([dedup, "export", what, "-o", out, "--config", config, "--quiet"], check=True)
        found.append(pl.read_parquet(out))
    return found[0].drop("run_id"), found[1]


def test_the_world_is_worth_comparing(expected: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    flags, patients = expected
    assert flags["verdict"].n_unique() >= 4
    assert patients["person_id"].n_unique() < patients.height


@pytest.mark.parametrize("way", WAYS)
def test_same_persons_and_flags(
    way: str, world: Path, tmp_path: Path, expected: tuple[pl.DataFrame, pl.DataFrame]
) -> None:
    for found, wanted in zip(outcome(world, tmp_path, *WAYS[way]), expected, strict=True):
        assert found.equals(wanted)
