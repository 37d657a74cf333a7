"""What each facility knows of a patient now, and whom the later stages have to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dedup.loading.keys import IDENTITY, filled, identity_id
from dedup.schema import TABLES
from dedup.warehouse import all_threads, count

if TYPE_CHECKING:
    import duckdb

__all__ = ["begin_identities", "refresh_identities"]

_PLAIN = ("national_id", "insurance_id", "full_name", "sex", "phone", "province", "address")
#: Identities written up at once.
_AT_ONCE = 500_000
#: The number of an identity says all that it says of the patient.
_COMPARED = "patient_record_id, first_ordered_at, identity_id"


def begin_identities(con: duckdb.DuckDBPyConnection) -> None:
    """Make the temporary tables that say what became of whom: ``touched``, records and since when their lines changed
    (NULL: all of them may have); ``removed``, lines that were current; ``met``, identities lines were stored with."""
    same = ", ".join(f"{name} {kind}" for name, kind in TABLES["identity"].columns.items())
    for name, columns in {
        "touched": "patient_record_id BIGINT, since TIMESTAMP",
        "removed": "patient_record_id BIGINT, identity_id BIGINT, ordered_at TIMESTAMP",
        "met": same,
    }.items():
        con.execute(f"CREATE OR REPLACE TEMP TABLE {name} ({columns})")


def refresh_identities(con: duckdb.DuckDBPyConnection) -> None:
    """Work out ``patient_identity`` anew for the records in ``touched``, fill ``todo``, and drop the temporary tables.

    Derived from current lines alone, so it does not depend on the order of arrival: per column the value of the
    latest ``ordered_at`` that has one, the largest text among equals. A record without a current line is gone. A
    changed ``first_ordered_at`` counts as a change: persons are named after their earliest record. With another birth
    date a patient was of another age at every order.
    """
    con.execute(
        "CREATE OR REPLACE TEMP TABLE touched AS SELECT patient_record_id, "
        "CASE WHEN bool_and(since IS NOT NULL) THEN min(since) END AS since FROM touched GROUP BY patient_record_id"
    )
    with all_threads(con):
        con.execute(
            "CREATE OR REPLACE TEMP TABLE known AS "
            f"SELECT rowid AS place, {_COMPARED}, birth_date, filled FROM patient_identity "
            "SEMI JOIN touched USING (patient_record_id)"
        )
    _see(con)
    _derive(con)
    _complete(con)
    columns = ", ".join(TABLES["patient_identity"].columns)
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE changed AS
        SELECT patient_record_id FROM (SELECT {_COMPARED} FROM derived EXCEPT SELECT {_COMPARED} FROM known)
        UNION ALL
        SELECT patient_record_id FROM known
        SEMI JOIN whole USING (patient_record_id) ANTI JOIN derived USING (patient_record_id)
        """
    )
    con.execute(
        "UPDATE touched SET since = NULL FROM derived AS d JOIN known AS k USING (patient_record_id) "
        "WHERE d.patient_record_id = touched.patient_record_id AND d.birth_date IS DISTINCT FROM k.birth_date"
    )
    con.execute(
        "DELETE FROM patient_identity "
        "WHERE rowid IN (SELECT place FROM known SEMI JOIN changed USING (patient_record_id))"
    )
    con.execute(
        f"INSERT INTO patient_identity ({columns}) "
        f"SELECT {columns} FROM derived SEMI JOIN changed USING (patient_record_id)"
    )
    con.execute(
        """
        INSERT INTO todo
        (SELECT 'match', patient_record_id, NULL FROM changed UNION ALL FROM (SELECT 'flag', * FROM touched))
        EXCEPT FROM todo
        """
    )
    for name in ("touched", "removed", "met", "known", "seen", "whole", "derived", "changed"):
        con.execute(f"DROP TABLE temp.{name}")


