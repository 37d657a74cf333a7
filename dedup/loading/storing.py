"""From staged rows to stored lines: aliases, codes, identities, versions, counts. One wave at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dedup.loading.keys import identity_id, order_key, patient_record_id
from dedup.loading.versions import judge_encounters, judge_lines
from dedup.schema import TABLES
from dedup.warehouse import all_threads

if TYPE_CHECKING:
    import duckdb

__all__ = ["Wave", "store"]

_OWN = "coalesce(f.facility_id, l.facility_id)"
# The code of a test that may not be kept: everybody's, or this facility's own.
_SENSITIVE = f"""(
        (l.code_system, l.test_code) IN
            (SELECT (code_system, test_code) FROM sensitive_code WHERE facility_id IS NULL)
        OR (l.code_system, l.test_code, {_OWN}) IN
            (SELECT (code_system, test_code, facility_id) FROM sensitive_code WHERE facility_id IS NOT NULL))"""
# Rows without a problem that may be kept. 'unknown' says nothing about a person, so it is stored like a blank sex.
_ACCEPTED = f"""(
    SELECT l.rowid AS row_id, l.* REPLACE (nullif(l.sex, 'unknown') AS sex),
           {_OWN} AS own_facility_id,
           coalesce(p.facility_id, l.performed_by, own_facility_id) AS performing_facility_id
    FROM landed AS l
    LEFT JOIN facility_alias AS f ON f.alias = l.facility_id
    LEFT JOIN facility_alias AS p ON p.alias = l.performed_by
    WHERE l.problem IS NULL AND l.delivery_no BETWEEN $first AND $last
      AND NOT {_SENSITIVE}
)"""


@dataclass(frozen=True)
class Wave:
    """Consecutive deliveries of one kind: single lines, whole or in parts, or whole encounters."""

    first: int
    last: int
    whole_encounters: bool
    in_parts: bool


def store(con: duckdb.DuckDBPyConnection, wave: Wave) -> None:
    """Store a wave's lines; appends to the temporary table ``outcome`` (counts) and those of ``begin_identities``."""
    _number_codes(con, wave)
    _gather(con, wave)
    if wave.whole_encounters:
        judge_encounters(con, wave.first, wave.last)
    else:
        judge_lines(con, in_parts=wave.in_parts)
    _keep_identities(con)
    _write_lines(con)
    _count(con, wave)


def _number_codes(con: duckdb.DuckDBPyConnection, wave: Wave) -> None:
    con.execute(
        f"""
        INSERT INTO code BY NAME
        SELECT (SELECT coalesce(max(code_id), 0) FROM code)
               + row_number() OVER (ORDER BY code_system, test_code, facility_id) AS code_id,
               code_system, test_code, facility_id
        FROM (SELECT DISTINCT code_system, test_code, own_facility_id AS facility_id FROM {_ACCEPTED}) AS new
        WHERE NOT EXISTS (FROM code AS c WHERE c.code_system = new.code_system AND c.test_code = new.test_code
                          AND c.facility_id = new.facility_id)
        """,
        {"first": wave.first, "last": wave.last},
    )


