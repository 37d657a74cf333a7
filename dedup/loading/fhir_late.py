"""FHIR results and requests that come on different nights.

Which order line a ServiceRequest became is kept in ``request_line``, so that observations of a later night find it;
what they say is staged as one more version of that line. It is no row of the delivery: its row number is 0.
Observations that come before their request wait in ``waiting_result``. A request is known again by the folder its
files come in, its reference and its subject's, so two hospitals that number alike are not mixed up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dedup.loading.keys import IDENTITY, order_key
from dedup.loading.landing import Landing
from dedup.schema import TABLES

if TYPE_CHECKING:
    import duckdb

__all__ = ["BECAME", "recall", "remember", "stage_late"]


def _request_key(request: str, subject: str) -> str:
    return f"CAST(md5_number_lower(concat(s.sender, chr(31), {request}, chr(31), {subject})) >> 1 AS BIGINT)"


_KEPT = ", ".join(f'"{name}"' for name in TABLES["waiting_result"].columns if name != "request_key")


#: Which line each request of the run becomes.
BECAME = """CREATE OR REPLACE TEMP TABLE became AS
    SELECT a.request_key, max(o.facility) AS facility_id, max(coalesce(o.identifier, o.id)) AS order_id
    FROM asked AS a JOIN fhir_order AS o ON o.scope = a.scope AND o.key = a.request
    WHERE o.facility IS NOT NULL GROUP BY a.request_key"""


def recall(con: duckdb.DuckDBPyConnection, landings: Sequence[Landing]) -> None:
    """Give the run's requests that have no result the one that waited for them; the others' results are late."""
    con.execute("CREATE OR REPLACE TEMP TABLE fhir_sender (scope VARCHAR, sender VARCHAR)")
    con.executemany("INSERT INTO fhir_sender VALUES (?, ?)", sorted({(one.scope, one.sender) for one in landings}))
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE asked AS
        SELECT DISTINCT q.scope, q.key AS request, {_request_key("q.key", "q.subject")} AS request_key
        FROM fhir_request AS q JOIN fhir_sender AS s USING (scope) WHERE q.subject IS NOT NULL
        """
    )
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE late AS
        SELECT {_request_key("r.request", "r.subject")} AS request_key, r.scope, r.delivery_no, {_KEPT}
        FROM fhir_result AS r JOIN fhir_sender AS s USING (scope)
        WHERE r.subject IS NOT NULL AND NOT EXISTS (
            FROM fhir_request AS q WHERE q.scope = r.scope AND q.key = r.request
        )
        QUALIFY row_number() OVER (PARTITION BY request_key ORDER BY r.delivery_no DESC, r.scope) = 1
        """
    )
    con.execute(
        f"""
        INSERT INTO fhir_result BY NAME
        SELECT a.scope, a.request, {_KEPT} FROM asked AS a JOIN waiting_result AS w USING (request_key)
        WHERE NOT EXISTS (FROM fhir_result AS r WHERE r.scope = a.scope AND r.request = a.request)
        """
    )


#: Where the request's line stands now; what the result leaves out is completed from it.
_SOURCE = f"""(
    SELECT late.*, l.facility_id, l.order_id, l.line_no, l.ordered_at, i.patient_id, i.national_id, i.insurance_id,
           i.full_name, i.sex, i.phone, i.province, i.address, c.code_system, c.test_code, h.code AS laboratory,
           CAST(i.birth_date AS VARCHAR)[1:CASE i.birth_precision WHEN 'day' THEN 10 WHEN 'month' THEN 7 ELSE 4 END]
               AS birth_date
    FROM late
    JOIN request_line AS q USING (request_key)
    LEFT JOIN facility_alias AS a ON a.alias = q.facility_id
    JOIN line AS l ON l.order_key = {order_key("coalesce(a.facility_id, q.facility_id)", "q.order_id")}
                  AND l.superseded_by IS NULL AND l.status <> 'cancelled'
    JOIN identity AS i ON i.identity_id = l.identity_id
    JOIN code AS c ON c.code_id = l.code_id
    LEFT JOIN fhir_home_at AS h ON h.scope = late.scope AND h.key = late.performer AND h.at IS NULL
)"""

_COLUMNS = {
    **{name: name for name in ("facility_id", "order_id", "line_no", "patient_id", "test_code", "code_system")},
    **{name: name for name in IDENTITY if name != "birth_precision"},
    "performed_by": "laboratory",
    "ordered_at": "ordered_at",
    "collected_at": "effective",
    "resulted_at": "issued",
    "status": """CASE WHEN cancelled THEN 'cancelled' WHEN corrected THEN 'corrected' WHEN finished THEN 'final'
        ELSE 'preliminary' END""",
    "value": '"value"',
    "unit": "unit",
    "abnormal_flag": "flag",
}


def stage_late(landings: Sequence[Landing]) -> int:
    """Stage the results that belong to lines of earlier nights; returns how many there were."""
    return sum(
        landing.insert(
            f"(FROM {_SOURCE} WHERE delivery_no = {landing.delivery_no} ORDER BY request_key)",
            _COLUMNS,
            row_number="0",
            in_order=True,
            counts=False,
        )
        for landing in landings
    )


def remember(con: duckdb.DuckDBPyConnection) -> None:
    """Keep what later nights may need; part of the load's transaction."""
    con.execute("DELETE FROM waiting_result WHERE request_key IN (SELECT request_key FROM became)")
    con.execute("DELETE FROM waiting_result WHERE request_key IN (SELECT request_key FROM late)")
    con.execute(
        f"""
        INSERT INTO waiting_result BY NAME SELECT request_key, {_KEPT} FROM late
        WHERE request_key NOT IN (SELECT request_key FROM request_line)
        """
    )
    con.execute("DELETE FROM request_line WHERE request_key IN (SELECT request_key FROM became)")
    con.execute("INSERT INTO request_line BY NAME FROM became")
