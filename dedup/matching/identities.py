"""Keeping match_variant and match_record in step with patient_identity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dedup.matching import blocking, normalising, places
from dedup.matching.variants import IDENTITY, variant_sql

if TYPE_CHECKING:
    import duckdb

__all__ = ["Arrivals", "forget_unused", "take_in"]


@dataclass(frozen=True)
class Arrivals:
    """What came: identities numbered above ``last`` are new. The temporary tables that go with it:

    ``normalised`` – the records of todo (or all), normalised, with their variant_id;
    ``arrived`` – their patient_record_id and variant_no;
    ``gone`` – patient_record_id of records without an identity any more;
    ``stirred`` – variant_no of every identity that a record took or left.
    """

    last: int
    records: int


def take_in(con: duckdb.DuckDBPyConnection, *, everything: bool) -> Arrivals:
    """Normalise the records in todo (or all), and give them their variants, new ones where needed."""
    waiting = "SELECT DISTINCT patient_record_id FROM todo WHERE stage = 'match'"
    if everything:
        waiting = "SELECT patient_record_id FROM patient_identity UNION SELECT patient_record_id FROM patient_record"
    con.execute(f"CREATE OR REPLACE TEMP TABLE waiting AS {waiting}")
    con.execute(
        "CREATE OR REPLACE TEMP TABLE gone AS SELECT patient_record_id FROM waiting ANTI JOIN patient_identity "
        "USING (patient_record_id)"
    )
    source = "patient_identity" if everything else "(FROM patient_identity SEMI JOIN waiting USING (patient_record_id))"
    _normalise(con, source)
    last = con.execute("SELECT coalesce(max(variant_no), -1) FROM match_variant").fetchone()
    number = -1 if last is None else int(last[0])
    _number_new(con, number)
    con.execute("""
      CREATE OR REPLACE TEMP TABLE arrived AS
      SELECT n.patient_record_id, v.variant_no
      FROM normalised AS n JOIN match_variant AS v USING (variant_id)""")
    con.execute("""
      CREATE OR REPLACE TEMP TABLE stirred AS
      SELECT variant_no FROM match_record SEMI JOIN waiting USING (patient_record_id)
      UNION SELECT variant_no FROM arrived""")
    con.execute("DELETE FROM match_record WHERE patient_record_id IN (FROM waiting)")
    con.execute("INSERT INTO match_record SELECT patient_record_id, variant_no FROM arrived")
    count = con.execute("SELECT count(*) FROM waiting").fetchone()
    con.execute("DROP TABLE waiting")
    return Arrivals(number, 0 if count is None else int(count[0]))


def _normalise(con: duckdb.DuckDBPyConnection, source: str) -> None:
    places.prepare(con)
    con.execute(f"CREATE OR REPLACE TEMP TABLE normalised AS {variant_sql(f'({normalising.normalise_sql(source)})')}")
    places.drop(con)


def _number_new(con: duckdb.DuckDBPyConnection, last: int) -> None:
    """Put the variants met for the first time into match_variant, numbered on from ``last`` by variant_id."""
    columns = ", ".join(IDENTITY)
    con.execute(f"""
      INSERT INTO match_variant BY NAME
      WITH first AS (
        SELECT variant_id, min(patient_record_id) AS patient_record_id
        FROM normalised ANTI JOIN match_variant USING (variant_id) GROUP BY variant_id
      ), numbered AS (
        SELECT patient_record_id, CAST({last:d} + row_number() OVER (ORDER BY variant_id) AS INTEGER) AS variant_no
        FROM first
      )
      SELECT variant_no, variant_id, {columns}, coalesce(id_type = 'cccd' AND id_grade = 2, false) AS settled,
        {blocking.keys_sql()}
      FROM normalised JOIN numbered USING (patient_record_id)""")


def forget_unused(con: duckdb.DuckDBPyConnection) -> None:
    """Drop the variants that no record has any more, and their edges: nobody may be tied through them."""
    con.execute("CREATE OR REPLACE TEMP TABLE unused AS FROM stirred ANTI JOIN match_record USING (variant_no)")
    con.execute("DELETE FROM match_variant WHERE variant_no IN (FROM unused)")
    con.execute("DELETE FROM match_edge WHERE variant_a IN (FROM unused) OR variant_b IN (FROM unused)")
    con.execute("DROP TABLE unused")