def _gather(con: duckdb.DuckDBPyConnection, wave: Wave) -> None:
    """The wave's rows with everything a stored line needs."""
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE wave AS
        SELECT row_id, a.delivery_no, coalesce(row_number, row_id - n.first_rowid + 1) AS row_number, encounter_no,
               own_facility_id AS facility_id, order_id, line_no, patient_id, c.code_id, test_name, specimen,
               performing_facility_id, ordered_at, collected_at, resulted_at, status, "value", unit, abnormal_flag,
               setting, department, ordered_by, encounter_id, order_reason, price_vnd, national_id, insurance_id,
               full_name, birth_date, birth_precision, sex, phone, province, address,
               {patient_record_id("own_facility_id", "patient_id")} AS patient_record_id,
               {identity_id("own_facility_id", "patient_id")} AS identity_id,
               {order_key("own_facility_id", "order_id")} AS order_key
        FROM {_ACCEPTED} AS a
        LEFT JOIN first_row AS n ON n.delivery_no = a.delivery_no
        JOIN code AS c ON c.code_system = a.code_system AND c.test_code = a.test_code
                      AND c.facility_id = a.own_facility_id
        """,
        {"first": wave.first, "last": wave.last},
    )


def _keep_identities(con: duckdb.DuckDBPyConnection) -> None:
    """One row of each: not ``DISTINCT ON``, which holds all its columns in memory."""
    columns = ", ".join(TABLES["identity"].columns)
    con.execute(
        f"""
        INSERT INTO met ({columns})
        SELECT {columns} FROM wave WHERE row_id IN (
            SELECT min(w.row_id) FROM wave AS w LEFT JOIN fate AS f ON f.row_id = w.row_id
            WHERE (f.outcome IS NULL OR f.outcome = 'loaded') AND w.identity_id NOT IN (SELECT identity_id FROM met)
            GROUP BY w.identity_id
        )
        """
    )
    with all_threads(con):
        con.execute(
            f"INSERT INTO identity ({columns}) SELECT {columns} FROM met "
            "ANTI JOIN (SELECT identity_id FROM identity) AS old USING (identity_id)"
        )


def _write_lines(con: duckdb.DuckDBPyConnection) -> None:
    """New lines in the order they arrived; replaced ones keep their place and learn by what."""
    columns = ", ".join(TABLES["line"].columns)
    con.execute(
        f"""
        INSERT INTO line ({columns})
        SELECT {columns} FROM (
            SELECT w.*, w.row_id + $base AS line_id, f.superseded_by
            FROM wave AS w LEFT JOIN fate AS f ON f.row_id = w.row_id
            WHERE f.outcome IS NULL OR f.outcome = 'loaded'
        )
        """,
        {"base": _line_base(con)},
    )
    con.execute("UPDATE line SET superseded_by = r.superseded_by FROM replaced AS r WHERE line.line_id = r.line_id")
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE replaced_line AS
        SELECT patient_record_id, identity_id, ordered_at, collected_at, resulted_at
        FROM line SEMI JOIN replaced USING (line_id)
        """
    )
    con.execute(
        """
        INSERT INTO touched
        SELECT patient_record_id, min(least(ordered_at, coalesce(collected_at, resulted_at, ordered_at)))
        FROM (
            SELECT w.patient_record_id, w.ordered_at, w.collected_at, w.resulted_at
            FROM wave AS w LEFT JOIN fate AS f ON f.row_id = w.row_id
            WHERE f.outcome IS NULL OR f.outcome = 'loaded'
            UNION ALL
            SELECT patient_record_id, ordered_at, collected_at, resulted_at FROM replaced_line
        ) GROUP BY patient_record_id
        """
    )
    con.execute("INSERT INTO removed SELECT patient_record_id, identity_id, ordered_at FROM replaced_line")
    con.execute(
        """
        INSERT INTO facility BY NAME
        SELECT DISTINCT facility_id, false AS registered
        FROM (SELECT facility_id FROM wave UNION ALL SELECT performing_facility_id FROM wave) AS found
        WHERE facility_id NOT IN (SELECT facility_id FROM facility)
        """
    )


def _line_base(con: duckdb.DuckDBPyConnection) -> int:
    row = con.execute("SELECT line_base FROM numbering").fetchone()
    return int(row[0]) if row else 1


def _count(con: duckdb.DuckDBPyConnection, wave: Wave) -> None:
    con.execute(
        f"""
        INSERT INTO outcome
        SELECT w.delivery_no, coalesce(f.outcome, 'loaded'), count(*)
        FROM wave AS w LEFT JOIN fate AS f ON f.row_id = w.row_id WHERE w.row_number > 0 GROUP BY ALL
        UNION ALL
        SELECT delivery_no, 'rejected', count(*) FROM landed
        WHERE problem IS NOT NULL AND row_number IS DISTINCT FROM 0 AND delivery_no BETWEEN $first AND $last
        GROUP BY ALL
        UNION ALL
        SELECT l.delivery_no, 'sensitive', count(*)
        FROM landed AS l LEFT JOIN facility_alias AS f ON f.alias = l.facility_id
        WHERE problem IS NULL AND l.delivery_no BETWEEN $first AND $last AND row_number IS DISTINCT FROM 0
          AND {_SENSITIVE} GROUP BY ALL
        UNION ALL
        SELECT delivery_no, 'rejected', count(*) FROM landed_reject
        WHERE row_number > 0 AND delivery_no BETWEEN $first AND $last GROUP BY ALL
        """,
        {"first": wave.first, "last": wave.last},
    )
