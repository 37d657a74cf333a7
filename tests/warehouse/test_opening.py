"""The file: permissions, one writer, transactions, local time, and what is refused."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from dedup.errors import LockedError, WarehouseError
from dedup.schema import SCHEMA_VERSION, TABLES, TIME_ZONE, VIEWS
from dedup.settings import WarehouseSettings
from dedup.warehouse import (
    all_threads,
    memory_warehouse,
    one_thread,
    open_finished,
    open_warehouse,
    small_memory,
)

HOLD = """
import sys, time
from pathlib import Path
from dedup.warehouse import open_warehouse
warehouse = open_warehouse(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def loose_umask():
    before = os.umask(0)
    yield
    os.umask(before)


def test_files_are_for_their_owner_only(tmp_path: Path, loose_umask: None) -> None:
    path = tmp_path / "new" / "w.duckdb"
    with open_warehouse(path) as warehouse:
        warehouse.con.execute("INSERT INTO todo (stage, patient_record_id) VALUES ('match', 1)")
        assert {mode(one) for one in path.parent.iterdir()} == {0o600}
    assert mode(path.parent) == 0o700
    assert {mode(one) for one in path.parent.iterdir()} == {0o600}


def test_a_file_that_was_open_to_others_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    open_warehouse(path).close()
    path.chmod(0o644)
    open_warehouse(path).close()
    assert mode(path) == 0o600


def test_all_tables_and_views_stand(tmp_path: Path) -> None:
    with open_warehouse(tmp_path / "w.duckdb") as warehouse:
        rows = warehouse.con.execute("SELECT table_name FROM information_schema.tables").fetchall()
    assert {name for (name,) in rows} == {*TABLES, *VIEWS, "schema_version"}


def test_tables_in_the_file_have_the_columns_of_the_schema() -> None:
    warehouse = memory_warehouse()
    for table in TABLES.values():
        found = warehouse.con.execute(f"DESCRIBE {table.name}").fetchall()
        assert {row[0]: row[1] for row in found} == table.columns


def test_a_second_writer_is_told_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LockedError, match=rf"process {holder.pid} on \S+ since 20\d\d-"):
            open_warehouse(path)
        holder.kill()
        holder.wait()
    open_warehouse(path).close()  # the dead holder's lock is gone


