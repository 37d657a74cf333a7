"""Who was given what is written down."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from tests.cli.conftest import Dedup


def test_every_report_and_export_is_noted(dedup: Dedup, tmp_path: Path, orders: Path) -> None:
    dedup("run", orders, "--db", "w.duckdb", "--quiet")
    for words in (["report"], ["export", "patients", "-o", "p.csv"], ["review", "export", "-o", "r.csv"]):
        for more in ([], ["--identified"]):
            assert dedup(*words, *more, "--db", "w.duckdb").returncode == 0
    log = tmp_path / "w.duckdb.access.jsonl"
    noted = [json.loads(line) for line in log.read_text().splitlines()]
    commands = ["report repeats", "export patients", "review export"]
    assert [one["command"] for one in noted] == [command for command in commands for _ in range(2)]
    assert [one["identified"] for one in noted] == [False, True] * 3
    assert all(one["user"] and one["at"] for one in noted)
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_what_is_pseudonymous_is_shown_with_a_word_about_the_log(dedup: Dedup, tmp_path: Path, orders: Path) -> None:
    dedup("run", orders, "--db", "w.duckdb", "--quiet")
    (tmp_path / "w.duckdb.access.jsonl").mkdir()
    shown = dedup("export", "flags", "-o", "f.csv", "--db", "w.duckdb")
    assert (shown.returncode, (tmp_path / "f.csv").exists()) == (0, True)
    assert "access log" in shown.stderr and "Nothing was shown" not in shown.stderr


def test_nobody_is_shown_unnoted(dedup: Dedup, tmp_path: Path, orders: Path) -> None:
    dedup("run", orders, "--db", "w.duckdb", "--quiet")
    (tmp_path / "w.duckdb.access.jsonl").mkdir()
    for words in (["export", "patients", "-o", "p.csv"], ["review", "export", "-o", "p.csv"]):
        refused = dedup(*words, "--identified", "--db", "w.duckdb")
        assert (refused.returncode, (tmp_path / "p.csv").exists()) == (1, False)
