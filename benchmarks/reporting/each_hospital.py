"""A report for each of 1,500 hospitals from 10 million order lines, as ``dedup report --each-hospital`` writes them.

    .venv/bin/python -m benchmarks.reporting.each_hospital [--lines 10000000] [--facilities 1500] [--reuse FOLDER]

The hospitals and their patients are the simulation's; orders are written straight into the warehouse's tables, the
larger a hospital the more of them a patient has, then matched and flagged by the real stages. The commands run in
processes of their own, as a person runs them. Prints their seconds (asked: at most 180 s for all hospitals, 2 s for
one), CPU-seconds and peak memory with all child processes together (asked: at most 2 GB), how many pages there are and
how large the largest is (asked: at most 1 MB). ``--reuse`` keeps the warehouse there, and takes it when it is there.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from dedup import pipeline
from dedup.settings import Settings, WarehouseSettings
from dedup.simulation.facilities import make_facilities, register
from dedup.simulation.records import records
from dedup.warehouse import open_warehouse

SEED = 3
RECORDS_A_LINE = 0.11  # simulated persons for each order line: the records come to about a tenth of the lines
START, DAYS, MONTHS = date(2026, 1, 1), 90, 12
PERIOD, SPELL = 400 * 24 * 60, 30 * 24 * 60  # minutes: all orders lie in the one, those of a person in the other

#: Tests drawn: everyday ones, the commonest first.
CODES = ("23.0075.1494", "23.0051.1494", "22.0120.1370", "23.0166.1494", "23.0019.1493", "23.0020.1493",
         "23.0058.1487", "23.0041.1506", "23.0083.1523", "23.0206.1596", "23.0003.1494", "22.0001.1352",
         "22.0019.1348", "22.0013.1242", "23.0010.1494", "23.0007.1494", "23.0133.1494", "23.0158.1506",
         "23.0162.1570", "23.0069.1561")  # fmt: skip
DEPARTMENTS = ("Khoa Khám bệnh", "Khoa Nội tổng hợp", "Khoa Ngoại tổng hợp", "Khoa Nhi", "Khoa Phụ sản",
               "Khoa Cấp cứu", "Khoa Hồi sức tích cực – Chống độc", "Khoa Nội tiết", "Khoa Tim mạch",
               "Khoa Truyền nhiễm", "Khoa Tai Mũi Họng", "Khoa Y học cổ truyền – Phục hồi chức năng")  # fmt: skip

_PEOPLE = """
CREATE TEMP TABLE person AS
SELECT row_number() OVER (ORDER BY size DESC, facility_id, patient_id) - 1 AS no, * FROM (
  SELECT *, count(*) OVER (PARTITION BY facility_id) AS size FROM people
)
"""

_DIMENSIONS = f"""
INSERT INTO facility BY NAME
SELECT facility_id, name, tier, province, TRY_CAST(lab_level AS INTEGER) AS lab_level, iso15189 = 'true' AS iso15189,
       TRY_CAST(level_from AS DATE) AS level_from, TRY_CAST(level_to AS DATE) AS level_to,
       TRY_CAST(connected_since AS DATE) AS connected_since, electronic_records = 'true' AS electronic_records,
       insurance_connected = 'true' AS insurance_connected, electronic_payment = 'true' AS electronic_payment,
       true AS registered
FROM register WHERE coalesce(alias_of, '') = '';
CREATE TEMP TABLE place AS
SELECT facility_id, any_value(size) AS size, row_number() OVER (ORDER BY facility_id) - 1 AS place
FROM person GROUP BY facility_id;
INSERT INTO code
SELECT row_number() OVER (ORDER BY f.facility_id, c.code), 'vn-service', c.code, f.facility_id
FROM place AS f, (SELECT unnest({list(CODES)}) AS code) AS c;
INSERT INTO identity BY NAME
SELECT patient_record_id AS identity_id, * EXCLUDE (no, size, true_person, first_ordered_at) FROM person;
INSERT INTO todo (stage, patient_record_id) SELECT unnest(['match', 'flag']), patient_record_id FROM person;
"""


def _orders(lines: int) -> str:
    """An order has four lines; a person's orders lie close enough together for some of them to be repeats.

    Files arrive month by month and hospital by hospital.
    """
    return f"""
