"""A facility's canonical lines in files of some days each, as a system writes them down: by time of the order."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from dedup.simulation.canonical import batches, canonical, of_facility
from dedup.simulation.draw import Ints
from dedup.simulation.world import World

__all__ = ["batched", "batched_lines", "file_name"]


def file_name(world: World, facility: int, batch: int) -> str:
    """Facility and first day, e.g. ``03001_2026-01-08``."""
    day = np.datetime64(world.start) + np.timedelta64(world.file_days * batch, "D")
    return f"{world.facilities.code[facility]}_{day}"


def batched_lines(world: World, facility: int) -> Iterator[tuple[int, Ints]]:
    """Number and lines of each file."""
    lines = of_facility(world, facility)
    at = world.acts.at[world.orders.act[lines]]
    batch = batches(world, at)
    for number in np.unique(batch).tolist():
        chosen = np.flatnonzero(batch == number)
        yield number, lines[chosen[np.lexsort((chosen, at[chosen]))]]


def batched(world: World, facility: int) -> Iterator[tuple[str, pl.DataFrame]]:
    """Name and canonical lines of each file; columns the facility never fills are left out."""
    frame = canonical(world, facility, of_facility(world, facility))
    frame = frame.select([name for name in frame.columns if frame[name].null_count() < len(frame)])
    first = int(world.line_start[facility])
    for number, lines in batched_lines(world, facility):
        yield file_name(world, facility, number), frame[lines - first]
