"""A canary's name, numbers and values, looked for in everything said and written on every path that fails.

``DEDUP_KILLS=1 pytest tests/attack/test_canary.py -s`` kills at every place and prints how much was searched.
Allowed are the warehouse with its log, copies and backup, what spilt, and, until the next run sweeps it away, the
private folder in which a killed run unpacked its inputs; in an encrypted warehouse only the last.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cli.conftest import DEDUP, HEADER, Dedup
from tests.cli.conftest import dedup as dedup
from tests.cli.test_crash import KILLER
from tests.cli.test_privacy import CANARIES, FAILING, GOOD, found

AGAIN = GOOD.replace("01001,A1", "01002,B1").replace("2026-03-01", "2026-03-03")
#: Files that hold patients by their nature.
KEEPS = re.compile(r"w\.duckdb(\.wal|\.published/.*|\.schema-\d+\.backup|\.tmp-[^/]+/.*)?")
UNPACKED = re.compile(r"(tmp/)?dedup-scratch-[^/]+/.*")
KEY = "a key of this test alone, 40 letters long"
UNPACKING = """
from dedup.loading import receiving

unpack = receiving.members

def killing_members(*given):
    held = list(unpack(*given))
    here("unpacked")
    return held

receiving.members = killing_members
"""
PLACES = ("before commit of load", "before commit of match", "before commit of flag", "amid copy", "unpacked")
EVERY_DAY = (("before commit of load", "before commit of flag", "unpacked"), ("before commit of load", "amid copy"))
WATCHED = (
    "report", "report --json", "report --lang en --format html", "report --format csv", "report rollout", "runs list",
    "runs show", "runs show --format html --lang en", "runs show --json", "runs diff 1 2", "doctor", "doctor --json",
    "rules list", "explain 01002 B1", "explain 01002 B1 --format html", "explain 01002 none", "vacuum", "flag --all",
    "flag --profile none", "match --train", "backfill --from 2026-03-01 --to 2026-03-02", "load missing.csv",
    "export flags -o out/flags.csv", "export orders -o out/orders.csv", "export flags -o none/flags.csv",
    "report --format xlsx -o out/report.xlsx", "report --each-hospital out/each", "runs show -o out/night.txt",
    "review export -o out/pairs.csv", "review import night1/orders.csv",
)  # fmt: skip


@dataclass
class Searched:
    """What was looked through, and where a canary was."""

    outputs: int = 0
    files: int = 0
    size: int = 0
    hits: list[str] = field(default_factory=list)

    def text(self, what: str, content: bytes) -> None:
        """Look through ``content``."""
        self.size += len(content)
        self.hits += [f"{what}: {canary}" for canary in found(content)]

    def said(self, what: str, result: subprocess.CompletedProcess[bytes]) -> None:
        """Look through what a command said."""
        self.outputs += 1
        self.text(what, result.stdout + result.stderr)
        if b"Traceback" in result.stderr:
            self.hits.append(f"{what}: a traceback")

    def told(self, what: str, result: subprocess.CompletedProcess[str]) -> None:
        """The same of a command in this process."""
        code, said = result.returncode, (result.stdout.encode(), result.stderr.encode())
        self.said(what, subprocess.CompletedProcess(result.args, code, *said))

    def folder(self, what: str, folder: Path, allowed: tuple[re.Pattern[str], ...]) -> None:
        """Look through what was written into ``folder``, names included."""
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if name.startswith("night") or not path.is_file() or any(one.fullmatch(name) for one in allowed):
                continue
            self.files += 1
            self.text(f"{what}: {name}", name.encode() + b"\n" + content_of(path))


def content_of(path: Path) -> bytes:
    if path.suffix != ".xlsx":
        return path.read_bytes()
    with zipfile.ZipFile(path) as packed:
        return b"\n".join(packed.read(name) for name in packed.namelist())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two nights: in the first a prior, in the second, zipped, its repeat and every failing file."""
    for night in ("night1", "night2", "tmp", "out"):
        (tmp_path / night).mkdir()
    (tmp_path / "night1" / "orders.csv").write_text("\n".join([HEADER, GOOD]) + "\n", encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "night2" / "orders.zip", "w") as packed:
        packed.writestr("orders.csv", "\n".join([HEADER, AGAIN, AGAIN.replace("final", "CANARYVALUE")]) + "\n")
        packed.writestr("more.csv", "\n".join([HEADER, AGAIN.replace("B1", "B2")]) + "\n")
    (tmp_path / "dedup.toml").write_text('[warehouse]\npath = "w.duckdb"\n')
    (tmp_path / "kill.py").write_text(KILLER.replace("\nmain()", UNPACKING + "\nmain()"))
    return tmp_path


