"""An older file: a backup, then step by step; killed or refused anywhere, nothing is lost."""

from __future__ import annotations

import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from dedup.errors import DedupError, WarehouseError
from dedup.schema import SCHEMA_VERSION
from dedup.warehouse import migrating, open_finished, open_warehouse, opening
from dedup.warehouse.migrating import backups, wrong_tables
from dedup.warehouse.migrations import MIGRATIONS, Migration
from dedup.warehouse.runs import logged_run

#: Opens the warehouse and kills itself at a place.
KILLER = """
import os, signal, sys
from pathlib import Path
from dedup.warehouse import migrating, open_warehouse

place = sys.argv[2]

def here(name):
    if name == place:
        os.kill(os.getpid(), signal.SIGKILL)

copy, take = migrating.shutil.copyfile, migrating._take

def killing_copy(source, target):
    Path(target).write_bytes(b"half")
    here("amid the backup")
    copy(source, target)
    here("before the backup has its name")

def killing_take(con, step, backup):
    here("after the backup")
    take(con, step, backup)
    here("before the commit")

migrating.shutil.copyfile, migrating._take = killing_copy, killing_take
open_warehouse(Path(sys.argv[1]))
here("after the commit")
"""
PLACES = (
    "amid the backup",
    "before the backup has its name",
    "after the backup",
    "before the commit",
    "after the commit",
)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A file as version 1 left it: a run and a flag of its own."""
    path = tmp_path / "w.duckdb"
    with duckdb.connect(path) as con:
        con.execute((Path(__file__).parent / "schema_1.sql").read_text())
        con.execute("INSERT INTO run (run_id, command, outcome, counts) VALUES (7, 'run', 'done', '{}')")
        con.execute(
            "INSERT INTO flag BY NAME SELECT '01001' AS facility_id, 'A1' AS order_id, 1 AS line_no, 7 AS run_id"
        )
    return path


def moved(path: Path) -> None:
    with open_warehouse(path) as warehouse:
        assert wrong_tables(warehouse.con) == []
        assert warehouse.con.execute("SELECT order_id, run_id FROM flag").fetchall() == [("A1", 7)]
        assert warehouse.con.execute("FROM schema_version").fetchall() == [(SCHEMA_VERSION,)]
        log = logged_run(warehouse, None)
    assert (log["command"], log["outcome"], log["run_id"]) == ("migrate", "done", 7 + len(MIGRATIONS))
    assert "w.duckdb.schema-1.backup" in log["notes"]["migrate"][0]


def untouched(path: Path) -> None:
    with duckdb.connect(path, read_only=True) as con:
        assert con.execute("FROM schema_version").fetchall() == [(1,)]
        assert con.execute("SELECT order_id FROM flag").fetchall() == [("A1",)]
        assert con.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'flag_history'").fetchone() == (0,)


def test_moved_forward_with_a_backup(old: Path) -> None:
    before = old.read_bytes()
    moved(old)
    (backup,) = backups(old)
    assert backup.read_bytes() == before
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    untouched(backup)
    moved(old)  # once
    assert len(backups(old)) == 1


def test_what_was_not_yet_written_to_the_file_is_in_the_backup(old: Path) -> None:
    code = f"""
import duckdb, os
con = duckdb.connect({str(old)!r})
con.execute("UPDATE flag SET verdict = 'review'")
os._exit(0)"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert old.with_name("w.duckdb.wal").exists()
    open_warehouse(old).close()
    with duckdb.connect(backups(old)[0], read_only=True) as con:
        assert con.execute("SELECT verdict FROM flag").fetchall() == [("review",)]


def test_readers_are_told_who_moves_it(old: Path) -> None:
    with pytest.raises(WarehouseError, match=r"older dedup.*'dedup flag'"):
        open_warehouse(old, read_only=True)
    untouched(old)
    moved(old)
    open_finished(old).close()


@pytest.mark.parametrize("place", PLACES)
def test_killed_anywhere(place: str, old: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLER, old, place], check=False)
    assert killed.returncode == -signal.SIGKILL
    moved(old)
    (backup,) = backups(old)
    untouched(backup)
    assert list(old.parent.glob("*.part")) == []


