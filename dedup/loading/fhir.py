"""FHIR R4: bulk NDJSON (one resource a line, any mixture of types) and Bundles.

A row is a ServiceRequest. Its patient, encounter, organisation, specimen, reports and observations may stand in any
file of the same folder, of this night or another: references are resolved when all files of the run have landed, first
within the file, then within the folder or archive, then among what earlier nights left (``fhir_memory``), so that two
hospitals' ``Patient/1`` are never mixed up. DuckDB takes the JSON apart; ``fhir_sql`` says what the fields become.
"""

from __future__ import annotations

import json
import mmap
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import duckdb

from dedup.loading import fhir_late, fhir_memory
from dedup.loading.fhir_fields import NO_ORDER, TABLES, empty, extraction
from dedup.loading.fhir_keys import is_sensitive
from dedup.loading.fhir_said import collect
from dedup.loading.fhir_sql import COLUMNS, joined
from dedup.loading.landing import ENGINE_REFUSED, Landing, as_text

__all__ = ["finish", "is_manifest", "land", "recognise", "remember"]

_TYPE = re.compile(rb'"resourceType"\s*:\s*"([A-Za-z]+)"')
_RESOURCE = re.compile(rb'^\s*\{\s*"')
_SPREAD = re.compile(rb'\s*\{\s*[\r\n]\s*"|\s*\{[^\r\n]*[,{\[]\s*[\r\n]\s*"')
_MAX_OBJECT = 256 << 20
_WINDOW, _MARGIN = 1 << 25, 1 << 16  # bytes looked at at a time; longer than what names a type
_MAX_LINE = 16 << 20


def recognise(head: bytes) -> bool:
    """JSON that begins with an object that is a FHIR resource."""
    text = head.removeprefix(b"\xef\xbb\xbf")
    return _RESOURCE.match(text) is not None and _TYPE.search(text) is not None


def is_manifest(path: Path) -> bool:
    """Whether the file is the list of files that a bulk export (FHIR Bulk Data Access) leaves beside them."""
    with path.open("rb") as file:
        head = file.read(4096)
    return (
        head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") and b'"transactionTime"' in head and not _TYPE.search(head)
    )


def land(landing: Landing, path: Path) -> None:
    """Take the file's resources apart into temporary tables; rows come into being in ``finish``."""
    landing.in_parts = True
    _make_tables(landing.con)
    types = _types(path)
    landing.counted = types["ServiceRequest"]
    source = _bundles(path) if types["Bundle"] else _resources(path)
    if types["Bundle"] and path.stat().st_size > _MAX_OBJECT:
        landing.fail("too_long")
        return
    try:
        landing.con.execute(
            "CREATE OR REPLACE TEMP TABLE fhir_raw AS "
            f"SELECT *, body ->> '$.resourceType' AS resource_type FROM {source}",
            [str(path)],
        )
        for kind in TABLES:
            if types[kind]:
                landing.con.execute(extraction(kind, "fhir_raw", landing.delivery_no, landing.scope, landing.fhir))
        _tell_wrong(landing)
    except ENGINE_REFUSED:
        for name in TABLES.values():
            landing.con.execute(f"DELETE FROM {name} WHERE delivery_no = ?", [landing.delivery_no])
        landing.fail("unreadable_file")


def _types(path: Path) -> Counter[str]:
    """How often each type of resource is named in the bytes: an independent count. What was looked at is let go."""
    types: Counter[str] = Counter()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        start = 0
        for end in range(_WINDOW, len(data) + _WINDOW, _WINDOW):
            for found in _TYPE.finditer(data, start, end):
                types[found[1].decode()] += 1
                start = found.end()
            start = max(start, end - _MARGIN)
            data.madvise(mmap.MADV_DONTNEED)
    return types


def _resources(path: Path) -> str:
    """One resource a line, or over many lines."""
    options = f"compression = 'uncompressed', maximum_object_size = {_MAX_LINE}"
    if _is_spread(path):
        reader = f"read_json_objects(?, format = 'unstructured', {options})"
    else:
        reader = f"read_ndjson_objects(?, ignore_errors = true, {options})"
    return f"(SELECT json AS body, CAST(NULL AS VARCHAR) AS url, CAST(NULL AS VARCHAR) AS bare FROM {reader})"


def _is_spread(path: Path) -> bool:
    """Whether an object goes on in the second line. A broken first line is followed by another object."""
    with path.open("rb") as file:
        head = file.read(_MARGIN).removeprefix(b"\xef\xbb\xbf")
    return _SPREAD.match(head) is not None


