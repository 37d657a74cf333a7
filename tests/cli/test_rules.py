"""dedup rules."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from dedup.rules.reading import SHIPPED
from tests.cli.conftest import Dedup


def test_the_shipped_catalogue_is_in_order(dedup: Dedup) -> None:
    result = dedup("rules", "check", "--json")
    assert (result.returncode, result.stderr) == (0, "")
    assert json.loads(result.stdout)["tests"] > 100


def test_a_wrong_catalogue_is_5_with_every_place(dedup: Dedup, tmp_path: Path) -> None:
    shutil.copytree(SHIPPED, tmp_path / "rules")
    with (tmp_path / "rules" / "codes.csv").open("a", encoding="utf-8") as file:
        file.write("local,x1,no_such_test,,,\nlocal,x2,no_such_test_either,,,\n")
    result = dedup("rules", "check", "--rules", "rules")
    assert result.returncode == 5
    assert len(result.stderr.splitlines()) == 2
    assert all("codes.csv:" in line for line in result.stderr.splitlines())


def test_rules_are_listed_for_people_and_programs(dedup: Dedup) -> None:
    assert "moh26.hba1c" in dedup("rules", "list", "--test", "hba1c").stdout
    assert dedup("rules", "list", "--format", "csv").stdout.lstrip("\N{BYTE ORDER MARK}").startswith("kind,rule_id")
    assert dedup("rules", "list", "--format", "html").stdout.lstrip().lower().startswith("<!doctype html>")
    assert json.loads(dedup("rules", "list", "--kind", "exemption", "--json").stdout)[0]["kind"] == "exemption"
    assert dedup("rules", "list", "--test", "nonsense").returncode == 2


def test_a_diff_leaves_the_warehouse_as_it_is(dedup: Dedup, tmp_path: Path, orders: Path) -> None:
    dedup("run", orders, "--db", "w.duckdb", "--quiet")
    before = (tmp_path / "w.duckdb").read_bytes()
    words = ("rules", "diff", "moh-draft-2026-08", f"{SHIPPED}:guideline", "--db", "w.duckdb", "--json")
    found = json.loads(dedup(*words).stdout)
    assert set(found) == {"by_test", "changes"}
    assert (tmp_path / "w.duckdb").read_bytes() == before


def test_a_diff_as_csv_by_test_or_flag_by_flag(dedup: Dedup, tmp_path: Path, orders: Path) -> None:
    dedup("run", orders, "--db", "w.duckdb", "--quiet")
    (tmp_path / "site").mkdir()
    rows = "profile,test_id,valid_hours\nmoh-draft-2026-08,hba1c,\n"
    (tmp_path / "site" / "validity.csv").write_text(rows, encoding="utf-8")
    words = ("rules", "diff", "+", "+site", "--db", "w.duckdb", "--format", "csv")
    by_test = dedup(*words).stdout.removeprefix("\N{BYTE ORDER MARK}").splitlines()
    assert by_test[0].startswith("test_id,scope,gained,lost,changed,flags_before,flags_after,")
    assert [line.split(",")[:5] for line in by_test[1:]] == [
        ["*", "elsewhere", "0", "1", "0"], ["hba1c", "elsewhere", "0", "1", "0"]]  # fmt: skip
    changes = dedup(*words, "--changes").stdout.removeprefix("\N{BYTE ORDER MARK}").splitlines()
    assert len(changes) == 2 and changes[1].startswith("01002,B1,1,elsewhere,hba1c,lost,")
