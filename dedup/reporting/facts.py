"""The tables every section of a report reads: counted lines, persons and repeats, one report's filters applied.

They are temporary and go with the connection they belong to. Each is kept small enough for ten million lines: what
need not be known line by line is counted at once, and a report about few facilities reads the lines of their persons.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import duckdb

from dedup.reporting.filters import FEW, Filters, facility_condition, line_condition
from dedup.warehouse import another

__all__ = ["ALL", "look_at", "prepared"]

_BUCKETS = 4  # of persons, when a report is about all facilities

#: The unit of a report about everything the filters let through.
ALL = "*"

# A facility has a row for each period of its level: names are taken from the latest.
_FACILITY = """
CREATE TEMP TABLE report_facility AS
SELECT facility_id, name, tier, province, {condition} AS chosen
FROM facility
QUALIFY row_number() OVER (
  PARTITION BY facility_id ORDER BY level_from DESC NULLS LAST, name NULLS LAST, tier NULLS LAST, province NULLS LAST
) = 1
"""

# The records of the persons looked at: all there are or, for a few facilities, those of the persons known there.
_RECORD = """
CREATE TEMP {kind} report_record AS
SELECT patient_record_id, i.facility_id, p.person_id
FROM match_person AS p JOIN patient_identity AS i USING (patient_record_id) WHERE p.person_id IS NOT NULL {condition}
"""
_KNOWN_THERE = """AND person_id IN (
  SELECT person_id FROM match_person JOIN patient_identity USING (patient_record_id)
  WHERE facility_id IN (SELECT facility_id FROM report_facility WHERE chosen))"""

# Their order lines, but for those that were cancelled or rejected. For a few facilities they are read in two passes, as
# only the facilities' own lines need all columns: of ten million lines, each column costs.
_LINE = """
CREATE TEMP {kind} report_line AS
SELECT o.facility_id, o.order_id, o.line_no, o.patient_record_id, o.code_id, o.ordered_at,
       coalesce(o.collected_at, o.resulted_at, o.ordered_at) AS collected_at, o.department, o.ordered_by,
       o.order_reason, o.delivery_no, o.price_vnd
FROM line AS o
WHERE o.superseded_by IS NULL AND o.status NOT IN ('cancelled', 'rejected') {condition}
"""
_THERE = "AND o.facility_id IN (SELECT facility_id FROM report_facility WHERE chosen)"
_ELSEWHERE = """
INSERT INTO report_line BY NAME
SELECT o.facility_id, o.order_id, o.line_no, o.patient_record_id, o.code_id, o.ordered_at,
       coalesce(o.collected_at, o.resulted_at, o.ordered_at) AS collected_at, o.ordered_by
FROM line AS o
SEMI JOIN (
  SELECT patient_record_id FROM report_record
  WHERE facility_id NOT IN (SELECT facility_id FROM report_facility WHERE chosen)
) AS r ON r.patient_record_id = o.patient_record_id
WHERE o.superseded_by IS NULL AND o.status NOT IN ('cancelled', 'rejected')
"""

# One row for each facility, test and person: the denominators, and the clusters of the intervals.
_PERSON = """
CREATE TEMP TABLE report_person AS
SELECT o.facility_id, c.test_id, coalesce(p.person_id, o.patient_record_id) AS person_id,
       CAST(count(*) AS INTEGER) AS lines
FROM report_line AS o
LEFT JOIN code_test AS c ON c.code_id = o.code_id
LEFT JOIN report_record AS p ON p.patient_record_id = o.patient_record_id
WHERE {condition}
GROUP BY ALL
"""

# What a facility's lines cost, and the time they span.
_TOTAL = """
CREATE TEMP TABLE report_total AS
SELECT o.facility_id, sum(coalesce(o.price_vnd, t.price_vnd)) AS price_vnd, min(o.ordered_at) AS first_at,
       max(o.ordered_at) AS last_at
