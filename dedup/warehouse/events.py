"""What a run tells while it works: names, counts and seconds, never anything of a patient."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

__all__ = ["Event", "Watch", "silent", "tracked"]

#: ``event`` says what: run, stage, progress, stage_done, end; the other names depend on it.
Event = dict[str, object]
Watch = Callable[[Event], None]
T = TypeVar("T")

SECONDS_APART = 1.0  #: of two progress events


def silent(event: Event) -> None:
    """Tell nobody."""


def tracked(stage: str, groups: Iterable[Sequence[T]], of: int, watch: Watch) -> Iterator[Sequence[T]]:
    """Groups of altogether ``of`` items; when one is done, tell how many are and how many seconds are left at this
    pace."""
    started = told = time.perf_counter()
    done = 0
    for group in groups:
        yield group
        done += len(group)
        moment = time.perf_counter()
        if of > 1 and (done == of or moment - told >= SECONDS_APART):
            left = (moment - started) / done * (of - done)
            watch({"event": "progress", "stage": stage, "done": done, "of": of, "seconds_left": round(left, 1)})
            told = moment
