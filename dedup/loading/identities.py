"""What each facility knows of a patient now, and whom the later stages have to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dedup.schema import TABLES

if TYPE_CHECKING:
    import duckdb

__all__ = ["refresh_identities"]

_PLAIN = ("national_id", "insurance_id", "full_name", "sex", "phone", "province", "address")


def refresh_identities(con: duckdb.DuckDBPyConnection) -> None:
    """Work out ``patient_identity`` anew for the records in ``touched``, and fill ``todo``.

    ``touched`` says of each record since when its lines changed (NULL: all of them may have).

    Derived from current lines alone, so it does not depend on the order of arrival: per column the value of the
    latest ``ordered_at`` that has one, the largest text among equals. A record without a current line is gone. A
    changed ``first_ordered_at`` counts as a change: persons are named after their earliest record. With another birth
    date a patient was of another age at every order.
    """
    con.execute(
        "CREATE OR REPLACE TEMP TABLE touched AS SELECT patient_record_id, "
        "CASE WHEN bool_and(since IS NOT NULL) THEN min(since) END AS since FROM touched GROUP BY patient_record_id"
    )
    _derive(con)
    columns = ", ".join(TABLES["patient_identity"].columns)
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE changed AS
        SELECT patient_record_id FROM (
            (SELECT {columns} FROM derived EXCEPT SELECT {columns} FROM patient_identity
             WHERE patient_record_id IN (SELECT patient_record_id FROM touched))
            UNION ALL
            (SELECT {columns} FROM patient_identity WHERE patient_record_id IN (SELECT patient_record_id FROM touched)
             AND patient_record_id NOT IN (SELECT patient_record_id FROM derived))
        )
        """
    )
    con.execute(
        "UPDATE touched SET since = NULL FROM derived AS d JOIN patient_identity AS p USING (patient_record_id) "
        "WHERE d.patient_record_id = touched.patient_record_id AND d.birth_date IS DISTINCT FROM p.birth_date"
    )
    con.execute("DELETE FROM patient_identity WHERE patient_record_id IN (SELECT patient_record_id FROM changed)")
    con.execute(
        f"INSERT INTO patient_identity ({columns}) SELECT {columns} FROM derived "
        "WHERE patient_record_id IN (SELECT patient_record_id FROM changed)"
    )
    con.execute(
        """
        INSERT INTO todo
        (SELECT 'match', patient_record_id, NULL FROM changed UNION ALL FROM (SELECT 'flag', * FROM touched))
        EXCEPT FROM todo
        """
    )


def _derive(con: duckdb.DuckDBPyConnection) -> None:
    latest = ", ".join(
        f"max({{'at': last_at, 'text': {name}}}) FILTER ({name} IS NOT NULL).text AS {name}" for name in _PLAIN
    )
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE derived AS
        WITH seen AS (
            SELECT identity_id, min(ordered_at) AS first_at, max(ordered_at) AS last_at
            FROM line
            WHERE superseded_by IS NULL AND patient_record_id IN (SELECT patient_record_id FROM touched)
            GROUP BY identity_id
        ), joined AS (
            SELECT i.patient_record_id, i.facility_id, i.patient_id, min(first_at) AS first_ordered_at, {latest},
                   max({{'at': last_at, 'day': birth_date, 'precision': birth_precision}})
                       FILTER (birth_date IS NOT NULL) AS birth
            FROM seen JOIN identity AS i ON i.identity_id = seen.identity_id
            GROUP BY i.patient_record_id, i.facility_id, i.patient_id
        )
        SELECT * EXCLUDE (birth), birth.day AS birth_date, birth.precision AS birth_precision FROM joined
        """
    )
