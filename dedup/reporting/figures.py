"""The figures of a report: computed in SQL from the shared tables, frozen, the same for every format."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

from dedup.reporting.facts import ALL, look_at, prepared
from dedup.reporting.filters import Filters, check
from dedup.reporting.intervals import interval
from dedup.reporting.sections import SECTIONS
from dedup.reporting.sections.counting import repeats, sums
from dedup.reporting.sections.orders import ORDERS_SHOWN
from dedup.reporting.sections.orders import orders as orders_section
from dedup.reporting.tables import Section, Table
from dedup.schema import VERDICTS
from dedup.warehouse import Warehouse

__all__ = ["Basis", "Figures", "Names", "ScopeFigures", "each_hospital", "figures", "look"]

_NO_LINES: dict[str, Any] = {
    "lines": 0,
    "persons": 0,
    "price_vnd": decimal.Decimal(0),
    "first_at": None,
    "last_at": None,
}
_HOSPITALS, _ORDERS = 100, 60_000  # as many are looked at together by ``each_hospital``


@dataclass(frozen=True)
class Basis:
    """What the flags were made with. All blank: nothing was flagged yet."""

    profile: str
    catalogue_version: str
    recognition: str
    run_id: int | None
    ended_at: datetime.datetime | None


@dataclass(frozen=True)
class ScopeFigures:
    """The headline of one scope. A line may be a repeat in both: never add two scopes up."""

    scope: str
    repeats: int
    verdicts: Mapping[str, int]
    avoidable_share: float | None  #: of all order lines
    avoidable_95: tuple[float, float] | None
    avoidable_vnd: decimal.Decimal
    chain_avoidable: int
    chain_vnd: decimal.Decimal


@dataclass(frozen=True)
class Figures:
    """One report: about everything the filters let through, or about one ordering facility."""

    facility_id: str | None
    facility_name: str | None
    filters: Filters
    basis: Basis
    lines: int  #: order lines that were neither cancelled nor rejected
    persons: int
    price_vnd: decimal.Decimal
    first_at: datetime.datetime | None
    last_at: datetime.datetime | None
    scopes: tuple[ScopeFigures, ...]
    tables: Mapping[str, Table]
    facility_names: Mapping[str, str]
    test_names: Mapping[str, tuple[str, str]]  #: test_id → Vietnamese, English
    report: str = "repeats"  #: which of REPORTS this is

    @property
    def identified(self) -> bool:
        """Whether the orders name the patients."""
        return "orders" in self.tables and any(c.name == "full_name" for c in self.tables["orders"].section.columns)

    @property
    def orders_left_out(self) -> int:
        """Repeats whose orders are not in the table of orders, because it holds only so many."""
        held = len(self.tables["orders"].rows) if "orders" in self.tables else 0
        return sum(scope.repeats for scope in self.scopes) - held

    def scope(self, name: str) -> ScopeFigures:
        """The headline of one scope; zeros when the filters left it out."""
        found = [scope for scope in self.scopes if scope.scope == name]
        return found[0] if found else _empty_scope(name)


def figures(
    warehouse: Warehouse, filters: Filters | None = None, *, identified: bool = False, orders: int = ORDERS_SHOWN
) -> Figures:
    """Everything the filters let through, as one report.

    ``identified``: the orders name the patients; the caller answers for writing down who asked for it. ``orders``: at
    most so many of them are listed. UsageError when a filter names something the warehouse does not know.
    """
    con = warehouse.con
    filters = check(con, filters or Filters())
    with prepared(con, filters) as (con, _):
        return look(con, filters, None, Names(con), _sections(identified, orders))[ALL]


def each_hospital(
    warehouse: Warehouse, filters: Filters | None = None, *, identified: bool = False, orders: int = ORDERS_SHOWN
) -> Iterator[Figures]:
    """One report for each ordering facility the filters let through, by facility code; the rest as ``figures``."""
    con = warehouse.con
    filters = check(con, filters or Filters())
    with prepared(con, filters) as (con, units):
        names, sections = Names(con), _sections(identified, orders)
        for chunk in _chunks(con, units, orders):
            found = look(con, filters, chunk, names, sections)
            yield from (found.pop(unit) for unit in chunk)


def _chunks(con: duckdb.DuckDBPyConnection, units: list[str], orders: int) -> Iterator[list[str]]:
    """The facilities in order, so many at a time that their orders fit into little memory."""
    held = dict(con.execute("SELECT facility_id, count(*) FROM report_repeat GROUP BY facility_id").fetchall())
    chunk, rows = list[str](), 0
    for unit in units:
        more = min(held.get(unit, 0), orders)
        if chunk and (len(chunk) == _HOSPITALS or rows + more > _ORDERS):
            yield chunk
            chunk, rows = [], 0
        chunk.append(unit)
        rows += more
    if chunk:
        yield chunk


def _sections(identified: bool, orders: int) -> list[Section]:
    own = orders_section(orders, identified=identified)
    return [own if section.name == own.name else section for section in SECTIONS.values()]


class Names:
    """What codes are called, and what the flags were made with; read once per report."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self.facilities = dict[str, str](
            con.execute("SELECT facility_id, name FROM report_facility WHERE name IS NOT NULL ORDER BY ALL").fetchall()
        )
        tests = con.execute("SELECT test_id, name_vi, name_en FROM test ORDER BY test_id").fetchall()
        self.tests = {test: (vi or test, en or test) for test, vi, en in tests}
        row = con.execute(
            "SELECT s.profile, s.catalogue_version, s.recognition, s.run_id, r.ended_at FROM flag_state AS s "
            "LEFT JOIN run AS r ON r.run_id = s.run_id ORDER BY s.run_id DESC LIMIT 1"
        ).fetchone()
        self.basis = (
            Basis(row[0] or "", row[1] or "", row[2] or "", row[3], row[4]) if row else Basis("", "", "", None, None)
        )


