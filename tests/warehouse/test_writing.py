"""Files appear whole or not at all, for their owner only."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from dedup.errors import UsageError
from dedup.warehouse import aside


def test_takes_the_place_at_the_end(tmp_path: Path) -> None:
    out = tmp_path / "a.csv"
    out.write_text("old")
    mask = os.umask(0)
    try:
        with aside(out) as place:
            place.write_text("new")
            assert out.read_text() == "old"
            assert place.suffix == ".csv"
    finally:
        os.umask(mask)
    assert out.read_text() == "new"
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [out]


def test_leaves_nothing_when_it_fails(tmp_path: Path) -> None:
    out = tmp_path / "a.csv"
    with pytest.raises(RuntimeError), aside(out) as place:
        place.write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["no/a.csv", "."])
def test_places_that_cannot_be(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError), aside(tmp_path / name):
        pass
