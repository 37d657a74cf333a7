"""A full disk, little memory, two runs at once: one line, an exit code, afterwards the flags of an undisturbed run."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from tests.cli.conftest import DEDUP
from tests.cli.test_crash import base as base
from tests.cli.test_crash import copied, outcome, run, same
from tests.cli.test_crash import expected as expected

DISK = 30  # MB
ROOM = (0.5, 2.0, 4.0)  # MB left of it


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 30 MB, where this user may make one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}m", "dedup-test", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only who may mount")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def dedup(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([DEDUP, *words], cwd=folder, capture_output=True, text=True, check=False)


def test_a_full_disk(base: Path, disk: Path, expected: list[pl.DataFrame]) -> None:
    folder = copied(base, disk)
    before = outcome(folder)
    ends = []
    for room in ROOM:
        free = shutil.disk_usage(disk).free
        ballast = disk / "ballast"
        ballast.write_bytes(b"\0" * int(free - room * 1e6))
        full = dedup(folder, "run", "night2", "--quiet")
        ends.append(full.returncode)
        if full.returncode:
            assert full.returncode == 1
            assert len(full.stderr.splitlines()) == 1
            assert "Traceback" not in full.stderr and "Internal error" not in full.stderr
            assert same(outcome(folder), before)  # readers see finished nights only
        ballast.unlink()
    assert 1 in ends
    run(folder, 2)
    assert same(outcome(folder), expected)
    print(f"\nroom in MB → exit code: {dict(zip(ROOM, ends, strict=True))}")


@pytest.mark.parametrize("limit", ["8 MB", "512 MB"])
def test_little_memory(limit: str, base: Path, tmp_path: Path, expected: list[pl.DataFrame]) -> None:
    folder = copied(base, tmp_path)
    settings = folder / "dedup.toml"
    plain = settings.read_text()
    settings.write_text(f'{plain}[warehouse]\nmemory_limit = "{limit}"\n')
    done = dedup(folder, "run", "night2", "--quiet")
    assert done.returncode == (0 if limit == "512 MB" else done.returncode)
    assert done.returncode in (0, 1)
    assert len(done.stderr.splitlines()) == done.returncode
    assert "Traceback" not in done.stderr and "Internal error" not in done.stderr
    settings.write_text(plain)
    run(folder, 2)
    assert same(outcome(folder), expected)
    print(f"\n{limit}: exit code {done.returncode} {done.stderr.strip()}")


def test_two_runs_at_once(base: Path, tmp_path: Path, expected: list[pl.DataFrame]) -> None:
    folder = copied(base, tmp_path)
    both = [
        subprocess.Popen(
            [DEDUP, "run", "night2", "--quiet"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    told = [process.communicate()[1].decode() for process in both]
    codes = [process.returncode for process in both]
    assert sorted(codes) in ([0, 4], [0, 0])  # the second may come when the first has finished
    if 4 in codes:
        assert "is held by process" in told[codes.index(4)]
    assert same(outcome(folder), expected)
    print(f"\nexit codes {codes}")
