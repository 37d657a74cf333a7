"""Readers see the last finished night, whatever the writer is doing."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedup.errors import DedupError, WarehouseError
from dedup.settings import WarehouseSettings
from dedup.warehouse import Warehouse, open_finished, open_warehouse, publishing, scratch
from dedup.warehouse.checking import check_warehouse
from dedup.warehouse.publishing import finished_nights

SPILL = """
import os, signal, sys
from pathlib import Path
from dedup.settings import WarehouseSettings
from dedup.warehouse import open_warehouse
settings = WarehouseSettings(memory_limit="64 MB", threads=1)
con = open_warehouse(Path(sys.argv[1]), settings=settings).con
con.execute("SET preserve_insertion_order = false")
con.execute("CREATE TEMP TABLE big AS SELECT md5(i::VARCHAR) AS text FROM range(3000000) AS t(i)")
print("spilt", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def night(path: Path, number: int) -> None:
    with open_warehouse(path) as warehouse:
        warehouse.con.execute("INSERT INTO todo (stage, patient_record_id) VALUES ('match', ?)", [number])
        warehouse.publish(number)


def seen(warehouse: Warehouse) -> list[int]:
    return [row[0] for row in warehouse.con.execute("SELECT patient_record_id FROM todo ORDER BY ALL").fetchall()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "w.duckdb"


def test_a_reader_sees_finished_nights_while_the_next_is_written(path: Path) -> None:
    night(path, 1)
    with open_warehouse(path) as writer:
        writer.con.execute("INSERT INTO todo (stage, patient_record_id) VALUES ('match', 2)")
        with open_finished(path) as reader:
            assert seen(reader) == [1]
        writer.publish(2)
    with open_finished(path) as reader:
        assert seen(reader) == [1, 2]


def test_a_reader_keeps_no_writer_waiting_and_keeps_what_it_sees(path: Path) -> None:
    night(path, 1)
    with open_finished(path) as reader:
        for number in (2, 3, 4):
            night(path, number)
        assert seen(reader) == [1]


def test_two_nights_are_kept_for_their_owner_only(path: Path) -> None:
    for number in (8, 9, 10):
        night(path, number)
    copies = finished_nights(path)
    assert [copy.name for copy in copies] == ["run-00000010.duckdb", "run-00000009.duckdb"]
    assert {stat.S_IMODE(copy.stat().st_mode) for copy in copies} == {0o600}
    assert stat.S_IMODE(copies[0].parent.stat().st_mode) == 0o700
    assert sorted(copies[0].parent.iterdir()) == sorted(copies)


def test_the_older_copy_becomes_the_new_one_when_nobody_reads_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "_clone", lambda *_: False)
    for number in (1, 2):
        night(path, number)
    newer, older = (copy.stat().st_ino for copy in finished_nights(path))
    night(path, 3)
    assert [copy.stat().st_ino for copy in finished_nights(path)] == [older, newer]
    assert finished_nights(path)[0].read_bytes() == path.read_bytes()


def test_a_copy_that_somebody_has_open_is_left_alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "_clone", lambda *_: False)
    for number in (1, 2):
        night(path, number)
    older = finished_nights(path)[1]
    before, inode = older.read_bytes(), older.stat().st_ino
    with older.open("rb") as backup:
        night(path, 3)
        assert backup.read() == before
    assert inode not in {copy.stat().st_ino for copy in finished_nights(path)}


