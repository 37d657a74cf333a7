"""A run can be watched: a bar with the time left on a terminal, else one line of JSON an event."""

from __future__ import annotations

import datetime
import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from dedup.cli.watching import time_left
from dedup.warehouse import events
from tests.cli.conftest import DEDUP, HEADER, LINES, Dedup


def told(stderr: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in stderr.splitlines()]


def test_one_line_of_json_an_event(dedup: Dedup, orders: Path) -> None:
    first = told(dedup("run", orders).stderr)
    names = ["run", *["stage", "stage_done"] * 3, "end"]
    assert [one["event"] for one in first] == names
    assert [one.get("stage") for one in first[1:-1:2]] == ["load", "match", "flag"]
    assert (first[0]["run_id"], first[0]["command"], first[-1]["outcome"]) == (1, "run", "done")
    assert all(datetime.datetime.fromisoformat(str(one["at"])) for one in first)
    load = first[2]
    assert isinstance(load["counts"], dict) and load["counts"]["rows_loaded"] == 2
    assert "usual_seconds" not in first[1]
    second = told(dedup("run", orders).stderr)
    assert {"usual_seconds", "usual_run_seconds_left"} <= set(second[1])
    assert "usual_seconds" not in told(dedup("flag").stderr)[1]  # of the same command only


def test_a_failed_run_says_so(dedup: Dedup, orders: Path) -> None:
    register = orders.with_name("facilities.csv")
    register.write_text("facility_id,lab_level\n01001,9\n")
    result = dedup("run", orders, "--facilities", register)
    assert result.returncode == 5
    lines = result.stderr.splitlines()
    assert [json.loads(line)["event"] for line in lines if line.startswith("{")][-1] == "end"
    assert json.loads([line for line in lines if line.startswith("{")][-1])["outcome"] == "failed"
    assert lines[-1].startswith(str(register))


def test_files_are_counted_as_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "SECONDS_APART", 0.0)
    seen: list[events.Event] = []
    for number, group in enumerate(events.tracked("load", [[7], [8, 9], [10]], 4, seen.append)):
        assert len(group) == (1, 2, 1)[number]
        assert len(seen) == number  # it is done when the next one is asked for
    assert [(one["done"], one["of"]) for one in seen] == [(1, 4), (3, 4), (4, 4)]
    assert seen[-1]["seconds_left"] == 0.0


def test_the_time_left() -> None:
    assert time_left(7.0, None, 0.0) == "0:07"
    assert time_left(7.0, 70.0, 0.0) == "0:07, about 1:03 left"
    assert time_left(90.0, 70.0, 0.0) == "1:30, about 0:00 left"
    assert time_left(12.0, 30.0, 10.0) == "0:12, about 0:28 left"


def test_on_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("\n".join([HEADER, *LINES]) + "\n", encoding="utf-8")
    for night in (1, 2):
        ours, theirs = pty.openpty()
        command = [DEDUP, "run", "orders.csv"]
        env = os.environ | {"TERM": "xterm", "COLUMNS": "120"}
        with subprocess.Popen(command, cwd=tmp_path, stderr=theirs, stdout=subprocess.DEVNULL, env=env) as process:
            os.close(theirs)
            screen = b""
            while True:
                try:
                    part = os.read(ours, 65536)
                except OSError:  # the other end is closed
                    break
                screen += part
        os.close(ours)
        assert process.returncode == 0
        text = screen.decode()
        assert "rows loaded" in text
        assert '{"' not in text
        assert ("left" in text) == (night == 2)
