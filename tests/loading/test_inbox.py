"""The inbox: what is ready, where files go, who is unusual."""

from __future__ import annotations

import datetime
import errno
import gzip
import hashlib
import os
import zipfile
from pathlib import Path

import pytest

from dedup import pipeline
from dedup.errors import InputError, UsageError
from dedup.loading import inbox as inbox_room
from dedup.loading import load
from dedup.loading.counting import sha256
from dedup.loading.inbox import Left, ready
from dedup.loading.watching import unusual
from dedup.settings import InboxSettings, Settings, WarehouseSettings
from dedup.warehouse import Warehouse, memory_warehouse, open_warehouse, start_run

HEADER = "facility_id,order_id,patient_id,test_code,ordered_at,status"
NIGHT = datetime.datetime(2026, 3, 20, 1, 0)


def line(order: str, status: str = "final") -> str:
    return f"01001,{order},P1,23.0083.1523,2026-03-01T08:00,{status}"


def drop(inbox: Path, name: str, *lines: str, age: int = 600) -> Path:
    path = inbox / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    os.utime(path, (path.stat().st_mtime - age,) * 2)
    return path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "inbox").mkdir()
    return Settings(
        warehouse=WarehouseSettings(path=tmp_path / "w.duckdb"),
        inbox=InboxSettings(path=tmp_path / "inbox", archive=tmp_path / "archive", bad=tmp_path / "inbox" / "bad"),
    )


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_only_what_has_settled_is_ready(tmp_path: Path, settings: Settings) -> None:
    inbox = tmp_path / "inbox"
    good = [drop(inbox, "01001/a.csv"), drop(inbox, "01002/a.csv")]
    drop(inbox, "01001/now.csv", age=5)
    drop(inbox, "01001/sending.csv.part")
    drop(inbox, "01001/.hidden/a.csv")
    drop(inbox, ".hidden.csv")
    drop(inbox, "README.md")
    drop(inbox, "bad/01001/old.csv")
    (inbox / "link.csv").symlink_to(good[0])
    (inbox / "01003").symlink_to(inbox / "01001")
    os.mkfifo(inbox / "01002" / "pipe.csv")
    left = Left(inbox)
    assert [one.path for one in ready(settings.inbox, left)] == good
    assert left.sentences() == [
        "01002: 1 left: is no regular file.",
        "The inbox: 2 left: is a link.",
    ]


def test_no_inbox_is_said(tmp_path: Path) -> None:
    for inbox in (InboxSettings(), InboxSettings(path=tmp_path / "missing")):
        with pytest.raises(UsageError, match="under \\[inbox\\]"):
            ready(inbox)


def test_loaded_files_are_archived_and_bad_ones_set_aside_with_reasons(tmp_path: Path, settings: Settings) -> None:
    inbox = tmp_path / "inbox"
    drop(inbox, "01001/a.csv", line("A1"))
    drop(inbox, "01002/a.csv", line("A2"), line("A3", "CANARY"))
    (inbox / "noise.bin").write_bytes(os.urandom(500))
    os.utime(inbox / "noise.bin", (1, 1))
    summary = pipeline.night(settings)
    assert summary.counts["inbox"] == {"files archived": 1, "files set aside": 2}
    assert files(tmp_path / "archive") == ["01001/a.csv"]
    bad = ["01002/a.csv", "01002/a.csv.reason.txt", "noise.bin", "noise.bin.reason.txt"]
    assert files(inbox / "bad") == bad
    assert files(inbox) == [f"bad/{name}" for name in bad]
    reason = (inbox / "bad" / "01002" / "a.csv.reason.txt").read_text()
    assert "column status: 1 rows, the first is row 2" in reason
    assert "CANARY" not in reason
    assert len(set(summary.over_limit)) == 2


