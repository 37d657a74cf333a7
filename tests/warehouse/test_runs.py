"""The run log."""

from __future__ import annotations

import json

import pytest

from dedup.warehouse import Warehouse, memory_warehouse, start_run


def logged(warehouse: Warehouse, columns: str) -> list[tuple[object, ...]]:
    return warehouse.con.execute(f"SELECT {columns} FROM run ORDER BY run_id").fetchall()


def test_a_run_counts_its_stages() -> None:
    warehouse = memory_warehouse()
    with start_run(warehouse, "run") as run:
        with run.stage("load") as stage:
            stage.counts["rows_read"] = 3
            stage.notes.append("No register.")
        run.version(catalogue="abc", profile="guideline")
        run.version(model="1")
    row = logged(warehouse, "run_id, command, outcome, catalogue_version, model_version, profile")
    assert row == [(1, "run", "done", "abc", "1", "guideline")]
    counts, seconds, notes = map(json.loads, logged(warehouse, "counts, seconds, notes")[0])
    assert counts == {"load": {"rows_read": 3}}
    assert set(seconds) == {"load"}
    assert notes == {"load": ["No register."]}


def test_a_stage_that_fails_fails_the_run() -> None:
    warehouse = memory_warehouse()
    with pytest.raises(ZeroDivisionError), start_run(warehouse, "run") as run, run.stage("load"):
        raise ZeroDivisionError
    assert logged(warehouse, "outcome, ended_at IS NOT NULL") == [("failed", True)]


def test_a_killed_run_is_called_interrupted_by_the_next() -> None:
    warehouse = memory_warehouse()
    warehouse.con.execute("INSERT INTO run (run_id, outcome) VALUES (7, 'running')")
    with start_run(warehouse, "run") as run:
        assert run.run_id == 8
    assert logged(warehouse, "run_id, outcome") == [(7, "interrupted"), (8, "done")]