def call(folder: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    env = os.environ | {"TMPDIR": str(folder / "tmp"), "PYTHONFAULTHANDLER": "1"}
    return subprocess.run(words, cwd=folder, env=env, capture_output=True, check=False)


def test_every_command(folder: Path, dedup: Dedup, monkeypatch: pytest.MonkeyPatch) -> None:
    searched = Searched()
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "tmp"))
    for name, make in FAILING.items():
        (folder / "night2" / name).write_bytes(make(folder))
    for night in ("night1", "night2"):
        searched.told(f"run {night}", dedup("run", night))
    for words in WATCHED:
        searched.told(words, dedup(*words.split()))
    searched.folder("after all", folder, (KEEPS,))
    print(f"\n{searched.outputs} commands, {searched.files} files, {searched.size:,} bytes: {len(searched.hits)} hits")
    assert searched.hits == []


@pytest.mark.parametrize("key", ["", KEY], ids=["plain", "encrypted"])
def test_killed_in_every_stage(key: str, folder: Path) -> None:
    searched = Searched()
    if key:
        (folder / "dedup.toml").write_text('[warehouse]\npath = "w.duckdb"\nkey_file = "night.key"\n')
        (folder / "night.key").write_text(key)
        (folder / "night.key").chmod(0o600)
    allowed = (UNPACKED,) if key else (UNPACKED, KEEPS)
    call(folder, str(DEDUP), "run", "night1")
    for number, place in enumerate(PLACES if "DEDUP_KILLS" in os.environ else EVERY_DAY[bool(key)]):
        copy = shutil.copytree(folder, folder.parent / f"{number}")
        killed = call(copy, sys.executable, "kill.py", place, "run", "night2")
        assert killed.returncode == -signal.SIGKILL
        searched.said(f"killed {place}", killed)
        searched.folder(f"killed {place}", copy, allowed)
        if place == "unpacked":  # private until it is swept away
            left = [path for path in copy.rglob("dedup-scratch-*") if path.is_dir()]
            assert [path.stat().st_mode & 0o077 for path in left if "dedup-scratch" not in path.parent.as_posix()] == [
                0
            ]
        searched.said(f"after {place}", call(copy, str(DEDUP), "run", "night2"))
        searched.folder(f"after {place}", copy, allowed[1:])
        shutil.rmtree(copy)
    print(f"\n{searched.outputs} commands, {searched.files} files, {searched.size:,} bytes: {len(searched.hits)} hits")
    assert searched.hits == []


#: Errors as the engine words them, with a value in the text, out of the middle of each stage.
FAILING_STAGES = """
import sys
import duckdb
from dedup import pipeline
from dedup.cli import main

stage = sys.argv.pop(1)

def failing(*_, **__):
    try:
        duckdb.sql("SELECT CAST('Trịnh Thị Canh Gà Vàng 001190777123' AS INTEGER)").fetchall()
    except duckdb.Error as error:
        raise RuntimeError("0987001234 CANARYVALUE") from error

setattr(pipeline, stage, failing)
main()
"""


@pytest.mark.parametrize("stage", ["_load", "_match", "_flag"])
def test_an_error_that_quotes_a_value(stage: str, folder: Path) -> None:
    (folder / "fail.py").write_text(FAILING_STAGES)
    (folder / "fail.py").rename(folder / "night1" / "fail.py.txt")
    searched = Searched()
    failed = call(folder, sys.executable, "night1/fail.py.txt", stage, "run", "night1/orders.csv")
    assert failed.returncode == 1
    assert b"Internal error: RuntimeError" in failed.stderr
    searched.said(stage, failed)
    searched.said("runs show", call(folder, str(DEDUP), "runs", "show", "--json"))
    searched.folder(stage, folder, (KEEPS,))
    print(f"\n{searched.outputs} commands, {searched.files} files, {searched.size:,} bytes: {len(searched.hits)} hits")
    assert searched.hits == []


def test_the_search_would_find_it(folder: Path) -> None:
    searched = Searched()
    call(folder, str(DEDUP), "run", "night1")
    searched.folder("everything", folder, ())
    assert searched.hits != []
    assert CANARIES
