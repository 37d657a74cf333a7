"""A night of 100,000 order lines against histories of 3 and 30 million, and against rebuilding all of them.

    .venv/bin/python -m benchmarks.nights [--history 3000000 30000000] [--night 100000] [--turns 3] [--days 400]

A history is as many nights like this one as it takes (30 and 300): visits of five lines each, ten lines to a patient
record. With ``--days`` both span the same days, so that the longer one is ten times as dense instead. It is written
straight into the warehouse's tables, then matched and flagged by the real stages; the night is ``dedup run`` as cron
starts it, on CSV files of 200 facilities, from its start to its end. Four of five of the night's patients are known.
Prints what each stage took, and of the median night the ratio between the histories (asked: at most 1.3) and the share
of a rebuild, that is matching and flagging without loading (asked: at most 5%).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from dedup import pipeline
from dedup.loading.keys import filled, identity_id
from dedup.settings import Settings, WarehouseSettings
from dedup.simulation.records import records
from dedup.warehouse import open_warehouse

Took = dict[str, float]  #: for each of UNITS
UNITS = ("seconds", "cpu")  #: by the clock, and of the processor: a busy machine inflates the first much more

LINES_A_RECORD = 10
LINES_A_VISIT = 5
FACILITIES = 200
CHUNK = 3_000_000  #: lines of history written at once

#: Tests drawn for history and night: everyday ones, the commonest first.
CODES = ("23.0075.1494", "23.0051.1494", "22.0120.1370", "23.0166.1494", "23.0019.1493", "23.0020.1493",
         "23.0058.1487", "23.0041.1506", "23.0083.1523", "23.0206.1596", "23.0003.1494", "22.0001.1352")  # fmt: skip


#: What new patients have not told yet.
KNOWN_BY = ("national_id", "insurance_id", "province", "address")
TONIGHT = "2026-03-08"


def settings(db: Path) -> Settings:
    return Settings(warehouse=WarehouseSettings(path=db))


def build(db: Path, lines: int, days: int) -> dict[str, Took]:
    """A warehouse with ``lines`` lines of the last ``days`` days, matched and flagged; what both took."""
    people = records(lines // LINES_A_RECORD, seed=3, facilities=FACILITIES)
    with open_warehouse(db, settings=settings(db).warehouse) as warehouse, warehouse.transaction() as con:
        con.register("people", people.drop("true_person").to_arrow())
        con.execute(f"""
CREATE TEMP TABLE person AS
SELECT row_number() OVER (ORDER BY facility_id, patient_id) - 1 AS no,
       {identity_id("facility_id", "patient_id")} AS identity_id, {filled()} AS filled,
       * FROM (SELECT * REPLACE (nullif(sex, 'unknown') AS sex) FROM people);
INSERT INTO code SELECT row_number() OVER (ORDER BY f.facility_id, c.code), 'vn-service', c.code, f.facility_id
FROM (SELECT DISTINCT facility_id FROM person) AS f, (SELECT unnest({list(CODES)}) AS code) AS c;
INSERT INTO facility (facility_id, registered) SELECT DISTINCT facility_id, false FROM person;
INSERT INTO delivery (delivery_id, delivery_no, rows_read, rows_loaded, rows_rejected, rows_duplicate, rows_skipped)
VALUES ('history', 1, {lines}, {lines}, 0, 0, 0);
INSERT INTO identity BY NAME SELECT * EXCLUDE (no, first_ordered_at, filled) FROM person;
INSERT INTO todo (stage, patient_record_id) SELECT unnest(['match', 'flag']), patient_record_id FROM person""")
        con.unregister("people")
        for first in range(1, lines + 1, CHUNK):
            con.execute(f"INSERT INTO line BY NAME {history(first, min(first + CHUNK, lines + 1), lines, days)}")
        con.execute("""
INSERT INTO patient_identity BY NAME
SELECT p.* EXCLUDE (no) REPLACE (coalesce(f.at, p.first_ordered_at) AS first_ordered_at) FROM person AS p
LEFT JOIN (SELECT patient_record_id, min(ordered_at) AS at FROM line GROUP BY ALL) AS f USING (patient_record_id)""")
    return {"match": timed(lambda: pipeline.match(settings(db))), "flag": timed(lambda: pipeline.flag(settings(db)))}


def history(first: int, end: int, total: int, days: int) -> str:
    """The order lines number ``first`` to ``end`` of a history of ``total``, in the order of their arrival."""
    return f"""