def test_an_archive_with_a_bad_file_is_set_aside(tmp_path: Path, settings: Settings) -> None:
    inbox = tmp_path / "inbox"
    good, bad = drop(tmp_path, "good.csv", line("A1")), drop(tmp_path, "bad.csv", line("A2", "CANARY"))
    for folder, held in (("01001", [good, bad]), ("01002", [drop(tmp_path, "fine.csv", line("A3"))])):
        (inbox / folder).mkdir()
        with zipfile.ZipFile(inbox / folder / "day.zip", "w") as archive:
            for file in held:
                archive.write(file, file.name)
    (inbox / "b.csv.gz").write_bytes(gzip.compress(drop(tmp_path, "other.csv", line("A4", "CANARY")).read_bytes()))
    for path in inbox.rglob("*"):
        os.utime(path, (1, 1))
    assert pipeline.night(settings).counts["inbox"] == {"files archived": 1, "files set aside": 2}
    assert files(tmp_path / "archive") == ["01002/day.zip"]
    reason = (inbox / "bad" / "01001" / "day.zip.reason.txt").read_text()
    assert reason.startswith("day.zip/bad.csv, delivery ")
    assert "column status: 1 rows" in reason
    assert (inbox / "bad" / "b.csv.gz.reason.txt").exists()


def test_a_name_that_is_taken_gets_a_number(tmp_path: Path, settings: Settings) -> None:
    for order in ("A1", "A2", "A3"):
        drop(tmp_path / "inbox", "a.csv", line(order))
        pipeline.night(settings)
    assert files(tmp_path / "archive") == ["a.csv", "a~2.csv", "a~3.csv"]


