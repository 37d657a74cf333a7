"""The summary of a run: what it says, in each format, and that it names nobody."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from tests.cli.conftest import HEADER, LINES, Dedup
from tests.cli.conftest import dedup as dedup

BAD = LINES[1].replace("final", "perhaps").replace("B1", "B2")


@pytest.fixture
def two_runs(dedup: Dedup, tmp_path: Path) -> None:
    """The second ends the flag of the first, and rejects a row."""
    for lines in (LINES, [LINES[0].replace("final", "cancelled"), BAD]):
        (tmp_path / "orders.csv").write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
        dedup("run", "orders.csv", "--quiet")


def test_what_was_said_and_what_ended(dedup: Dedup, two_runs: None) -> None:
    first, second = (json.loads(dedup("runs", "show", run, "--json").stdout) for run in (1, 2))
    assert first["tables"]["flags"] == [
        {
            "scope": "elsewhere",
            "verdict": "avoidable",
            "flags": 1,
            "avoidable_vnd": first["tables"]["flags"][0]["avoidable_vnd"],
        }
    ]
    assert first["tables"]["facilities"] == [
        {"facility_id": code, "name": None, "lines": 1} for code in ("01001", "01002")
    ]
    assert second["tables"]["flags"] == []
    assert second["tables"]["ended"] == [{"scope": "elsewhere", "verdict": "avoidable", "flags": 1}]
    assert second["tables"]["rejected"] == [
        {"reason": "unknown_status", "column_name": "status", "rows": 1, "files": 1}
    ]
    assert (second["run_id"], second["outcome"]) == (2, "done")
    assert second["counts"]["load"]["rows_rejected"] == 1


@pytest.mark.parametrize(("lang", "word"), [("en", "No longer said"), ("vi", "Không còn được nêu")])
@pytest.mark.parametrize("form", ["text", "html"])
def test_as_a_mail_and_as_a_page(dedup: Dedup, two_runs: None, tmp_path: Path, lang: str, word: str, form: str) -> None:
    shown = dedup("runs", "show", "--format", form, "--lang", lang)
    assert shown.returncode == 0
    assert word in shown.stdout
    out = tmp_path / f"night.{form}"
    assert dedup("runs", "show", "2", "--format", form, "--lang", lang, "-o", out).returncode == 0
    assert out.read_text(encoding="utf-8") == shown.stdout
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert max(map(len, shown.stdout.splitlines())) < 110 or form == "html"
    if form == "html":
        assert "default-src &#39;none&#39;" in shown.stdout
        assert "http" not in shown.stdout.replace("http-equiv", "")


@pytest.mark.parametrize("form", ["text", "html", "json"])
def test_nobody_and_no_file_is_named(dedup: Dedup, two_runs: None, form: str) -> None:
    for run in (1, 2):
        shown = dedup("runs", "show", run, "--format", form).stdout
        for word in ("Nguyễn", "001190000011", "0912345678", "P1", "orders.csv", "perhaps"):
            assert word not in shown


def test_there_is_no_such_run(dedup: Dedup, two_runs: None) -> None:
    assert dedup("runs", "show", "7").returncode == 2