def _bundles(path: Path) -> str:
    """One Bundle over the whole file, or one a line; their entries are the resources, if they have one."""
    size = path.stat().st_size + 1024
    options = f"compression = 'uncompressed', maximum_object_size = {size}"
    if _is_lines(path):
        reader = f"read_ndjson_objects(?, ignore_errors = true, {options})"
    else:
        reader = f"read_json_objects(?, format = 'unstructured', {options})"
    return (
        "(SELECT json_extract(entry, '$.resource') AS body, "
        "CASE WHEN body IS NULL THEN entry ->> '$.request.url' ELSE entry ->> '$.fullUrl' END AS url, "
        # What was done or is to be done, without a resource.
        "CASE WHEN body IS NULL THEN coalesce(entry ->> '$.request.method', entry ->> '$.response.status') END AS bare "
        f"FROM (SELECT unnest(json_extract(json, '$.entry[*]')) AS entry FROM {reader}))"
    )


def _is_lines(path: Path) -> bool:
    with path.open("rb") as file:
        first = file.readline(_MAX_OBJECT)
    try:
        return isinstance(json.loads(first.decode("utf-8-sig")), dict)
    except (ValueError, RecursionError):
        return False


def _tell_wrong(landing: Landing) -> None:
    """What of the file is no resource, and which requests stand in another resource: these are rejected here."""
    named = r'"resourceType"\s*:\s*"ServiceRequest"'
    row = landing.con.execute(
        "SELECT count(*) FILTER (body IS NULL AND bare IS NULL), "
        "count(*) FILTER (bare = 'DELETE' AND regexp_matches(url, '(ServiceRequest|Observation|DiagnosticReport)/')), "
        "count(*) FILTER (resource_type = 'ServiceRequest') FROM fhir_raw"
    ).fetchone() or (0, 0, 0)
    broken, deleted, requests = row
    if broken:
        landing.fail("unreadable_file")
    if deleted:
        landing.con.execute("INSERT INTO fhir_deleted VALUES (?)", [deleted])
    if requests < landing.counted:
        found = landing.con.execute(
            f"SELECT CAST(sum(len(regexp_extract_all(CAST(body AS VARCHAR), '{named}'))) AS BIGINT) FROM fhir_raw"
        ).fetchone()
        last = min(found[0] or 0, landing.counted) if found else 0
        landing.reject([(number, "", "nested_resource") for number in range(requests + 1, last + 1)])
    landing.con.execute("DROP TABLE fhir_raw")


def _leave_thoughts(landings: Sequence[Landing]) -> None:
    """Count and forget the requests that nobody ordered, but for those that may not be kept: no result of one is."""
    con = landings[0].con
    sensitive = is_sensitive("list_append(list_transform(codings, lambda x: x.code), code_text)")
    left = f"status = '{NO_ORDER}' AND NOT {sensitive}"
    found = dict(con.execute(f"SELECT delivery_no, count(*) FROM fhir_request WHERE {left} GROUP BY ALL").fetchall())
    if found:
        con.execute(f"DELETE FROM fhir_request WHERE {left}")
    for landing in landings:
        landing.skip("no_order", found.get(landing.delivery_no, 0))


