"""What became of deliveries: which were bad, of which nothing was kept, and what reading one of those again changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from dedup.loading.summary import DeliverySummary

if TYPE_CHECKING:
    import duckdb

__all__ = ["bad", "dropped_as_sensitive", "gave_nothing", "make_way"]

# An entry about the file as a whole. Row 0 with a column and any other reason is news of an earlier night's row.
_FAILED = """(SELECT delivery_id FROM rejected_row
WHERE row_number = 0 AND (column_name IS NULL OR reason IN ('missing_column', 'duplicate_column')))"""
# Of the other formats something may be remembered though no row was loaded, and what came later counts for more.
_FORGETFUL = "('unknown', 'archive', 'mapped', 'csv', 'ndjson', 'parquet', 'xlsx')"


def bad(con: duckdb.DuckDBPyConnection, delivery_ids: Iterable[str], max_rejected_share: float) -> set[str]:
    """Which of the deliveries failed as a whole or had more rows rejected than allowed, on whatever night."""
    rows = con.execute(
        "SELECT delivery_id FROM delivery WHERE delivery_id IN (SELECT unnest(CAST($ids AS VARCHAR[]))) "
        f"AND (rows_rejected > CAST($share AS DOUBLE) * rows_read OR delivery_id IN {_FAILED})",
        {"ids": list(delivery_ids), "share": max_rejected_share},
    ).fetchall()
    return {str(row[0]) for row in rows}


def gave_nothing(con: duckdb.DuckDBPyConnection) -> set[str]:
    """Deliveries of which every row was rejected, or that failed before the first: read again, they may give rows.

    What stood in the way may have been mended since: a mapping that was missing or wrong.
    """
    rows = con.execute(
        f"SELECT delivery_id FROM delivery WHERE format IN {_FORGETFUL} AND rows_read = rows_rejected "
        f"AND (rows_rejected > 0 OR delivery_id IN {_FAILED})"
    ).fetchall()
    return {str(row[0]) for row in rows}


def make_way(con: duckdb.DuckDBPyConnection, deliveries: Mapping[int, DeliverySummary], rejected: str) -> set[int]:
    """Forget what the last reading of these deliveries gave, where there was one and this one gave something else.

    ``deliveries``: by number; ``rejected``: their rejected rows (delivery_no, row_number, column_name, reason), as
    SQL. Returns the numbers of those that gave the same as before: nothing is to be written of them.
    """
    again = _known(con, deliveries)
    if not again:
        return set()
    other = {number for number, same in again.items() if not same} | _rejected_otherwise(con, rejected)
    gone = [deliveries[number].delivery_id for number in other]
    for table in ("rejected_row", "delivery"):
        con.execute(f"DELETE FROM {table} WHERE delivery_id IN (SELECT unnest(CAST(? AS VARCHAR[])))", [gone])
    return again.keys() - other


def _known(con: duckdb.DuckDBPyConnection, deliveries: Mapping[int, DeliverySummary]) -> dict[int, bool]:
    """Those that were read before, and whether the counts are the same; leaves their numbers in ``read_again``."""
    con.execute("CREATE OR REPLACE TEMP TABLE read_again (delivery_no INTEGER, delivery_id VARCHAR)")
    con.execute(
        "INSERT INTO read_again SELECT unnest(CAST($numbers AS INTEGER[])), unnest(CAST($ids AS VARCHAR[]))",
        {"numbers": list(deliveries), "ids": [one.delivery_id for one in deliveries.values()]},
    )
    con.execute("DELETE FROM read_again WHERE delivery_id NOT IN (SELECT delivery_id FROM delivery)")
    rows = con.execute(
        "SELECT r.delivery_no, format, rows_read, rows_loaded, rows_rejected, rows_duplicate, rows_skipped, "
        "unknown_columns FROM read_again AS r JOIN delivery AS d USING (delivery_id)"
    ).fetchall()
    return {number: before == _counts(deliveries[number]) for number, *before in rows}


def _counts(one: DeliverySummary) -> list[object]:
    rows = (one.rows_read, one.rows_loaded, one.rows_rejected, one.rows_duplicate, one.rows_skipped)
    return [one.format, *rows, list(one.unknown_columns)]


def _rejected_otherwise(con: duckdb.DuckDBPyConnection, rejected: str) -> set[int]:
    before = (
        "SELECT a.delivery_no, row_number, column_name, reason "
        "FROM rejected_row JOIN read_again AS a USING (delivery_id)"
    )
    today = (
        f"SELECT delivery_no, row_number, nullif(column_name, '') AS column_name, reason FROM ({rejected}) "
        "SEMI JOIN read_again USING (delivery_no)"
    )
    rows = con.execute(f"(({before}) EXCEPT ALL ({today})) UNION ALL (({today}) EXCEPT ALL ({before}))").fetchall()
    return {int(row[0]) for row in rows}


def dropped_as_sensitive(con: duckdb.DuckDBPyConnection, delivery_ids: Iterable[str]) -> int:
    """How many of the deliveries hold rows that were left out for want of a legal basis."""
    row = con.execute(
        "SELECT count(*) FROM delivery WHERE delivery_id IN (SELECT unnest(CAST(? AS VARCHAR[]))) "
        "AND CAST(skipped ->> 'sensitive' AS BIGINT) > 0",
        [list(delivery_ids)],
    ).fetchone()
    return int(row[0]) if row else 0
