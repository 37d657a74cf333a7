"""When a facility's code changes: what was stored under the old code moves to today's.

Otherwise yesterday's orders of a hospital would count as somebody else's. What a code used to be is not kept, so
taking an alias out of the register does not bring it back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dedup.loading.identities import begin_identities, refresh_identities
from dedup.loading.keys import IDENTITY, identity_id, order_key, patient_record_id

if TYPE_CHECKING:
    import duckdb

__all__ = ["rename_facilities"]


def rename_facilities(con: duckdb.DuckDBPyConnection) -> int:
    """Apply ``facility_alias`` to everything stored; returns the number of lines that moved."""
    con.execute(
        "UPDATE line SET performing_facility_id = a.facility_id FROM facility_alias AS a "
        "WHERE line.performing_facility_id = a.alias"
    )
    _find_moved(con)
    row = con.execute("SELECT count(*) FROM moved").fetchone()
    moved = int(row[0]) if row else 0
    if moved:
        _move_identities(con)
        _move_codes(con)
        _set_aside(con)
        _move_lines(con)
    _move_encounters(con)
    if moved:
        refresh_identities(con)
    for name in ("moved", "moved_identity"):
        con.execute(f"DROP TABLE IF EXISTS temp.{name}")
    return moved


def _find_moved(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE moved AS
        SELECT l.line_id, l.identity_id, l.code_id, a.facility_id AS to_facility_id, l.patient_record_id
        FROM line AS l JOIN facility_alias AS a ON a.alias = l.facility_id
        """
    )


def _move_identities(con: duckdb.DuckDBPyConnection) -> None:
    values = ", ".join(IDENTITY)
    begin_identities(con)
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE moved_identity AS
        WITH renamed AS (
            SELECT i.identity_id AS old_id, i.patient_record_id AS old_record_id, a.facility_id, i.patient_id, {values}
            FROM identity AS i JOIN facility_alias AS a ON a.alias = i.facility_id
        )
        SELECT *, {patient_record_id("facility_id", "patient_id")} AS patient_record_id,
               {identity_id("facility_id", "patient_id")} AS identity_id
        FROM renamed
        """
    )
    con.execute("DELETE FROM identity WHERE identity_id IN (SELECT old_id FROM moved_identity)")
    con.execute(
        """
        INSERT INTO identity BY NAME
        SELECT DISTINCT ON (identity_id) * EXCLUDE (old_id, old_record_id) FROM moved_identity
        WHERE identity_id NOT IN (SELECT identity_id FROM identity)
        """
    )
    con.execute(
        "INSERT INTO touched BY NAME "
        "SELECT unnest([patient_record_id, old_record_id]) AS patient_record_id FROM moved_identity"
    )


def _move_codes(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        """
        INSERT INTO code BY NAME
        SELECT (SELECT max(code_id) FROM code)
               + row_number() OVER (ORDER BY code_system, test_code, facility_id) AS code_id, *
        FROM (
            SELECT DISTINCT c.code_system, c.test_code, m.to_facility_id AS facility_id
            FROM moved AS m JOIN code AS c ON c.code_id = m.code_id
        ) AS new
        WHERE NOT EXISTS (FROM code AS c WHERE c.code_system = new.code_system AND c.test_code = new.test_code
                          AND c.facility_id = new.facility_id)
        """
    )


def _set_aside(con: duckdb.DuckDBPyConnection) -> None:
    """Where both codes hold a current line of one key, or one encounter, the newer delivery's stays."""
    con.execute(
        """
        UPDATE line SET superseded_by = winner FROM (
            WITH current AS (
                SELECT l.line_id, l.facility_id AS old_facility_id,
                       coalesce(a.facility_id, l.facility_id) AS facility_id, l.order_id, l.line_no, e.filed_on,
                       coalesce(e.delivery_no, l.delivery_no) AS sent_no, e.order_id IS NOT NULL AS whole
                FROM line AS l
                LEFT JOIN facility_alias AS a ON a.alias = l.facility_id
                LEFT JOIN encounter AS e ON e.facility_id = l.facility_id AND e.order_id = l.order_id
                WHERE l.superseded_by IS NULL
                  AND coalesce(a.facility_id, l.facility_id) IN (SELECT to_facility_id FROM moved)
            )
            SELECT line_id, first_value(sent_no) OVER newest AS winner,
                   first_value(old_facility_id) OVER newest <> old_facility_id AS lost
            FROM current
            WINDOW newest AS (PARTITION BY facility_id, order_id, CASE WHEN whole THEN 0 ELSE line_no END
                              ORDER BY filed_on DESC NULLS LAST, sent_no DESC, line_id DESC)
        ) AS ranked
        WHERE lost AND line.line_id = ranked.line_id
        """
    )


def _move_lines(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        f"""
        UPDATE line
        SET facility_id = m.to_facility_id, order_key = {order_key("m.to_facility_id", "line.order_id")},
            identity_id = i.identity_id, patient_record_id = i.patient_record_id,
            code_id = n.code_id
        FROM moved AS m
        JOIN moved_identity AS i ON i.old_id = m.identity_id
        JOIN code AS c ON c.code_id = m.code_id
        JOIN code AS n ON n.code_system = c.code_system AND n.test_code = c.test_code
                      AND n.facility_id = m.to_facility_id
        WHERE line.line_id = m.line_id
        """
    )


def _move_encounters(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE renamed_encounter AS
        SELECT coalesce(a.facility_id, e.facility_id) AS facility_id, e.* EXCLUDE (facility_id)
        FROM encounter AS e LEFT JOIN facility_alias AS a ON a.alias = e.facility_id
        QUALIFY row_number() OVER (PARTITION BY coalesce(a.facility_id, e.facility_id), order_id
                                   ORDER BY filed_on DESC NULLS LAST, delivery_no DESC) = 1
        """
    )
    con.execute("DELETE FROM encounter")
    con.execute("INSERT INTO encounter BY NAME SELECT * FROM renamed_encounter")
    con.execute("DROP TABLE temp.renamed_encounter")
    con.execute(
        "UPDATE line SET superseded_by = e.delivery_no FROM encounter AS e WHERE e.withdrawn "
        "AND line.superseded_by IS NULL AND line.facility_id = e.facility_id AND line.order_id = e.order_id"
    )
