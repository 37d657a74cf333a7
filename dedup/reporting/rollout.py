"""The report for the roll-out: who is connected, what waits for it, and whom to connect next."""

from __future__ import annotations

import dataclasses
from typing import Any

import duckdb

from dedup.reporting.facts import ALL, prepared
from dedup.reporting.figures import Figures, Names, look
from dedup.reporting.filters import Filters, check
from dedup.reporting.ranking import gains, greedy, largest_first
from dedup.reporting.tables import Column, Section, Table, mark
from dedup.warehouse import Warehouse

__all__ = ["rollout"]

TIERS = Section(
    "tiers",
    mark("Facilities by tier"),
    mark("How far each tier is from the goal that all are connected. Where the register says nothing, nobody counts."),
    (
        Column("tier", mark("Tier"), "word"),
        Column("facilities", mark("Facilities"), "count"),
        Column("delivering", mark("Delivering orders"), "count"),
        Column("connected", mark("Connected"), "count"),
        Column("connected_share", mark("Share connected"), "share"),
        Column("to_go", mark("To go"), "count"),
        Column("electronic_records", mark("Electronic records"), "count"),
        Column("insurance_connected", mark("Connected to the insurance"), "count"),
        Column("electronic_payment", mark("Electronic payment"), "count"),
    ),
    """
SELECT unit, coalesce(tier, 'unknown') AS level, count(*), count(*) FILTER (delivering), count(*) FILTER (connected),
       count(*) FILTER (connected) / count(*), count(*) FILTER (NOT connected), count(*) FILTER (electronic_records),
       count(*) FILTER (insurance_connected), count(*) FILTER (electronic_payment)
FROM unit_rollout GROUP BY unit, level
ORDER BY unit, list_position(['central', 'provincial', 'district', 'commune', 'private', 'unknown'], level), level
""",
)

WAITING = Section(
    "waiting",
    mark("Tests that wait for a connection"),
    mark("Avoidable repeats for which the orderer or the source of the earlier result is not connected yet."),
    (
        Column("test_id", mark("Test"), "test"),
        Column("avoidable", mark("Avoidable"), "count"),
        Column("waiting", mark("Waiting for a connection"), "count"),
        Column("share", mark("Share waiting"), "share"),
        Column("orderer_missing", mark("Orderer not connected"), "count"),
        Column("source_missing", mark("Source not connected"), "count"),
        Column("waiting_vnd", mark("Waiting đồng"), "vnd"),
    ),
    """
SELECT r.unit, r.test_id, count(*), count(*) FILTER (waiting), count(*) FILTER (waiting) / count(*),
       count(*) FILTER (NOT o.connected), count(*) FILTER (NOT q.connected),
       coalesce(sum(r.avoidable_vnd) FILTER (waiting), 0)
FROM unit_repeat AS r
JOIN report_rollout AS o ON o.facility_id = r.facility_id
JOIN report_rollout AS q ON q.facility_id = r.prior_facility_id,
LATERAL (SELECT NOT (o.connected AND q.connected) AS waiting)
WHERE r.verdict = 'avoidable' AND r.scope = 'elsewhere'
GROUP BY r.unit, r.test_id
ORDER BY r.unit, count(*) FILTER (waiting) DESC, r.test_id
""",
)

#: Computed by ``ranking``, not by a query.
NEXT = Section(
    "next",
    mark("Whom to connect next"),
    mark(
        "Each step takes the facility that makes the most repeats avoidable together with those connected before it. "
        "Beside it, what connecting the largest facilities first would have reached by the same step. "
        "Counted by the earlier result kept as evidence: another one may lie at a connected facility."
    ),
    (
        Column("step", mark("Step"), "count"),
        Column("facility_id", mark("Facility"), "facility"),
        Column("tier", mark("Tier"), "word"),
        Column("lines", mark("Order lines"), "count"),
        Column("gain", mark("Avoidable now"), "count"),
        Column("reached", mark("Avoidable so far"), "count"),
        Column("share", mark("Share of all avoidable"), "share"),
        Column("largest_first", mark("Largest first would have reached"), "count"),
        Column("largest_first_share", mark("Its share"), "share"),
    ),
    "",
)

