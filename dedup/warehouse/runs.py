"""The run log: what each run did, how long each stage took, and what it counted."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import json
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from dedup.errors import UsageError
from dedup.schema import TABLES, TIME_ZONE
from dedup.warehouse.events import Event, Watch, silent, tracked
from dedup.warehouse.opening import Warehouse

__all__ = ["Run", "Stage", "logged_run", "logged_runs", "now", "start_run"]

T = TypeVar("T")
NIGHTS = 7  # what "usual" means


def now() -> datetime.datetime:
    """The local time in Vietnam, to the second, without an offset."""
    return datetime.datetime.now(ZoneInfo(TIME_ZONE)).replace(tzinfo=None, microsecond=0)


@dataclass
class Stage:
    """What one stage counted and remarked. Counts and notes never hold a patient's value."""

    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass
class Run:
    """A run in progress; its row in the ``run`` table is written as it goes."""

    run_id: int
    warehouse: Warehouse
    stages: dict[str, Stage] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    watch: Watch = silent
    usual: dict[str, float] = field(default_factory=dict)  #: stage → seconds it took on most of the last nights

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[Stage]:
        """Time a stage and write down what it counted, once it has succeeded."""
        stage = self.stages.setdefault(name, Stage())
        started = time.perf_counter()
        self.watch({"event": "stage", "stage": name} | self._expected(name))
        yield stage
        self.seconds[name] = round(self.seconds.get(name, 0) + time.perf_counter() - started, 3)
        self._write()
        done = {"seconds": self.seconds[name], "counts": dict(stage.counts), "notes": list(stage.notes)}
        self.watch({"event": "stage_done", "stage": name} | done)

    def track(self, stage: str, groups: Iterable[Sequence[T]], of: int) -> Iterator[Sequence[T]]:
        """Groups of altogether ``of`` items, telling whoever watches how many are done."""
        return tracked(stage, groups, of, self.watch)

    def _expected(self, name: str) -> Event:
        if name not in self.usual:
            return {}
        later = list(self.usual)[list(self.usual).index(name) + 1 :]
        run_seconds = sum(self.usual[one] for one in (name, *later))
        return {"usual_seconds": self.usual[name], "usual_run_seconds_left": round(run_seconds, 3)}

    def version(self, *, catalogue: str | None = None, model: str | None = None, profile: str | None = None) -> None:
        """Note what the results were made with."""
        self.warehouse.con.execute(
            "UPDATE run SET catalogue_version = coalesce(?, catalogue_version), "
            "model_version = coalesce(?, model_version), profile = coalesce(?, profile) WHERE run_id = ?",
            [catalogue, model, profile, self.run_id],
        )

    def finish(self, outcome: str) -> None:
        """Close the log row: done or failed."""
        self._write()
        self.warehouse.con.execute(
            "UPDATE run SET outcome = ?, ended_at = ? WHERE run_id = ?", [outcome, now(), self.run_id]
        )
        self.watch({"event": "end", "run_id": self.run_id, "outcome": outcome})

    def _write(self) -> None:
        self.warehouse.con.execute(
            "UPDATE run SET counts = ?, seconds = ?, notes = ? WHERE run_id = ?",
            [
                json.dumps({name: stage.counts for name, stage in self.stages.items()}),
                json.dumps(self.seconds),
                json.dumps({name: stage.notes for name, stage in self.stages.items() if stage.notes}),
                self.run_id,
            ],
        )


@contextlib.contextmanager
def start_run(warehouse: Warehouse, command: str, watch: Watch = silent) -> Iterator[Run]:
    """Open a row in the run log; it ends as done, or as failed when the block raises. ``watch`` is told as it goes.

    A row still ``running`` from before belongs to a run that was killed: it becomes ``interrupted``.
    """
    con = warehouse.con
    con.execute("UPDATE run SET outcome = 'interrupted' WHERE outcome = 'running'")
    last = con.execute("SELECT coalesce(max(run_id), 0) FROM run").fetchone()
    run = Run(1 + (last[0] if last else 0), warehouse, watch=watch, usual=_usual(warehouse, command))
    con.execute(
        "INSERT INTO run (run_id, command, started_at, outcome, program_version) VALUES (?, ?, ?, 'running', ?)",
        [run.run_id, command, now(), importlib.metadata.version("dedup")],
    )
    watch({"event": "run", "run_id": run.run_id, "command": command})
    try:
        yield run
    except BaseException:
        run.finish("failed")
        raise
    run.finish("done")


def _usual(warehouse: Warehouse, command: str) -> dict[str, float]:
    """Stage → median seconds in the last runs of ``command`` that came to their end, in the order of the latest."""
    rows = warehouse.con.execute(
        "SELECT seconds FROM run WHERE command = ? AND outcome = 'done' ORDER BY run_id DESC LIMIT ?", [command, NIGHTS]
    ).fetchall()
    logged = [json.loads(row[0] or "{}") for row in rows]
    return {
        stage: statistics.median(one[stage] for one in logged if stage in one)
        for stage in (logged[0] if logged else ())
    }


def logged_runs(warehouse: Warehouse, limit: int) -> list[dict[str, Any]]:
    """The latest ``limit`` rows of the run log, the latest first; counts, seconds and notes as objects."""
    rows = warehouse.con.execute("SELECT * FROM run ORDER BY run_id DESC LIMIT ?", [limit]).fetchall()
    return [_row(row) for row in rows]


def logged_run(warehouse: Warehouse, run_id: int | None) -> dict[str, Any]:
    """One row of the run log; the last for None. Raises UsageError when there is none."""
    row = warehouse.con.execute(
        "SELECT * FROM run WHERE run_id = coalesce(?, (SELECT max(run_id) FROM run))", [run_id]
    ).fetchone()
    if row is None:
        which = "no run yet" if run_id is None else f"no run {run_id}"
        raise UsageError(f"There is {which} in this warehouse. 'dedup runs list' shows all.")
    return _row(row)


def _row(row: tuple[Any, ...]) -> dict[str, Any]:
    found = dict(zip(TABLES["run"].columns, row, strict=True))
    return found | {name: json.loads(found[name] or "{}") for name in ("counts", "seconds", "notes")}
