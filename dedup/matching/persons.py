"""Writing persons: who each patient record is, what changed since the last run, and who has to be judged again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dedup.warehouse import all_threads, count

if TYPE_CHECKING:
    import duckdb

__all__ = ["write_persons"]


def write_persons(con: duckdb.DuckDBPyConnection, run_id: int) -> dict[str, int]:
    """Write ``placed`` into match_person, log what changed, and tell whom to judge again.

    ``placed`` holds every record of every touched component (patient_record_id, cluster, match_method,
    match_probability), ``gone`` those that are no more. A person is named after their record with the earliest
    first_ordered_at (ties: smallest facility_id, patient_id), so the name follows from the content alone. Returns
    counts.
    """
    anew = ""
    with all_threads(con):
        if count(con, "SELECT count(*) FROM (FROM match_person LIMIT 1)"):
            _settle(con, _OLD, "LEFT JOIN match_person AS old USING (patient_record_id)")
            _log(con, run_id)
            _judge_again(con)
            anew = "WHERE held_anew OR person_id IS DISTINCT FROM old_person_id"
            con.execute(f"""
              DELETE FROM match_person WHERE patient_record_id IN
                (FROM gone UNION ALL SELECT patient_record_id FROM settled {anew})""")
        else:
            _settle(con)
            con.execute(_ASK.format(since="NULL", records="FROM settled"))
    con.execute(f"""
      INSERT INTO match_person
      SELECT patient_record_id, person_id, match_method, match_probability FROM settled {anew}""")
    counts = con.execute(
        """
      SELECT count(DISTINCT new_person_id) FILTER (reason = 'merge'),
        count(DISTINCT old_person_id) FILTER (reason = 'split'), count(*)
      FROM person_change WHERE run_id = ?""",
        [run_id],
    ).fetchone()
    con.execute("DROP TABLE settled")
    merged, split, moved = counts if counts is not None else (0, 0, 0)
    return {"persons_merged": merged, "persons_split": split, "records_moved": moved}


#: What is known of a record that was known before; NULL of others.
_OLD = """, old.person_id AS old_person_id,
        (old.match_method, old.match_probability) IS DISTINCT FROM (p.match_method, p.match_probability) AS held_anew"""


def _settle(con: duckdb.DuckDBPyConnection, more: str = "", join: str = "") -> None:
    """The temporary table ``settled``: the person of every record of ``placed``, and how it is held."""
    con.execute(f"""
      CREATE OR REPLACE TEMP TABLE settled AS WITH {_NAMED}
      SELECT p.patient_record_id, n.person_id, p.match_method, p.match_probability{more}
      FROM placed AS p JOIN named AS n USING (cluster) {join}""")


#: ``named``: after which record the person of each cluster is named. Few have several first records; only of those
#: the texts are read that decide then.
_NAMED = """
      dated AS (
        SELECT p.cluster, patient_record_id, coalesce(i.first_ordered_at, TIMESTAMP '9999-01-01') AS since
        FROM placed AS p JOIN patient_identity AS i USING (patient_record_id)
      ), first AS (
        FROM dated SEMI JOIN (SELECT cluster, min(since) AS since FROM dated GROUP BY cluster) AS least
          USING (cluster, since)
      ), tied AS (SELECT cluster FROM first GROUP BY cluster HAVING count(*) > 1),
      named AS (
        SELECT cluster, patient_record_id AS person_id FROM first ANTI JOIN tied USING (cluster)
        UNION ALL
        SELECT f.cluster, arg_min(patient_record_id, (i.facility_id, i.patient_id))
        FROM (FROM first SEMI JOIN tied USING (cluster)) AS f JOIN patient_identity AS i USING (patient_record_id)
        GROUP BY f.cluster
      )"""


#: Ask the stage ``flag`` to judge these patient records, and all of each.
_ASK = """
  INSERT INTO todo (stage, patient_record_id, since) SELECT 'flag', patient_record_id, {since} FROM ({records})
  ANTI JOIN (FROM todo WHERE stage = 'flag' AND since IS NULL) AS waiting USING (patient_record_id)"""


def _log(con: duckdb.DuckDBPyConnection, run_id: int) -> None:
    """A record known before whose person has another id: merge (with others), split (from others), or rename."""
    con.execute(
        """
      INSERT INTO person_change (run_id, patient_record_id, old_person_id, new_person_id, reason)
      WITH known AS (SELECT patient_record_id, old_person_id, person_id FROM settled WHERE old_person_id IS NOT NULL),
      merged AS (SELECT person_id FROM known GROUP BY person_id HAVING count(DISTINCT old_person_id) > 1),
      parted AS (SELECT old_person_id FROM known GROUP BY old_person_id HAVING count(DISTINCT person_id) > 1)
      SELECT ?, patient_record_id, old_person_id, person_id,
        CASE WHEN person_id IN (FROM merged) THEN 'merge'
             WHEN old_person_id IN (FROM parted) THEN 'split' ELSE 'rename' END
      FROM known WHERE old_person_id <> person_id ORDER BY patient_record_id""",
        [run_id],
    )


def _judge_again(con: duckdb.DuckDBPyConnection) -> None:
    """All records of persons that a known record joined or left. Who is new and waits already brings nothing but the
    orders that wait; who is now held by another method, nothing but that (flags show it, unless they had been alone).
    """
    moved = """
      WITH moved AS (
        SELECT person_id, old_person_id FROM settled WHERE old_person_id <> person_id
        UNION ALL SELECT NULL, person_id FROM match_person SEMI JOIN gone USING (patient_record_id)
      ), person AS (SELECT person_id FROM moved UNION ALL SELECT old_person_id FROM moved)
      SELECT patient_record_id FROM (FROM settled WHERE old_person_id IS NULL)
        ANTI JOIN (FROM todo WHERE stage = 'flag') AS waiting USING (patient_record_id)
      UNION SELECT patient_record_id FROM settled SEMI JOIN person USING (person_id)
      UNION SELECT patient_record_id FROM match_person
        SEMI JOIN person USING (person_id) ANTI JOIN settled USING (patient_record_id)"""
    held = """
      SELECT patient_record_id FROM settled WHERE held_anew AND old_person_id IN
        (SELECT old_person_id FROM settled GROUP BY old_person_id HAVING count(*) > 1)"""
    con.execute(_ASK.format(since="NULL", records=moved))
    con.execute(_ASK.format(since="'infinity'", records=held))
