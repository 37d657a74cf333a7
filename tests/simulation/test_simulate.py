"""simulate(): small worlds, bad arguments, formats."""

from __future__ import annotations

from pathlib import Path

import pytest

from dedup.errors import UsageError
from dedup.simulation import simulate


@pytest.mark.parametrize("persons", [1, 2, 7, 40])
def test_the_smallest_worlds_are_written(persons: int, tmp_path: Path) -> None:
    summary = simulate(persons, 1, tmp_path / "w", days=7)
    assert summary.persons == persons
    assert (summary.out / "truth" / "duplicates.csv").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"persons": 0},
        {"seed": -1},
        {"days": 3},
        {"file_days": 0},
        {"facilities": 2},
        {"formats": ()},
        {"formats": ("pdf",)},
    ],
    ids=str,
)
def test_arguments_that_make_no_sense_are_refused(wrong: dict[str, object], tmp_path: Path) -> None:
    arguments: dict[str, object] = {"persons": 10, "seed": 1, "days": 7} | wrong
    with pytest.raises(UsageError, match=r"at least|formats"):
        simulate(out=tmp_path / "w", **arguments)  # type: ignore[arg-type]
    assert not (tmp_path / "w").exists()


def test_two_worlds_never_mix(tmp_path: Path) -> None:
    simulate(20, 1, tmp_path, days=7)
    with pytest.raises(UsageError, match="not empty"):
        simulate(20, 2, tmp_path, days=7)
