"""Nights with an encrypted warehouse: the same flags, killed or not, and no name in any file."""

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

from tests.cli.conftest import DEDUP, HEADER, Dedup
from tests.cli.test_crash import KILLER, outcome, run, same

KEY = "a key of this test alone, 40 letters long"
LOCKED = '[warehouse]\nkey_file = "key"\n'
NAMES = [f"Nguyễn Canary {one:04}" for one in range(300)]
NUMBERS = [f"001190{one:06}" for one in range(300)]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    for night in (1, 2):
        lines = [
            f"{name},{number},0912345{at:03},1990-05-17,female,0100{night},O{at},P{at},23.0083.1523,"
            f"2026-03-0{night}T08:00,2026-03-0{night}T10:00,final"
            for at, (name, number) in enumerate(zip(NAMES, NUMBERS, strict=True))
        ]
        (folder / f"night{night}").mkdir()
        (folder / f"night{night}" / "orders.csv").write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    (folder / "key").write_text(KEY)
    (folder / "key").chmod(0o600)
    (folder / "kill.py").write_text(KILLER)
    (folder / "dedup.toml").write_text(LOCKED)
    return folder


@pytest.fixture(scope="module")
def expected(base: Path, tmp_path_factory: pytest.TempPathFactory) -> list[pl.DataFrame]:
    folder = shutil.copytree(base, tmp_path_factory.mktemp("plain"), dirs_exist_ok=True)
    (folder / "dedup.toml").write_text("")
    run(folder, 1)
    run(folder, 2)
    assert told(folder) != []  # or looking for names would prove nothing
    return outcome(folder)


def told(folder: Path) -> list[str]:
    """Names and numbers of patients in the bytes of any file dedup made."""
    given = {"night1", "night2", "key", "kill.py", "dedup.toml"}
    ours = [one for one in folder.rglob("*") if one.is_file() and one.relative_to(folder).parts[0] not in given]
    content = b"".join(path.read_bytes() for path in ours)
    return [word for word in (*NAMES, *NUMBERS, KEY) if word.encode() in content]


def test_two_nights(base: Path, tmp_path: Path, expected: list[pl.DataFrame]) -> None:
    folder = shutil.copytree(base, tmp_path, dirs_exist_ok=True)
    run(folder, 1)
    run(folder, 2)
    assert same(outcome(folder), expected)
    assert told(folder) == []


@pytest.mark.parametrize("place", ["before commit of load", "amid copy"])
def test_killed(place: str, base: Path, tmp_path: Path, expected: list[pl.DataFrame]) -> None:
    folder = shutil.copytree(base, tmp_path, dirs_exist_ok=True)
    run(folder, 1)
    command = [sys.executable, "kill.py", place, "run", "night2", "--quiet"]
    killed = subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert told(folder) == []
    run(folder, 2)
    assert same(outcome(folder), expected)


def test_killed_at_a_random_moment(base: Path, tmp_path: Path, expected: list[pl.DataFrame]) -> None:
    folder = shutil.copytree(base, tmp_path, dirs_exist_ok=True)
    run(folder, 1)
    with subprocess.Popen([DEDUP, "run", "night2", "--quiet"], cwd=folder, stdout=subprocess.DEVNULL) as process:
        time.sleep(random.Random(2).uniform(0.5, 2))
        process.kill()
    run(folder, 2)
    assert same(outcome(folder), expected)


def test_the_commands_refuse_without_the_key(dedup: Dedup, tmp_path: Path, orders: Path) -> None:
    key = tmp_path / "key"
    key.write_text(KEY)
    key.chmod(0o600)
    settings = tmp_path / "dedup.toml"
    settings.write_text('[warehouse]\nkey_file = "key"\n')
    assert dedup("run", orders).returncode == 0
    for words in ("report", "runs list", "flag", "export flags -o f.csv", "vacuum", "explain 01002 B1"):
        assert dedup(*words.split()).returncode == 0, words
    key.write_text("x" * 40)
    for words in (
        "report",
        "runs list",
        "flag",
        "export flags -o f.csv",
        "vacuum",
        "explain 01002 B1",
        f"run {orders}",
    ):
        wrong = dedup(*words.split())
        assert (wrong.returncode, wrong.stderr[:35]) == (5, "The key is not that of dedup.duckdb")
    key.chmod(0o644)
    assert "chmod 600" in dedup("report").stderr
    settings.write_text("")
    refused = dedup("report")
    assert (refused.returncode, "DEDUP_KEY" in refused.stderr) == (5, True)
    doctor = dedup("doctor")
    assert (doctor.returncode, doctor.stderr) == (1, "Not in order: encryption.\n")
    assert all(KEY.encode() not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert os.environ.get("DEDUP_KEY") is None
