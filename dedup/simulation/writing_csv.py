"""Canonical CSV: one file for each facility and week (or as many days as asked for)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dedup.simulation.canonical import batches, canonical, of_facility
from dedup.simulation.world import World

__all__ = ["file_name", "write"]


def file_name(world: World, facility: int, batch: int) -> str:
    """Facility and first day, e.g. ``03001_2026-01-08``."""
    day = np.datetime64(world.start) + world.file_days * batch
    return f"{world.facilities.code[facility]}_{day}"


def write(world: World, facility: int, folder: Path) -> int:
    """Write the facility's files; columns it never fills are left out. Returns the number of files."""
    lines = of_facility(world, facility)
    frame = canonical(world, facility, lines)
    frame = frame.select([name for name in frame.columns if frame[name].null_count() < len(frame)])
    batch = batches(world, world.acts.at[world.orders.act[lines]])
    found = np.unique(batch).tolist()
    for number in found:
        # as written down over the days: by time of the order, not by patient
        at = np.flatnonzero(batch == number)
        at = at[np.lexsort((at, world.acts.at[world.orders.act[lines[at]]]))]
        frame[at].write_csv(folder / f"{file_name(world, facility, number)}.csv")
    return len(found)
