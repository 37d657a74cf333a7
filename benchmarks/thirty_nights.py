"""Thirty nights with late, repeated, reordered and corrected files: what each takes; they end as one load does.

    .venv/bin/python -m benchmarks.thirty_nights [--persons 60000] [--nights 30]

Every night is one ``dedup run`` of its own. Prints for each its lines, seconds, CPU-seconds and the size of the
warehouse and of the copies for readers; then both curves: the line of best fit through the CPU-seconds (per night and
per thousand lines) and through the size (per thousand lines stored). At last everything is loaded at once into another
warehouse: flags and persons have to be the same.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dedup import pipeline
from dedup.settings import Settings, read_settings
from dedup.simulation.nights import simulate_nights
from dedup.warehouse.publishing import finished_nights

MB = 1e6
#: What has to be the same; the run that said a thing first is another.
SAME = {"flag": "* EXCLUDE (run_id)", "patient_record": "*", "order_line": "* EXCLUDE (delivery_id)"}


@dataclass(frozen=True)
class Night:
    """What one night took and left."""

    number: int
    read: int
    stored: int  #: order lines in the warehouse afterwards, superseded ones too
    seconds: float
    cpu: float
    megabytes: float
    published: float


def run(inputs: Path, config: Path) -> tuple[float, float]:
    """``dedup run``: seconds and CPU-seconds, interpreter and imports included."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    dedup = Path(sys.executable).with_name("dedup")
    subprocess.run([dedup, "run", inputs, "--config", config, "--quiet"], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - started, cpu


def measured(number: int, inputs: Path, config: Path) -> Night:
    """One night, and what it left."""
    seconds, cpu = run(inputs, config)
    settings = read_settings(config)
    with pipeline.latest(settings) as warehouse:
        row = warehouse.con.execute(
            "SELECT (SELECT count(*) FROM line), (SELECT CAST(counts ->> '$.load.rows_read' AS BIGINT) FROM run "
            "ORDER BY run_id DESC LIMIT 1)"
        ).fetchone()
    stored, read = row if row is not None else (0, 0)
    path = settings.warehouse.path
    copies = sum(copy.stat().st_size for copy in finished_nights(path))
    return Night(number, read, stored, seconds, cpu, path.stat().st_size / MB, copies / MB)


def curves(nights: list[Night]) -> str:
    """Both curves in words. The first night makes the tables, so it is left out."""
    rest = nights[1:]
    number, cpu = np.array([n.number for n in rest]), np.array([n.cpu for n in rest])
    by_night, _ = np.polyfit(number, cpu, 1)
    lines = np.array([[n.read / 1e3, n.stored / 1e3, 1] for n in rest])
    (a_line, a_stored, fixed), *_ = np.linalg.lstsq(lines, cpu, rcond=None)
    size, empty = np.polyfit(np.array([n.stored for n in rest]) / 1e3, np.array([n.megabytes for n in rest]), 1)
    early, late = (np.median([n.cpu for n in part]) for part in (rest[:10], rest[-10:]))
    return (
        f"time: median of ten nights {early:.2f} CPU-s at first, {late:.2f} at last; {by_night:+.4f} CPU-s a night;"
        f" best fit {fixed:.2f} + {a_line:.3f} per 1,000 lines read {a_stored:+.4f} per 1,000 lines stored\n"
        f"size: {empty:.1f} MB + {size * 1e3:.0f} bytes a line stored; copies for readers"
        f" {rest[-1].published / rest[-1].megabytes:.2f} times the warehouse"
    )


def outcome(settings: Settings) -> list[list[tuple[object, ...]]]:
    """Everything that has to be the same, in order."""
    with pipeline.reading(settings) as warehouse:
        return [
            warehouse.con.execute(f"SELECT {columns} FROM {table} ORDER BY ALL").fetchall()
            for table, columns in SAME.items()
        ]


def configured(folder: Path, world: Path) -> Path:
    """Settings for a warehouse of its own in ``folder``."""
    folder.mkdir()
    config = folder / "dedup.toml"
    config.write_text(f'[loading]\nfacilities = "{world / "facilities.csv"}"\n')
    return config


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--persons", type=int, default=60_000)
    parser.add_argument("--nights", type=int, default=30)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dedup-thirty-nights-") as folder:
        place = Path(folder)
        print(simulate_nights(args.persons, 7, place / "world", nights=args.nights))
        config, nights = configured(place / "nightly", place / "world"), []
        print("night  lines read     stored  seconds  CPU-s  warehouse MB  copies MB")
        for number, inputs in enumerate(sorted((place / "world" / "nights").iterdir()), start=1):
            night = measured(number, inputs, config)
            nights.append(night)
            print(f"{night.number:5} {night.read:11,} {night.stored:10,} {night.seconds:8.2f} {night.cpu:6.2f}"
                  f" {night.megabytes:13.1f} {night.published:10.1f}", flush=True)  # fmt: skip
        print(curves(nights))
        once = configured(place / "once", place / "world")
        print(f"everything at once: {run(place / 'world' / 'nights', once)[1]:.2f} CPU-s,"
              f" all nights {sum(night.cpu for night in nights):.2f}")  # fmt: skip
        for name, one, other in zip(SAME, outcome(read_settings(config)), outcome(read_settings(once)), strict=True):
            print(f"{name}: {len(one):,} rows, {'the same' if one == other else 'DIFFERENT'}")


if __name__ == "__main__":
    main()
