"""dedup doctor, and what it finds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from dedup.settings import WarehouseSettings
from dedup.warehouse import open_warehouse, start_run
from dedup.warehouse.checking import QUESTIONS, check_warehouse
from tests.cli.conftest import Dedup


@pytest.fixture
def settings(tmp_path: Path) -> WarehouseSettings:
    path = tmp_path / "w.duckdb"
    with open_warehouse(path) as warehouse, start_run(warehouse, "run"):
        pass
    return WarehouseSettings(path=path)


def outcomes(settings: WarehouseSettings) -> dict[str, str]:
    return {finding.question: finding.outcome for finding in check_warehouse(settings)}


def test_a_sound_warehouse_is_good(settings: WarehouseSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    found = outcomes(settings)
    assert set(found) == {"disk", "permissions", "encryption", *QUESTIONS}
    assert set(found.values()) == {"good"}


@pytest.mark.parametrize(
    ("question", "sql"),
    [
        ("tables", "ALTER TABLE todo ADD COLUMN other INTEGER"),
        ("tables", "DROP TABLE rejected_row"),
        (
            "deliveries",
            "INSERT INTO delivery BY NAME SELECT 3 AS rows_read, 1 AS rows_loaded, 0 AS rows_rejected",
        ),
        ("order lines", "INSERT INTO line (facility_id, order_id, line_no) VALUES ('a', 'b', 1), ('a', 'b', 1)"),
        ("flags", "INSERT INTO flag (facility_id, order_id, line_no) VALUES ('a', 'b', 1)"),
        ("clock", "UPDATE run SET started_at = TIMESTAMP '2999-01-01 00:00:00'"),
    ],
)
def test_what_is_wrong_is_found(question: str, sql: str, settings: WarehouseSettings) -> None:
    with open_warehouse(settings.path) as warehouse:
        warehouse.con.execute(sql)
    found = outcomes(settings)
    assert [name for name, outcome in found.items() if outcome == "bad"] == [question]


def test_what_waits_and_what_failed_is_doubtful(settings: WarehouseSettings) -> None:
    with open_warehouse(settings.path) as warehouse:
        warehouse.con.execute("INSERT INTO todo (stage, patient_record_id) VALUES ('match', 1)")
        warehouse.con.execute("UPDATE run SET outcome = 'failed'")
    found = outcomes(settings)
    assert [name for name, outcome in found.items() if outcome == "doubtful"] == ["waiting", "last run"]


def test_a_clock_that_is_right_again_is_good(settings: WarehouseSettings) -> None:
    with open_warehouse(settings.path) as warehouse:
        warehouse.con.execute("UPDATE run SET started_at = TIMESTAMP '2999-01-01 00:00:00'")
        with start_run(warehouse, "run"):
            pass
    assert outcomes(settings)["clock"] == "good"


def loosen(path: Path) -> None:
    path.chmod(0o640)


def spoil(path: Path) -> None:
    path.write_bytes(b"\0" * 9000)


@pytest.mark.parametrize(("question", "harm"), [("permissions", loosen), ("warehouse", spoil)])
def test_a_harmed_file_is_bad(question: str, harm: Callable[[Path], None], settings: WarehouseSettings) -> None:
    harm(settings.path)
    assert outcomes(settings)[question] == "bad"


def test_a_damaged_block_is_found_wherever_it_is(settings: WarehouseSettings) -> None:
    with open_warehouse(settings.path) as warehouse:
        warehouse.con.execute("INSERT INTO line (line_id, value) SELECT n, md5(n::TEXT) FROM range(100_000) AS t (n)")
    data = settings.path.read_bytes()
    middle = len(data) // 2
    settings.path.write_bytes(data[:middle] + b"\x55" * 4096 + data[middle + 4096 :])
    assert outcomes(settings)["content"] == "bad"


def test_a_full_disk_is_bad(settings: WarehouseSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 99, 1))  # type: ignore[attr-defined]
    assert outcomes(settings)["disk"] == "bad"


def test_the_command_says_it_and_ends_with_1(dedup: Dedup, settings: WarehouseSettings) -> None:
    good = dedup("doctor", "--db", settings.path, "--json")
    assert good.returncode == 0
    assert {"versions", "rules"} <= {finding["question"] for finding in json.loads(good.stdout)}
    duckdb.connect(settings.path).execute("DROP TABLE rejected_row").close()
    bad = dedup("doctor", "--db", settings.path)
    assert (bad.returncode, bad.stderr) == (1, "Not in order: tables.\n")


def test_before_the_first_run_nothing_is_bad(dedup: Dedup, tmp_path: Path) -> None:
    assert dedup("doctor").returncode == 0
    assert list(tmp_path.iterdir()) == []
