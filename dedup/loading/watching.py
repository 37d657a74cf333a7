"""Which facilities have fallen silent, or sent far fewer or more order lines than they usually do.

What was known already, or could not be read, is nothing new: who sends only that needs looking at as well.
"""

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
SELECT facility_id,
       coalesce(max(lines) FILTER (run_id = $run), 0) AS lines,
       median(lines) FILTER (run_id <> $run) AS usual, count(*) FILTER (run_id <> $run) AS nights
FROM night GROUP BY facility_id ORDER BY facility_id
"""
# However long ago: a facility that fell silent is named until it sends again.
_LAST = """
WITH sent AS (SELECT facility_id, max(delivery_no) AS delivery_no FROM line GROUP BY facility_id)
SELECT facility_id, received_at FROM sent JOIN delivery USING (delivery_no)
WHERE received_at < $now - to_days($silent_days) ORDER BY facility_id
"""


def unusual(warehouse: Warehouse, run_id: int, *, now: datetime.datetime, silent_days: int) -> list[str]:
    """One sentence for each facility to look at, by code. What is usual is what the last month's nights say."""
    ask = warehouse.con.execute
    sentences = {
        facility: f"{facility} has sent nothing new since {last:%Y-%m-%d}."
        for facility, last in ask(_LAST, {"now": now, "silent_days": silent_days}).fetchall()
    }
    nights = {"now": now, "window": WINDOW_DAYS, "run": run_id}
    for facility, lines, usual, count in ask(_NIGHTS, nights).fetchall():
        if lines and count >= NIGHTS and not usual / FACTOR <= lines <= usual * FACTOR:
            sentences[facility] = f"{facility} sent {lines:,} new order lines; {usual:,.0f} are usual."
    return [sentence for _, sentence in sorted(sentences.items())]
