"""Write a world to a folder: what the facilities send in ``input``, their register beside it, the truth apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from dedup.errors import UsageError

if TYPE_CHECKING:
    from dedup.simulation.rates import ErrorRates

__all__ = ["FORMATS", "SimulationSummary", "prepare", "simulate"]

#: Format → the module that writes it: ``write(world, facility, folder) -> files``.
FORMATS = {
    "csv": "dedup.simulation.writing_csv",
    "xml": "dedup.simulation.writing_xml",
    "parquet": "dedup.simulation.writing_parquet",
    "ndjson": "dedup.simulation.writing_ndjson",
    "fhir": "dedup.simulation.writing_fhir",
    "fhir-bundle": "dedup.simulation.writing_fhir_bundle",
    "hl7": "dedup.simulation.writing_hl7",
}


@dataclass(frozen=True)
class SimulationSummary:
    """What was written. ``duplicates`` counts the lines made as repeats of an earlier one."""

    out: Path
    persons: int
    facilities: int
    records: int
    lines: int
    duplicates: int
    files: int


def prepare(out: Path, *folders: str) -> None:
    """Make the folders of a world. Raises UsageError when one is not empty: two worlds would mix."""
    for folder in (out / name for name in folders):
        if folder.is_dir() and any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty; choose another folder or remove it first")
    for folder in (out / name for name in folders):
        folder.mkdir(parents=True, exist_ok=True)


def simulate(
    persons: int,
    seed: int,
    out: Path,
    *,
    formats: Sequence[str] = ("csv", "xml"),
    start: date = date(2026, 1, 1),
    days: int = 90,
    facilities: int | None = None,
    rates: ErrorRates | None = None,
    plain: bool = False,
    file_days: int = 7,
) -> SimulationSummary:
    """Write an invented world under ``out``.

    ``out/input`` holds the deliveries, ``out/facilities.csv`` the register (CONTRACT §2.2), ``out/truth`` what really
    happened. The first of ``formats`` is sent by four of five facilities. ``plain`` keeps to what every format
    can carry (national codes, no specimens, flags or reasons), so that the same world in another format gives the
    same flags. A file holds ``file_days`` days of one facility. Raises UsageError when a format is unknown, a number
    makes no sense, or ``out`` holds a world already.
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        raise UsageError(f"formats must be some of: {', '.join(FORMATS)}")
    if persons < 1 or days < 7 or file_days < 1 or seed < 0 or (facilities is not None and facilities < 8):
        raise UsageError("at least 1 person, 7 days, 1 day a file and 8 facilities, and a seed that is not negative")
    from dedup.simulation.facilities import register
    from dedup.simulation.truth import write_truth
    from dedup.simulation.world import make_world

    world = make_world(
        persons,
        seed,
        start=start,
        days=days,
        facilities=facilities,
        formats=formats,
        rates=rates,
        plain=plain,
        file_days=file_days,
    )
    prepare(out, "input", "truth")
    files = 0
    for facility, name in enumerate(world.facilities.format):
        if world.line_start[facility + 1] > world.line_start[facility]:
            files += import_module(FORMATS[name]).write(world, facility, out / "input")
    register(world.facilities).write_csv(out / "facilities.csv")
    repeats = write_truth(world, out / "truth")
    return SimulationSummary(
        out=out,
        persons=persons,
        facilities=len(world.facilities),
        records=len(world.records.person),
        lines=len(world.orders),
        duplicates=repeats,
        files=files,
    )
