"""The access log holds a line for each time, and stands in the way when it cannot be written."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from dedup.errors import DedupError
from dedup.warehouse.access import access_log, note_access


def test_one_line_each_time(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    note_access(path, "report", hospitals=("01001",))
    note_access(path, "export", what="patients")
    log = access_log(path)
    first, second = (json.loads(line) for line in log.read_text(encoding="utf-8").splitlines())
    assert (first["command"], first["hospitals"], second["what"]) == ("report", ["01001"], "patients")
    assert first["user"] and first["host"] and first["at"]
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_what_cannot_be_written_down_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DedupError):
        note_access(tmp_path / "no" / "w.duckdb", "report")
