"""Rules tried out: on a handful of lines that stand nowhere else, or on a warehouse that stays as it is."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from dedup.rules.dictionary import write_dictionary
from dedup.rules.flagging import flags_of, recognition_policy, resolve_profile
from dedup.rules.reading import Catalogue
from dedup.rules.window import choose_everybody
from dedup.schema import TABLES
from dedup.settings import Settings
from dedup.warehouse import Warehouse, memory_warehouse

__all__ = ["Difference", "compare", "judge_lines"]

#: What a frame for judge_lines may hold, with DuckDB types; the first six must be there.
LINE_COLUMNS = {
    "facility_id": "VARCHAR",
    "order_id": "VARCHAR",
    "person": "VARCHAR",
    "code_system": "VARCHAR",
    "test_code": "VARCHAR",
    "ordered_at": "TIMESTAMP",
    "line_no": "INTEGER",
    "birth_date": "DATE",
    "specimen": "VARCHAR",
    "performed_by": "VARCHAR",
    "collected_at": "TIMESTAMP",
    "resulted_at": "TIMESTAMP",
    "status": "VARCHAR",
    "abnormal_flag": "VARCHAR",
    "setting": "VARCHAR",
    "order_reason": "VARCHAR",
    "encounter_id": "VARCHAR",
    "price_vnd": "DECIMAL(18,3)",
}


def judge_lines(
    catalogue: Catalogue, profile: str, lines: pl.DataFrame, register: pl.DataFrame | None = None
) -> pl.DataFrame:
    """The flags of order lines whose person is known, judged by one profile.

    ``lines`` has columns of LINE_COLUMNS (blank: null; status defaults to final); ``register`` those of the facility
    register; without one every laboratory is recognised. Returns the columns of ``flag`` without run_id, by key and
    scope. Raises ConfigError for an unknown profile.
    """
    book = resolve_profile(catalogue, profile)
    with memory_warehouse() as warehouse:
        con = warehouse.con
        missing = [pl.lit(None).alias(name) for name in LINE_COLUMNS if name not in lines.columns]
        con.register("given", lines.with_columns(missing).to_arrow())
        casts = ", ".join(f"CAST({name} AS {kind}) AS {name}" for name, kind in LINE_COLUMNS.items())
        con.execute(f"CREATE TEMP TABLE given_line AS SELECT {casts}, row_number() OVER () AS line_id FROM given")
        con.execute(_FILL)
        if register is not None:
            con.register("given_register", register.to_arrow())
            con.execute("INSERT INTO facility BY NAME SELECT *, true AS registered FROM given_register")
        write_dictionary(con, catalogue, book)
        found = [
            con.execute(f"FROM {words}").pl()
            for words in flags_of(
                warehouse, book, catalogue, by_level=register is not None, lines=choose_everybody(con)
            )
        ]
    columns = [name for name in TABLES["flag"].columns if name != "run_id"]
    frame = pl.concat(found) if found else pl.DataFrame(schema=columns)
    return frame.select(columns).sort("facility_id", "order_id", "line_no", "scope")


_FILL = """
INSERT INTO code SELECT row_number() OVER (ORDER BY code_system, test_code, facility_id), * FROM (
  SELECT DISTINCT code_system, test_code, facility_id FROM given_line);
INSERT INTO patient_identity (patient_record_id, birth_date)
SELECT row_number() OVER (ORDER BY person, birth_date), birth_date
FROM (SELECT DISTINCT person, birth_date FROM given_line);
INSERT INTO match_person
SELECT row_number() OVER (ORDER BY person, birth_date), dense_rank() OVER (ORDER BY person), 'given', 1
FROM (SELECT DISTINCT person, birth_date FROM given_line);
INSERT INTO line BY NAME
SELECT g.line_id, g.facility_id, g.order_id, coalesce(g.line_no, 1) AS line_no, p.no AS patient_record_id, c.code_id,
       g.specimen, coalesce(g.performed_by, g.facility_id) AS performing_facility_id, g.ordered_at, g.collected_at,
       g.resulted_at, coalesce(g.status, 'final') AS status, g.abnormal_flag, coalesce(g.setting, 'unknown') AS setting,
       g.encounter_id, g.order_reason, g.price_vnd
FROM given_line AS g
JOIN code AS c ON c.code_system = g.code_system AND c.test_code = g.test_code AND c.facility_id = g.facility_id
JOIN (SELECT person, birth_date, row_number() OVER (ORDER BY person, birth_date) AS no
      FROM (SELECT DISTINCT person, birth_date FROM given_line)) AS p
  ON p.person = g.person AND p.birth_date IS NOT DISTINCT FROM g.birth_date