FROM report_line AS o
LEFT JOIN code_test AS c ON c.code_id = o.code_id
LEFT JOIN test AS t ON t.test_id = c.test_id
WHERE {condition}
GROUP BY ALL
"""

# The other denominators.
_COUNT = """
CREATE TEMP TABLE report_count AS
WITH counted AS (
  SELECT o.facility_id, coalesce(o.department, '') AS department, coalesce(o.ordered_by, '') AS ordered_by,
         CAST(date_trunc('week', o.ordered_at) AS DATE) AS week, o.delivery_no
  FROM report_line AS o LEFT JOIN code_test AS c ON c.code_id = o.code_id
  WHERE {condition}
)
SELECT facility_id, count(*) AS lines, department, ordered_by, week, delivery_no,
       CASE WHEN grouping(department) = 0 THEN 'department' WHEN grouping(ordered_by) = 0 THEN 'orderer'
            WHEN grouping(week) = 0 THEN 'week' ELSE 'delivery' END AS dimension
FROM counted
GROUP BY GROUPING SETS ((facility_id, department), (facility_id, ordered_by), (facility_id, week),
                        (facility_id, delivery_no))
"""

_REPEAT = """
CREATE TEMP TABLE report_repeat AS
WITH chosen AS (
  SELECT o.facility_id, o.order_id, o.line_no, o.scope, o.verdict, o.reason, o.person_id, o.test_id, o.ordered_at,
         o.prior_facility_id, o.prior_order_id, o.prior_line_no, o.prior_collected_at, o.hours_since_prior,
         o.valid_until, o.rule_id, o.match_method, o.match_probability, o.price_vnd, o.avoidable_vnd,
         o.chain_avoidable, o.verdict_if_recognised
  FROM flag AS o
  WHERE list_contains($scopes, o.scope) AND {condition}
)
SELECT f.* EXCLUDE (prior_line_no), coalesce(o.department, '') AS department, coalesce(o.ordered_by, '') AS ordered_by,
       o.order_reason, o.collected_at, o.patient_record_id,
       CASE WHEN o.ordered_by IS NULL OR q.ordered_by IS NULL THEN 'unknown'
            WHEN o.ordered_by = q.ordered_by THEN 'same' ELSE 'other' END AS orderer
FROM chosen AS f
JOIN report_line AS o ON o.facility_id = f.facility_id AND o.order_id = f.order_id AND o.line_no = f.line_no
LEFT JOIN report_line AS q
  ON q.facility_id = f.prior_facility_id AND q.order_id = f.prior_order_id AND q.line_no = f.prior_line_no
"""

# For each person, test and facility with more than one line: the earliest collection there. ``odd``: a line was
# collected before it was ordered, so that it could be taken for its own predecessor.
_PLACE = """
CREATE OR REPLACE TEMP TABLE report_place AS
SELECT r.person_id, c.test_id, o.facility_id, min(o.collected_at) AS own, count(*) > 1 AS again,
       bool_or(o.collected_at < o.ordered_at) AS odd
FROM report_line AS o
JOIN report_record AS r ON r.patient_record_id = o.patient_record_id
JOIN code_test AS c ON c.code_id = o.code_id
WHERE {bucket}
GROUP BY ALL
"""

# The same with the second earliest there, where it matters, and the earliest at any other facility. Lists of two are
# dear: they are made only for those who have been to two facilities, or where a line is odd.
_FIRST = """
CREATE OR REPLACE TEMP TABLE report_first AS
WITH many AS (SELECT person_id, test_id FROM report_place GROUP BY person_id, test_id HAVING count(*) > 1),
away AS (
  SELECT person_id, test_id, min(own, 2) AS ends, arg_min(facility_id, own) AS facility_id
  FROM report_place SEMI JOIN many USING (person_id, test_id) GROUP BY person_id, test_id
),
odd AS (SELECT person_id, test_id, facility_id FROM report_place WHERE again AND odd),
next AS (
  SELECT r.person_id, c.test_id, o.facility_id, min(o.collected_at, 2)[2] AS own_next
  FROM report_line AS o
  JOIN report_record AS r ON r.patient_record_id = o.patient_record_id
  JOIN code_test AS c ON c.code_id = o.code_id
  JOIN odd ON odd.person_id = r.person_id AND odd.test_id = c.test_id AND odd.facility_id = o.facility_id
  GROUP BY ALL
)
SELECT p.person_id, p.test_id, p.facility_id, CASE WHEN p.again THEN p.own END AS own,
       CASE WHEN p.odd THEN n.own_next WHEN p.again THEN p.own END AS own_next,
       CASE WHEN p.facility_id = a.facility_id THEN a.ends[2] ELSE a.ends[1] END AS elsewhere
