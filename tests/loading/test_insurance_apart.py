"""What several processes read is what one reads, and none of them outlives the one that wants it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dedup.loading import insurance_apart, insurance_reading
from dedup.warehouse import memory_warehouse
from tests.loading.conftest import loading, rows
from tests.loading.xml import RESULT, SERVICE, STAY, envelope, record

ENDING = {
    "at once": "raise SystemExit(1)",
    "killed half way": """
import os, signal
from dedup.loading import insurance_apart, insurance_reading
insurance_reading.MANY = 1
parts = insurance_reading.parts
def some(files):
    for number, part in enumerate(parts(files)):
        yield part
        if number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
insurance_apart.parts = some
insurance_apart.work()""",
}
_OF = "JOIN (SELECT {key}, source_name FROM delivery) USING ({key})"
STORED = (
    f"SELECT * FROM line {_OF.format(key='delivery_no')} ORDER BY line_id",
    f"SELECT * EXCLUDE (delivery_id) FROM rejected_row {_OF.format(key='delivery_id')} ORDER BY ALL",
    f"SELECT * FROM encounter {_OF.format(key='delivery_no')} ORDER BY ALL",
    "FROM patient_identity ORDER BY ALL",
)


@pytest.fixture
def feed(tmp_path: Path) -> Path:
    """Nine files: good ones, news of an earlier one, one cut off, one with a DOCTYPE, one with a bad payload."""
    folder = tmp_path / "feed"
    folder.mkdir()

    def some(first: int, day: int = 2) -> str:
        stays = [STAY | {"MA_LK": str(number), "MA_BN": f"BN{number}"} for number in range(first, first + 5)]
        return envelope(
            *(
                record(
                    stay,
                    [SERVICE | {"MA_LK": stay["MA_LK"], "STT": str(n)} for n in (1, 2)],
                    [RESULT | {"MA_LK": stay["MA_LK"]}],
                )
                for stay in stays
            )
        ).replace("20260402", f"202604{day:02}")

    texts = {f"{number}.xml": some(number * 10) for number in range(5)}
    texts["5.xml"] = some(10, day=9).replace("22400.00<", "9.00<")
    texts["6.xml"] = some(60)[:-700]
    texts["7.xml"] = "<!DOCTYPE a>" + some(70)
    texts["8.xml"] = some(80).replace(
        "<LOAIHOSO>XML1</LOAIHOSO><NOIDUNGFILE>", "<LOAIHOSO>XML1</LOAIHOSO><NOIDUNGFILE>%%", 1
    )
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """Those that were started; small files are worth one."""
    started: list[subprocess.Popen[bytes]] = []

    class Told(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *args: object, **options: object) -> None:
            super().__init__(*args, **options)  # type: ignore[call-overload]
            started.append(self)

    monkeypatch.setattr(insurance_apart, "_WORTH", 1)
    monkeypatch.setattr(insurance_apart, "_RUN", 1)
    monkeypatch.setattr(subprocess, "Popen", Told)
    return started


def stored(feed: Path, readers: int) -> list[object]:
    with memory_warehouse() as warehouse:
        warehouse.con.execute(f"SET threads = {readers}")
        summary = loading(warehouse, feed)
        told = [(one.source_name, one.rows_read, one.rows_counted, one.failed) for one in summary.deliveries]
        return [told, *(rows(warehouse, sql) for sql in STORED)]


def test_any_number_of_processes_reads_the_same(feed: Path, processes: list[subprocess.Popen[bytes]]) -> None:
    alone = stored(feed, 1)
    assert not processes
    for readers in (2, 3):
        assert stored(feed, readers) == alone
    assert len(processes) == 2 + 3
    assert all(process.returncode == -signal.SIGKILL for process in processes)  # by us, when nothing was left to read
    assert len(alone[1]) > 60  # type: ignore[arg-type]
    assert len(alone[2]) == 4  # type: ignore[arg-type]


def test_one_file_needs_no_process(feed: Path, processes: list[subprocess.Popen[bytes]]) -> None:
    assert stored(feed / "0.xml", 2) == stored(feed / "0.xml", 1)
    assert not processes


@pytest.mark.parametrize("ending", ENDING)
def test_a_process_that_dies_changes_nothing(
    feed: Path, processes: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    alone = stored(feed, 1)
    monkeypatch.setattr(insurance_apart, "_WORK", ENDING[ending])
    assert stored(feed, 2) == alone
    assert processes
    assert all(process.returncode != 0 for process in processes)


def test_small_parts_are_the_same_rows(feed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = stored(feed, 1)
    monkeypatch.setattr(insurance_reading, "MANY", 1)
    assert stored(feed, 1) == whole


def test_whoever_stops_reading_stops_the_processes(feed: Path, processes: list[subprocess.Popen[bytes]]) -> None:
    files = [(number, path) for number, path in enumerate(sorted(feed.iterdir()))]
    with insurance_apart.Readers(2) as readers:
        parts = readers.parts(files)
        next(parts)
        parts.close()
    assert len(processes) == 2
    assert all(process.poll() is not None for process in processes)


def test_a_process_leaves_with_its_parent(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "never")  # whoever opens it waits for a writer
    code = (
        "import sys, time; from pathlib import Path; from dedup.loading.insurance_apart import _Process\n"
        f"one = _Process(); one.give([(1, Path({str(tmp_path / 'never')!r}))])\n"
        "time.sleep(3); print(one.process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        os.kill(child, 0)
        parent.send_signal(signal.SIGKILL)
    for _ in range(100):
        if not Path(f"/proc/{child}").exists() or "\nState:\tZ" in Path(f"/proc/{child}/status").read_text():
            return
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    pytest.fail("the process is still there")
