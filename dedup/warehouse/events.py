"""What a run tells while it works: names, counts and seconds, never anything of a patient."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

__all__ = ["Event", "Watch", "silent", "tracked"]

#: ``event`` says what: run, stage, progress, stage_done, end; the other names depend on it.
Event = dict[str, object]
Watch = Callable[[Event], None]
T = TypeVar("T")

SECONDS_APART = 1.0  #: of two progress events


def silent(event: Event) -> None:
    """Tell nobody."""


def tracked(stage: str, items: Sequence[T], watch: Watch) -> Iterator[T]:
    """The items; as they are taken, tell how many are done and how many seconds are left at this pace."""
    started = told = time.perf_counter()
    for done, item in enumerate(items):
        moment = time.perf_counter()
        if done and moment - told >= SECONDS_APART:
            left = (moment - started) / done * (len(items) - done)
            watch({"event": "progress", "stage": stage, "done": done, "of": len(items), "seconds_left": round(left, 1)})
            told = moment
        yield item
    if len(items) > 1:
        watch({"event": "progress", "stage": stage, "done": len(items), "of": len(items), "seconds_left": 0.0})
