"""What a night costs: 20,000 new records against a million known ones, and whether it comes to the same persons.

Both on a warehouse file, from opening to closing it.

python -m benchmarks.matching.nights [known] [new]
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.matching.worlds import add, world
from dedup.matching import match
from dedup.settings import Settings, WarehouseSettings
from dedup.warehouse import Warehouse, open_warehouse, start_run

_PERSONS = "SELECT patient_record_id, person_id, match_method, match_probability FROM patient_record"


def _open(path: Path) -> Warehouse:
    return open_warehouse(path, settings=WarehouseSettings(threads=2))


def _night(path: Path, arrived: Any) -> tuple[float, float]:
    """CPU and wall seconds of matching what has arrived."""
    with _open(path) as warehouse:
        add(warehouse, arrived)
    cpu, wall = time.process_time(), time.perf_counter()
    with _open(path) as warehouse, start_run(warehouse, "match") as run:
        match(warehouse, run, Settings())
    spent = time.process_time() - cpu, time.perf_counter() - wall
    with _open(path) as warehouse:
        warehouse.con.execute("DELETE FROM todo WHERE stage = 'flag'")  # as flagging does before another night
    return spent


def _differing(path: Path, other: Path) -> int:
    """How many records have another person, or are held otherwise."""
    with _open(path) as warehouse, _open(other) as expected:
        warehouse.con.register("expected", expected.con.execute(_PERSONS).to_arrow_table())
        row = warehouse.con.execute(f"SELECT count(*) FROM (({_PERSONS}) EXCEPT FROM expected)").fetchone()
    return int(row[0]) if row else 0


def main(known: int, new: int) -> None:
    """Match all at once, and all but the last ``new`` and then those; print times and differing records."""
    table = world(known + new, 7).sort_by("first_ordered_at")
    cut = len(table) - new
    with tempfile.TemporaryDirectory() as folder:
        at_once, nightly = Path(folder, "at_once.duckdb"), Path(folder, "nightly.duckdb")
        everything = _night(at_once, table)
        before = _night(nightly, table.slice(0, cut))
        night = _night(nightly, table.slice(cut))
        differing = _differing(nightly, at_once)
    print(f"all {len(table)} at once: {everything[0]:.2f} CPU s, {everything[1]:.2f} s")
    print(f"the first {cut}: {before[0]:.2f} CPU s, {before[1]:.2f} s")
    shares = f"{night[0] / everything[0]:.1%} of all by CPU, {night[1] / everything[1]:.1%} by the clock"
    print(f"a night of {new}: {night[0]:.2f} CPU s, {night[1]:.2f} s ({shares})")
    print(f"records with another person, method or probability: {differing}")


if __name__ == "__main__":
    main(*(int(value) for value in sys.argv[1:3] or ("1000000", "20000")))
