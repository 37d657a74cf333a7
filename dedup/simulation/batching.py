"""A facility's canonical lines in files of some days each, as a system writes them down: by time of the order."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from dedup.simulation.canonical import batches, canonical, of_facility
from dedup.simulation.world import World

__all__ = ["batched", "file_name"]


def file_name(world: World, facility: int, batch: int) -> str:
    """Facility and first day, e.g. ``03001_2026-01-08``."""
    day = np.datetime64(world.start) + world.file_days * batch
    return f"{world.facilities.code[facility]}_{day}"


def batched(world: World, facility: int) -> Iterator[tuple[str, pl.DataFrame]]:
    """Name and lines of each file; columns the facility never fills are left out."""
    lines = of_facility(world, facility)
    frame = canonical(world, facility, lines)
    frame = frame.select([name for name in frame.columns if frame[name].null_count() < len(frame)])
    at = world.acts.at[world.orders.act[lines]]
    batch = batches(world, at)
    for number in np.unique(batch).tolist():
        chosen = np.flatnonzero(batch == number)
        yield file_name(world, facility, number), frame[chosen[np.lexsort((chosen, at[chosen]))]]
