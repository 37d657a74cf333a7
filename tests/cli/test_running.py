"""The nightly commands, end to end."""

from __future__ import annotations

import hashlib
import json
import stat
import zipfile
from pathlib import Path

import polars as pl
import pytest

from tests.cli.conftest import HEADER, LINES, Dedup


def test_a_night_from_files_to_flags(dedup: Dedup, tmp_path: Path, orders: Path) -> None:
    result = dedup("run", orders, "--db", "w.duckdb", "--json")
    assert result.returncode == 0
    assert "Traceback" not in result.stderr
    assert "arning" not in result.stderr
    assert json.loads(result.stdout)
    assert dedup("export", "flags", "-o", "f.parquet", "--db", "w.duckdb").returncode == 0
    flags = pl.read_parquet(tmp_path / "f.parquet")
    assert flags.select("facility_id", "scope", "verdict", "prior_facility_id").rows() == [
        ("01002", "elsewhere", "avoidable", "01001")
    ]


def test_stages_one_by_one_do_what_run_does(dedup: Dedup, tmp_path: Path, orders: Path) -> None:
    for words in (["load", orders], ["match"], ["flag"]):
        assert dedup(*words, "--db", "w.duckdb", "--quiet").returncode == 0
    assert dedup("export", "flags", "-o", "f.csv", "--db", "w.duckdb").returncode == 0
    assert (tmp_path / "f.csv").read_text(encoding="utf-8-sig").count("avoidable") >= 1


def test_the_same_file_again_changes_nothing(dedup: Dedup, tmp_path: Path, orders: Path) -> None:
    digests = []
    for _ in range(2):
        assert dedup("run", orders, "--db", "w.duckdb", "--quiet").returncode == 0
        assert dedup("export", "flags", "-o", "f.csv", "--db", "w.duckdb").returncode == 0
        digests.append((tmp_path / "f.csv").read_bytes())
    assert digests[0] == digests[1]


def test_too_many_rejected_rows_are_3_and_the_good_ones_are_in(dedup: Dedup, tmp_path: Path) -> None:
    bad = LINES[1].replace("2026-03-04T08:00", "yesterday")
    (tmp_path / "orders.csv").write_text("\n".join([HEADER, LINES[0], bad]) + "\n", encoding="utf-8")
    result = dedup("run", "orders.csv", "--db", "w.duckdb", "--json")
    assert result.returncode == 3
    assert hashlib.sha256((tmp_path / "orders.csv").read_bytes()).hexdigest()[:12] in result.stderr
    assert "orders.csv" not in result.stderr  # files may be named after patients
    assert "yesterday" not in result.stderr + result.stdout
    shown = json.loads(dedup("runs", "show", "--db", "w.duckdb", "--json").stdout)
    assert shown["outcome"] == "done"
    assert shown["counts"]["load"]["rows_loaded"] == 1


def test_what_a_human_decides_is_in_the_next_run(dedup: Dedup, tmp_path: Path) -> None:
    """A namesake with her birth date, no number, and another province: whether it is her, a human must say."""
    lines = [f"{HEADER},province", f"{LINES[0]},Hà Nội", LINES[1].replace("001190000011,0912345678", ",") + ",Cần Thơ"]
    text = "\n".join(lines).replace("Hoa", "Diễm Hoa")  # rare enough to be worth a look
    (tmp_path / "orders.csv").write_text(text + "\n", encoding="utf-8")
    assert dedup("run", "orders.csv", "--db", "w.duckdb", "--quiet").returncode == 0
    assert dedup("review", "export", "-o", "r.csv", "--db", "w.duckdb").returncode == 0
    waiting = pl.read_csv(tmp_path / "r.csv", infer_schema=False)
    assert len(waiting) == 1
    assert "Hoa" not in (tmp_path / "r.csv").read_text(encoding="utf-8")
    waiting.with_columns(decision=pl.lit("same")).write_csv(tmp_path / "r.csv")
    assert dedup("review", "import", "r.csv", "--db", "w.duckdb").returncode == 0
    assert dedup("run", "orders.csv", "--db", "w.duckdb", "--quiet").returncode == 0
    assert dedup("export", "flags", "-o", "f.parquet", "--db", "w.duckdb").returncode == 0
    assert pl.read_parquet(tmp_path / "f.parquet")["verdict"].to_list() == ["avoidable"]
    waiting.with_columns(decision=pl.lit("perhaps")).write_csv(tmp_path / "r.csv")
    refused = dedup("review", "import", "r.csv", "--db", "w.duckdb")
    assert refused.returncode == 5
    assert "r.csv:2" in refused.stderr


