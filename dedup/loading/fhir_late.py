"""FHIR results of another night than their request, and requests that turn out to be another hospital's.

Which order line a ServiceRequest became is kept in ``request_line``. What a later night says of it is staged as one
more version of that line, which is no row of the delivery: its row number is 0. A request is known again by the folder
its files come in, its reference and its subject's, so two hospitals that number alike are not mixed up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dedup.loading.fhir_sql import COLUMNS, WORKED
from dedup.loading.keys import IDENTITY, order_key
from dedup.loading.landing import Landing
from dedup.schema import TABLES

if TYPE_CHECKING:
    import duckdb

__all__ = ["BECAME", "remember", "stage_late"]

#: Which line each request of the run becomes; none: one that may not be kept.
BECAME = """CREATE OR REPLACE TEMP TABLE became AS
    SELECT n.request_key, max(o.facility_id) AS facility_id, max(o.order_id) AS order_id,
           max(n.specimen) AS specimen, max(o.delivery_no) AS delivery_no, bool_or(o.sensitive) AS sensitive
    FROM night_named AS n JOIN fhir_order AS o ON o.scope = n.scope AND o.key = n.request AND o.subject = n.subject
    WHERE n.here AND (o.facility_id IS NOT NULL OR o.sensitive) GROUP BY n.request_key"""

_PLACE = order_key("coalesce(a.facility_id, q.facility_id)", "q.order_id")

#: Where the request's line stands now; what the result leaves out is completed from it.
_SOURCE = f"""(
    SELECT late.*, l.facility_id, l.order_id, l.line_no, l.ordered_at, i.patient_id, i.national_id, i.insurance_id,
           i.full_name, i.sex, i.phone, i.province, i.address, c.code_system, c.test_code,
           CAST(i.birth_date AS VARCHAR)[1:CASE i.birth_precision WHEN 'day' THEN 10 WHEN 'month' THEN 7 ELSE 4 END]
               AS birth_date
    FROM late
    JOIN request_line AS q USING (request_key)
    LEFT JOIN facility_alias AS a ON a.alias = q.facility_id
    JOIN line AS l ON l.order_key = {_PLACE} AND l.superseded_by IS NULL AND l.status <> 'cancelled'
    JOIN identity AS i ON i.identity_id = l.identity_id
    JOIN code AS c ON c.code_id = l.code_id
    WHERE late.results > 0 OR late.reported OR late.withdrawn > 0 OR late.tube IS NOT NULL
       OR late.collected IS NOT NULL
)"""

_COLUMNS = {
    **{name: name for name in ("facility_id", "order_id", "line_no", "patient_id", "test_code", "code_system")},
    **{name: name for name in IDENTITY if name != "birth_precision"},
    "ordered_at": "ordered_at",
    **{name: COLUMNS[name] for name in WORKED},
}

#: Of these orders the row says all there is, and what it says no more was wrong: a result was marked entered-in-error.
_RETOLD = f"""INSERT INTO retold
    SELECT {order_key("facility_id", "order_id")} FROM {_SOURCE} WHERE withdrawn > 0
    UNION
    SELECT {order_key("coalesce(a.facility_id, o.facility_id)", "o.order_id")}
    FROM fhir_order AS o LEFT JOIN facility_alias AS a ON a.alias = o.facility_id WHERE o.withdrawn > 0"""

_TAKEN = f"""SELECT {order_key("coalesce(a.facility_id, b.facility_id)", "b.order_id")}
    FROM became AS b LEFT JOIN facility_alias AS a ON a.alias = b.facility_id"""

_RESULT = list(TABLES["request_result"].columns)


def stage_late(landings: Sequence[Landing]) -> int:
    """Stage what is new of lines of earlier nights; returns how many there were."""
    landings[0].con.execute(_RETOLD)
    told = {row[0] for row in landings[0].con.execute("SELECT DISTINCT delivery_no FROM late").fetchall()}
    return sum(
        landing.insert(
            f"(FROM {_SOURCE} WHERE delivery_no = {landing.delivery_no} ORDER BY request_key)",
            _COLUMNS,
            row_number="0",
            in_order=True,
            counts=False,
        )
        for landing in landings
        if landing.delivery_no in told
    )


def remember(con: duckdb.DuckDBPyConnection) -> int:
    """Keep what later nights may need; part of the load's transaction. Returns how many lines were withdrawn."""
    moved = _withdraw(con)
    con.execute("DELETE FROM request_line WHERE request_key IN (SELECT request_key FROM became)")
    columns = ", ".join(TABLES["request_line"].columns)
    con.execute(f"INSERT INTO request_line ({columns}) SELECT {columns} FROM became")
    # A request that has no line, because its test may not be kept or it is too old, leaves no result either.
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE lineless AS
        WITH told AS MATERIALIZED (
            SELECT request_key, {_PLACE} AS order_key
            FROM request_line AS q LEFT JOIN facility_alias AS a ON a.alias = q.facility_id
            WHERE request_key IN (SELECT request_key FROM night_named)
        ), placed AS (SELECT DISTINCT order_key FROM line WHERE order_key IN (SELECT order_key FROM told))
        SELECT request_key, order_key IN (SELECT order_key FROM placed) AS has_line FROM told
        WHERE NOT coalesce(has_line, false) OR request_key IN (SELECT request_key FROM became WHERE sensitive)
        """
    )
    con.execute("DELETE FROM request_result WHERE request_key IN (SELECT request_key FROM lineless)")
    con.execute(
        "UPDATE request_line SET facility_id = NULL, order_id = NULL "
        "WHERE request_key IN (SELECT request_key FROM lineless WHERE NOT coalesce(has_line, false))"
    )
    _keep_results(con)
    return moved


def _keep_results(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE night_result AS
        SELECT n.request_key, t.source_key, arg_max(t.rowid, t.delivery_no) AS row_id
        FROM night_said AS t JOIN night_named AS n ON n.scope = t.scope AND n.request = t.request
        WHERE t.kept AND n.request_key NOT IN (SELECT request_key FROM lineless)
        GROUP BY n.request_key, t.source_key
        """
    )
    con.execute(
        """
        DELETE FROM request_result USING night_result AS n
        WHERE n.request_key = request_result.request_key
          AND (n.source_key = request_result.source_key OR request_result.source_key = 0)
        """
    )
    con.execute(
        f"""
        INSERT INTO request_result ({", ".join(_RESULT)})
        SELECT {", ".join(_RESULT)} FROM night_result AS n
        JOIN (SELECT rowid AS row_id, * EXCLUDE (source_key) FROM night_said) AS t USING (row_id)
        """
    )


def _withdraw(con: duckdb.DuckDBPyConnection) -> int:
    """The line of a request that now is another hospital's, or another order, is current no more, unless it is also
    another request's of the night: they shared a number."""
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE withdrawn AS
        SELECT l.line_id, b.delivery_no FROM became AS b
        JOIN request_line AS q USING (request_key)
        LEFT JOIN facility_alias AS a ON a.alias = q.facility_id
        LEFT JOIN facility_alias AS c ON c.alias = b.facility_id
        JOIN line AS l ON l.order_key = {_PLACE} AND l.superseded_by IS NULL
        WHERE {_PLACE} <> {order_key("coalesce(c.facility_id, b.facility_id)", "b.order_id")}
          AND l.delivery_no < b.delivery_no AND l.order_key NOT IN ({_TAKEN})
        """
    )
    con.execute(
        "INSERT INTO touched BY NAME "
        "SELECT patient_record_id FROM line WHERE line_id IN (SELECT line_id FROM withdrawn)"
    )
    row = con.execute(
        "UPDATE line SET superseded_by = w.delivery_no FROM withdrawn AS w WHERE line.line_id = w.line_id"
    ).fetchone()
    return int(row[0]) if row else 0
