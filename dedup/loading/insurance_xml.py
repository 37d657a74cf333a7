"""The national insurance XML (decisions 4210, 130, 4750 and 3176 of the Ministry of Health).

An envelope ``GIAMDINHHS`` holds encounters (``HOSO``): XML1 the patient and the stay, XML3 the services, XML4 the
results. A row is a ``CHI_TIET_DVKT`` of a laboratory, imaging or function group (``MA_NHOM`` 1, 2, 3). An encounter
is always sent whole: its newest version by ``NGAYLAP`` replaces all earlier ones. XML6 (HIV) is never read.

``insurance_reading`` collects elements as text columns; ``insurance_sql`` turns them into canonical columns.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from pathlib import Path

import duckdb

from dedup.loading.insurance_apart import Readers
from dedup.loading.insurance_reading import MANY, TABLES, Part
from dedup.loading.insurance_sql import COLUMNS, FOREIGN, SOURCE
from dedup.loading.landing import Landing, as_text

__all__ = ["land", "read_together", "recognise"]

_ROOT = re.compile(rb"<(?:\w+:)?(GIAMDINHHS|HOSO)[\s>/]", re.IGNORECASE)


def recognise(head: bytes) -> bool:
    """XML whose root is the envelope or a single record; UTF-16 too."""
    text = head.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    found = _ROOT.search(text[:4096])
    return text.startswith(b"<") and found is not None


def land(landing: Landing, path: Path) -> None:
    """Put the file by for ``read_together``: a query costs more than the rows of a small file."""
    landing.whole_encounters = True
    landing.put_by = path


def read_together(landings: Sequence[Landing], readers: Readers) -> None:
    """Stage the files that were put by."""
    waiting = {one.delivery_no: one for one in landings if isinstance(one.put_by, Path)}
    files = [(one.delivery_no, one.put_by) for one in landings if isinstance(one.put_by, Path)]
    if not waiting:
        return
    con = landings[0].con
    held: list[Part] = []
    with contextlib.closing(readers.parts(files)) as read:  # whatever happens, nobody writes into the folder afterwards
        for part in read:
            held.append(part)
            for one in part["files"].to_pylist():
                landing = waiting[one["delivery_no"]]
                landing.counted, landing.dated = one["counted"], one["dated"]
            if sum(len(one["orders"]) + len(one["results"]) for one in held) >= MANY:
                _stage(con, held)
        if held:
            _stage(con, held)
    for number, rows, failed in con.execute(_STAGED, [list(waiting)]).fetchall():
        waiting[number].rows_read, waiting[number].failed = rows, failed


_STAGED = """
SELECT delivery_no, count(*) FILTER (row_number > 0), bool_or(row_number = 0)
FROM (SELECT delivery_no, row_number FROM landed_text UNION ALL SELECT delivery_no, row_number FROM landed_reject)
WHERE delivery_no IN (SELECT unnest(?)) GROUP BY delivery_no"""


def _stage(con: duckdb.DuckDBPyConnection, held: list[Part]) -> None:
    """Stage parts in one query: planning it takes as long as some ten thousand rows."""
    import pyarrow as pa

    for name in TABLES:
        con.register(f"read_{name}", pa.concat_tables([part[name] for part in held]))
    con.execute(f"CREATE OR REPLACE TEMP TABLE foreign_stay AS {FOREIGN}")
    if any(len(part["orders"]) for part in held):
        chosen = as_text("delivery_no", COLUMNS, row_number="row_number", encounter_no="encounter_no")
        con.execute(f"INSERT INTO landed_text SELECT {chosen} FROM {SOURCE} ORDER BY delivery_no, row_number")
    con.execute("INSERT INTO landed_reject BY NAME FROM read_rejects")
    con.execute(
        "INSERT INTO landed_reject BY NAME "
        "SELECT f.delivery_no, o.row_number, 'facility_id' AS column_name, 'facility_mismatch' AS reason "
        "FROM foreign_stay AS f JOIN read_orders AS o USING (stay)"
    )
    con.execute("INSERT INTO filed BY NAME FROM read_filed ANTI JOIN foreign_stay USING (delivery_no, encounter_no)")
    for name in TABLES:
        con.unregister(f"read_{name}")
    held.clear()