@given(data=st.data())
def test_what_differs_is_written(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    size = publishing._COMPARED
    part = data.draw(st.sampled_from([size, 2 * size, publishing._PART]))
    blocks = st.lists(st.sampled_from([b"a", b"b"]), max_size=4)
    rest = st.sampled_from([0, 1, 4096])
    old, new = (b"".join(one * size for one in data.draw(blocks)) + b"c" * data.draw(rest) for _ in range(2))
    folder = tmp_path_factory.mktemp("changes")
    source, target = folder / "source", folder / "target"
    source.write_bytes(new)
    target.write_bytes(old)
    with source.open("rb") as reading, target.open("r+b") as writing, mock.patch.object(publishing, "_PART", part):
        publishing._write_changes(reading.fileno(), writing.fileno())
    assert target.read_bytes() == new


def test_a_night_that_failed_is_not_published(path: Path) -> None:
    night(path, 1)
    with pytest.raises(ZeroDivisionError), open_warehouse(path) as writer:
        writer.con.execute("INSERT INTO todo (stage, patient_record_id) VALUES ('match', 2)")
        raise ZeroDivisionError
    with open_finished(path) as reader:
        assert seen(reader) == [1]


def test_a_torn_copy_is_passed_over(path: Path) -> None:
    night(path, 1)
    night(path, 2)
    newest = finished_nights(path)[0]
    newest.write_bytes(newest.read_bytes()[:5000])
    with open_finished(path) as reader:
        assert seen(reader) == [1]


def test_nothing_published_means_the_file_itself(path: Path) -> None:
    with open_warehouse(path) as writer:
        writer.con.execute("INSERT INTO todo (stage, patient_record_id) VALUES ('match', 1)")
    with open_finished(path) as reader:
        assert seen(reader) == [1]


def test_a_lost_warehouse_is_not_begun_anew_over_its_copies(path: Path) -> None:
    night(path, 1)
    path.unlink()
    for attempt in (open_finished, open_warehouse):
        with pytest.raises(WarehouseError, match="holds copies of its last nights"):
            attempt(path)
    (found,) = (one for one in check_warehouse(WarehouseSettings(path=path)) if one.question == "warehouse")
    assert found.outcome == "bad"
    (copy,) = finished_nights(path)
    copy.rename(path)
    with open_finished(path) as reader:
        assert seen(reader) == [1]


def test_no_room_for_the_copy_is_said_and_leaves_the_night_before(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    night(path, 1)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(publishing, "_clone", full)
    monkeypatch.setattr(publishing, "_copy", full)
    with pytest.raises(DedupError, match="No space left"):
        night(path, 2)
    monkeypatch.undo()
    with open_finished(path) as reader:
        assert seen(reader) == [1]
    night(path, 3)  # the lock was let go, and the night that could not be copied is in
    with open_finished(path) as reader:
        assert seen(reader) == [1, 2, 3]


def test_what_a_killed_process_spilt_is_swept_away(path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", SPILL, path], stdout=subprocess.PIPE, text=True, check=False)
    assert killed.stdout == "spilt\n"
    assert len(list(path.parent.glob("w.duckdb.tmp-*"))) == 1
    open_warehouse(path).close()
    assert list(path.parent.glob("w.duckdb.tmp-*")) == []


def test_a_chosen_folder_takes_what_spills(tmp_path: Path, path: Path) -> None:
    settings = WarehouseSettings(memory_limit="64 MB", threads=1, temp_directory=tmp_path / "a" / "spill")
    with open_warehouse(path, settings=settings) as warehouse:
        warehouse.con.execute("SET preserve_insertion_order = false")
        warehouse.con.execute("CREATE TEMP TABLE big AS SELECT md5(i::VARCHAR) AS text FROM range(3000000) AS t(i)")
        (spilt,) = (tmp_path / "a" / "spill").iterdir()
        assert {stat.S_IMODE(one.stat().st_mode) for one in (spilt, *spilt.iterdir())} <= {0o600, 0o700}
    assert list((tmp_path / "a" / "spill").iterdir()) == []


def test_what_a_killed_process_unpacked_is_swept_away(path: Path) -> None:
    code = (
        "import os, signal; from dedup.warehouse import scratch\n"
        "with scratch() as folder: print(folder, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=False)
    left = Path(killed.stdout.strip())
    assert stat.S_IMODE(left.stat().st_mode) == 0o700
    with scratch() as mine:
        open_warehouse(path).close()
        assert (left.exists(), mine.exists()) == (False, True)
    assert not mine.exists()


def test_a_backup_put_back_is_what_readers_see(path: Path) -> None:
    night(path, 1)
    backup = path.read_bytes()
    night(path, 2)
    night(path, 3)
    path.write_bytes(backup)
    night(path, 2)
    assert [copy.name for copy in finished_nights(path)] == ["run-00000002.duckdb"]
