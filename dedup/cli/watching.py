"""Who watches a run: a person at a terminal sees a bar and the time left, all else gets a line of JSON an event."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dedup.cli.call import Call
from dedup.cli.showing import stage_lines

if TYPE_CHECKING:
    from rich.progress import Progress, Task, TaskID

    from dedup.warehouse.events import Event, Watch

__all__ = ["watching"]


@contextlib.contextmanager
def watching(call: Call) -> Iterator[Watch]:
    """What the run of the block is to tell its events."""
    from dedup.warehouse.events import silent

    if call.quiet:
        yield silent
    elif sys.stderr.isatty():
        with _progress() as progress:
            yield _Terminal(progress)
    else:
        yield _put_line


def _put_line(event: Event) -> None:
    from dedup.warehouse.runs import now

    with contextlib.suppress(OSError):  # nobody reads, or the disk is full: no reason to lose a night
        print(json.dumps({"at": now().isoformat(), **event}, ensure_ascii=False), file=sys.stderr, flush=True)


def _progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn
    from rich.text import Text

    class Left(ProgressColumn):
        """How long it has taken, and how much longer it will take at this pace, or if it is as usual."""

        def render(self, task: Task) -> Text:
            return Text(time_left(task.elapsed or 0.0, task.fields.get("left"), task.fields.get("asked", 0.0)))

    return Progress(
        TextColumn("{task.description:<9}"), BarColumn(), Left(), console=Console(stderr=True), transient=True
    )


def time_left(elapsed: float, left: Any, asked: float) -> str:
    """``left`` seconds were left when ``asked`` had passed; None: nobody knows."""
    told = _clock(elapsed)
    return told if left is None else f"{told}, about {_clock(max(0.0, left - (elapsed - asked)))} left"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"


class _Terminal:
    """A bar for the stage in hand; a finished one leaves its line."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.task: TaskID | None = None
        self.began = 0.0

    def __call__(self, event: Event) -> None:
        told: dict[str, Any] = event
        if told["event"] == "stage":
            self._clear()
            self.began = time.monotonic()
            self.task = self.progress.add_task(told["stage"], total=None, left=told.get("usual_seconds"))
        elif told["event"] == "progress" and self.task is not None:
            asked = time.monotonic() - self.began
            self.progress.update(
                self.task, total=told["of"], completed=told["done"], left=told["seconds_left"], asked=asked
            )
        elif told["event"] == "stage_done":
            self._clear()
            stage = told["stage"]
            for line in stage_lines({stage: told["counts"]}, {stage: told["seconds"]}, {stage: told["notes"]}):
                self.progress.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _clear(self) -> None:
        if self.task is not None:
            self.progress.remove_task(self.task)
            self.task = None