def test_a_file_changed_while_it_was_loaded_stays(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = drop(tmp_path / "inbox", "a.csv", line("A1"))
    match = pipeline._match

    def meanwhile(*given: object, **more: object) -> None:
        match(*given, **more)
        drop(tmp_path / "inbox", "a.csv", line("A1"), line("A2"))

    monkeypatch.setattr(pipeline, "_match", meanwhile)
    assert pipeline.night(settings).counts["inbox"] == {"files archived": 0, "files set aside": 0}
    assert path.exists()


def test_files_stay_when_no_folder_is_named(tmp_path: Path, settings: Settings) -> None:
    inbox = settings.inbox.model_copy(update={"archive": None, "bad": None})
    drop(tmp_path / "inbox", "a.csv", line("A1"))
    for _ in range(2):
        summary = pipeline.night(settings.model_copy(update={"inbox": inbox}))
    assert files(tmp_path / "inbox") == ["a.csv"]
    assert summary.counts["load"]["rows_loaded"] == 0


def test_bad_bytes_are_set_aside_whenever_they_come(tmp_path: Path, settings: Settings) -> None:
    inbox, nowhere = tmp_path / "inbox", settings.inbox.model_copy(update={"bad": None})
    for name, content in {"noise.bin": b"\x01\x02", "half.csv": None}.items():
        path = drop(inbox, name, line("A1"), line("A2", "?"))
        path.write_bytes(content or path.read_bytes())
        os.utime(path, (1, 1))
    unset = settings.model_copy(update={"inbox": nowhere})
    assert pipeline.night(unset).counts["inbox"] == {"files archived": 0, "files set aside": 0}
    assert pipeline.night(unset).counts["inbox"] == {"files archived": 0, "files set aside": 0}
    again = pipeline.night(settings)
    assert again.counts["inbox"] == {"files archived": 0, "files set aside": 2}
    assert "half.csv.reason.txt" in files(tmp_path / "inbox" / "bad")
    assert again.counts["load"]["rows_loaded"] == 0


def test_what_could_not_be_loaded_is_read_again(tmp_path: Path, settings: Settings) -> None:
    """Without a mapping, with a wrong one, with the right one, and once more: always the same bytes."""
    own = "phieu,bn,ma,gio\nA1,P1,23.0083.1523,2026-03-01T08:00\n"
    columns = {"order_id": "phieu", "patient_id": "bn", "test_code": "ma", "ordered_at": "gio"}
    mapping = tmp_path / "own.toml"
    expected = [
        ("unknown", 0, 0, 0),
        ("unknown", 0, 0, 0),
        ("mapped", 1, 0, 1),
        ("mapped", 1, 1, 0),
        ("mapped", 1, 1, 0),
    ]
    for night, row in enumerate(expected, 1):
        if night > 2:
            said = {"facility_id": "01001", "status": "done" if night == 3 else "final"}
            mapping.write_text(
                "".join(f'[columns.{name}]\ncolumn = "{column}"\n' for name, column in columns.items())
                + "".join(f'[columns.{name}]\nconstant = "{value}"\n' for name, value in said.items())
            )
            loading = settings.loading.model_copy(update={"mapping": mapping})
            settings = settings.model_copy(update={"loading": loading})
        path = tmp_path / "inbox" / f"{night}.csv"
        path.write_text(own)
        os.utime(path, (1, 1))
        pipeline.night(settings)
        with pipeline.reading(settings) as warehouse:
            ask = warehouse.con.execute
            assert ask("SELECT format, rows_read, rows_loaded, rows_rejected FROM delivery").fetchall() == [row]
            # the first night of an outcome is the one that is kept
            assert ask("SELECT run_id FROM delivery").fetchall() == [({2: 1, 5: 4}.get(night, night),)]
            assert ask("SELECT count(*) FROM rejected_row").fetchall() == [(int(night < 4),)]
            loaded = ask("SELECT count(*) FROM line JOIN delivery USING (delivery_no)").fetchall()
            assert loaded == [(row[2],)]
    assert files(tmp_path / "archive") == ["4.csv", "5.csv"]


def test_a_file_that_cannot_be_read_or_is_gone_stops_nobody(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = tmp_path / "inbox"
    locked, gone = drop(inbox, "01001/a\x1b\nb.csv", line("A1")), drop(inbox, "01002/b.csv", line("A2"))
    drop(inbox, "01003/c.csv", line("A3"))
    listed = inbox_room.ready

    def refused(path: Path) -> str:
        if path == locked:
            raise PermissionError(errno.EACCES, "Permission denied")
        return sha256(path)

    def vanishing(*given: object) -> object:
        found = listed(*given)  # type: ignore[arg-type]
        gone.unlink()
        return found

    monkeypatch.setattr("dedup.loading.receiving.sha256", refused)
    monkeypatch.setattr(inbox_room, "ready", vanishing)
    summary = pipeline.night(settings)
    assert summary.counts["load"]["rows_loaded"] == 1
    assert files(tmp_path / "archive") == ["01003/c.csv"]
    assert summary.notes["inbox"] == [
        "01001: 1 left: could not be read.",
        "01002: 1 left: was gone before it was read.",
    ]
    with pytest.raises(PermissionError):
        pipeline.run([locked], settings)


def test_what_cannot_be_moved_stays_and_is_told(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(tmp_path / "inbox", "01001/a.csv", line("A1"))
    (tmp_path / "archive").write_text("")
    summary = pipeline.night(settings)
    assert summary.counts["inbox"] == {"files archived": 0, "files set aside": 0}
    assert summary.notes["inbox"][0].startswith("01001: 1 left: could not be moved to ")
    (tmp_path / "archive").unlink()
    with monkeypatch.context() as other:
        other.setattr(os, "access", lambda path, mode: Path(path).name != "01001")
        for _ in range(2):
            assert pipeline.night(settings).notes["inbox"][0].endswith("Permission denied.")
    assert not (tmp_path / "archive").exists()
    assert pipeline.night(settings).counts["inbox"]["files archived"] == 1
    assert (tmp_path / "archive" / "01001" / "a.csv").stat().st_mode & 0o777 == 0o600


def test_on_another_file_system_a_file_is_whole_or_not_there(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = drop(tmp_path / "inbox", "a.csv", line("A1"))
    unlink = Path.unlink

    def across(self: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    def refused(self: Path, missing_ok: bool = False) -> None:
        if self == path:
            raise PermissionError(errno.EACCES, "Permission denied")
        unlink(self, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "rename", across)
    with monkeypatch.context() as other:
        other.setattr(Path, "unlink", refused)
        assert pipeline.night(settings).counts["inbox"]["files archived"] == 0
    assert (files(tmp_path / "archive"), path.exists()) == ([], True)
    # what a killed run left of its copy is written over
    left = hashlib.sha256(b"a.csv").hexdigest()[:32]
    (tmp_path / "archive" / f".{left}").write_text("half")
    assert pipeline.night(settings).counts["inbox"]["files archived"] == 1
    assert (files(tmp_path / "archive"), path.exists()) == (["a.csv"], False)
    assert (tmp_path / "archive" / "a.csv").stat().st_mode & 0o777 == 0o600


def test_long_names_are_shortened(tmp_path: Path, settings: Settings) -> None:
    name = "é" * 125 + ".csv"
    for status in "?!":
        drop(tmp_path / "inbox", name, line("A1", status))
        assert pipeline.night(settings).counts["inbox"]["files set aside"] == 1
    moved = files(tmp_path / "inbox" / "bad")
    assert len([one for one in moved if one.endswith(".reason.txt")]) == 2
    assert len([one for one in moved if one.endswith(".csv")]) == 2


def test_a_date_in_the_future_is_not_believed(tmp_path: Path, settings: Settings) -> None:
    path = drop(tmp_path / "inbox", "a.csv", age=-1_000_000)
    arrived, left = path.stat().st_ctime, Left(tmp_path / "inbox")
    assert ready(settings.inbox, left, at=arrived + 50) == []
    assert left.sentences() == []
    assert [one.path for one in ready(settings.inbox, left, at=arrived + 61)] == [path]
    assert ready(settings.inbox, left, at=arrived - 100) == []
    assert left.sentences() == ["The inbox: 1 left: came at a time that is still to come, says the clock."]


def test_folders_that_cannot_be_used_are_said(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = settings.inbox.model_copy(update={"archive": settings.inbox.path})
    with pytest.raises(UsageError, match="archive under"):
        ready(same)
    scandir, left = os.scandir, Left(tmp_path / "inbox")
    (tmp_path / "inbox" / "01001").mkdir()

    def refused(path: str) -> object:
        if Path(path).name == "01001":
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    with monkeypatch.context() as other:
        other.setattr(os, "scandir", refused)
        assert ready(settings.inbox, left) == []
    assert left.sentences() == ["The inbox: 1 left: the folder could not be read."]
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(InputError, match="permission denied"):
        ready(settings.inbox)


def sent(warehouse: Warehouse, facility: str, run: int, lines: int, at: datetime.datetime) -> None:
    con = warehouse.con
    number = run * 100 + int(facility)
    con.execute("INSERT INTO delivery (delivery_no, run_id, received_at) VALUES (?, ?, ?)", [number, run, at])
    con.execute("INSERT INTO line (facility_id, delivery_no) SELECT ?, ? FROM range(?)", [facility, number, lines])


def test_who_is_silent_or_sends_far_more_or_fewer_is_named() -> None:
    warehouse = memory_warehouse()
    for run in range(1, 7):
        at = NIGHT - datetime.timedelta(days=7 - run)
        for facility, lines in {"1": 100, "2": 100, "3": 100, "4": 100 if run < 3 else 0}.items():
            if lines:
                sent(warehouse, facility, run, lines, at)
    for facility, lines in {"1": 120, "2": 500, "3": 20}.items():
        sent(warehouse, facility, 7, lines, NIGHT)
    assert unusual(warehouse, 7, now=NIGHT, silent_days=3) == [
        "2 sent 500 new order lines; 100 are usual.",
        "3 sent 20 new order lines; 100 are usual.",
        "4 has sent nothing new since 2026-03-15.",
    ]


def test_a_few_nights_tell_nothing() -> None:
    warehouse = memory_warehouse()
    sent(warehouse, "1", 1, 100, NIGHT - datetime.timedelta(days=1))
    sent(warehouse, "1", 2, 1, NIGHT)
    assert unusual(warehouse, 2, now=NIGHT, silent_days=3) == []


def test_a_long_silence_is_named_until_it_ends() -> None:
    warehouse = memory_warehouse()
    sent(warehouse, "1", 1, 1, NIGHT - datetime.timedelta(days=400))
    sent(warehouse, "2", 2, 1, NIGHT)
    assert unusual(warehouse, 2, now=NIGHT, silent_days=3) == ["1 has sent nothing new since 2025-02-13."]
    sent(warehouse, "1", 3, 1, NIGHT)
    assert unusual(warehouse, 3, now=NIGHT, silent_days=3) == []


def test_what_was_dropped_as_sensitive_is_told_when_it_comes_again(tmp_path: Path, settings: Settings) -> None:
    path = drop(tmp_path, "a.csv", line("A1").replace("23.0083.1523", "HIV"), line("A2"))
    for basis, notes in ((None, []), (None, []), ("law", ["1 files known from before"])):
        loading = settings.loading.model_copy(update={"sensitive_legal_basis": basis})
        with open_warehouse(tmp_path / "w.duckdb") as warehouse, start_run(warehouse, "load") as run:
            given = settings.model_copy(update={"loading": loading})
            summary = load(
                warehouse, run, [path], given, sensitive=[("local", "HIV", None), ("vn-service", "HIV", None)]
            )
        assert [note[:25] for note in summary.notes] == notes
