"""Canonical lines as NDJSON."""

from __future__ import annotations

from pathlib import Path

from dedup.simulation.batching import batched
from dedup.simulation.world import World

__all__ = ["write"]


def write(world: World, facility: int, folder: Path) -> int:
    """Write the facility's files. Returns their number."""
    files = 0
    for name, frame in batched(world, facility):
        frame.write_ndjson(folder / f"{name}.ndjson")
        files += 1
    return files
