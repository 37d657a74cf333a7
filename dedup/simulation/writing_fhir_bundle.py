"""FHIR R4 as one Bundle a file."""

from __future__ import annotations

from pathlib import Path

from dedup.simulation.batching import batched_lines, file_name
from dedup.simulation.canonical import canonical
from dedup.simulation.fhir import resources
from dedup.simulation.world import World

__all__ = ["write"]


def write(world: World, facility: int, folder: Path) -> int:
    """Write the facility's files: collection Bundles. Returns their number."""
    files = 0
    for batch, lines in batched_lines(world, facility):
        made = resources(world, facility, lines, canonical(world, facility, lines))
        entries = ",\n".join(f'{{"resource":{text}}}' for texts in made.values() for text in texts)
        path = folder / f"{file_name(world, facility, batch)}.json"
        text = '{"resourceType":"Bundle","type":"collection","entry":[\n' + entries + "\n]}\n"
        path.write_text(text, encoding="utf-8", newline="\n")
        files += 1
    return files
