"""One small world, written once for all tests here."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from dedup.simulation import SimulationSummary, simulate


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> SimulationSummary:
    return simulate(1_200, 5, tmp_path_factory.mktemp("world"), days=63)


@pytest.fixture(scope="session")
def lines(written: SimulationSummary) -> pl.DataFrame:
    """All CSV lines of the world, as text."""
    frames = [pl.read_csv(path, infer_schema=False) for path in sorted((written.out / "input").glob("*.csv"))]
    return pl.concat(frames, how="diagonal")


def truth(folder: Path, name: str) -> pl.DataFrame:
    return pl.read_csv(folder / "truth" / f"{name}.csv", infer_schema=False)