"""


@dataclass(frozen=True)
class Difference:
    """What other rules would do to the flags of a warehouse.

    ``by_test``: for each test_id and scope with a change, and for each scope over all tests (test_id ``*``): how many
    flags are gained, lost and changed, and before and after: flags, those avoidable, their đồng, and what chains leave
    of these. ``changes``: every flag gained, lost or changed, by key and scope; changed is one with another verdict,
    reason, đồng or chain. A line that the two rules take for different tests counts under the second's.
    """

    by_test: pl.DataFrame
    changes: pl.DataFrame


def compare(
    warehouse: Warehouse, settings: Settings, before: tuple[Catalogue, str], after: tuple[Catalogue, str]
) -> Difference:
    """Judge everybody by two (catalogue, profile) and compare. The warehouse may be read-only; it stays as it is.

    Raises ConfigError when a catalogue lacks its profile.
    """
    con = warehouse.con
    made = ("test", "rule", "code_test", "flag_before", "flag_after", "flag_both")
    try:
        for name, (catalogue, profile) in {"flag_before": before, "flag_after": after}.items():
            _flags_aside(warehouse, settings, catalogue, profile, name)
        con.execute(_BOTH)
        return Difference(con.execute(_BY_TEST).pl(), con.execute(_CHANGES).pl())
    finally:
        for name in made:
            con.execute(f"DROP TABLE IF EXISTS temp.{name}")


def _flags_aside(warehouse: Warehouse, settings: Settings, catalogue: Catalogue, profile: str, name: str) -> None:
    """The flags of everybody as a temporary table; temporary tables also stand in front of the dictionary's."""
    con = warehouse.con
    book = resolve_profile(catalogue, profile)
    for table in ("test", "rule", "code_test"):
        columns = ", ".join(f'"{column}" {kind}' for column, kind in TABLES[table].columns.items())
        con.execute(f"CREATE OR REPLACE TEMP TABLE {table} ({columns})")
    columns = ", ".join(f'"{column}" {kind}' for column, kind in TABLES["flag"].columns.items())
    con.execute(f"CREATE OR REPLACE TEMP TABLE {name} ({columns})")
    write_dictionary(con, catalogue, book)
    by_level = recognition_policy(con, settings) == "level"
    for words in flags_of(warehouse, book, catalogue, by_level=by_level, lines=choose_everybody(con)):
        con.execute(f"INSERT INTO {name} BY NAME FROM {words}")


#: What makes a flag another one, beside being there at all.
_SAID = ("verdict", "reason", "avoidable_vnd", "chain_avoidable")

#: Every flag of either side, with what each says.
_BOTH = f"""
CREATE OR REPLACE TEMP TABLE flag_both AS
SELECT facility_id, order_id, line_no, scope, coalesce(a.test_id, b.test_id) AS test_id,
       CASE WHEN b.verdict IS NULL THEN 'gained' WHEN a.verdict IS NULL THEN 'lost'
            WHEN {" OR ".join(f"a.{name} IS DISTINCT FROM b.{name}" for name in _SAID)} THEN 'changed' END AS change,
       {", ".join(f"b.{name} AS {name}_before, a.{name} AS {name}_after" for name in _SAID)}
FROM flag_before AS b FULL JOIN flag_after AS a USING (facility_id, order_id, line_no, scope)"""


def _sides(name: str, counted: str) -> str:
    return ", ".join(f"{counted.format(side=side)} AS {name}_{side}" for side in ("before", "after"))


_BY_TEST = f"""
SELECT coalesce(test_id, '*') AS test_id, scope,
       {", ".join(f"count(*) FILTER (change = '{name}') AS {name}" for name in ("gained", "lost", "changed"))},
       {_sides("flags", "count(verdict_{side})")},
       {_sides("avoidable", "count(*) FILTER (verdict_{side} = 'avoidable')")},
       {_sides("avoidable_vnd", "coalesce(sum(avoidable_vnd_{side}), 0)")},
       {_sides("chain_avoidable_vnd", "coalesce(sum(avoidable_vnd_{side}) FILTER (chain_avoidable_{side}), 0)")}
FROM flag_both GROUP BY GROUPING SETS ((test_id, scope), (scope))
HAVING grouping(test_id) = 1 OR count(change) > 0
ORDER BY 1, 2"""

_CHANGES = """
SELECT facility_id, order_id, line_no, scope, test_id, change, verdict_before, verdict_after,
       reason_before, reason_after, chain_avoidable_before, chain_avoidable_after,
       coalesce(avoidable_vnd_after, 0) - coalesce(avoidable_vnd_before, 0) AS avoidable_vnd
FROM flag_both WHERE change IS NOT NULL
ORDER BY facility_id, order_id, line_no, scope"""
