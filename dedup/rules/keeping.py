"""Writing flags so that what was said before is kept: a flag carries the run that first said it, and one that no longer
holds moves to ``flag_history`` with the run that ended it."""

from __future__ import annotations

import datetime

import duckdb

from dedup.schema import TABLES
from dedup.warehouse import Run, Warehouse

__all__ = ["HELD_BY", "Period", "add_flags", "begin_flags", "forget", "keep_flags", "within"]

#: First and last day ordered.
Period = tuple[datetime.date, datetime.date]

#: What a flag says of how its person is held together: by the weaker of the records of its order and prior.
HELD_BY = {
    "match_method": """
CASE WHEN mine.patient_record_id = theirs.patient_record_id THEN 'same_record'
     WHEN mine.match_probability <= theirs.match_probability THEN CAST(mine.match_method AS VARCHAR)
     ELSE CAST(theirs.match_method AS VARCHAR) END""",
    "match_probability": """
CASE WHEN mine.patient_record_id = theirs.patient_record_id THEN 1.0
     ELSE least(mine.match_probability, theirs.match_probability) END""",
}

_KEY = TABLES["flag"].key
_SAID = [name for name in TABLES["flag"].columns if name != "run_id"]
_SAME_KEY = " AND ".join(f"o.{name} = n.{name}" for name in _KEY)
_SAME = " = ".join(f"hash({', '.join(f'{side}.{name}' for name in _SAID)})" for side in "on")


def begin_flags(con: duckdb.DuckDBPyConnection, *, everything: bool, period: Period | None = None) -> None:
    """Set aside the flags that are about to be made again (all, those of ``period``, or those of the persons in
    ``wanted`` from their ``since`` on), also those of persons that are no more. Of those ``held``, the flags before are
    said anew."""
    aside, anew = "" if everything else f"WHERE {within(period)}", "FROM flag LIMIT 0"
    if not (everything or period):
        con.execute(f"CREATE OR REPLACE TEMP TABLE aside AS {_TOUCHED}")
        aside, anew = "WHERE rowid IN (FROM aside)", _HELD
    con.execute(f"CREATE OR REPLACE TEMP TABLE old_flag AS FROM flag {aside}")
    con.execute(f"DELETE FROM flag {aside}")
    con.execute("DROP TABLE IF EXISTS temp.aside")
    con.execute(f"CREATE OR REPLACE TEMP TABLE new_flag AS {anew}")


#: A person is named after one of their records: when the last goes, it is this one.
_TOUCHED = """
SELECT f.rowid FROM flag AS f JOIN wanted AS w ON w.person_id = f.person_id
WHERE f.ordered_at >= coalesce(w.since, f.ordered_at)
UNION
SELECT f.rowid FROM flag AS f JOIN held AS h ON h.person_id = f.person_id WHERE f.ordered_at < h.since
UNION
SELECT f.rowid FROM flag AS f SEMI JOIN (
  SELECT patient_record_id AS person_id FROM todo WHERE stage = 'flag'
  UNION ALL
  SELECT c.old_person_id FROM person_change AS c
  SEMI JOIN (FROM todo WHERE stage = 'flag') AS t ON t.patient_record_id = c.patient_record_id
) AS named ON named.person_id = f.person_id
ANTI JOIN match_person AS p ON p.person_id = f.person_id"""
_HELD = f"""
SELECT f.* REPLACE ({", ".join(f"{sql} AS {name}" for name, sql in HELD_BY.items())})
FROM old_flag AS f
JOIN held AS mine ON mine.person_id = f.person_id AND mine.facility_id = f.facility_id AND f.ordered_at < mine.since
JOIN held AS theirs ON theirs.person_id = f.person_id AND theirs.facility_id = f.prior_facility_id"""


def add_flags(con: duckdb.DuckDBPyConnection, words: str, period: Period | None = None) -> None:
    """Take the flags of one bucket, or those of them in ``period``; ``words``: a table with all columns but run_id."""
    con.execute(f"INSERT INTO new_flag BY NAME FROM {words} WHERE {within(period)}")


def keep_flags(con: duckdb.DuckDBPyConnection, run_id: int) -> None:
    """Write the new flags; what was said word for word before keeps the run that said it first.

    In the order of the orders, so that a night finds those it may change at the end.
    """
    con.execute(
        f"INSERT INTO flag BY NAME SELECT n.* REPLACE (coalesce(o.run_id, ?) AS run_id) FROM new_flag AS n "
        f"LEFT JOIN old_flag AS o ON {_SAME_KEY} AND {_SAME} "
        f"ORDER BY n.ordered_at, {', '.join(f'n.{name}' for name in _KEY)}",
        [run_id],
    )
    con.execute(
        f"INSERT INTO flag_history BY NAME SELECT o.*, CAST(? AS INTEGER) AS until_run_id FROM old_flag AS o "
        f"ANTI JOIN new_flag AS n ON {_SAME_KEY} AND {_SAME}",
        [run_id],
    )
    for name in ("old_flag", "new_flag"):
        con.execute(f"DROP TABLE temp.{name}")


def forget(warehouse: Warehouse, run: Run, before: datetime.date) -> None:
    """Drop flags ordered before ``before``, and the history of flags that were, or whose prior was, that old.

    One transaction; counts go to the stage ``retention``.
    """
    with run.stage("retention") as stage, warehouse.transaction() as con:
        old = f"ordered_at < DATE '{before}'"
        for table, condition in (("flag", old), ("flag_history", f"{old} OR prior_collected_at < DATE '{before}'")):
            row = con.execute(f"DELETE FROM {table} WHERE {condition}").fetchone()
            stage.counts[f"{table}s" if table == "flag" else table] = int(row[0]) if row else 0


def within(period: Period | None) -> str:
    """SQL: ordered in ``period``."""
    return "true" if period is None else f"ordered_at::DATE BETWEEN DATE '{period[0]}' AND DATE '{period[1]}'"
