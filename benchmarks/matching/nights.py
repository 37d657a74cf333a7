"""What a night costs: 20,000 new records against a million known ones, and whether it comes to the same persons.

python -m benchmarks.matching.nights [known] [new]
"""

from __future__ import annotations

import sys
import time
from typing import Any

from benchmarks.matching.worlds import COLUMNS, fill, world
from dedup.matching import match
from dedup.settings import Settings
from dedup.warehouse import Warehouse, start_run

_PERSONS = "SELECT patient_record_id, person_id, match_method, match_probability FROM patient_record"


def _timed(warehouse: Warehouse) -> tuple[float, float]:
    """CPU and wall seconds of one match."""
    cpu, wall = time.process_time(), time.perf_counter()
    with start_run(warehouse, "match") as run:
        match(warehouse, run, Settings())
    return time.process_time() - cpu, time.perf_counter() - wall


def _add(warehouse: Warehouse, part: Any) -> None:
    warehouse.con.register("part", part)
    warehouse.con.execute(f"INSERT INTO patient_identity SELECT {COLUMNS} FROM part")
    warehouse.con.execute("INSERT INTO todo (stage, patient_record_id) SELECT 'match', patient_record_id FROM part")
    warehouse.con.unregister("part")


def main(known: int, new: int) -> None:
    """Match all at once, and all but the last ``new`` and then those; print times and differing records."""
    table = world(known + new, 7).sort_by("first_ordered_at")
    cut = len(table) - new
    with fill(table) as at_once:
        everything = _timed(at_once)
        expected = at_once.con.execute(_PERSONS).to_arrow_table()
    with fill(table.slice(0, cut)) as warehouse:
        before = _timed(warehouse)
        _add(warehouse, table.slice(cut))
        night = _timed(warehouse)
        warehouse.con.register("expected", expected)
        row = warehouse.con.execute(
            f"SELECT count(*) FROM ((FROM ({_PERSONS}) EXCEPT FROM expected) UNION ALL "
            f"(FROM expected EXCEPT FROM ({_PERSONS})))"
        ).fetchone()
    print(f"all {len(table)} at once: {everything[0]:.2f} CPU s, {everything[1]:.2f} s")
    print(f"the first {cut}: {before[0]:.2f} CPU s, {before[1]:.2f} s")
    print(f"a night of {new}: {night[0]:.2f} CPU s, {night[1]:.2f} s ({night[0] / everything[0]:.1%} of all, CPU)")
    print(f"records with another person, method or probability: {row[0] if row else 0}")


if __name__ == "__main__":
    main(*(int(value) for value in sys.argv[1:3] or ("1000000", "20000")))
