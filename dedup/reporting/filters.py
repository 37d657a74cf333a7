"""Which part of a warehouse a report is about."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb

from dedup.errors import UsageError
from dedup.schema import SCOPES

__all__ = ["FEW", "Filters", "check", "facility_condition", "line_condition"]

FEW = 50  #: facilities that a condition can name one by one


@dataclass(frozen=True)
class Filters:
    """An empty field means all. Dates are local dates of ``ordered_at``, inclusive.

    ``hospitals``, ``provinces`` and ``tiers`` choose the *ordering* facility.
    """

    hospitals: tuple[str, ...] = ()
    provinces: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    scopes: tuple[str, ...] = field(default=SCOPES)
    since: datetime.date | None = None
    until: datetime.date | None = None


def check(con: duckdb.DuckDBPyConnection, filters: Filters) -> Filters:
    """The same filters with old facility codes resolved. UsageError when one of them can match nothing."""
    if unknown := [scope for scope in filters.scopes if scope not in SCOPES]:
        raise UsageError(f"There is no scope {unknown[0]!r}. Choose from {', '.join(SCOPES)}.")
    if filters.since and filters.until and filters.since > filters.until:
        raise UsageError("--from is later than --to.")
    aliases = dict(con.execute("SELECT alias, facility_id FROM facility_alias ORDER BY alias").fetchall())
    hospitals = tuple(aliases.get(code, code) for code in filters.hospitals)
    for option, values, column, table in (
        ("--hospital", hospitals, "facility_id", "facility"),
        ("--province", filters.provinces, "province", "facility"),
        ("--tier", filters.tiers, "tier", "facility"),
        ("--test", filters.tests, "test_id", "test"),
    ):
        missing = f"""
SELECT value FROM unnest(CAST($values AS VARCHAR[])) AS v(value)
WHERE value NOT IN (SELECT {column} FROM {table} WHERE {column} IS NOT NULL)
ORDER BY value"""
        if row := con.execute(missing, {"values": list(values)}).fetchone():
            raise UsageError(f"{option}: this warehouse knows no {row[0]!r}.")
    return Filters(
        hospitals, filters.provinces, filters.tiers, filters.tests, filters.scopes, filters.since, filters.until
    )


def line_condition(filters: Filters, facilities: Sequence[str] | None, *, test: str) -> tuple[str, dict[str, Any]]:
    """The SQL condition on an order line ``o`` and its parameters.

    ``facilities``: those the filters choose, None for all; ``test``: the column that holds the line's test.
    """
    parts, values = ["true"], dict[str, Any]()
    if facilities is not None and len(facilities) > FEW:
        parts.append("o.facility_id IN (SELECT facility_id FROM report_facility WHERE chosen)")
    elif facilities is not None:
        # written out, so that whole blocks of other facilities' lines are never read
        values |= {f"facility{number}": code for number, code in enumerate(facilities)}
        parts.append(f"o.facility_id IN ({', '.join(f'$facility{n}' for n in range(len(facilities))) or 'NULL'})")
    if filters.tests:
        parts.append(f"list_contains($tests, {test})")
        values["tests"] = list(filters.tests)
    if filters.since:
        parts.append("o.ordered_at >= $since")
        values["since"] = filters.since
    if filters.until:
        parts.append("o.ordered_at < $until")
        values["until"] = filters.until + datetime.timedelta(days=1)
    return " AND ".join(parts), values


def facility_condition(filters: Filters) -> tuple[str, dict[str, Any]]:
    """The SQL condition on a facility and its parameters."""
    parts, values = ["true"], dict[str, Any]()
    for column, chosen in (
        ("facility_id", filters.hospitals),
        ("province", filters.provinces),
        ("tier", filters.tiers),
    ):
        if chosen:
            parts.append(f"coalesce(list_contains(${column}, {column}), false)")
            values[column] = list(chosen)
    return " AND ".join(parts), values
