"""Writing persons: who each patient record is, what changed since the last run, and who has to be judged again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dedup.schema import TABLES

if TYPE_CHECKING:
    import duckdb

__all__ = ["write_persons"]


def write_persons(con: duckdb.DuckDBPyConnection, run_id: int) -> dict[str, int]:
    """Write ``placed`` into patient_record, log changes, and tell the next stage whom to judge again.

    ``placed`` holds every record of every touched group: the columns of patient_record but person_id, with
    first_ordered_at and ``cluster``; ``gone`` (temporary table of patient_record_id) the records that are no more.
    Returns counts of persons merged and split and of records changed.
    """
    con.execute("""
      CREATE OR REPLACE TEMP TABLE person AS
      SELECT cluster, arg_min(patient_record_id,
        (coalesce(first_ordered_at, TIMESTAMP '9999-01-01'), facility_id, patient_id)) AS person_id
      FROM placed GROUP BY cluster""")
    con.execute("""
      CREATE OR REPLACE TEMP TABLE moved AS
      SELECT p.patient_record_id, old.person_id AS old_person_id, person.person_id AS new_person_id
      FROM placed AS p JOIN person USING (cluster)
      LEFT JOIN patient_record AS old USING (patient_record_id)
      WHERE old.person_id IS DISTINCT FROM person.person_id
      UNION ALL
      SELECT patient_record_id, old.person_id, NULL FROM gone JOIN patient_record AS old USING (patient_record_id)""")
    con.execute(
        "CREATE OR REPLACE TEMP TABLE before AS SELECT patient_record_id, person_id FROM patient_record "
        "WHERE patient_record_id IN (SELECT patient_record_id FROM placed)"
    )
    con.execute(
        "DELETE FROM patient_record WHERE patient_record_id IN "
        "(SELECT patient_record_id FROM placed UNION ALL SELECT patient_record_id FROM gone)"
    )
    columns = ", ".join(TABLES["patient_record"].columns)
    con.execute(
        f"INSERT INTO patient_record ({columns}) SELECT {columns} FROM placed JOIN person USING (cluster) "
        "ORDER BY patient_record_id"
    )
    _log(con, run_id)
    _judge_again(con)
    counts = con.execute(
        """
      SELECT count(DISTINCT new_person_id) FILTER (reason = 'merge'), count(DISTINCT old_person_id) FILTER (reason = 'split'),
        count(*) FROM person_change WHERE run_id = ?""",
        [run_id],
    ).fetchone()
    for table in ("person", "moved", "before"):
        con.execute(f"DROP TABLE {table}")
    merged, split, changed = counts if counts is not None else (0, 0, 0)
    return {"persons_merged": merged, "persons_split": split, "records_moved": changed}


def _log(con: duckdb.DuckDBPyConnection, run_id: int) -> None:
    """A record known before whose person has another id: merge (joined by strangers), split (left somebody), rename."""
    con.execute(
        """
      INSERT INTO person_change (run_id, patient_record_id, old_person_id, new_person_id, reason)
      WITH now AS (
        SELECT p.patient_record_id, b.person_id AS old_id, person.person_id AS new_id
        FROM placed AS p JOIN person USING (cluster) JOIN before AS b USING (patient_record_id)
      ), merged AS (SELECT new_id FROM now GROUP BY new_id HAVING count(DISTINCT old_id) > 1),
      parted AS (SELECT old_id FROM now GROUP BY old_id HAVING count(DISTINCT new_id) > 1)
      SELECT ?, patient_record_id, old_id, new_id,
        CASE WHEN new_id IN (FROM merged) THEN 'merge' WHEN old_id IN (FROM parted) THEN 'split' ELSE 'rename' END
      FROM now WHERE old_id <> new_id ORDER BY patient_record_id""",
        [run_id],
    )


def _judge_again(con: duckdb.DuckDBPyConnection) -> None:
    """All records of the persons that somebody joined or left."""
    con.execute("""
      INSERT INTO todo (stage, patient_record_id)
      SELECT 'flag', patient_record_id FROM (
        SELECT patient_record_id FROM patient_record WHERE person_id IN (
          SELECT new_person_id FROM moved WHERE new_person_id IS NOT NULL
          UNION ALL SELECT old_person_id FROM moved WHERE old_person_id IS NOT NULL)
        UNION SELECT patient_record_id FROM moved
      ) WHERE patient_record_id NOT IN (SELECT patient_record_id FROM todo WHERE stage = 'flag')
      ORDER BY patient_record_id""")