def look(
    con: duckdb.DuckDBPyConnection, filters: Filters, units: list[str] | None, names: Names, sections: Iterable[Section]
) -> dict[str, Figures]:
    """The reports of the units (None: the one about everything), made of ``sections``."""
    look_at(con, units)
    keys = [ALL] if units is None else units
    heads = _headlines(con)
    scopes = _scopes(con)
    tables = {unit: dict[str, Table]() for unit in keys}
    for section in sections:
        if not (section.only_all and units is not None):
            for unit, rows in _rows(con, section, keys).items():
                tables[unit][section.name] = Table(section, tuple(rows))
    return {
        unit: Figures(
            facility_id=None if units is None else unit,
            facility_name=None if units is None else names.facilities.get(unit),
            filters=filters,
            basis=names.basis,
            **heads.get(unit, _NO_LINES),
            scopes=tuple(scopes.get((unit, scope), _empty_scope(scope)) for scope in filters.scopes),
            tables=tables[unit],
            facility_names=names.facilities,
            test_names=names.tests,
        )
        for unit in keys
    }


def _headlines(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, Any]]:
    rows = con.execute(
        "WITH p AS (SELECT unit, sum(lines) AS lines, count(DISTINCT person_id) AS persons FROM unit_person "
        "GROUP BY unit) "
        "SELECT p.unit, p.lines, p.persons, coalesce(sum(t.price_vnd), 0), min(t.first_at), max(t.last_at) "
        "FROM p JOIN unit_total AS t ON t.unit = p.unit GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    return {unit: dict(zip(_NO_LINES, row, strict=True)) for unit, *row in rows}


def _scopes(con: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], ScopeFigures]:
    rows = con.execute(f"""
WITH {sums(None)}, counted AS (SELECT unit, scope, {repeats()} FROM unit_repeat GROUP BY ALL)
SELECT c.unit, c.scope, c.* EXCLUDE (unit, scope),
       [w.persons, w.lines, coalesce(h.y, 0), w.nn, coalesce(h.yn, 0), coalesce(h.yy, 0)]
FROM counted AS c JOIN whole AS w ON w.unit = c.unit
LEFT JOIN hit AS h ON h.unit = c.unit AND h.scope = c.scope
ORDER BY c.unit, c.scope
""").fetchall()
    found = {}
    for unit, scope, number, *rest in rows:
        verdicts = dict(zip(VERDICTS, rest[: len(VERDICTS)], strict=True))
        chain, vnd, chain_vnd, totals = rest[len(VERDICTS) :]
        share = verdicts["avoidable"] / totals[1]
        found[unit, scope] = ScopeFigures(scope, number, verdicts, share, interval(*totals), vnd, chain, chain_vnd)
    return found


def _empty_scope(scope: str) -> ScopeFigures:
    nothing = decimal.Decimal(0)
    return ScopeFigures(scope, 0, dict.fromkeys(VERDICTS, 0), None, None, nothing, 0, nothing)


def _rows(con: duckdb.DuckDBPyConnection, section: Section, units: list[str]) -> dict[str, list[tuple[object, ...]]]:
    rows: dict[str, list[tuple[object, ...]]] = {unit: [] for unit in units}
    spans = [place for place, column in enumerate(section.columns) if column.kind == "interval"]
    for unit, *row in con.execute(section.sql).fetchall():
        for place in spans:
            row[place] = interval(*row[place])
        rows[unit].append(tuple(row))
    names = [column.name for column in section.columns]
    return {unit: section.finish(found, names) if section.finish else found for unit, found in rows.items()}
