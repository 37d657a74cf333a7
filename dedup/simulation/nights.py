"""The same world as it comes in night after night: late, twice, out of order, and corrected.

CSV facilities send each night the lines with news: ordered, then collected, resulted, cancelled or corrected. XML
facilities send the encounters that ended that day and again those with new results. Then the world gets in the way:

* late: a facility is cut off for one to three days and sends its files afterwards, oldest first;
* out of order: single XML files come after younger ones (their NGAYLAP tells; a CSV has no date to tell by);
* twice: the same bytes come again under another name some nights later.

Loading the nights one after the other and loading everything at once must end in the same flags.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from dedup.errors import UsageError
from dedup.schema import STATUSES
from dedup.simulation import writing_xml
from dedup.simulation.batching import file_name
from dedup.simulation.canonical import batches, canonical, of_facility
from dedup.simulation.draw import Draw, Ints
from dedup.simulation.facilities import register
from dedup.simulation.simulate import prepare
from dedup.simulation.truth import write_truth
from dedup.simulation.visits import DAY
from dedup.simulation.world import World, make_world

__all__ = ["NightsSummary", "simulate_nights"]

_CUT_OFF = 0.03  #: share of facility days on which a facility is cut off
_DELAYED = 0.15  #: share of XML files that come after younger ones
_TWICE = 0.04  #: share of files that come twice


@dataclass(frozen=True)
class NightsSummary:
    """What was written under ``out/nights/01`` … and how much of it was out of line."""

    out: Path
    nights: int
    files: int
    late: int
    out_of_order: int
    twice: int
    lines: int  #: different order lines
    corrected: int  #: lines whose result was changed after it had been sent


def _events(world: World) -> tuple[Ints, Ints]:
    """When each line's end was known (result or cancellation; -1: never), and when its result was corrected (-1)."""
    orders, draw = world.orders, Draw(world.seed, "nights", "events")
    ordered = world.acts.at[orders.act]
    status = orders.status
    given_up = np.isin(status, (STATUSES.index("cancelled"), STATUSES.index("rejected")))
    known = np.where(given_up, ordered + 30 + draw.below(2 * DAY, len(ordered)), orders.resulted)
    known = np.where(given_up, np.minimum(known, world.end - 1), known)
    changed = orders.resulted + 60 + draw.below(5 * DAY, len(ordered))
    corrected = (status == STATUSES.index("corrected")) & (orders.resulted >= 0)
    return known, np.where(corrected, np.minimum(changed, world.end - 1), -1)


def _as_of(frame: pl.DataFrame, known: Ints, changed: Ints, collected: Ints, now: int) -> pl.DataFrame:
    """The lines as they stood at a time: no result before it was there, and the first result before its correction."""
    open_ = pl.Series((known >= now) | (known < 0))
    drawn = pl.Series((collected >= 0) & (collected < now))
    first = pl.Series((changed >= now) & (known < now))
    blank = [name for name in ("resulted_at", "value", "unit", "abnormal_flag") if name in frame.columns]
    ended = pl.when(first).then(pl.lit("final")).otherwise("status")
    status = pl.when(open_ & drawn).then(pl.lit("collected")).when(open_).then(pl.lit("ordered")).otherwise(ended)
    frame = frame.with_columns(status=status, **{name: pl.when(~open_).then(name) for name in blank})
    frame = frame.with_columns(value=pl.when(first).then(pl.lit(None, pl.String)).otherwise("value"))
    return frame.with_columns(collected_at=pl.when(~open_ | drawn).then("collected_at"))


def _csv_days(world: World, facility: int, events: tuple[Ints, Ints], folder: Path) -> None:
    """One file a day with the lines that have news, named by its day."""
    lines = of_facility(world, facility)
    known, changed = (moments[lines] for moments in events)
    frame = canonical(world, facility, lines)
    kept = [name for name in frame.columns if frame[name].null_count() < len(frame)]
    collected = world.orders.collected[lines]
    moments = [world.acts.at[world.orders.act[lines]], collected, known, changed]
    days = [np.where(moment < 0, -1, batches(world, moment)) for moment in moments]
    for day in range(world.days):
        at = np.flatnonzero(np.any([one == day for one in days], axis=0))
        if len(at):
            now = world.end - (world.days - day - 1) * DAY
            state = _as_of(frame[at], known[at], changed[at], collected[at], now)
            state.select(kept).write_csv(folder / f"{file_name(world, facility, day)}.csv")


