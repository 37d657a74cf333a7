"""FHIR R4 as bulk NDJSON: one file a resource type."""

from __future__ import annotations

from pathlib import Path

from dedup.simulation.batching import batched_lines, file_name
from dedup.simulation.canonical import canonical
from dedup.simulation.fhir import resources
from dedup.simulation.world import World

__all__ = ["write"]


def write(world: World, facility: int, folder: Path) -> int:
    """Write the facility's files: ``FACILITY_DAY.Type.ndjson``. Returns their number."""
    files = 0
    for batch, lines in batched_lines(world, facility):
        for kind, texts in resources(world, facility, lines, canonical(world, facility, lines)).items():
            if len(texts):
                path = folder / f"{file_name(world, facility, batch)}.{kind}.ndjson"
                path.write_text("\n".join(texts) + "\n", encoding="utf-8", newline="\n")
                files += 1
    return files