INSERT INTO line BY NAME
WITH drawn AS (
  SELECT i AS drawn_id, CAST(floor(people * power((hash(i // 4) % 1000000007) / 1000000007, 1.25)) AS BIGINT) AS no,
         hash(i // 4, 1) % {SPELL} AS after,
         CAST(floor({len(CODES)} * power(hash(i, 2) % 100000 / 100000, 1.6)) AS INTEGER) AS test,
         CAST(hash(i, 4) % 1000000 AS BIGINT) AS dice, CAST(hash(i // 4, 5) % 1000000 AS BIGINT) AS morning
  FROM range(1, {lines} + 1) AS r(i), (SELECT count(*) AS people FROM person)
),
timed AS (
  SELECT p.*, d.*, CAST(hash(true_person, 1) % {PERIOD - SPELL} + after AS BIGINT) AS minute
  FROM drawn AS d JOIN person AS p USING (no)
)
SELECT row_number() OVER (ORDER BY d.minute * {MONTHS} // {PERIOD}, f.place, d.drawn_id) AS line_id,
       d.facility_id, concat('H', d.drawn_id // 4) AS order_id, CAST(d.drawn_id % 4 + 1 AS INTEGER) AS line_no,
       CAST(md5_number_lower(concat(d.facility_id, chr(31), order_id)) >> 1 AS BIGINT) AS order_key,
       d.patient_record_id, d.patient_record_id AS identity_id, c.code_id, d.facility_id AS performing_facility_id,
       TIMESTAMP '2025-02-01' + to_minutes(d.minute) AS ordered_at,
       ordered_at + INTERVAL 10 MINUTE AS collected_at, ordered_at + INTERVAL 90 MINUTE AS resulted_at,
       'final' AS status, [NULL, NULL, NULL, 'N', 'N', 'H', 'HH', 'NEG', 'POS'][1 + dice % 9] AS abnormal_flag,
       ['outpatient', 'outpatient', 'inpatient', 'emergency'][1 + morning % 4] AS setting,
       {list(DEPARTMENTS)}[1 + morning // 4 % {len(DEPARTMENTS)}] AS department,
       concat('BS', morning // 48 % greatest(3, f.size // 150)) AS ordered_by,
       CASE WHEN dice % 10 = 0 THEN ['clinical_change', 'expired', 'lab_level', 'other'][1 + dice // 10 % 4] END
         AS order_reason,
       30000 + 1000 * (d.test % 40) AS price_vnd,
       CAST(1 + d.minute * {MONTHS} // {PERIOD} * (SELECT count(*) FROM place) + f.place AS INTEGER)
         AS delivery_no
FROM timed AS d JOIN place AS f USING (facility_id)
JOIN code AS c ON c.facility_id = d.facility_id AND c.test_code = {list(CODES)}[d.test + 1]
ORDER BY line_id;
INSERT INTO patient_identity BY NAME
SELECT p.* EXCLUDE (no, size, true_person, first_ordered_at), f.at AS first_ordered_at
FROM person AS p JOIN (SELECT patient_record_id, min(ordered_at) AS at FROM line GROUP BY ALL) AS f
USING (patient_record_id);
INSERT INTO delivery BY NAME
SELECT md5(CAST(delivery_no AS VARCHAR)) AS delivery_id, delivery_no,
       concat(facility_id, '-', delivery_no, '.csv') AS source_name, 'csv' AS format, 1 AS run_id,
       max(ordered_at) AS received_at, count(*) + 2 AS rows_read, count(*) AS rows_loaded, 2 AS rows_rejected,
       0 AS rows_duplicate, 0 AS rows_skipped
FROM line GROUP BY facility_id, delivery_no;
INSERT INTO rejected_row
SELECT delivery_id, unnest([7, 12]), 'ordered_at', 'bad_timestamp' FROM delivery;
"""


@dataclass(frozen=True)
class Measured:
    """One command: seconds, CPU-seconds, and the peak memory of it and its children together, in MB."""

    wall: float
    cpu: float
    peak: float


def build(settings: Settings, lines: int, facilities: int) -> None:
    """The warehouse, matched and flagged by the real stages."""
    started = time.perf_counter()
    people = records(round(lines * RECORDS_A_LINE), seed=SEED, facilities=facilities, start=START, days=DAYS)
    hospitals = register(make_facilities(facilities, SEED, ("csv",), START, DAYS))
    with open_warehouse(settings.warehouse.path, settings=settings.warehouse) as warehouse:
        con = warehouse.con
        con.register("people", people.to_arrow())
        con.register("register", hospitals.to_arrow())
        con.execute(_PEOPLE)
        with warehouse.transaction():
            con.execute(_DIMENSIONS)
            con.execute(_orders(lines))
        con.unregister("people")
    for work in (pipeline.match, pipeline.flag):
        work(settings)
    print(f"built in {time.perf_counter() - started:.0f} s", flush=True)


def command(*given: str) -> Measured:
    """Run ``dedup`` with these arguments."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process = subprocess.Popen([str(Path(sys.executable).with_name("dedup")), *given])
    peaks, done = [0.0], threading.Event()
    watcher = threading.Thread(target=_watch, args=(process.pid, peaks, done))
    watcher.start()
    code = process.wait()
    wall = time.perf_counter() - started
    done.set()
    watcher.join()
    if code:
        raise SystemExit(f"dedup {given[0]} ended with {code}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Measured(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, max(peaks))


def _watch(root: int, peaks: list[float], done: threading.Event) -> None:
    """The proportional share of memory of the process and its children, ten times a second: pages they share once."""
    while not done.wait(0.1):
        peaks.append(sum(_held(pid) for pid in _family(root)))


def _family(root: int) -> list[int]:
    found = [root]
    for pid in found:
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            found += [int(child) for child in _text(children).split()]
    return found


def _held(pid: int) -> float:
    for line in _text(Path(f"/proc/{pid}/smaps_rollup")).splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has ended
        return ""


def largest(settings: Settings) -> str:
    """The hospital with the most order lines."""
    with pipeline.reading(settings) as warehouse:
        rows = warehouse.con.execute(
            "SELECT facility_id, count(*) AS lines FROM line GROUP BY facility_id ORDER BY lines DESC, facility_id"
        ).fetchall()
    middle = rows[len(rows) // 2]
    print(f"{len(rows):,} hospitals; largest {rows[0][1]:,} lines, middle {middle[1]:,}, smallest {rows[-1][1]:,}")
    return str(rows[0][0])


def measure(settings: Settings, out: Path) -> None:
    """Time the command for all hospitals and the one for the largest, and look at what they wrote."""
    db = ("--db", str(settings.warehouse.path), "--quiet")
    code = largest(settings)
    each = command("report", *db, "--format", "html", "--each-hospital", str(out))
    pages = [path.stat().st_size for path in out.glob("*.html") if path.name != "index.html"]
    one = command("report", *db, "--format", "html", "--hospital", code, "-o", str(out / "one.html"))
    print(f"each hospital: {each.wall:6.1f} s  CPU {each.cpu:6.1f} s  peak {each.peak:6,.0f} MB  {len(pages):,} pages, "
          f"the largest {max(pages):,} bytes, together {sum(pages) / 1e6:,.0f} MB")  # fmt: skip
    print(f"largest alone: {one.wall:6.1f} s  CPU {one.cpu:6.1f} s  peak {one.peak:6,.0f} MB  "
          f"{(out / 'one.html').stat().st_size:,} bytes")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=10_000_000)
    parser.add_argument("--facilities", type=int, default=1500)
    parser.add_argument("--reuse", type=Path, metavar="FOLDER")
    args = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="dedup-each-"))
    try:
        kept = args.reuse or place
        settings = Settings(warehouse=WarehouseSettings(path=kept / "warehouse.duckdb"))
        if not (kept / "built").exists():
            build(settings, args.lines, args.facilities)
            (kept / "built").touch()
        measure(settings, place / "pages")
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    main()
