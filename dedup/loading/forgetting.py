"""Retention: order lines of before a day go, and with them what was only known through them."""

from __future__ import annotations

import datetime

from dedup.loading.identities import begin_identities, refresh_identities
from dedup.loading.keys import order_key
from dedup.warehouse import Run, Warehouse

__all__ = ["forget"]

_COUNTED = {
    "line": "lines",
    "identity": "identities",
    "encounter": "encounters",
    "rejected_row": "rejected_rows",
    "request_result": "request_results",
    "request_line": "requests",
    "fhir_resource": "fhir_resources",
    "fhir_wanted": "fhir_references",
}
_ORDER = order_key(
    "coalesce((SELECT a.facility_id FROM facility_alias AS a WHERE a.alias = request_line.facility_id), facility_id)",
    "order_id",
)
_GONE = f"({_ORDER} IN (SELECT order_key FROM old_order) AND {_ORDER} NOT IN (SELECT order_key FROM line))"
_RECEIVED = "delivery_no IN (SELECT delivery_no FROM delivery WHERE received_at < $before)"
_DATES = ("authored", "occurrence", "collected", "collected_start", "effective", "effective_start", "issued")
_DATED = ", ".join(f"CAST(body AS JSON) ->> '{name}'" for name in _DATES)
#: What goes once the order lines have gone: table and condition.
_LEFT_OVER = {
    "identity": "patient_record_id IN (SELECT patient_record_id FROM touched) "
    "AND identity_id NOT IN (SELECT identity_id FROM line)",
    "encounter": f"(facility_id, order_id) NOT IN (SELECT facility_id, order_id FROM line) AND {_RECEIVED}",
    "rejected_row": "delivery_id IN (SELECT delivery_id FROM delivery WHERE received_at < $before)",
    "request_result": f"request_key IN (SELECT request_key FROM request_line WHERE {_GONE}) "
    "OR (request_key NOT IN (SELECT request_key FROM request_line) "
    f"AND ({_RECEIVED} OR coalesce(effective, issued)[:10] < CAST($before AS VARCHAR)))",
    # What says that nothing may be kept of a request stays as long as anything may still come for it.
    "request_line": f"(facility_id IS NULL AND coalesce({_RECEIVED}, true)) OR {_GONE}",
    "fhir_resource": f"{_RECEIVED} OR coalesce({_DATED})[:10] < CAST($before AS VARCHAR)",
    "fhir_wanted": "resource_key NOT IN (SELECT resource_key FROM fhir_resource)",
}


def forget(warehouse: Warehouse, run: Run, before: datetime.date) -> int:
    """Drop every version of the lines ordered before ``before``, the identities no line has any more, and what is known
    of encounters, rejected rows, FHIR requests, results and resources of before; the number of lines dropped.

    Deliveries stay: the same bytes again must change nothing. Whom it touches is put into todo. One transaction.
    """
    with run.stage("retention") as stage, warehouse.transaction() as con:
        day = {"before": before}
        begin_identities(con)
        con.execute(
            "INSERT INTO touched SELECT DISTINCT patient_record_id, NULL FROM line WHERE ordered_at < $before", day
        )
        con.execute(
            "CREATE OR REPLACE TEMP TABLE old_order AS SELECT DISTINCT order_key FROM line WHERE ordered_at < $before",
            day,
        )
        for table, condition in {"line": "ordered_at < $before", **_LEFT_OVER}.items():
            given = day if "$before" in condition else {}
            row = con.execute(f"DELETE FROM {table} WHERE {condition}", given).fetchone()
            stage.counts[_COUNTED[table]] = int(row[0]) if row else 0
        records = con.execute("SELECT count(*) FROM patient_identity").fetchone()
        refresh_identities(con)
        left = con.execute("SELECT count(*) FROM patient_identity").fetchone()
        stage.counts["patient_records"] = (records[0] if records else 0) - (left[0] if left else 0)
        con.execute("DROP TABLE temp.old_order")
        stage.notes.append(f"Order lines of before {before} were dropped.")
    return stage.counts["lines"]