def test_closing_lets_the_next_writer_in(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    for _ in range(2):
        open_warehouse(path).close()
    assert path.with_name("w.duckdb.lock").read_bytes() == b""


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    with open_warehouse(tmp_path / "w.duckdb") as warehouse:
        with pytest.raises(ZeroDivisionError), warehouse.transaction() as con:
            con.execute("INSERT INTO todo (stage, patient_record_id) VALUES ('match', 1)")
            raise ZeroDivisionError
        with warehouse.transaction() as con:
            con.execute("INSERT INTO todo (stage, patient_record_id) VALUES ('flag', 2)")
        assert warehouse.con.execute("FROM todo").fetchall() == [("flag", 2, None)]


def test_a_failed_statement_rolls_back_too(tmp_path: Path) -> None:
    with open_warehouse(tmp_path / "w.duckdb") as warehouse:
        with pytest.raises(duckdb.Error), warehouse.transaction() as con:
            con.execute("INSERT INTO todo (stage, patient_record_id) VALUES ('match', 1)")
            con.execute("SELECT nonsense")
        assert warehouse.con.execute("FROM todo").fetchall() == []


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    with open_warehouse(path) as warehouse:
        warehouse.con.execute("INSERT INTO schema_version VALUES (?)", [SCHEMA_VERSION + 1])
    for read_only in (False, True):
        with pytest.raises(WarehouseError, match="newer dedup"):
            open_warehouse(path, read_only=read_only)


@pytest.mark.parametrize("content", [b"", b"no database at all", b"\0" * 8192])
def test_a_file_that_is_no_warehouse_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.duckdb"
    path.write_bytes(content)
    with pytest.raises(WarehouseError):
        open_warehouse(path, read_only=True)


def test_somebody_elses_duckdb_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    duckdb.connect(path).close()
    with pytest.raises(WarehouseError, match="not a dedup warehouse"):
        open_warehouse(path, read_only=True)
    with duckdb.connect(path) as con:
        con.execute("CREATE TABLE theirs (a INTEGER)")
    with pytest.raises(WarehouseError, match="not a dedup warehouse"):
        open_warehouse(path)


def test_an_empty_file_becomes_a_warehouse(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    path.touch()
    open_warehouse(path).close()
    open_warehouse(path, read_only=True).close()


def test_an_emptied_file_does_not_take_the_copies_along(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    with open_warehouse(path) as warehouse:
        warehouse.publish(1)
    path.write_bytes(b"")
    with pytest.raises(WarehouseError):
        open_warehouse(path)
    open_finished(path).close()


def test_what_fails_inside_is_what_is_told() -> None:
    with memory_warehouse() as warehouse:
        before = warehouse.con.execute("SELECT current_setting('memory_limit'), current_setting('threads')").fetchall()
        with (
            pytest.raises(duckdb.ConversionException),
            warehouse.transaction() as con,
            one_thread(con),
            small_memory(con, 1),
        ):
            con.execute("SELECT CAST('x' AS INTEGER)")
        after = warehouse.con.execute("SELECT current_setting('memory_limit'), current_setting('threads')").fetchall()
        assert after == before


def test_one_thread_writes_and_all_of_them_read() -> None:
    def threads() -> int:
        (said,) = con.execute("SELECT current_setting('threads')").fetchone() or (0,)
        return int(said)

    with memory_warehouse(WarehouseSettings(threads=3)) as warehouse:
        con = warehouse.con
        with all_threads(con):
            assert threads() == 3
        with one_thread(con):
            assert threads() == 1
            with pytest.raises(duckdb.ConversionException), warehouse.transaction(), all_threads(con):
                assert threads() == 3
                con.execute("SELECT CAST('x' AS INTEGER)")
            assert threads() == 1
            with one_thread(con):
                assert threads() == 1
        assert threads() == 3
        with one_thread(con, of=2), all_threads(con):
            assert threads() == 3


@pytest.mark.parametrize("limit", [None, "512MB", "1.7GB", "3GB"])
def test_a_small_memory_leaves_the_limit_as_it_was(limit: str | None) -> None:
    def held() -> str:
        (said,) = warehouse.con.execute("SELECT current_setting('memory_limit')").fetchone() or ("",)
        return str(said)

    with memory_warehouse(WarehouseSettings(memory_limit=limit)) as warehouse:
        before = held()
        for _ in range(3):
            with small_memory(warehouse.con, 700_000_000):
                assert held() == (before if limit == "512MB" else "1.1 GiB")
            assert held() == before


def test_reading_needs_a_file(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="There is no warehouse"):
        open_warehouse(tmp_path / "w.duckdb", read_only=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Ho_Chi_Minh", "nonsense/zone"])
def test_time_is_local_time_in_vietnam(zone: str) -> None:
    code = (
        "from dedup.warehouse import memory_warehouse; from dedup.warehouse.runs import now; import json;"
        "con = memory_warehouse().con; print(json.dumps([con.execute("
        "\"SELECT current_setting('TimeZone'), "
        "CAST('2026-03-01T00:00:00Z'::TIMESTAMPTZ AS TIMESTAMP)::VARCHAR\""
        ").fetchone(), str(now())]))"
    )
    environment = os.environ | {"TZ": zone}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    found, _ = json.loads(result.stdout)
    assert found == [TIME_ZONE, "2026-03-01 07:00:00"]
    assert result.stderr == ""


def test_the_settings_reach_the_engine(tmp_path: Path) -> None:
    settings = WarehouseSettings(threads=1, memory_limit="256 MiB", temp_directory=tmp_path / "spill")
    with open_warehouse(tmp_path / "w.duckdb", settings=settings) as warehouse:
        row = warehouse.con.execute(
            "SELECT current_setting('threads'), current_setting('memory_limit'), current_setting('temp_directory')"
        ).fetchone()
    assert row is not None
    assert row[:2] == (1, "256.0 MiB")
    assert Path(row[2]).parent == tmp_path / "spill"


def test_a_warehouse_does_not_show_what_it_holds(tmp_path: Path) -> None:
    with open_warehouse(tmp_path / "w.duckdb") as warehouse:
        assert repr(warehouse) == "Warehouse('w.duckdb')"
    assert repr(memory_warehouse()) == "Warehouse('in memory')"
