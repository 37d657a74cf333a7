"""What observations, reports and specimens say of each ServiceRequest, of this night and of earlier ones, as SQL.

``night_said`` has one row for each of them and each request it belongs to; what earlier nights said stands in
``request_result`` and joins it. ``fhir_known`` is what all of them say together, so it does not matter on which nights
they came; of several versions of one resource the latest counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dedup.loading.fhir_keys import is_sensitive, request_key, source_key
from dedup.schema import TABLES

if TYPE_CHECKING:
    import duckdb

__all__ = ["collect"]

# Observation → ServiceRequest: by basedOn, by the report it stands in, or as a member of such an observation.
_LINKS = [
    """CREATE OR REPLACE TEMP TABLE fhir_link AS
    SELECT DISTINCT scope, request, observation FROM (
        SELECT scope, b.base AS request, key AS observation
        FROM fhir_observation, unnest(bases) AS b(base)
        UNION ALL
        SELECT scope, b.base, m.member
        FROM fhir_report, unnest(bases) AS b(base), unnest(members) AS m(member)
    )""",
    """INSERT INTO fhir_link
    SELECT DISTINCT l.scope, l.request, o.member
    FROM fhir_link AS l JOIN (
        SELECT scope, key, unnest(members) AS member FROM fhir_observation WHERE len(members) > 0
    ) AS o ON o.scope = l.scope AND o.key = l.observation
    WHERE NOT EXISTS (FROM fhir_link AS k WHERE k.scope = l.scope AND k.request = l.request
                      AND k.observation = o.member)""",
]

# Of several versions of one resource the latest counts. There seldom are any, and asking is cheaper than sorting.
_REPEATED = "SELECT 1 FROM {0} GROUP BY scope, key HAVING count(*) > 1 LIMIT 1"
_OUTDATED = """DELETE FROM {0} WHERE rowid IN (
    SELECT t.rowid FROM {0} AS t
    QUALIFY row_number() OVER (PARTITION BY scope, key ORDER BY delivery_no DESC, t.row_number DESC) > 1)"""

_GRAVITY = "['N', 'NEG', 'A', 'L', 'H', 'POS', 'LL', 'HH', 'AA']"  # from mild to grave
_LABORATORY = "list_filter({}performers, lambda p: contains(p, 'Organization/'))[1]"

_SAID = f"""CREATE OR REPLACE TEMP TABLE night_said AS
    SELECT l.scope, l.request, o.subject, o.delivery_no, {source_key("o.key")} AS source_key, 'Observation' AS kind,
           o.status, o.issued, coalesce(o.effective, o.effective_start) AS effective,
           coalesce(o.quantity, o.string, o.concept, o.concept_name) AS "value",
           CASE WHEN o.quantity IS NOT NULL THEN o.unit END AS unit,
           {_LABORATORY.format("o.")} AS performer, o.specimen, NOT {is_sensitive("o.codes")} AS kept,
           list_extract({_GRAVITY}, CAST(list_max(list_transform(o.flags,
               lambda f: list_position({_GRAVITY}, upper(f)))) AS INTEGER)) AS flag
    FROM fhir_link AS l JOIN fhir_observation AS o ON o.scope = l.scope AND o.key = l.observation
    UNION ALL BY NAME
    SELECT scope, b.base AS request, subject, delivery_no, {source_key("key")} AS source_key,
           'DiagnosticReport' AS kind, status, issued, coalesce(effective, effective_start) AS effective,
           {_LABORATORY.format("")} AS performer, true AS kept
    FROM fhir_report, unnest(bases) AS b(base)
    UNION ALL BY NAME
    SELECT scope, r.request, subject, max(delivery_no) AS delivery_no, {source_key("key")} AS source_key,
           'Specimen' AS kind, key AS specimen, true AS kept
    FROM fhir_specimen, unnest(requests) AS r(request) GROUP BY scope, r.request, subject, key
    UNION ALL BY NAME
    SELECT scope, request, subject, delivery_no, -1 AS source_key, 'News' AS kind, false AS kept FROM fhir_news"""

# A request of the night is known by what it says of itself, any other by what is said of it.
_NAMED = f"""CREATE OR REPLACE TEMP TABLE night_named AS
    SELECT q.scope, q.key AS request, {request_key("q.key", "q.subject")} AS request_key,
           true AS here, false AS known, q.subject, q.specimen
    FROM fhir_request AS q JOIN fhir_sender AS s USING (scope) WHERE q.subject IS NOT NULL"""
_NAMED_ELSEWHERE = f"""INSERT INTO night_named
    SELECT o.scope, o.request, {request_key("o.request", "o.subject")} AS request_key, false, l.facility_id IS NOT NULL,
           o.subject, l.specimen
    FROM (
        SELECT t.scope, t.request, min(t.subject) AS subject FROM night_said AS t
        WHERE NOT EXISTS (FROM fhir_request AS q WHERE q.scope = t.scope AND q.key = t.request) GROUP BY ALL
    ) AS o JOIN fhir_sender AS s USING (scope)
    LEFT JOIN request_line AS l ON l.request_key = {request_key("o.request", "o.subject")}
    WHERE o.subject IS NOT NULL"""

# Two archives of one folder: what is said in one of a request that stands in the other, or in none.
_ONE_PLACE = """CREATE OR REPLACE TEMP TABLE fhir_place AS
    SELECT n.scope, n.request, p.place.scope AS other
    FROM night_named AS n JOIN (
        SELECT request_key, min({'late': NOT here, 'scope': scope}) AS place FROM night_named GROUP BY request_key
    ) AS p USING (request_key) WHERE NOT n.here AND n.scope <> p.place.scope"""
_MOVED = [
    _ONE_PLACE,
    """UPDATE night_said SET scope = p.other FROM fhir_place AS p
    WHERE night_said.scope = p.scope AND night_said.request = p.request""",
    """DELETE FROM night_named USING fhir_place AS p
    WHERE night_named.scope = p.scope AND night_named.request = p.request""",
]

_COLUMNS = [name for name in TABLES["request_result"].columns if name != "request_key"]
_RECALLED = f"""INSERT INTO night_said BY NAME
    SELECT n.scope, n.request, {", ".join(f'r."{name}"' for name in _COLUMNS if name != "delivery_no")},
           0 AS delivery_no, false AS kept
    FROM night_named AS n JOIN request_result AS r USING (request_key)
    WHERE NOT EXISTS (FROM night_said AS t WHERE t.scope = n.scope AND t.request = n.request
                      AND (t.source_key = r.source_key OR (r.source_key = 0 AND t.kind = 'Observation')))"""

_OBSERVED = "kind = 'Observation' AND status IS DISTINCT FROM 'entered-in-error'"
_REPORTED = "kind = 'DiagnosticReport' AND status IS DISTINCT FROM 'entered-in-error'"
_WITHDRAWN = "status = 'entered-in-error'"


def _first(aggregate: str, name: str, *, other: str = _REPORTED) -> str:
    found = f"{aggregate}({name}) FILTER ({{}})"
    return f"coalesce({found.format(_OBSERVED)}, {found.format(other)}) AS {name}"


_KNOWN = f"""CREATE OR REPLACE TEMP TABLE fhir_known AS
    SELECT * EXCLUDE (told), told."value" AS "value", told.unit AS unit FROM (
        SELECT scope, request, max(delivery_no) AS delivery_no, count(*) FILTER ({_OBSERVED}) AS results,
               bool_or(status IN ('amended', 'corrected')) FILTER ({_OBSERVED}) AS corrected,
               bool_and(status IN ('final', 'amended', 'corrected')) FILTER ({_OBSERVED}) AS finished,
               bool_and(status = 'cancelled') FILTER ({_OBSERVED}) AS cancelled,
               count(*) FILTER ({_REPORTED}) > 0 AS reported, count(*) FILTER ({_WITHDRAWN}) AS withdrawn,
               bool_or(status IN ('amended', 'corrected', 'appended')) FILTER ({_REPORTED}) AS report_corrected,
               bool_or(status IN ('final', 'amended', 'corrected', 'appended')) FILTER ({_REPORTED}) AS report_finished,
               {_first("max", "issued")}, {_first("min", "effective")}, {_first("min", "performer")},
               {_first("min", "specimen", other="kind = 'Specimen'")},
               arg_min({{'value': "value", 'unit': unit}}, source_key)
                   FILTER ({_OBSERVED} AND "value" IS NOT NULL) AS told,
               list_extract({_GRAVITY}, max(list_position({_GRAVITY}, flag)) FILTER ({_OBSERVED})) AS flag
        FROM night_said GROUP BY scope, request
    )"""


def collect(con: duckdb.DuckDBPyConnection) -> None:
    """Make ``fhir_link`` and ``fhir_known``, and of what later nights may need ``night_said`` and ``night_named``."""
    for table in ("fhir_observation", "fhir_report"):
        if con.execute(_REPEATED.format(table)).fetchone():
            con.execute(_OUTDATED.format(table))
    for sql in (*_LINKS, _SAID, _NAMED, _NAMED_ELSEWHERE, *_MOVED):
        con.execute(sql)
    if con.execute("SELECT 1 FROM request_result LIMIT 1").fetchone():
        con.execute(_RECALLED)
    con.execute(_KNOWN)