def test_quiet_says_nothing(dedup: Dedup, orders: Path) -> None:
    assert dedup("run", orders, "--db", "w.duckdb", "--quiet").stderr == ""


def test_everything_made_is_for_its_owner_only(dedup: Dedup, tmp_path: Path, orders: Path) -> None:
    dedup("run", orders, "--db", "new/w.duckdb")
    dedup("export", "patients", "--identified", "-o", "new/p.csv", "--db", "new/w.duckdb")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    made = list((tmp_path / "new").rglob("*"))
    assert len(made) >= 4
    assert {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in made} == {(False, 0o600), (True, 0o700)}


def test_runs_are_listed_the_latest_first(dedup: Dedup, orders: Path) -> None:
    for _ in range(2):
        dedup("run", orders, "--db", "w.duckdb", "--quiet")
    listed = json.loads(dedup("runs", "list", "--db", "w.duckdb", "--json").stdout)
    assert [row["run_id"] for row in listed] == [2, 1]
    assert dedup("runs", "list", "--db", "w.duckdb").stdout.splitlines()[0].split()[:2] == ["run_id", "command"]
    assert dedup("runs", "show", "9", "--db", "w.duckdb").returncode == 2


@pytest.mark.parametrize("command", ["match", "flag", "report", "runs list"])
def test_commands_that_need_a_warehouse_do_not_make_one(dedup: Dedup, tmp_path: Path, command: str) -> None:
    result = dedup(*command.split(), "--db", "w.duckdb")
    assert result.returncode == 1
    assert "There is no warehouse" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_settings_file_and_the_options_meet(dedup: Dedup, tmp_path: Path, orders: Path) -> None:
    (tmp_path / "dedup.toml").write_text('[warehouse]\npath = "here.duckdb"\n[report]\nlang = "en"\n')
    result = dedup("run", orders, "--quiet")
    assert result.returncode == 0
    assert "avoidable" in result.stdout
    assert "tránh được" in dedup("report", "--lang", "vi").stdout
    assert (tmp_path / "here.duckdb").exists()


def test_an_unknown_profile_is_5(dedup: Dedup, orders: Path) -> None:
    assert dedup("run", orders, "--db", "w.duckdb", "--profile", "nonsense").returncode == 5


def test_an_input_that_is_not_there_names_it(dedup: Dedup) -> None:
    result = dedup("run", "missing.csv", "--db", "w.duckdb")
    assert result.returncode in (1, 2)
    assert "missing.csv" in result.stderr


def test_a_world_is_simulated(dedup: Dedup, tmp_path: Path) -> None:
    result = dedup("simulate", "--persons", "50", "--days", "14", "-o", "world", "--json")
    assert result.returncode == 0
    assert json.loads(result.stdout)["persons"] > 0
    assert (tmp_path / "world" / "facilities.csv").exists()
    assert dedup("simulate", "--persons", "50", "-o", "w", "--format", "nonsense").returncode == 2


def test_findings_over_the_limit_are_6(dedup: Dedup, orders: Path) -> None:
    assert dedup("run", orders, "--db", "w.duckdb", "--fail-on", "0").returncode == 6
    assert dedup("report", "--db", "w.duckdb", "--fail-on", "1").returncode == 0


def test_a_run_ends_with_the_summary_of_its_night(dedup: Dedup, orders: Path) -> None:
    for extra in (["--lang", "en"], ["--lang", "vi"], ["--json"]):
        done = dedup("run", orders, "--db", "w.duckdb", *extra)
        assert done.stdout and done.stdout == dedup("runs", "show", "--db", "w.duckdb", *extra).stdout
    # a night that brings nothing: what was found before is still there
    assert dedup("run", orders, "--db", "w.duckdb", "--fail-on", "0").returncode == 6
    assert dedup("run", orders, "--db", "w.duckdb", "--fail-on", "1").returncode == 0


def test_two_runs_are_compared(dedup: Dedup, orders: Path) -> None:
    for _ in range(2):
        dedup("run", orders, "--db", "w.duckdb", "--quiet")
    rows = json.loads(dedup("runs", "diff", "1", "2", "--db", "w.duckdb", "--json").stdout)
    loaded = {row["what"]: (row["before"], row["after"]) for row in rows}["counts load rows_loaded"]
    assert loaded == (2, 0)


