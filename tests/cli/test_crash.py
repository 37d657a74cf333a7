"""Killed at any moment: the warehouse opens, the next run completes, and the flags are those of an undisturbed run.

``DEDUP_KILLS=100 pytest tests/cli/test_crash.py`` tries more random moments than the few of every day.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from dedup import pipeline
from dedup.settings import read_settings
from dedup.simulation import simulate
from dedup.warehouse.publishing import finished_nights
from tests.cli.conftest import DEDUP

KILLS = int(os.environ.get("DEDUP_KILLS", "3"))
#: A run that kills itself at a named place: ``kill.py PLACE dedup-arguments…``.
KILLER = """
import contextlib, os, signal, sys
from dedup.cli import main
from dedup.warehouse import opening, publishing, runs

place = sys.argv.pop(1)

def here(name):
    if name == place:
        os.kill(os.getpid(), signal.SIGKILL)

stage, transaction = runs.Run.stage, opening.Warehouse.transaction
copy, write_changes = publishing._copy, publishing._write_changes
current = [""]

@contextlib.contextmanager
def killing_stage(self, name):
    current[0] = name
    here("before " + name)
    with stage(self, name) as counted:
        yield counted
    here("after " + name)

@contextlib.contextmanager
def killing_transaction(self):
    with transaction(self) as con:
        yield con
        here("before commit of " + current[0])
    here("after commit of " + current[0])

def killing_copy(source, target):
    here("before copy")
    target.write_bytes(b"half a copy")
    here("amid copy")
    copy(source, target)
    here("after copy")

def killing_changes(source, target):
    here("before changes")
    os.pwrite(target, b"half a change", 4096)
    here("amid changes")
    write_changes(source, target)
    here("after changes")

runs.Run.stage, opening.Warehouse.transaction = killing_stage, killing_transaction
publishing._copy, publishing._write_changes, publishing._clone = killing_copy, killing_changes, lambda *_: False
main()
"""
STAGES = ("load", "match", "flag")
PLACES = [f"{when} {stage}" for stage in STAGES for when in ("before", "before commit of", "after commit of", "after")]
PLACES += [f"{when} {what}" for what in ("copy", "changes") for when in ("before", "amid", "after")]
EVERY_DAY = ["after commit of load", "before commit of match", "after match", "before commit of flag", "amid copy",
             "amid changes"]  # fmt: skip


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Settings, two nights of files, and a warehouse that has seen the first, twice: both copies are there."""
    folder = tmp_path_factory.mktemp("base")
    simulate(60, 3, folder / "world", days=21)
    for at, path in enumerate(sorted((folder / "world" / "input").iterdir())):
        night = folder / f"night{1 + at % 2}"
        night.mkdir(exist_ok=True)
        path.rename(night / path.name)
    (folder / "dedup.toml").write_text('[loading]\nfacilities = "world/facilities.csv"\n')
    (folder / "kill.py").write_text(KILLER)
    run(folder, 1)
    run(folder, 1)
    return folder


@pytest.fixture(scope="module")
def expected(base: Path, tmp_path_factory: pytest.TempPathFactory) -> list[pl.DataFrame]:
    folder = copied(base, tmp_path_factory.mktemp("expected"))
    run(folder, 2)
    return outcome(folder)


def copied(base: Path, folder: Path) -> Path:
    return shutil.copytree(base, folder, dirs_exist_ok=True)


def run(folder: Path, night: int) -> None:
    pipeline.run([folder / f"night{night}"], read_settings(folder / "dedup.toml"))


def outcome(folder: Path) -> list[pl.DataFrame]:
    with pipeline.reading(read_settings(folder / "dedup.toml")) as warehouse:
        return [
            warehouse.con.execute(f"SELECT {columns} FROM {table} ORDER BY ALL").pl()
            for table, columns in (("flag", "* EXCLUDE (run_id)"), ("patient_record", "*"), ("order_line", "*"))
        ]


def same(found: list[pl.DataFrame], expected: list[pl.DataFrame]) -> bool:
    return all(one.equals(other) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize("place", PLACES if "DEDUP_KILLS" in os.environ else EVERY_DAY)
def test_killed_at_a_boundary(place: str, base: Path, tmp_path: Path, expected: list[pl.DataFrame]) -> None:
    folder = copied(base, tmp_path)
    if place.endswith("copy"):  # a second copy would be brought up to date instead
        finished_nights(folder / "dedup.duckdb")[1].unlink()
    before = outcome(folder)
    command = [sys.executable, "kill.py", place, "run", "night2", "--quiet"]
    killed = subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert same(outcome(folder), before)  # readers see finished nights only
    run(folder, 2)
    assert same(outcome(folder), expected)
    assert list(folder.glob("dedup.duckdb.tmp-*")) == []


def test_killed_at_random_moments(base: Path, tmp_path: Path, expected: list[pl.DataFrame]) -> None:
    command = [DEDUP, "run", "night2", "--quiet"]
    started = time.perf_counter()
    subprocess.run(command, cwd=copied(base, tmp_path / "timed"), stdout=subprocess.DEVNULL, check=True)
    usual = time.perf_counter() - started
    moments = random.Random(11)
    for kill in range(KILLS):
        folder = copied(base, tmp_path / str(kill))
        for _ in range(2):  # killed twice in a row, then left alone
            with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as process:
                time.sleep(moments.uniform(0, usual))
                process.kill()
        run(folder, 2)
        assert same(outcome(folder), expected)
        shutil.rmtree(folder)
