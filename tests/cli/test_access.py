"""Who has seen names is written down."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from tests.cli.conftest import Dedup


def test_identified_exports_are_noted_and_others_are_not(dedup: Dedup, tmp_path: Path, orders: Path) -> None:
    dedup("run", orders, "--db", "w.duckdb", "--quiet")
    for words in (["export", "patients", "-o", "p.csv"], ["review", "export", "-o", "r.csv"]):
        for more in ([], ["--identified"]):
            assert dedup(*words, *more, "--db", "w.duckdb").returncode == 0
    log = tmp_path / "w.duckdb.access.jsonl"
    noted = [json.loads(line) for line in log.read_text().splitlines()]
    assert [one["command"] for one in noted] == ["export", "review export"]
    assert all(one["user"] and one["at"] for one in noted)
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_nobody_is_shown_unnoted(dedup: Dedup, tmp_path: Path, orders: Path) -> None:
    dedup("run", orders, "--db", "w.duckdb", "--quiet")
    (tmp_path / "w.duckdb.access.jsonl").mkdir()
    for words in (["export", "patients", "-o", "p.csv"], ["review", "export", "-o", "p.csv"]):
        refused = dedup(*words, "--identified", "--db", "w.duckdb")
        assert (refused.returncode, (tmp_path / "p.csv").exists()) == (1, False)
