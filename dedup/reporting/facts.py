"""The tables every section of a report reads: counted lines, persons and repeats, one report's filters applied.

They are temporary and go when the report is done. Each is kept small enough for ten million lines: what need not
be known line by line is counted at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import duckdb

from dedup.reporting.filters import Filters, facility_condition, line_condition

__all__ = ["ALL", "look_at", "prepared"]

#: The unit of a report about everything the filters let through.
ALL = "*"

# A facility has a row for each period of its level: names are taken from the latest.
_FACILITY = """
CREATE OR REPLACE TEMP TABLE report_facility AS
SELECT facility_id, name, tier, province, {condition} AS chosen
FROM facility
QUALIFY row_number() OVER (
  PARTITION BY facility_id ORDER BY level_from DESC NULLS LAST, name NULLS LAST, tier NULLS LAST, province NULLS LAST
) = 1
"""

# One row for each facility, test and person: the denominators, and the clusters of the intervals.
_PERSON = """
CREATE OR REPLACE TEMP TABLE report_person AS
SELECT o.facility_id, o.test_id, coalesce(o.person_id, o.patient_record_id) AS person_id, count(*) AS lines,
       sum(coalesce(o.price_vnd, t.price_vnd)) AS price_vnd, min(o.ordered_at) AS first_at, max(o.ordered_at) AS last_at
FROM order_line AS o
LEFT JOIN test AS t ON t.test_id = o.test_id
WHERE o.status NOT IN ('cancelled', 'rejected') AND {condition}
GROUP BY ALL
"""

# The other denominators. Lines that were cancelled or rejected are counted under 'status' alone.
_COUNT = """
CREATE OR REPLACE TEMP TABLE report_count AS
WITH line AS (
  SELECT o.facility_id, coalesce(o.department, '') AS department, coalesce(o.ordered_by, '') AS ordered_by,
         CAST(date_trunc('week', o.ordered_at) AS DATE) AS week, o.delivery_id, o.test_id IS NULL AS uncatalogued
  FROM order_line AS o
  WHERE o.status NOT IN ('cancelled', 'rejected') AND {condition}
)
SELECT facility_id, count(*) AS lines, department, ordered_by, week, delivery_id, uncatalogued,
       CASE WHEN grouping(department) = 0 THEN 'department' WHEN grouping(ordered_by) = 0 THEN 'orderer'
            WHEN grouping(week) = 0 THEN 'week' WHEN grouping(delivery_id) = 0 THEN 'delivery' ELSE 'catalogue' END
         AS dimension
FROM line
GROUP BY GROUPING SETS ((facility_id, department), (facility_id, ordered_by), (facility_id, week),
                        (facility_id, delivery_id), (facility_id, uncatalogued))
"""

_REPEAT = """
CREATE OR REPLACE TEMP TABLE report_repeat AS
WITH chosen AS (SELECT o.* FROM flag AS o WHERE list_contains($scopes, o.scope) AND {condition}),
ordered AS (
  SELECT f.*, o.department, o.ordered_by, o.order_reason, o.encounter_id, o.setting
  FROM order_line AS o
  JOIN chosen AS f ON f.facility_id = o.facility_id AND f.order_id = o.order_id AND f.line_no = o.line_no
)
SELECT f.facility_id, f.order_id, f.line_no, f.scope, f.verdict, f.reason, f.person_id, f.test_id, f.ordered_at,
       f.prior_facility_id, f.prior_order_id, f.prior_line_no, f.prior_test_id, f.prior_collected_at,
       f.prior_resulted_at, f.hours_since_prior, f.valid_until, f.rule_id, f.coverage, f.match_method,
       f.match_probability, f.price_vnd, f.avoidable_vnd, f.chain_avoidable, f.verdict_if_recognised,
       coalesce(f.department, '') AS department, coalesce(f.ordered_by, '') AS ordered_by, f.order_reason, f.setting,
       CASE WHEN f.ordered_by IS NULL OR q.ordered_by IS NULL THEN 'unknown'
            WHEN f.ordered_by = q.ordered_by THEN 'same' ELSE 'other' END AS orderer
FROM order_line AS q
RIGHT JOIN ordered AS f
  ON f.prior_facility_id = q.facility_id AND f.prior_order_id = q.order_id AND f.prior_line_no = q.line_no
