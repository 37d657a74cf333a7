"""FHIR R4: bulk NDJSON (one resource a line, any mixture of types) and Bundles.

A row is a ServiceRequest. Its patient, encounter, organisation, specimen, reports and observations may stand in any
file of the same folder: references are resolved when all files of the run have landed, first within the file, then
within the folder, so that two hospitals' ``Patient/1`` are never mixed up. DuckDB takes the JSON apart;
``fhir_sql`` says which fields are taken and what they become.
"""

from __future__ import annotations

import json
import mmap
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import duckdb

from dedup.loading.fhir_fields import TABLES, empty, extraction
from dedup.loading.fhir_late import BECAME, recall, remember, stage_late
from dedup.loading.fhir_sql import COLUMNS, RESULTS, joined
from dedup.loading.landing import ENGINE_REFUSED, Landing

__all__ = ["finish", "is_manifest", "land", "recognise", "remember"]

_TYPE = re.compile(rb'"resourceType"\s*:\s*"([A-Za-z]+)"')
_RESOURCE = re.compile(rb'^\s*\{\s*"')
_MAX_OBJECT = 256 << 20
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
    source = _bundles(path) if types["Bundle"] else _lines()
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
                landing.con.execute(extraction(kind, "fhir_raw", landing.delivery_no, landing.scope))
        if _broken(landing.con):
            landing.fail("unreadable_file")
    except ENGINE_REFUSED:
        for name in TABLES.values():
            landing.con.execute(f"DELETE FROM {name} WHERE delivery_no = ?", [landing.delivery_no])
        landing.fail("unreadable_file")


def _types(path: Path) -> Counter[str]:
    """How often each type of resource is named in the bytes: an independent count."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return Counter(found[1].decode() for found in _TYPE.finditer(data))


def _lines() -> str:
    return (
        f"(SELECT json AS body, CAST(NULL AS VARCHAR) AS url FROM read_ndjson_objects(?, ignore_errors = true, "
        f"compression = 'uncompressed', maximum_object_size = {_MAX_LINE}))"
    )


def _bundles(path: Path) -> str:
    """One Bundle over the whole file, or one a line; their entries are the resources."""
    size = path.stat().st_size + 1024
    options = f"compression = 'uncompressed', maximum_object_size = {size}"
    if _is_lines(path):
        reader = f"read_ndjson_objects(?, ignore_errors = true, {options})"
    else:
        reader = f"read_json_objects(?, format = 'unstructured', {options})"
    return (
        "(SELECT json_extract(entry, '$.resource') AS body, entry ->> '$.fullUrl' AS url FROM "
        f"(SELECT unnest(json_extract(json, '$.entry[*]')) AS entry FROM {reader}))"
    )


def _is_lines(path: Path) -> bool:
    with path.open("rb") as file:
        first = file.readline(_MAX_OBJECT)
    try:
        return isinstance(json.loads(first.decode("utf-8-sig")), dict)
    except (ValueError, RecursionError):
        return False


def _broken(con: duckdb.DuckDBPyConnection) -> bool:
    row = con.execute("SELECT count(*) FROM fhir_raw WHERE body IS NULL").fetchone()
    con.execute("DROP TABLE fhir_raw")
    return bool(row and row[0])


def _make_tables(con: duckdb.DuckDBPyConnection) -> None:
    for kind in TABLES:
        con.execute(f"CREATE TEMP TABLE IF NOT EXISTS {TABLES[kind]} AS {empty(kind)}")


def finish(landings: Sequence[Landing]) -> list[str]:
    """Join what has landed and stage the rows; the answer is a note on references that lead nowhere."""
    if not landings:
        return []
    con = landings[0].con
    for sql in RESULTS:
        con.execute(sql)
    recall(con, landings)
    for sql in joined(landings[0].fhir):
        con.execute(sql)
    for landing in landings:
        landing.insert(
            f"(SELECT * FROM fhir_order WHERE delivery_no = {landing.delivery_no})", COLUMNS, row_number="row_number"
        )
        left = range(landing.rows_read + 1, landing.counted + 1)
        landing.reject([(number, "", "bad_json") for number in left])
    late = stage_late(landings)
    con.execute(BECAME)
    row = _counts(con)
    for (name,) in con.execute("SELECT table_name FROM duckdb_tables() WHERE temporary").fetchall():
        if str(name).startswith("fhir_"):
            con.execute(f'DROP TABLE temp."{name}"')
    if row is None:
        return []
    told = f"{row[0]} service requests, {row[1]} with a result, {row[2]} whose patient was not in the delivery"
    notes = [f"FHIR: {told}, {late} results of earlier nights' requests."]
    if row[3] or row[4]:
        told = f"{row[3]} service requests whose encounter was not in the delivery, {row[4]} whose organisation was not"
        notes.append(f"FHIR: {told}.")
    return notes


def _counts(con: duckdb.DuckDBPyConnection) -> tuple[int, ...] | None:
    return con.execute(
        "SELECT count(*), count(*) FILTER (results > 0), count(*) FILTER (patient_missing), "
        "count(*) FILTER (encounter_missing), count(*) FILTER (organization_missing) FROM fhir_order"
    ).fetchone()
