"""Which facilities have fallen silent, or sent far fewer or more order lines than they usually do."""

from __future__ import annotations

import datetime

from dedup.warehouse import Warehouse

__all__ = ["unusual"]

WINDOW_DAYS = 30  # what "usually" means: the nights of the last month
NIGHTS = 5  # fewer nights than that tell nothing
FACTOR = 4  # "far": a quarter or four times the median night

_NIGHTS = """
WITH night AS (
  SELECT l.facility_id, d.run_id, max(d.received_at) AS received_at, count(*) AS lines
  FROM line AS l JOIN delivery AS d ON d.delivery_no = l.delivery_no
  WHERE d.received_at > $now - to_days($window) AND d.received_at <= $now
  GROUP BY l.facility_id, d.run_id
)
SELECT facility_id, max(received_at) AS last,
       coalesce(max(lines) FILTER (run_id = $run), 0) AS lines,
       median(lines) FILTER (run_id <> $run) AS usual, count(*) FILTER (run_id <> $run) AS nights
FROM night GROUP BY facility_id ORDER BY facility_id
"""


def unusual(warehouse: Warehouse, run_id: int, *, now: datetime.datetime, silent_days: int) -> list[str]:
    """One sentence for each facility to look at, by code. Reads line and delivery of the last month only."""
    values = {"now": now, "window": WINDOW_DAYS + silent_days, "run": run_id}
    sentences = []
    for facility, last, lines, usual, nights in warehouse.con.execute(_NIGHTS, values).fetchall():
        if last < now - datetime.timedelta(days=silent_days):
            sentences.append(f"{facility} has sent nothing since {last:%Y-%m-%d}.")
        elif lines and nights >= NIGHTS and not usual / FACTOR <= lines <= usual * FACTOR:
            sentences.append(f"{facility} sent {lines:,} order lines; {usual:,.0f} are usual.")
    return sentences
