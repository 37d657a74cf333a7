"""Whatever goes wrong ends with one line on stderr and the contract's exit code."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dedup.cli.guard import guarded
from dedup.errors import DedupError, FindingsError, LockedError, RejectedError, UsageError, WarehouseError
from tests.cli.conftest import DEDUP, Dedup

CANARY = "001190000011"


def ends(error: BaseException, capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    with pytest.raises(SystemExit) as ended, guarded():
        raise error
    return ended.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DedupError("x"), 1),
        (UsageError("x"), 2),
        (RejectedError("x"), 3),
        (LockedError("x"), 4),
        (FindingsError("x"), 6),
        (WarehouseError("x"), 1),
    ],
)
def test_our_errors_say_what_they_say(error: DedupError, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert ends(error, capsys) == (code, "x\n")


def test_other_errors_say_only_what_kind_and_where(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = ends(ValueError(f"Could not convert {CANARY}"), capsys)
    assert code == 1
    assert said.startswith("Internal error: ValueError")
    assert CANARY not in said
    assert said.count("\n") == 1


def test_the_place_is_the_innermost_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    from dedup.warehouse import memory_warehouse

    with pytest.raises(SystemExit), guarded(), memory_warehouse().transaction() as con:
        con.execute(f"SELECT CAST('{CANARY}x' AS INTEGER)")
    said = capsys.readouterr().err
    assert "ConversionException at dedup/" in said
    assert CANARY not in said


def test_an_interrupt_is_130(capsys: pytest.CaptureFixture[str]) -> None:
    assert ends(KeyboardInterrupt(), capsys) == (130, "Interrupted.\n")


def test_a_full_disk_is_named_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert ends(OSError(28, "No space left on device", "w.csv"), capsys) == (1, "No space left on device: w.csv\n")


def test_an_engine_without_disk_is_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = ends(RuntimeError(f"IO Error: {CANARY}: No space left on device"), capsys)
    assert (code, said.split(".")[0]) == (1, "The disk is full")
    assert CANARY not in said


@pytest.mark.parametrize("sign", ["Corrupt database file: computed checksum", "Computed AES tag differs from read"])
def test_a_damaged_warehouse_is_told_apart(sign: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = ends(RuntimeError(f"IO Error: {sign} of {CANARY}"), capsys)
    assert (code, said.split(".")[0]) == (1, "The warehouse is damaged")
    assert CANARY not in said


def test_a_reader_that_went_away_is_no_error(tmp_path: Path) -> None:
    for words in ("--help", "runs list --help"):
        shell = f"set -o pipefail; {DEDUP} {words} | true; echo $?"
        result = subprocess.run(["bash", "-c", shell], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert result.stderr == ""
        assert result.stdout.strip() in ("0", "1", "141")  # typer says 1 when the help text itself cannot be written


@pytest.mark.parametrize("words", ["report --db w.duckdb", "report --db w.duckdb --json", "runs list --db w.duckdb"])
def test_a_reader_that_went_away_is_no_failure_of_a_report(
    dedup: Dedup, words: str, tmp_path: Path, orders: Path
) -> None:
    assert dedup("run", orders, "--db", "w.duckdb").returncode == 0
    shell = f"{DEDUP} {words} | true; echo ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", shell], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (result.stdout, result.stderr) == ("141\n", "")


def test_closed_streams_do_no_harm(tmp_path: Path, orders: Path) -> None:
    shell = f"{DEDUP} load {orders} --db w.duckdb <&- >&- 2>&-; echo $?"
    result = subprocess.run(["bash", "-c", shell], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (result.stdout, result.stderr) == ("0\n", "")


def test_a_full_stdout_is_an_error(dedup: Dedup, tmp_path: Path, orders: Path) -> None:
    assert dedup("load", orders, "--db", "w.duckdb").returncode == 0
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [DEDUP, "runs", "list", "--db", "w.duckdb"], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (result.returncode, result.stderr) == (1, b"No space left on device\n")


@pytest.mark.parametrize("locale", ["C", "POSIX", "en_US.ISO-8859-1"])
def test_output_is_utf8_whatever_the_locale(process: Dedup, locale: str) -> None:
    result = process("load", "khôngcó.csv", LC_ALL=locale, PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert result.returncode != 0
    assert "Traceback" not in result.stderr


SLEEP = "  time.sleep(30)"
QUERY = "  duckdb.sql('SELECT count(*) FROM range(100_000_000) AS a, range(1_000_000) AS b').fetchall()"


@pytest.mark.parametrize("asked", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("work", [SLEEP, QUERY])
def test_a_running_command_can_be_ended(work: str, asked: tuple[signal.Signals, int]) -> None:
    code = f"""import duckdb, time
from dedup.cli.guard import end_in_order, guarded
end_in_order()
with guarded():
  print('on', flush=True)
{work}"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.1)
        process.send_signal(asked[0])
        _, said = process.communicate(timeout=10)
    assert (process.returncode, said) == (asked[1], "Interrupted.\n")


def test_calling_it_wrong_is_2(dedup: Dedup) -> None:
    for words in (["nonsense"], ["run"], ["report", "--lang", "fr"], ["export", "flags"]):
        result = dedup(*words)
        assert result.returncode == 2, words
        assert result.stdout == ""


def test_wrong_settings_are_5_with_every_line(dedup: Dedup, tmp_path: Path) -> None:
    (tmp_path / "dedup.toml").write_text("[warehouse]\nthreads = 0\n[rules]\nx = 1\n")
    result = dedup("report")
    assert result.returncode == 5
    assert [line.split(": ")[0] for line in result.stderr.splitlines()] == ["dedup.toml:2", "dedup.toml:4"]