_ROLLOUT = """
CREATE TEMP TABLE report_rollout AS
WITH register AS (
  SELECT facility_id, any_value(connected_since) AS connected_since, bool_or(electronic_records) AS electronic_records,
         bool_or(insurance_connected) AS insurance_connected, bool_or(electronic_payment) AS electronic_payment
  FROM (FROM facility ORDER BY facility_id, level_from DESC NULLS LAST, connected_since NULLS LAST)
  GROUP BY facility_id
),
delivering AS (SELECT facility_id, sum(lines) AS lines FROM report_person GROUP BY facility_id)
SELECT facility_id, f.tier, f.chosen, coalesce(d.lines, 0) AS lines, d.lines IS NOT NULL AS delivering,
       coalesce(r.connected_since <= coalesce($last, r.connected_since), false) AS connected,
       coalesce(r.electronic_records, false) AS electronic_records,
       coalesce(r.insurance_connected, false) AS insurance_connected,
       coalesce(r.electronic_payment, false) AS electronic_payment
FROM report_facility AS f JOIN register AS r USING (facility_id) LEFT JOIN delivering AS d USING (facility_id)
"""


def rollout(warehouse: Warehouse, filters: Filters | None = None) -> Figures:
    """The roll-out report for the ordering facilities that the filters let through; only repeats elsewhere matter.

    A facility counts as connected when the register's ``connected_since`` is not after the last order looked at.
    Raises UsageError when a filter names something the warehouse does not know.
    """
    filters = dataclasses.replace(check(warehouse.con, filters or Filters()), scopes=("elsewhere",))
    with prepared(warehouse.con, filters) as (con, _):
        row = con.execute("SELECT CAST(max(last_at) AS DATE) FROM report_total").fetchone()
        con.execute(_ROLLOUT, {"last": row[0] if row else None})
        con.execute(f"CREATE TEMP VIEW unit_rollout AS SELECT '{ALL}' AS unit, * FROM report_rollout WHERE chosen")
        figures = look(con, filters, None, Names(con), (TIERS, WAITING))[ALL]
        tables = dict(figures.tables) | {NEXT.name: Table(NEXT, tuple(_next(con)))}
    return dataclasses.replace(figures, report="rollout", tables=tables)


def _next(con: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    facilities = con.execute(
        "SELECT facility_id, tier, lines, connected FROM report_rollout ORDER BY facility_id"
    ).fetchall()
    pairs = {
        (one, other): number
        for one, other, number in con.execute(
            "SELECT facility_id, prior_facility_id, count(*) FROM report_repeat "
            "WHERE verdict = 'avoidable' AND scope = 'elsewhere' GROUP BY ALL ORDER BY ALL"
        ).fetchall()
    }
    connected = [code for code, _, _, is_connected in facilities if is_connected]
    lines = {code: number for code, _, number, _ in facilities}
    tiers = {code: tier for code, tier, _, _ in facilities}
    order = greedy(pairs, connected)
    whole = sum(pairs.values())
    start = sum(number for (one, other), number in pairs.items() if {one, other} <= set(connected))
    plan = gains(pairs, connected, order)
    other_plan = gains(pairs, connected, largest_first(lines, connected))
    rows, reached, other_reached = [], start, start
    for step, (code, gain) in enumerate(zip(order, plan, strict=True), start=1):
        reached += gain
        other_reached += other_plan[step - 1] if step <= len(other_plan) else 0
        rows.append(
            (
                step,
                code,
                tiers.get(code) or "unknown",
                lines.get(code, 0),
                gain,
                reached,
                reached / whole,
                other_reached,
                other_reached / whole,
            )
        )
    return rows
