"""Keeping match_variant and match_record in step with patient_identity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dedup.matching import blocking, normalising
from dedup.matching.steps import in_steps
from dedup.matching.variants import arrived_sql, columns, packed_sql, variant_id_sql
from dedup.schema import TABLES
from dedup.warehouse import all_threads, count

if TYPE_CHECKING:
    import duckdb

__all__ = ["Arrivals", "take_in"]


@dataclass(frozen=True)
class Arrivals:
    """What came: identities numbered above ``last`` are new. The temporary tables that go with it:

    ``normalised`` – the records of todo (or all), normalised, with their variant_id;
    ``arrived`` – their patient_record_id and variant_no, row by row, and which row shows each variant;
    ``gone`` – patient_record_id of records without an identity any more;
    ``stirred`` – variant_no of every identity that a record took or left;
    ``unused`` – those of them that no record has any more: gone from match_variant, but not yet from match_edge.
    """

    last: int
    records: int


def take_in(con: duckdb.DuckDBPyConnection, *, everything: bool) -> Arrivals:
    """Normalise the records in todo (or all, nothing of which may be kept), and give them their variants, new ones
    where needed. Of all records there is no ``stirred`` and no ``unused``."""
    source, known = "patient_identity", "match_person"
    if not everything:
        source, known = "arriving", "waiting"
        _look_up(con)
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE gone AS SELECT patient_record_id FROM {known} ANTI JOIN {source} "
        "USING (patient_record_id)"
    )
    _normalise(con, source)
    last = count(con, "SELECT coalesce(max(variant_no), -1) FROM match_variant")
    _number(con, last)
    _add_new(con, last)
    if not everything:
        con.execute("DELETE FROM match_record WHERE rowid IN (SELECT place FROM stirring)")
    con.execute("INSERT INTO match_record SELECT patient_record_id, variant_no FROM arrived")
    if not everything:
        con.execute("""
          CREATE OR REPLACE TEMP TABLE stirred AS
          SELECT variant_no FROM stirring UNION SELECT variant_no FROM arrived""")
        con.execute("""
          CREATE OR REPLACE TEMP TABLE unused AS
          SELECT DISTINCT variant_no FROM stirring ANTI JOIN match_record USING (variant_no)""")
        con.execute("DELETE FROM match_variant WHERE variant_no IN (FROM unused)")
        for table in ("arriving", "waiting", "stirring"):
            con.execute(f"DROP TABLE {table}")
    records = count(con, "SELECT (SELECT count(*) FROM arrived) + (SELECT count(*) FROM gone)")
    return Arrivals(last, records)


def _look_up(con: duckdb.DuckDBPyConnection) -> None:
    """Make ``waiting`` (the records in todo), ``arriving`` (what is known of them) and ``stirring`` (their identities
    until now)."""
    con.execute(
        "CREATE OR REPLACE TEMP TABLE waiting AS SELECT DISTINCT patient_record_id FROM todo WHERE stage = 'match'"
    )
    with all_threads(con):
        # Found once, read twice; by place, since what is new stands behind all else, which is then not read.
        con.execute(
            "CREATE OR REPLACE TEMP TABLE arriving AS FROM patient_identity WHERE rowid IN "
            "(SELECT i.rowid FROM patient_identity AS i SEMI JOIN waiting USING (patient_record_id))"
        )
        con.execute("""
          CREATE OR REPLACE TEMP TABLE stirring AS
          SELECT rowid AS place, variant_no FROM match_record SEMI JOIN waiting USING (patient_record_id)""")


#: What is kept of a normalised record, but for its blocking keys.
_NORMALISED = f"""
  patient_record_id, variant_id, id_grade, coalesce(id_type = 'cccd' AND id_grade = 2, false) AS settled,
  {packed_sql()}"""


def _normalise(con: duckdb.DuckDBPyConnection, source: str) -> None:
    normalising.prepare(con, source)
    variants = in_steps(f"({normalising.normalise_sql(source)})", {"variant_id": variant_id_sql()})
    with all_threads(con):  # most of it is work on single values, which two threads do in half the time
        con.execute(f"CREATE OR REPLACE TEMP TABLE normalised AS {blocking.keyed_sql(variants, _NORMALISED)}")
    normalising.drop(con)


def _number(con: duckdb.DuckDBPyConnection, last: int) -> None:
    """The table ``arrived``: beside every row of ``normalised`` its variant_no, and whether it is to show it.

    New variants are numbered on from ``last`` by variant_id; each is shown by one of its records.
    """
    import pyarrow as pa

    with all_threads(con):
        rows = columns(con, "SELECT patient_record_id, variant_id FROM normalised")
        known = columns(con, "SELECT variant_id, variant_no FROM match_variant SEMI JOIN normalised USING (variant_id)")
    order = np.argsort(rows["variant_id"])
    variant = rows["variant_id"][order]
    shown = np.append(True, variant[1:] != variant[:-1])[: len(variant)]
    distinct = variant[shown]
    new = ~np.isin(distinct, known["variant_id"])
    number = np.empty(len(distinct), dtype=np.int32)
    number[new] = last + 1 + np.arange(new.sum())
    number[np.searchsorted(distinct, known["variant_id"])] = known["variant_no"]
    row_number, is_shown = np.empty(len(order), dtype=np.int32), np.empty(len(order), dtype=np.bool_)
    row_number[order] = np.repeat(number, np.diff(np.append(np.flatnonzero(shown), len(order))))
    is_shown[order] = shown
    table = pa.table({"patient_record_id": rows["patient_record_id"], "variant_no": row_number, "is_shown": is_shown})
    con.register("numbered", table)
    con.execute("CREATE OR REPLACE TEMP TABLE arrived AS FROM numbered")
    con.unregister("numbered")


def _add_new(con: duckdb.DuckDBPyConnection, last: int) -> None:
    """Put the variants met for the first time into match_variant."""
    names = ", ".join(TABLES["match_variant"].columns)
    con.execute(f"INSERT INTO match_variant SELECT {names} FROM ({arrived_sql()}) WHERE variant_no > {last:d}")