def _make_tables(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE TEMP TABLE IF NOT EXISTS fhir_deleted (resources BIGINT)")
    for kind in TABLES:
        con.execute(f"CREATE TEMP TABLE IF NOT EXISTS {TABLES[kind]} AS {empty(kind)}")


def finish(landings: Sequence[Landing]) -> list[str]:
    """Join what has landed and stage the rows; the answer is a note on references that lead nowhere."""
    if not landings:
        return []
    con = landings[0].con
    _leave_thoughts(landings)
    fhir_memory.wake(con, landings)
    fhir_memory.recall_observations(con)
    collect(con)
    fhir_memory.recall_referred(con)
    for sql in joined(landings[0].fhir):
        con.execute(sql)
    _stage(con, landings)
    late = fhir_late.stage_late(landings)
    con.execute(fhir_late.BECAME)
    fhir_memory.keep(con)
    notes = _notes(con, late)
    for (name,) in con.execute("SELECT table_name FROM duckdb_tables() WHERE temporary").fetchall():
        if str(name).startswith("fhir_"):
            con.execute(f'DROP TABLE temp."{name}"')
    return notes


def remember(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Keep what later nights may need; part of the load's transaction. The answer is a note on lines that moved."""
    moved = fhir_late.remember(con)
    fhir_memory.remember(con)
    if not moved:
        return []
    now = "another hospital's or another order's now; their lines were withdrawn"
    return [
        f"FHIR: {moved} requests of earlier nights are {now}. Two hospitals that number alike must not share a folder."
    ]


# Nobody knows yet whose it is, but something it refers to has not come.
_WAITS = "facility_id IS NULL AND len(wants) > 0 AND test_code IS NOT NULL AND ordered_at IS NOT NULL"
_OWN = "row_number > 0"  # others are remembered
_DISORDER = f"""SELECT 1 FROM (
    SELECT delivery_no AS file, row_number AS number, lag(delivery_no) OVER () AS file_before,
           lag(row_number) OVER () AS before
    FROM fhir_order WHERE {_OWN}
) WHERE file < file_before OR (file = file_before AND number < before) LIMIT 1"""
_STAGED = as_text("delivery_no", {name: f'"{name}"' for name in COLUMNS}, row_number="row_number")


def _stage(con: duckdb.DuckDBPyConnection, landings: Sequence[Landing]) -> None:
    """The rows of the files, and anew those of earlier files that waited for something in them."""
    kinds = ("{0} AND NOT ({1})", "row_number = 0 AND NOT ({1})", "{0} AND ({1}) AND sensitive", "{0} AND ({1})")
    counts = ", ".join(f"count(*) FILTER ({kind.format(_OWN, _WAITS)})" for kind in kinds)
    found = con.execute(f"SELECT delivery_no, {counts} FROM fhir_order GROUP BY delivery_no").fetchall()
    counted = {int(row[0]): row[1:] for row in found}
    rows = f"INSERT INTO landed_text SELECT {_STAGED} FROM fhir_order WHERE NOT ({_WAITS})"
    con.execute(f"{rows} AND {_OWN}{' ORDER BY delivery_no, row_number' if con.execute(_DISORDER).fetchone() else ''}")
    if any(anew for _, anew, *_ in counted.values()):
        con.execute(f"{rows} AND row_number = 0 ORDER BY delivery_no, scope, key")
    for landing in landings:
        own, _, sensitive, waiting = counted.get(landing.delivery_no, (0, 0, 0, 0))
        landing.rows_read += own
        landing.skip("sensitive", sensitive)
        landing.skip("waiting", waiting - sensitive)
        left = range(landing.rows_read + 1, landing.counted + 1)
        landing.reject([(number, "", "bad_json") for number in left])


def _notes(con: duckdb.DuckDBPyConnection, late: int) -> list[str]:
    count = "count(*) FILTER (row_number > 0 AND {})"
    row = (
        con.execute(
            f"SELECT {', '.join(count.format(one) for one in ('true', 'results > 0', 'patient_missing'))}, "
            f"{', '.join(count.format(one) for one in ('encounter_missing', 'organization_missing'))}, "
            "count(*) FILTER (row_number = 0) FROM fhir_order"
        ).fetchone()
        or (0,) * 6
    )
    told = f"{row[0]} service requests, {row[1]} with a result, {row[2]} whose patient is not known yet"
    notes = [
        f"FHIR: {told}, {late} results of earlier nights' requests, {row[5]} requests of earlier nights told anew."
    ]
    deleted = con.execute("SELECT coalesce(sum(resources), 0) FROM fhir_deleted").fetchone() or (0,)
    if deleted[0]:
        notes.append(f"FHIR: {deleted[0]} requests or results were deleted; send them as entered-in-error instead.")
    notes += _shared(con)
    if row[3] or row[4]:
        told = f"{row[3]} service requests whose encounter is not known yet, {row[4]} whose organisation is not"
        notes.append(f"FHIR: {told}.")
    return notes


def _shared(con: duckdb.DuckDBPyConnection) -> list[str]:
    """A note on numbers that requests for several tests share; most nights have none, and asking first is cheap."""
    asked = con.execute("SELECT count(*), count(DISTINCT hash(facility_id, order_id)) FROM fhir_order").fetchone()
    if asked is None or asked[0] == asked[1]:
        return []
    row = con.execute(
        "SELECT count(*) FROM (SELECT 1 FROM fhir_order WHERE facility_id IS NOT NULL GROUP BY facility_id, order_id "
        "HAVING count(DISTINCT test_code) > 1 AND count(DISTINCT key) > 1)"
    ).fetchone() or (0,)
    if not row[0]:
        return []
    told = f"{row[0]} numbers stand on requests for several tests, and only the last of each is kept"
    return [f"FHIR: {told}. Name the type or the system of such numbers in fhir.shared_id."]
