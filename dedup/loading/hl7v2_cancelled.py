"""HL7 v2 messages that cancel an order without saying which tests it had: an ORC with no OBR behind it.

They are no rows. Each ends the lines its order has by then: those that stand before it in the files of this load, and
those of earlier nights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dedup.loading.hl7v2_cells import Chunk, first_given, word
from dedup.loading.hl7v2_fields import CANCELLED, CANCELLING
from dedup.loading.hl7v2_lines import STORED, STORED_COLUMNS
from dedup.loading.hl7v2_text import STAND_INS
from dedup.loading.keys import order_key

if TYPE_CHECKING:
    from dedup.loading.landing import Landing

__all__ = ["apply_cancelled", "find_cancelled", "keep_cancelled"]


def find_cancelled(chunk: Chunk, undecoded: Sequence[int] = ()) -> Any:
    """``facility_id, order_id, row_number`` of the orders cancelled in whole messages; ``row_number``: of the last OBR
    before, counted from the first of the chunk. None when there are none."""
    import pyarrow as pa

    starts, tests, orders = chunk.named("MSH"), chunk.named("OBR"), chunk.named("ORC")
    steps = np.flatnonzero(starts | tests | orders)
    bare = steps[orders[steps] & ~np.append(tests[steps[1:]], False)]
    if not len(bare):
        return None
    orc = chunk.segments(bare)
    said = np.isin(chunk.words(chunk.field(orc, 1)), [word(one) for one in CANCELLING])
    said |= np.isin(chunk.words(chunk.field(orc, 5)), [word(one) for one in CANCELLED])
    message = np.cumsum(starts)[bare]
    number = first_given(chunk.component(orc, 2, 1), chunk.component(orc, 3, 1))
    meant = np.flatnonzero(said & number.given & ~np.isin(message, undecoded))
    if not len(meant):
        return None
    header = chunk.segments(np.flatnonzero(starts)[message[meant] - 1])
    return pa.table(
        {
            "facility_id": chunk.column(chunk.component(header, 3, 1)),
            "order_id": chunk.column(number.at(meant)),
            "row_number": np.cumsum(tests)[bare][meant],
        }
    )


def keep_cancelled(landing: Landing, found: Any, before: int) -> None:
    """Put by what ``find_cancelled`` found; ``before``: how many OBR of the file stand before the chunk."""
    landing.con.execute(
        "CREATE TEMP TABLE IF NOT EXISTS hl7_cancelled "
        "(delivery_no INTEGER, row_number BIGINT, facility_id VARCHAR, order_id VARCHAR)"
    )
    landing.con.register("found", found)
    landing.con.execute(
        f"""
        INSERT INTO hl7_cancelled SELECT {landing.delivery_no}, row_number + {before},
               translate(trim(facility_id), '{STAND_INS}', '|^&~\\'), translate(trim(order_id), '{STAND_INS}', '|^&~\\')
        FROM found
        """
    )
    landing.con.unregister("found")


#: What is staged of the cancelled orders, the latest of each line before the cancellation; ``place``: its rowid.
_HERE = """
SELECT c.rowid AS cancelled, t.line_no, t.patient_id, t.test_code,
       arg_max(t.rowid, (t.delivery_no, t.row_number)) AS place
FROM hl7_cancelled AS c
JOIN landed_text AS t ON trim(t.facility_id) = c.facility_id AND trim(t.order_id) = c.order_id
WHERE t.delivery_no IN ({numbers})
  AND (t.delivery_no < c.delivery_no OR (t.delivery_no = c.delivery_no AND t.row_number <= c.row_number))
GROUP BY ALL"""

_OWN = "coalesce(a.facility_id, c.facility_id)"
#: Their current lines of earlier nights, unless the files of this load said something of the line before.
_STORED = f"""
SELECT min(c.delivery_no) AS delivery_no, l.line_id, any_value(c.facility_id) AS facility_id
FROM hl7_cancelled AS c LEFT JOIN facility_alias AS a ON a.alias = c.facility_id
JOIN line AS l ON l.order_key = {order_key(_OWN, "c.order_id")} AND l.facility_id = {_OWN} AND l.order_id = c.order_id
WHERE l.superseded_by IS NULL AND l.status <> 'cancelled'
  AND NOT EXISTS (FROM cancelled_here AS h WHERE h.cancelled = c.rowid AND TRY_CAST(h.line_no AS INTEGER) = l.line_no)
GROUP BY l.line_id"""

_SOURCE = f"cancelled_stored AS s JOIN {STORED} ON l.line_id = s.line_id"
_COLUMNS = STORED_COLUMNS | {"facility_id": "s.facility_id", "status": "'cancelled'"}


def apply_cancelled(landings: Sequence[Landing]) -> list[str]:
    """End the lines of the orders that were put by. Returns notes for the run log."""
    con = landings[0].con
    if not con.execute("FROM duckdb_tables() WHERE table_name = 'hl7_cancelled'").fetchall():
        return []
    numbers = ", ".join(str(one.delivery_no) for one in landings)
    con.execute(f"CREATE TEMP TABLE cancelled_here AS {_HERE.format(numbers=numbers)}")
    con.execute(f"CREATE TEMP TABLE cancelled_stored AS {_STORED}")
    con.execute(
        "UPDATE landed_text SET status = 'cancelled', resulted_at = NULL, \"value\" = NULL, unit = NULL, "
        "abnormal_flag = NULL WHERE rowid IN (SELECT place FROM cancelled_here)"
    )
    cells = ", ".join(f'{sql} AS "{name}"' for name, sql in _COLUMNS.items())
    for landing in landings:
        source = f"(SELECT {cells} FROM {_SOURCE} WHERE s.delivery_no = {landing.delivery_no} ORDER BY l.line_id)"
        landing.insert(source, {name: f'"{name}"' for name in _COLUMNS}, row_number="0", in_order=True, counts=False)
    unknown = con.execute(f"SELECT count(*) FROM ({_UNKNOWN})").fetchone()
    return [f"{unknown[0]} cancellations named orders that are not known."] if unknown and unknown[0] else []


_UNKNOWN = f"""
FROM hl7_cancelled AS c LEFT JOIN facility_alias AS a ON a.alias = c.facility_id
WHERE c.rowid NOT IN (SELECT cancelled FROM cancelled_here)
  AND NOT EXISTS (FROM line AS l WHERE l.order_key = {order_key(_OWN, "c.order_id")})"""