"""

# Lines that had an earlier order of the same test, however old, or a repeat of any kind: the funnel's second step.
# Elsewhere, the earliest collection at the other facilities decides; at the same facility, the earliest but one's own.
_PRIOR = """
CREATE OR REPLACE TEMP TABLE report_prior AS
WITH line AS (
  SELECT facility_id, order_id, line_no, test_id, coalesce(person_id, patient_record_id) AS person_id, ordered_at,
         coalesce(collected_at, resulted_at, ordered_at) AS collected_at
  FROM order_line WHERE status NOT IN ('cancelled', 'rejected') AND test_id IS NOT NULL
),
place AS (
  SELECT person_id, test_id, facility_id, min(collected_at, 2) AS own FROM line GROUP BY person_id, test_id, facility_id
),
away AS (
  SELECT person_id, test_id, min(own[1], 2) AS ends, arg_min(facility_id, own[1]) AS facility_id
  FROM place GROUP BY person_id, test_id
),
first AS (
  SELECT p.person_id, p.test_id, p.facility_id, p.own,
         CASE WHEN p.facility_id = a.facility_id THEN a.ends[2] ELSE a.ends[1] END AS elsewhere
  FROM place AS p JOIN away AS a ON a.person_id = p.person_id AND a.test_id = p.test_id
  WHERE len(a.ends) > 1 OR len(p.own) > 1
),
flagged AS (
  SELECT facility_id, order_id, line_no, bool_or(scope = 'elsewhere') AS elsewhere,
         bool_or(scope = 'same_facility') AS same_facility
  FROM flag GROUP BY ALL
)
SELECT o.facility_id,
       count(*) FILTER (coalesce(f.elsewhere < o.ordered_at, false) OR coalesce(r.elsewhere, false)) AS elsewhere,
       count(*) FILTER (
         coalesce(CASE WHEN o.collected_at = f.own[1] THEN f.own[2] ELSE f.own[1] END < o.ordered_at, false)
         OR coalesce(r.same_facility, false)
       ) AS same_facility
FROM line AS o
LEFT JOIN first AS f ON f.person_id = o.person_id AND f.test_id = o.test_id AND f.facility_id = o.facility_id
LEFT JOIN flagged AS r ON r.facility_id = o.facility_id AND r.order_id = o.order_id AND r.line_no = o.line_no
WHERE {condition}
GROUP BY o.facility_id
"""

# Deliveries with a line of the facility; without a choice of facilities, also those that brought none at all.
_DELIVERY = """
CREATE OR REPLACE TEMP TABLE report_delivery AS
SELECT DISTINCT facility_id, delivery_id FROM report_count WHERE dimension = 'delivery'
UNION ALL
SELECT NULL, delivery_id FROM delivery
WHERE $every AND delivery_id NOT IN (SELECT delivery_id FROM report_count WHERE dimension = 'delivery')
"""

_TABLES = (
    "report_facility",
    "report_person",
    "report_count",
    "report_repeat",
    "report_prior",
    "report_scope",
    "report_delivery",
    "report_unit",
)
_VIEWS = {
    "unit_person": "report_person",
    "unit_count": "report_count",
    "unit_repeat": "report_repeat",
    "unit_prior": "report_prior",
    "unit_delivery": "report_delivery",
}


@contextlib.contextmanager
def prepared(con: duckdb.DuckDBPyConnection, filters: Filters) -> Iterator[list[str]]:
    """Make the tables, give the facilities that ordered anything (in code order), drop the tables at the end."""
    where, values = facility_condition(filters)
    line, chosen = line_condition(filters)
    try:
        con.execute(_FACILITY.format(condition=where), values)
        con.execute(_PERSON.format(condition=line), chosen)
        con.execute(_COUNT.format(condition=line), chosen)
        con.execute(_REPEAT.format(condition=line), chosen | {"scopes": list(filters.scopes)})
        con.execute(_PRIOR.format(condition=line), chosen)
        con.execute(
            "CREATE OR REPLACE TEMP TABLE report_scope AS SELECT unnest($scopes) AS scope",
            {"scopes": list(filters.scopes)},
        )
        con.execute(_DELIVERY, {"every": not values})
        con.execute("CREATE OR REPLACE TEMP TABLE report_unit (facility_id VARCHAR)")
        look_at(con, None)
        found = con.execute("SELECT DISTINCT facility_id FROM report_person ORDER BY facility_id").fetchall()
        yield [row[0] for row in found]
    finally:
        for view in _VIEWS:
            con.execute(f"DROP VIEW IF EXISTS {view}")
        for table in _TABLES:
            con.execute(f"DROP TABLE IF EXISTS {table}")


def look_at(con: duckdb.DuckDBPyConnection, units: Sequence[str] | None) -> None:
    """Give the sections' views a ``unit`` column: ALL for None, else the facility, of these facilities only."""
    con.execute("DELETE FROM report_unit")
    if units is not None:
        con.execute("INSERT INTO report_unit SELECT unnest($units)", {"units": list(units)})
    for view, table in _VIEWS.items():
        unit = (
            f"'{ALL}' AS unit, * FROM {table}"
            if units is None
            else (f"facility_id AS unit, * FROM {table} WHERE facility_id IN (SELECT facility_id FROM report_unit)")
        )
        con.execute(f"CREATE OR REPLACE TEMP VIEW {view} AS SELECT {unit}")