WITH drawn AS (
  SELECT i AS line_id, (i - 1) // {LINES_A_VISIT} AS visit, (i - 1) % {LINES_A_VISIT} AS line,
         hash(visit) % (SELECT count(*) FROM person) AS no,
         ((i - 1) * {days} // {total}) * 1440 + hash(visit, 1) % 1440 AS minute,  -- day by day, as nights bring it
         CAST(floor(12 * power(hash(visit, 2) % 100000 / 100000, 2)) + line AS INTEGER) % 12 AS test
  FROM range({first}, {end}) AS r(i)
)
SELECT d.line_id, p.facility_id, concat('H', d.visit) AS order_id, CAST(d.line + 1 AS INTEGER) AS line_no,
       CAST(md5_number_lower(concat(p.facility_id, chr(31), order_id)) >> 1 AS BIGINT) AS order_key,
       p.patient_record_id, p.identity_id, c.code_id, p.facility_id AS performing_facility_id,
       TIMESTAMP '{TONIGHT}' - to_days({days}) + to_minutes(CAST(d.minute AS BIGINT)) AS ordered_at,
       ordered_at + INTERVAL 10 MINUTE AS collected_at, ordered_at + INTERVAL 90 MINUTE AS resulted_at,
       'final' AS status, 'outpatient' AS setting, 30000 AS price_vnd, 1 AS delivery_no
FROM drawn AS d JOIN person AS p ON p.no = d.no
JOIN code AS c ON c.facility_id = p.facility_id AND c.test_code = {list(CODES)}[d.test + 1]
ORDER BY d.line_id"""


def night(db: Path, folder: Path, lines: int) -> None:
    """The night's files: new patients (20%), and known ones as they always are, one of fifty's phone changed."""
    with open_warehouse(db, read_only=True) as warehouse:
        con = warehouse.con
        con.execute("SELECT setseed(0.5)")
        con.execute(f"""
CREATE TEMP TABLE visit AS
SELECT i AS visit, i % 5 = 0 AS new, *
FROM (SELECT row_number() OVER (ORDER BY hash(patient_record_id, 7)) AS i, * FROM patient_identity
      ORDER BY i LIMIT {lines // LINES_A_VISIT}) AS p""")
        con.execute(f"""
CREATE TEMP TABLE night AS
SELECT v.facility_id, concat('N', v.visit) AS order_id, l AS line_no,
       CASE WHEN new THEN concat('new', v.visit) ELSE patient_id END AS patient_id,
       concat(full_name, CASE WHEN new THEN concat(' ', substr('abcdefgh', v.visit % 8 + 1, 1)) END) AS full_name,
       {", ".join(f"CASE WHEN NOT new THEN {name} END AS {name}" for name in KNOWN_BY)},
       CASE WHEN new THEN NULL WHEN v.visit % 50 = 1 THEN concat('09', 10000000 + v.visit) ELSE phone END AS phone,
       CASE birth_precision WHEN 'year' THEN strftime(birth_date, '%Y') WHEN 'month' THEN strftime(birth_date, '%Y-%m')
            ELSE strftime(birth_date, '%Y-%m-%d') END AS birth_date,
       sex, {list(CODES)}[1 + (v.visit + l * 3) % 12] AS test_code,
       strftime(TIMESTAMP '{TONIGHT}' + to_minutes(CAST(v.visit % 1300 AS BIGINT)), '%Y-%m-%dT%H:%M') AS ordered_at,
       strftime(TIMESTAMP '{TONIGHT}' + to_minutes(CAST(v.visit % 1300 + 40 AS BIGINT)), '%Y-%m-%dT%H:%M')
         AS resulted_at,
       'final' AS status
FROM visit AS v, range(1, {LINES_A_VISIT + 1}) AS r(l)""")
        for (facility,) in con.execute("SELECT DISTINCT facility_id FROM night ORDER BY 1").fetchall():
            con.execute(
                f"COPY (FROM night WHERE facility_id = '{facility}' ORDER BY ALL) TO '{folder}/{facility}.csv' (HEADER)"
            )


def timed(work: Callable[[], object]) -> Took:
    started, cpu = time.perf_counter(), time.process_time()
    work()
    return {"seconds": time.perf_counter() - started, "cpu": time.process_time() - cpu}


def built(place: Path, lines: int, days: int) -> tuple[Path, dict[str, Took]]:
    """The warehouse with ``lines`` lines of history, and what building it took; made unless ``place`` has it."""
    db, took = place / f"{lines}-{days}.duckdb", place / f"{lines}-{days}.json"
    if not took.exists():
        took.write_text(json.dumps(build(db, lines, days)))
    return db, json.loads(took.read_text())


def one_night(place: Path, kept: Path, night_lines: int) -> Took:
    """The night on a copy of the history ``kept``, in a process of its own."""
    tonight = Path(tempfile.mkdtemp(prefix="night-", dir=place))
    try:
        folder, db = tonight / "input", tonight / kept.name
        folder.mkdir()
        night(kept, folder, night_lines)
        subprocess.run(["cp", "--reflink=auto", kept, db], check=True)
        subprocess.run(["cp", "-r", "--reflink=auto", f"{kept}.published", f"{db}.published"], check=True)
        os.sync()  # by the next night a disk has long written what the last one left
        command = [sys.executable, "-m", "dedup", "run", str(folder), "--db", str(db), "--json", "--quiet"]
        started = time.perf_counter()
        with (tonight / "told.json").open("w+") as out:
            process = subprocess.Popen(command, cwd=tonight, stdout=out)
            _, status, usage = os.wait4(process.pid, 0)
            took: Took = {"seconds": time.perf_counter() - started, "cpu": usage.ru_utime + usage.ru_stime}
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                raise subprocess.CalledProcessError(process.returncode, command)
            out.seek(0)
            told = json.load(out)
    finally:
        shutil.rmtree(tonight)
    print(f"{kept.stem}: night of {told['counts']['load']['rows_read']:,} lines in {words(took)}, of that"
          f" {told['seconds']} s, the rest starting, opening, publishing and telling  flag {told['counts']['flag']}",
          flush=True)  # fmt: skip
    return took


def median(nights: list[Took]) -> Took:
    return {unit: statistics.median(one[unit] for one in nights) for unit in UNITS}


def words(took: Took) -> str:
    return f"{took['seconds']:.1f} s ({took['cpu']:.1f} CPU-s)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--history", type=int, nargs="+", default=[3_000_000, 30_000_000])
    parser.add_argument("--night", type=int, default=100_000)
    parser.add_argument("--days", type=int, help="that each history spans; as many nights as it takes unless given")
    parser.add_argument("--turns", type=int, default=3, help="nights for each history, of which the median counts")
    parser.add_argument("--keep", type=Path, help="folder whose histories are used again; what is missing is built")
    args = parser.parse_args()
    place = args.keep or Path(tempfile.mkdtemp(prefix="dedup-nights-"))
    place.mkdir(exist_ok=True)
    try:
        histories = [built(place, lines, args.days or lines // args.night) for lines in args.history]
        # In turns, so that a machine that becomes slower does so for all.
        turns = [[one_night(place, kept, args.night) for kept, _ in histories] for _ in range(args.turns)]
        nights = [median(list(these)) for these in zip(*turns, strict=True)]
        for (kept, took), tonight in zip(histories, nights, strict=True):
            rebuilt: Took = {unit: took["match"][unit] + took["flag"][unit] for unit in UNITS}
            shares = " and ".join(f"{tonight[unit] / rebuilt[unit]:.1%} of its {unit}" for unit in UNITS)
            print(f"{kept.stem}: the median night takes {words(tonight)}; rebuilding: match {words(took['match'])},"
                  f" flag {words(took['flag'])}; the night is {shares} (asked of 30 million: 5%)")  # fmt: skip
        ratios = ", ".join(f"{unit} {nights[-1][unit] / nights[0][unit]:.2f}" for unit in UNITS)
        print(f"ratio: {ratios} (at most 1.3 is asked)")
    finally:
        if args.keep is None:
            shutil.rmtree(place)


if __name__ == "__main__":
    main()