def test_patient_records_are_the_same_once_they_are_a_view(old: Path) -> None:
    with duckdb.connect(old) as con:
        for step in MIGRATIONS[: [step.version for step in MIGRATIONS].index(11)]:
            for statement in step.statements:
                con.execute(statement)
        con.execute("UPDATE schema_version SET version = 10")
        columns = con.execute("DESCRIBE patient_record").fetchall()
        con.execute("""
INSERT INTO patient_record BY NAME
WITH kind AS (SELECT unnest(['cccd', 'cmnd', 'passport', 'other', NULL]) AS id_type),
     sex AS (SELECT unnest(['male', 'female', 'unknown']) AS sex, unnest([true, false, false]) AS newborn),
     born AS (SELECT unnest(['day', 'day', 'month', 'year', NULL]) AS birth_precision,
       unnest([DATE '1900-01-01', DATE '2100-12-31', DATE '1980-09-01', DATE '1975-01-01', NULL]) AS birth_date),
     name AS (SELECT unnest(['tran van an', NULL]) AS name, unnest([['1234567890', '2234567890'], NULL])
       AS insurance_numbers)
SELECT row_number() OVER () AS patient_record_id, 'F' AS facility_id, concat('P', patient_record_id) AS patient_id,
       patient_record_id // 2 AS person_id, 'fuzzy' AS match_method, 1 / patient_record_id AS match_probability,
       id_type, CASE WHEN id_type IS NOT NULL THEN '001' END AS id_number, id_type = 'cccd' IS TRUE AS id_trusted,
       insurance_numbers, name, name[:4] AS family_name, name[6:8] AS middle_name, name[-2:] AS given_name, birth_date,
       birth_precision, sex, '0912345678' AS phone, '01' AS province, NULL AS ward, newborn
FROM kind, sex, born, name""")
        con.execute(
            "INSERT INTO patient_identity BY NAME SELECT patient_record_id, facility_id, patient_id FROM patient_record"
        )
        con.execute("INSERT INTO match_record SELECT patient_record_id, patient_record_id * 3 FROM patient_record")
        con.execute("""
INSERT INTO match_variant BY NAME
SELECT patient_record_id * 3 AS variant_no, CASE WHEN id_trusted THEN 2 ELSE 1 END AS id_grade, 0 AS numbers,
       concat_ws(chr(31), coalesce(id_number, ''), coalesce(name, ''), coalesce(family_name, ''),
         coalesce(middle_name, ''), coalesce(given_name, ''), phone, province, '', '',
         coalesce(array_to_string(insurance_numbers, ' '), '')) AS texts
FROM patient_record""")
        before = con.execute("FROM patient_record ORDER BY ALL").fetchall()
    with open_warehouse(old) as warehouse:
        assert warehouse.con.execute("DESCRIBE patient_record").fetchall() == columns
        assert warehouse.con.execute("FROM patient_record ORDER BY ALL").fetchall() == before
    assert len(before) == 150


def test_each_step_is_kept_once_it_is_done(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = (
        Migration(SCHEMA_VERSION + 1, "a", ("CREATE TABLE a (i INTEGER)", "INSERT INTO a VALUES (1)")),
        Migration(SCHEMA_VERSION + 2, "b", ("DELETE FROM a", "no sql")),
    )
    for module in (migrating, opening):
        monkeypatch.setattr(module, "SCHEMA_VERSION", SCHEMA_VERSION + 2)
    monkeypatch.setattr(migrating, "MIGRATIONS", MIGRATIONS + steps)
    with pytest.raises(duckdb.ParserException):
        open_warehouse(old)
    monkeypatch.setattr(migrating, "MIGRATIONS", (*MIGRATIONS, steps[0], Migration(SCHEMA_VERSION + 2, "b", ())))
    with open_warehouse(old) as warehouse:
        assert warehouse.con.execute("FROM a").fetchall() == [(1,)]
        assert warehouse.con.execute("FROM schema_version").fetchall() == [(SCHEMA_VERSION + 2,)]
    assert [one.name for one in backups(old)] == [
        "w.duckdb.schema-1.backup",
        f"w.duckdb.schema-{SCHEMA_VERSION + 1}.backup",
    ]


def test_strange_tables_are_refused_and_left(old: Path) -> None:
    with duckdb.connect(old) as con:
        con.execute("ALTER TABLE line DROP order_key")
    with pytest.raises(WarehouseError, match="not as any dedup made them: line"):
        open_warehouse(old)
    untouched(backups(old)[0])
    with duckdb.connect(old, read_only=True) as con:  # the steps before the last are kept
        assert con.execute("FROM schema_version").fetchall() == [(SCHEMA_VERSION - 1,)]
        assert con.execute("SELECT order_id FROM flag").fetchall() == [("A1",)]


def test_no_room_for_the_backup_changes_nothing(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(DedupError, match=r"No space left on device.*Nothing was changed"):
        open_warehouse(old)
    assert backups(old) == []
    untouched(old)


def test_the_steps_lead_to_the_present_without_a_gap() -> None:
    assert [step.version for step in MIGRATIONS] == list(range(2, SCHEMA_VERSION + 1))


def test_a_result_that_waited_leaves_its_times_and_no_value(old: Path) -> None:
    with duckdb.connect(old) as con:
        for step in MIGRATIONS[:3]:
            for statement in step.statements:
                con.execute(statement)
        con.execute("UPDATE schema_version SET version = 4")
        con.execute(
            "INSERT INTO waiting_result BY NAME SELECT 7 AS request_key, false AS corrected, true AS finished, "
            "false AS cancelled, '2026-04-01T09:00' AS issued, 'POS' AS value, 'POS' AS flag"
        )
    with open_warehouse(old) as warehouse:
        found = warehouse.con.execute("SELECT request_key, status, issued, value, flag FROM request_result").fetchall()
    assert found == [(7, "final", "2026-04-01T09:00", None, None)]
