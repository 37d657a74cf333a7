"""Every figure of the invented world again, by plain queries over what ``dedup export`` writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

import dedup
from dedup.reporting import Figures, each_hospital, figures
from dedup.research import export
from dedup.schema import SCOPES, VERDICTS
from dedup.settings import LoadingSettings, Settings
from dedup.warehouse import Warehouse, open_warehouse

WORLD = Path(__file__).parents[2] / "data" / "samples" / "world"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Warehouse, duckdb.DuckDBPyConnection]]:
    """The warehouse, and a plain DuckDB with the exports as ``flags`` and ``orders`` (counted ones: ``lines``)."""
    folder = tmp_path_factory.mktemp("world")
    settings = Settings(loading=LoadingSettings(facilities=WORLD / "facilities.csv"))
    dedup.run([WORLD / "input"], folder / "w.duckdb", settings)
    with open_warehouse(folder / "w.duckdb", read_only=True) as warehouse, duckdb.connect() as plain:
        for what in ("flags", "orders"):
            export(warehouse, what, folder / f"{what}.parquet")
            plain.execute(f"CREATE TABLE {what} AS FROM '{folder / what}.parquet'")
        plain.execute("CREATE VIEW lines AS FROM orders WHERE status NOT IN ('cancelled', 'rejected')")
        yield warehouse, plain


@pytest.fixture(scope="module")
def report(world: tuple[Warehouse, Any]) -> Figures:
    return figures(world[0])


@pytest.fixture(scope="module")
def plain(world: tuple[Any, duckdb.DuckDBPyConnection]) -> duckdb.DuckDBPyConnection:
    return world[1]


def rows(report: Figures, table: str, *names: str) -> set[tuple[Any, ...]]:
    return {tuple(row[name] for name in names) for row in report.tables[table].dicts()}


def asked(plain: duckdb.DuckDBPyConnection, query: str) -> set[tuple[Any, ...]]:
    return set(plain.execute(query).fetchall())


def test_headline(report: Figures, plain: duckdb.DuckDBPyConnection) -> None:
    assert [(report.lines, report.persons, report.first_at, report.last_at)] == plain.execute(
        "SELECT count(*), count(DISTINCT person_id), min(ordered_at), max(ordered_at) FROM lines"
    ).fetchall()
    for scope in SCOPES:
        mine = report.scope(scope)
        found = plain.execute(
            "SELECT count(*), coalesce(sum(avoidable_vnd), 0), count(*) FILTER (chain_avoidable), "
            "coalesce(sum(price_vnd) FILTER (chain_avoidable), 0) FROM flags WHERE scope = ?",
            [scope],
        ).fetchone()
        assert (mine.repeats, mine.avoidable_vnd, mine.chain_avoidable, mine.chain_vnd) == found
        for verdict in VERDICTS:
            (number,) = plain.execute(
                "SELECT count(*) FROM flags WHERE scope = ? AND verdict = ?", [scope, verdict]
            ).fetchone() or (0,)
            assert mine.verdicts[verdict] == number
        assert mine.avoidable_share == mine.verdicts["avoidable"] / report.lines


@pytest.mark.parametrize(
    ("table", "column", "of_line"),
    [
        ("tests", "test_id", "test_id"),
        ("departments", "department", "coalesce(department, '')"),
        ("orderers", "ordered_by", "coalesce(ordered_by, '')"),
        ("hospitals", "facility_id", "facility_id"),
        ("weeks", "week", "CAST(date_trunc('week', ordered_at) AS DATE)"),
    ],
)
def test_breakdowns(report: Figures, plain: duckdb.DuckDBPyConnection, table: str, column: str, of_line: str) -> None:
    wanted = asked(
        plain,
        f"""
WITH f AS (
  SELECT f.scope, {
            of_line.replace("ordered_at", "o.ordered_at")
            .replace("test_id", "o.test_id")
            .replace("facility_id", "o.facility_id")
        } AS k, f.verdict, f.avoidable_vnd, f.chain_avoidable
  FROM flags AS f JOIN orders AS o USING (facility_id, order_id, line_no)
), w AS (SELECT {of_line} AS k, count(*) AS n FROM lines GROUP BY k)
SELECT scope, k, any_value(n), count(*), count(*) FILTER (verdict = 'avoidable'), sum(avoidable_vnd),
       count(*) FILTER (chain_avoidable)
