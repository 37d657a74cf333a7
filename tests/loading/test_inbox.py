"""The inbox: what is ready, where files go, who is unusual."""

from __future__ import annotations

import datetime
import gzip
import os
import zipfile
from pathlib import Path

import pytest

from dedup import pipeline
from dedup.errors import UsageError
from dedup.loading.inbox import ready
from dedup.loading.watching import unusual
from dedup.settings import InboxSettings, Settings, WarehouseSettings
from dedup.warehouse import Warehouse, memory_warehouse

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
    assert [one.path for one in ready(settings.inbox)] == good


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
    assert set(summary.over_limit) == {"a.csv", "noise.bin"}


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
        "2 sent 500 order lines; 100 are usual.",
        "3 sent 20 order lines; 100 are usual.",
        "4 has sent nothing since 2026-03-15.",
    ]


def test_a_few_nights_tell_nothing() -> None:
    warehouse = memory_warehouse()
    sent(warehouse, "1", 1, 100, NIGHT - datetime.timedelta(days=1))
    sent(warehouse, "1", 2, 1, NIGHT)
    assert unusual(warehouse, 2, now=NIGHT, silent_days=3) == []
