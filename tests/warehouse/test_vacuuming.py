"""Vacuum: the same content in a smaller file."""

from __future__ import annotations

import stat
from pathlib import Path

import duckdb
import pytest

from dedup.errors import LockedError
from dedup.schema import TABLES, VIEWS
from dedup.settings import WarehouseSettings
from dedup.warehouse import open_warehouse
from dedup.warehouse.checking import check_warehouse
from dedup.warehouse.vacuuming import vacuum


@pytest.mark.parametrize("name", ["w.duckdb", 'it\'s a "kho" [1].duckdb'])
def test_the_same_content_in_a_smaller_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    with open_warehouse(path) as warehouse:
        con = warehouse.con
        con.execute("INSERT INTO todo (stage, patient_record_id) SELECT md5(i::VARCHAR), i FROM range(400000) AS t(i)")
        con.execute("CHECKPOINT")
        con.execute("DELETE FROM todo WHERE patient_record_id > 10")
        kept = con.execute("FROM todo ORDER BY ALL").fetchall()
    size = path.stat().st_size
    with open_warehouse(path) as warehouse:
        before, after = vacuum(warehouse)
    assert (before, after) == (size, path.stat().st_size)
    assert after < before / 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with open_warehouse(path, read_only=True) as warehouse:
        assert warehouse.con.execute("FROM todo ORDER BY ALL").fetchall() == kept
        rows = warehouse.con.execute("SELECT table_name FROM information_schema.tables").fetchall()
    assert {row[0] for row in rows} == {*TABLES, *VIEWS, "schema_version"}
    assert {finding.outcome for finding in check_warehouse(WarehouseSettings(path=path))} <= {"good", "doubtful"}


def test_a_vacuum_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    with open_warehouse(path) as warehouse:
        warehouse.con.execute("INSERT INTO todo (stage, patient_record_id) VALUES ('match', 1)")
    with pytest.raises(duckdb.Error), open_warehouse(path) as warehouse:
        (tmp_path / "w.duckdb.vacuum").mkdir()
        vacuum(warehouse)
    (tmp_path / "w.duckdb.vacuum").rmdir()
    with open_warehouse(path, read_only=True) as warehouse:
        assert warehouse.con.execute("FROM todo").fetchall() == [("match", 1, None)]


def test_what_a_killed_vacuum_left_goes_with_the_next_writer(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    left = [tmp_path / f"w.duckdb{ending}" for ending in (".vacuum", ".vacuum.wal", ".encrypting", ".encrypting.wal")]
    for one in left:
        one.write_text("patients")
    open_warehouse(path).close()
    assert not any(one.exists() for one in left)


def test_a_link_to_a_warehouse_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    path, link = tmp_path / "real" / "w.duckdb", tmp_path / "w.duckdb"
    link.symlink_to(path)
    with open_warehouse(link) as warehouse:
        vacuum(warehouse)
        with pytest.raises(LockedError), open_warehouse(path):
            pass
    assert link.is_symlink()
    assert [one.name for one in tmp_path.iterdir() if not one.is_dir()] == [link.name]
    assert path.is_file()