def test_a_line_is_explained(dedup: Dedup, orders: Path) -> None:
    dedup("run", orders, "--db", "w.duckdb", "--quiet")
    told = dedup("explain", "01002", "B1", "--db", "w.duckdb", "--lang", "en")
    assert "avoidable" in told.stdout
    assert "moh26.hba1c" in told.stdout
    assert "birth date: equal" in told.stdout
    assert dedup("explain", "01002", "nope", "--db", "w.duckdb").returncode == 2


@pytest.mark.parametrize("form", ["html", "xlsx", "csv", "json"])
def test_reports_are_written_as_files(form: str, dedup: Dedup, tmp_path: Path, orders: Path) -> None:
    dedup("run", orders, "--db", "w.duckdb", "--quiet")
    assert dedup("report", "--format", form, "-o", f"r.{form}", "--db", "w.duckdb").returncode == 0
    assert stat.S_IMODE((tmp_path / f"r.{form}").stat().st_mode) == 0o600
    if form == "html":
        words = ("report", "--format", form, "--each-hospital", "each", "--db", "w.duckdb")
        assert dedup(*words).returncode == 0
        assert len(list((tmp_path / "each").glob("*.html"))) == 3


@pytest.mark.parametrize("form", ["html", "xlsx", "csv", "json"])
def test_the_name_of_a_file_says_its_format(form: str, dedup: Dedup, tmp_path: Path, orders: Path) -> None:
    dedup("run", orders, "--db", "w.duckdb", "--quiet")
    dedup("report", "--format", form, "-o", "said", "--db", "w.duckdb")
    dedup("report", "-o", f"r.{form}", "--db", "w.duckdb")
    assert (tmp_path / f"r.{form}").stat().st_size == pytest.approx((tmp_path / "said").stat().st_size, rel=0.01)
    assert dedup("report", "--each-hospital", "each", "--db", "w.duckdb").returncode == 0
    assert (tmp_path / "each" / "index.html").exists()
    assert dedup("report", "--each-hospital", "each", "--fail-on", "0", "--db", "w.duckdb").returncode == 2
    assert dedup("report", "-o", "r.txt", "--db", "w.duckdb").returncode == 2


def test_vacuum_is_logged_and_keeps_everything(dedup: Dedup, tmp_path: Path, orders: Path) -> None:
    dedup("run", orders, "--db", "w.duckdb", "--quiet")
    dedup("export", "flags", "-o", "before.csv", "--db", "w.duckdb")
    assert json.loads(dedup("vacuum", "--db", "w.duckdb", "--json").stdout)["bytes_after"] > 0
    listed = json.loads(dedup("runs", "list", "--db", "w.duckdb", "--json").stdout)
    assert [(row["command"], row["outcome"]) for row in listed] == [("vacuum", "done"), ("run", "done")]
    dedup("run", orders, "--db", "w.duckdb", "--quiet")
    dedup("export", "flags", "-o", "after.csv", "--db", "w.duckdb")
    assert (tmp_path / "after.csv").read_bytes() == (tmp_path / "before.csv").read_bytes()


def test_the_same_bytes_under_another_name_change_nothing(dedup: Dedup, tmp_path: Path, orders: Path) -> None:
    dedup("run", orders, "--db", "w.duckdb", "--quiet")
    dedup("export", "flags", "-o", "before.csv", "--db", "w.duckdb")
    (tmp_path / "again").mkdir()
    orders.rename(tmp_path / "again" / "other.csv")
    with zipfile.ZipFile(tmp_path / "again" / "packed.zip", "w") as packed:
        packed.write(tmp_path / "again" / "other.csv", "inside.csv")
    counts = json.loads(dedup("load", "again", "--db", "w.duckdb", "--json").stdout)["counts"]["load"]
    assert (counts["rows_loaded"], counts["deliveries_repeated"]) == (0, 2)
    dedup("run", "again", "--db", "w.duckdb", "--quiet")
    dedup("export", "flags", "-o", "after.csv", "--db", "w.duckdb")
    assert (tmp_path / "after.csv").read_bytes() == (tmp_path / "before.csv").read_bytes()


def test_other_rules_make_flags_stale_until_all_are_judged_again(dedup: Dedup, orders: Path) -> None:
    dedup("run", orders, "--db", "w.duckdb", "--quiet")
    told = dedup("run", orders, "--db", "w.duckdb", "--profile", "conservative").stderr
    assert "stale" in told
    assert dedup("flag", "--all", "--profile", "conservative", "--db", "w.duckdb").returncode == 0
    assert "stale" not in dedup("run", orders, "--db", "w.duckdb", "--profile", "conservative").stderr
