"""The engine that reads foreign files reaches nothing else, whatever SQL should ever get to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from dedup.loading import load
from dedup.settings import Settings
from dedup.warehouse import Warehouse, memory_warehouse, open_warehouse, start_run
from tests.loading.conftest import order, write_csv


@pytest.fixture(params=["file", "memory"])
def loaded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Warehouse]:
    """A warehouse after its first load."""
    (tmp_path / "in").mkdir()
    delivery = write_csv(tmp_path / "in" / "a.csv", order())
    opened = open_warehouse(tmp_path / "w.duckdb") if request.param == "file" else memory_warehouse()
    with opened as warehouse:
        with start_run(warehouse, "load") as run:
            assert load(warehouse, run, [delivery], Settings()).rows_loaded == 1
        yield warehouse


@pytest.mark.parametrize(
    "sql",
    [
        "FROM read_text('/etc/passwd')",
        "FROM read_blob('/proc/self/environ')",
        "FROM read_csv('{folder}/in/a.csv')",
        "FROM '{folder}/in/a.csv'",
        "FROM read_csv('{room}/../../../../../../../etc/passwd')",
        "FROM read_csv('{room}/link')",
        "FROM glob('/etc/*')",
        "ATTACH '{folder}/other.duckdb'",
        "COPY (SELECT 1) TO '{folder}/out.csv'",
        "COPY line TO '{folder}/out.parquet'",
        "COPY line FROM '{folder}/in/a.csv'",
        "EXPORT DATABASE '{folder}/out'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "LOAD '{folder}/evil.duckdb_extension'",
        "FROM read_csv('https://127.0.0.1/a.csv')",
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "SET allowed_paths = ['/etc/passwd']",
        "SET lock_configuration = false",
        "SET allowed_configs = ['enable_external_access']",
        "SET max_temp_directory_size = '1GB'",
        "SET TimeZone = 'UTC'",
        "SET temp_directory = '{folder}'",
        "RESET allowed_directories",
        "PRAGMA temp_directory = '{folder}'",
    ],
)
def test_nothing_else_can_be_reached(loaded: Warehouse, tmp_path: Path, sql: str) -> None:
    room = loaded.confine()
    (room / "link").symlink_to("/etc/passwd")
    before = sorted(tmp_path.rglob("*"))
    for con in (loaded.con, loaded.con.cursor()):
        with pytest.raises(duckdb.Error):
            con.execute(sql.format(folder=tmp_path, room=room)).fetchall()
    assert sorted(tmp_path.rglob("*")) == before


def test_the_room_is_empty_private_and_goes_with_the_warehouse(loaded: Warehouse) -> None:
    room = loaded.confine()
    assert list(room.iterdir()) == []
    assert room.stat().st_mode & 0o777 == 0o700
    loaded.close()
    assert not room.exists()


def test_a_confined_engine_still_spills(tmp_path: Path) -> None:
    with open_warehouse(tmp_path / "w.duckdb") as warehouse:
        warehouse.con.execute("SET memory_limit = '60MB'")
        warehouse.confine()
        found = warehouse.con.execute(
            "SELECT count(*) FROM (SELECT a, hash(a) AS b FROM range(3_000_000) AS t(a) ORDER BY b, a LIMIT 2_999_999)"
        ).fetchone()
        assert found == (2_999_999,)


def test_files_on_another_file_system_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loaded: Warehouse
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    other = write_csv(tmp_path / "b.csv", order(order_id="B"))
    with start_run(loaded, "load") as run:
        assert load(loaded, run, [other], Settings()).rows_loaded == 1
    assert list(loaded.confine().iterdir()) == []