def _see(con: duckdb.DuckDBPyConnection) -> None:
    """Make ``seen``: identities of the records, with their first and last current order since the night's earliest.

    Whatever is not among them was last seen before, so its values yield to theirs, and where they have none,
    ``patient_identity`` has the right one already. That does not hold of a record in ``whole``: one that lost the
    first of its orders, or the last that had some identity. Of those all current lines count.
    """
    row = con.execute("SELECT min(since) FROM touched").fetchone()
    late = f"ordered_at >= TIMESTAMP '{row[0]}'" if row and row[0] else "false"
    con.execute(f"CREATE OR REPLACE TEMP TABLE seen AS {_SEEN.format(records='touched', lines=late)}")
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE whole AS
        SELECT patient_record_id FROM touched WHERE since IS NULL
        UNION
        SELECT r.patient_record_id FROM removed AS r LEFT JOIN seen AS s USING (identity_id)
        WHERE s.last_at IS NULL OR s.last_at < r.ordered_at
        UNION
        SELECT patient_record_id FROM removed AS r JOIN known AS k USING (patient_record_id)
        LEFT JOIN (SELECT patient_record_id, min(first_at) AS first_at FROM seen GROUP BY ALL) AS s
            USING (patient_record_id)
        WHERE r.ordered_at = k.first_ordered_at AND (s.first_at IS NULL OR s.first_at > r.ordered_at)
        """
    )
    con.execute("DELETE FROM seen WHERE patient_record_id IN (FROM whole)")
    con.execute(f"INSERT INTO seen {_SEEN.format(records='whole', lines='true')}")


#: One column with a constant: so DuckDB passes over the parts of the history that hold nothing so late.
_SEEN = """
SELECT patient_record_id, identity_id, min(ordered_at) AS first_at, max(ordered_at) AS last_at
FROM line SEMI JOIN {records} USING (patient_record_id) WHERE superseded_by IS NULL AND {lines} GROUP BY ALL"""


def _derive(con: duckdb.DuckDBPyConnection) -> None:
    """Make ``derived``, what ``seen`` says of the records. As many identities at a time as any memory holds: the latest
    texts that an aggregate has seen cannot be spilled."""
    parts = count(con, "SELECT count(*) FROM seen") // _AT_ONCE + 1
    for part in range(parts):
        into = "INSERT INTO derived" if part else "CREATE OR REPLACE TEMP TABLE derived AS"
        con.execute(f"{into} {_DERIVED}", {"part": part, "parts": parts})


def _complete(con: duckdb.DuckDBPyConnection) -> None:
    """Complete ``derived`` by what was known where the night's orders leave a column blank. Only such columns are read:
    of patients who are written as they always were, most of them on most nights, none."""
    lost = (
        "derived AS d JOIN (FROM known ANTI JOIN whole USING (patient_record_id)) AS k USING (patient_record_id) "
        "WHERE k.filled & ~d.filled <> 0"
    )
    bits = count(con, f"SELECT coalesce(bit_or(k.filled & ~d.filled), 0) FROM {lost}")
    columns = [name for at, name in enumerate(IDENTITY) if bits >> at & 1]
    if not columns:
        return
    with all_threads(con):
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE before AS SELECT patient_record_id, {', '.join(columns)} "
            f"FROM patient_identity SEMI JOIN (SELECT patient_record_id FROM {lost}) AS lost USING (patient_record_id)"
        )
    # A precision without a date is nobody's, and a date has its own.
    still = ", ".join(f"{name} = coalesce(derived.{name}, b.{name})" for name in columns)
    con.execute(f"UPDATE derived SET {still} FROM before AS b WHERE b.patient_record_id = derived.patient_record_id")
    told = ", ".join(f"{name} = {sql}" for name, sql in _TOLD.items())
    con.execute(f"UPDATE derived SET {told} WHERE patient_record_id IN (SELECT patient_record_id FROM before)")
    con.execute("DROP TABLE temp.before")


#: What tells of a patient's columns without reading them.
_TOLD = {"identity_id": identity_id("facility_id", "patient_id"), "filled": filled()}
_LATEST = ", ".join(
    f"max({{'at': last_at, 'text': {name}}}) FILTER ({name} IS NOT NULL).text AS {name}" for name in _PLAIN
)
#: The night's identities are at hand; the others are looked up, which DuckDB skips when there are none.
_DERIVED = f"""
WITH part AS (
    FROM seen WHERE abs(patient_record_id % $parts) = $part
), written AS (
    SELECT * FROM part JOIN met USING (patient_record_id, identity_id)
    UNION ALL BY NAME
    SELECT * FROM (FROM part ANTI JOIN met USING (identity_id))
    JOIN identity USING (patient_record_id, identity_id)
), latest AS (
    SELECT patient_record_id, facility_id, patient_id, min(first_at) AS first_at, {_LATEST},
           max({{'at': last_at, 'day': birth_date, 'precision': birth_precision}})
               FILTER (birth_date IS NOT NULL) AS birth
    FROM written GROUP BY ALL
), told AS (
    SELECT l.* EXCLUDE (first_at, birth), least(l.first_at, k.first_ordered_at) AS first_ordered_at,
           l.birth.day AS birth_date, l.birth.precision AS birth_precision
    FROM latest AS l LEFT JOIN (FROM known ANTI JOIN whole USING (patient_record_id)) AS k USING (patient_record_id)
)
SELECT *, {", ".join(f"{sql} AS {name}" for name, sql in _TOLD.items())} FROM told"""