FROM f JOIN w USING (k) GROUP BY scope, k""",
    )
    names = ("scope", column, "lines", "repeats", "avoidable", "avoidable_vnd", "chain_avoidable")
    assert {row for row in rows(report, table, *names) if row[3]} == wanted


def test_pairs_and_sources(report: Figures, plain: duckdb.DuckDBPyConnection) -> None:
    assert rows(report, "pairs", "facility_id", "prior_facility_id", "repeats", "avoidable") == asked(
        plain,
        "SELECT facility_id, prior_facility_id, count(*), count(*) FILTER (verdict = 'avoidable') FROM flags "
        "WHERE scope = 'elsewhere' GROUP BY ALL",
    )
    assert rows(report, "sources", "scope", "prior_facility_id", "repeats") == asked(
        plain, "SELECT scope, prior_facility_id, count(*) FROM flags GROUP BY ALL"
    )


def test_reasons_and_orderers(report: Figures, plain: duckdb.DuckDBPyConnection) -> None:
    assert rows(report, "reasons", "scope", "verdict", "reason", "repeats") == asked(
        plain, "SELECT scope, verdict, reason, count(*) FROM flags GROUP BY ALL"
    )
    assert rows(report, "recorded", "scope", "recorded", "repeats") == asked(
        plain,
        "SELECT scope, coalesce(order_reason, 'none_recorded'), count(*) FROM flags "
        "JOIN orders USING (facility_id, order_id, line_no) GROUP BY ALL",
    )
    assert rows(report, "orderer", "scope", "orderer", "repeats") == asked(
        plain,
        """
SELECT f.scope, CASE WHEN o.ordered_by IS NULL OR q.ordered_by IS NULL THEN 'unknown_orderer'
                     WHEN o.ordered_by = q.ordered_by THEN 'same_orderer' ELSE 'other_orderer' END, count(*)
FROM flags AS f JOIN orders AS o USING (facility_id, order_id, line_no)
JOIN orders AS q ON (q.facility_id, q.order_id, q.line_no) = (f.prior_facility_id, f.prior_order_id, f.prior_line_no)
GROUP BY ALL""",
    )


def test_funnel(report: Figures, plain: duckdb.DuckDBPyConnection) -> None:
    for scope in SCOPES:
        other = "<>" if scope == "elsewhere" else "="
        wanted = plain.execute(
            f"""
WITH f AS (FROM flags WHERE scope = '{scope}'),
earlier AS (
  SELECT DISTINCT o.facility_id, o.order_id, o.line_no FROM lines AS o JOIN lines AS q
  ON q.person_id = o.person_id AND q.test_id = o.test_id AND q.facility_id {other} o.facility_id
  AND (q.facility_id, q.order_id, q.line_no) <> (o.facility_id, o.order_id, o.line_no)
  AND coalesce(q.collected_at, q.resulted_at, q.ordered_at) < o.ordered_at
  UNION SELECT facility_id, order_id, line_no FROM f
)
SELECT (SELECT count(*) FROM lines), (SELECT count(*) FROM earlier), count(*),
       count(*) FILTER (verdict <> 'pending'), count(*) FILTER (verdict NOT IN ('pending', 'unrecognised')),
       count(*) FILTER (verdict IN ('review', 'avoidable')), count(*) FILTER (verdict = 'avoidable') FROM f"""
        ).fetchone()
        mine = [row["lines"] for row in report.tables["funnel"].dicts() if row["scope"] == scope]
        assert tuple(mine) == wanted
        assert mine == sorted(mine, key=lambda number: -int(str(number)))


def test_recognition(report: Figures, plain: duckdb.DuckDBPyConnection) -> None:
    counts = {str(row["state"]): row["repeats"] for row in report.tables["recognition"].dicts()}
    found = plain.execute(
        "SELECT count(*) FILTER (verdict <> 'pending'), count(*) FILTER (verdict = 'avoidable') FROM flags "
        "WHERE scope = 'elsewhere'"
    ).fetchone()
    assert (counts["happened"], counts["avoidable_today"]) == found
    assert counts["avoidable_today"] <= counts["avoidable_if_recognised"] <= counts["happened"]


def test_ages_and_validity_cover_all_repeats(report: Figures) -> None:
    for table in ("ages", "used"):
        for scope in SCOPES:
            found = [row for row in report.tables[table].dicts() if row["scope"] == scope]
            assert sum(int(str(row["repeats"])) for row in found) == report.scope(scope).repeats


def test_hospitals_add_up(world: tuple[Warehouse, Any], report: Figures) -> None:
    each = list(each_hospital(world[0]))
    assert sum(one.lines for one in each) == report.lines
    for scope in SCOPES:
        mine = [one.scope(scope) for one in each]
        for name in ("repeats", "avoidable_vnd", "chain_avoidable", "chain_vnd"):
            assert sum(getattr(one, name) for one in mine) == getattr(report.scope(scope), name)
    for table in ("funnel", "weeks", "departments", "ages"):
        column = report.tables[table].section.columns[1].name
        for key in rows(report, table, "scope", column):
            parts = [row for one in each for row in one.tables[table].dicts() if (row["scope"], row[column]) == key]
            (whole,) = [row for row in report.tables[table].dicts() if (row["scope"], row[column]) == key]
            name = "lines" if table == "funnel" else "repeats"
            assert sum(int(str(row[name])) for row in parts) == whole[name]