FROM report_place AS p
LEFT JOIN away AS a ON a.person_id = p.person_id AND a.test_id = p.test_id
LEFT JOIN next AS n ON n.person_id = p.person_id AND n.test_id = p.test_id AND n.facility_id = p.facility_id
WHERE a.ends IS NOT NULL OR p.again
"""

_EARLIER = """coalesce(f.elsewhere < o.ordered_at, false) AS elsewhere,
       coalesce(CASE WHEN o.collected_at = f.own THEN f.own_next ELSE f.own END < o.ordered_at, false)
         AS same_facility"""

# Lines that had an earlier order of the same test, however old, or are a repeat of any kind: the funnel's second step.
_PRIOR = f"""
INSERT INTO report_prior
WITH ordered AS (
  SELECT o.facility_id, r.person_id, c.test_id, o.ordered_at, o.collected_at
  FROM report_line AS o
  JOIN report_record AS r ON r.patient_record_id = o.patient_record_id
  JOIN code_test AS c ON c.code_id = o.code_id
  WHERE {{condition}} AND {{bucket}}
),
found AS (
  SELECT o.facility_id, {_EARLIER}
  FROM ordered AS o
  JOIN report_first AS f ON f.person_id = o.person_id AND f.test_id = o.test_id AND f.facility_id = o.facility_id
),
repeated AS (  -- by a panel or a component, so that no earlier line has the very same test
  SELECT o.facility_id, o.scope, {_EARLIER}
  FROM report_repeat AS o
  LEFT JOIN report_first AS f ON f.person_id = o.person_id AND f.test_id = o.test_id AND f.facility_id = o.facility_id
  WHERE {{bucket_of_repeat}}
)
SELECT facility_id, sum(elsewhere) AS elsewhere, sum(same_facility) AS same_facility
FROM (
  SELECT facility_id, count(*) FILTER (elsewhere) AS elsewhere, count(*) FILTER (same_facility) AS same_facility
  FROM found GROUP BY facility_id
  UNION ALL
  SELECT facility_id, count(*) FILTER (scope = 'elsewhere' AND NOT elsewhere),
         count(*) FILTER (scope = 'same_facility' AND NOT same_facility)
  FROM repeated GROUP BY facility_id
  UNION ALL
  SELECT DISTINCT facility_id, 0, 0 FROM report_person
)
GROUP BY facility_id
"""

# Deliveries with a line of the facility; without a choice of facilities, also those that brought none at all.
_DELIVERY = """
CREATE TEMP TABLE report_delivery AS
WITH counted AS (SELECT DISTINCT facility_id, delivery_no FROM report_count WHERE dimension = 'delivery')
SELECT facility_id, delivery_id FROM counted JOIN delivery USING (delivery_no)
UNION ALL
SELECT NULL, delivery_id FROM delivery WHERE $every AND delivery_no NOT IN (SELECT delivery_no FROM counted)
"""

_VIEWS = {
    "unit_person": "report_person",
    "unit_total": "report_total",
    "unit_count": "report_count",
    "unit_repeat": "report_repeat",
    "unit_prior": "report_prior",
    "unit_delivery": "report_delivery",
}


@contextlib.contextmanager
def prepared(con: duckdb.DuckDBPyConnection, filters: Filters) -> Iterator[tuple[duckdb.DuckDBPyConnection, list[str]]]:
    """A connection of its own that has the tables, and the facilities that ordered anything, in code order.

    Temporary tables belong to their connection: two reports at once do not meet, and nothing is left behind.
    """
    with another(con) as own:
        with contextlib.suppress(duckdb.InvalidInputException):  # a notebook without ipywidgets has no bar to hide
            own.execute("SET enable_progress_bar = false")
        _make(own, filters)
        look_at(own, None)
        found = own.execute("SELECT DISTINCT facility_id FROM report_person ORDER BY facility_id").fetchall()
        yield own, [row[0] for row in found]


def _make(con: duckdb.DuckDBPyConnection, filters: Filters) -> None:
    where, values = facility_condition(filters)
    con.execute(_FACILITY.format(condition=where), values)
    chosen = con.execute("SELECT facility_id FROM report_facility WHERE chosen ORDER BY facility_id").fetchall()
    facilities = [row[0] for row in chosen] if values else None
    line, given = line_condition(filters, facilities, test="c.test_id")
    scopes = {"scopes": list(filters.scopes)}
    con.execute("CREATE TEMP TABLE report_scope AS SELECT unnest($scopes) AS scope", scopes)
    if facilities is None or len(facilities) > FEW:
        con.execute(_RECORD.format(kind="VIEW", condition=""))
        con.execute(_LINE.format(kind="VIEW", condition=""))
    else:
        con.execute(_RECORD.format(kind="TABLE", condition=_KNOWN_THERE))
        con.execute(_LINE.format(kind="TABLE", condition=_THERE))
        con.execute(_ELSEWHERE)
    con.execute(_PERSON.format(condition=line), given)
    con.execute(_TOTAL.format(condition=line), given)
    con.execute(_COUNT.format(condition=line), given)
    flag, given_flag = line_condition(filters, facilities, test="o.test_id")
    con.execute(_REPEAT.format(condition=flag), given_flag | scopes)
    _count_priors(con, line, given, buckets=_BUCKETS if facilities is None or len(facilities) > FEW else 1)
    con.execute(_DELIVERY, {"every": facilities is None})
    con.execute("CREATE TEMP TABLE report_unit (facility_id VARCHAR)")


def _count_priors(con: duckdb.DuckDBPyConnection, line: str, given: dict[str, object], buckets: int) -> None:
    """Fill report_prior, one bucket of persons after the other: together they would take more memory than all else."""
    con.execute("CREATE TEMP TABLE report_prior (facility_id VARCHAR, elsewhere BIGINT, same_facility BIGINT)")
    for number in range(buckets):
        of_record, of_repeat = (f"hash({alias}.person_id) % {buckets} = {number}" for alias in ("r", "o"))
        con.execute(_PLACE.format(bucket=of_record))
        con.execute(_FIRST)
        con.execute(_PRIOR.format(condition=line, bucket=of_record, bucket_of_repeat=of_repeat), given)
    con.execute("DROP TABLE report_place")
    con.execute("DROP TABLE report_first")


def look_at(con: duckdb.DuckDBPyConnection, units: Sequence[str] | None) -> None:
    """Give the sections' views a ``unit`` column: ALL for None, else the facility, of these facilities only."""
    con.execute("DELETE FROM report_unit")
    if units is not None:
        con.execute("INSERT INTO report_unit SELECT unnest($units)", {"units": list(units)})
    for view, table in _VIEWS.items():
        unit = f"'{ALL}' AS unit, * FROM {table}"
        if units is not None:
            unit = f"facility_id AS unit, * FROM {table} WHERE facility_id IN (SELECT facility_id FROM report_unit)"
        con.execute(f"CREATE OR REPLACE TEMP VIEW {view} AS SELECT {unit}")