def _cut_off(facilities: int, days: int, draw: Draw) -> Ints:
    """(facility, day): the night on which that day's files come."""
    starts = draw.chance(_CUT_OFF, facilities * days).reshape(facilities, days)
    length = draw.between(1, 3, facilities * days).reshape(facilities, days)
    arrives = np.tile(np.arange(days), (facilities, 1))
    for facility, day in zip(*np.nonzero(starts), strict=True):
        back = min(day + int(length[facility, day]), days - 1)
        arrives[facility, day:back] = np.maximum(arrives[facility, day:back], back)
    return np.maximum.accumulate(arrives, axis=1)  # what is older never comes after what is younger


def _made(world: World, events: tuple[Ints, Ints], folder: Path) -> Iterator[tuple[int, int, Path]]:
    """Facility, day and path of every file, written to ``folder``."""
    for facility, name in enumerate(world.facilities.format):
        if world.line_start[facility + 1] == world.line_start[facility]:
            continue
        if name == "xml":
            writing_xml.write(world, facility, folder)
        else:
            _csv_days(world, facility, events, folder)
        for day in range(world.days):
            path = folder / f"{file_name(world, facility, day)}.{name}"
            if path.exists():
                yield facility, day, path


def _deliver(world: World, events: tuple[Ints, Ints], folder: Path, out: Path) -> dict[str, int]:
    """Move every file to the night on which it comes; returns what was out of line."""
    made = list(_made(world, events, folder))
    draw = Draw(world.seed, "nights", "arrivals")
    arrives = _cut_off(len(world.facilities), world.days, draw)
    delayed, delay = draw.chance(_DELAYED, len(made)), draw.between(1, 3, len(made))
    twice, again = draw.chance(_TWICE, len(made)), draw.between(1, 5, len(made))
    counts = {"files": 0, "late": 0, "out_of_order": 0, "twice": 0}
    for number, (facility, day, path) in enumerate(made):
        night = int(arrives[facility, day])
        counts["late"] += night > day
        if path.suffix == ".xml" and delayed[number] and night + 1 < world.days:
            night = min(night + int(delay[number]), world.days - 1)
            counts["out_of_order"] += 1
        if twice[number] and night + 1 < world.days:
            later = min(night + int(again[number]), world.days - 1)
            shutil.copyfile(path, _night(out, later) / f"{path.stem}_lai{path.suffix}")
            counts["twice"] += 1
        shutil.move(path, _night(out, night) / path.name)
        counts["files"] += 1
    return counts


def _night(out: Path, number: int) -> Path:
    folder = out / "nights" / f"{number + 1:02d}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def simulate_nights(
    persons: int,
    seed: int,
    out: Path,
    *,
    nights: int = 30,
    start: date = date(2026, 1, 1),
    facilities: int | None = None,
    xml: bool = True,
) -> NightsSummary:
    """Write ``nights`` folders ``out/nights/01`` …, the register and the truth.

    A night without any file has an empty folder. ``xml=False``: canonical CSV alone. Raises UsageError for fewer than
    seven nights, or when ``out`` holds a world already.
    """
    if nights < 7:
        raise UsageError("at least 7 nights")
    formats = ("csv", "xml") if xml else ("csv",)
    prepare(out, "nights", "truth")
    world = make_world(persons, seed, start=start, days=nights, facilities=facilities, formats=formats, file_days=1)
    for number in range(nights):
        _night(out, number)
    events = _events(world)
    with tempfile.TemporaryDirectory(dir=out) as folder:
        counts = _deliver(world, events, Path(folder), out)
    register(world.facilities).write_csv(out / "facilities.csv")
    write_truth(world, out / "truth")
    return NightsSummary(
        out=out, nights=nights, lines=len(world.orders), corrected=int((events[1] >= 0).sum()), **counts
    )
