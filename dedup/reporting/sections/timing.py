"""When repeats happen: hours since the earlier result, how much of its validity was used, and the trend by week."""

from __future__ import annotations

from dedup.reporting.sections.counting import REPEATS, repeats
from dedup.reporting.tables import Column, Section, mark

__all__ = ["AGES", "USED", "WEEKS"]

_SCOPE = Column("scope", mark("Earlier result"), "word")

AGES = Section(
    "ages",
    mark("Hours since the earlier result"),
    mark("From the earlier collection to the new order."),
    (_SCOPE, Column("age", mark("Age of the earlier result"), "word"), *REPEATS),
    f"""
WITH aged AS (
  SELECT *, CASE WHEN hours_since_prior < 6 THEN 1 WHEN hours_since_prior < 12 THEN 2 WHEN hours_since_prior < 24 THEN 3
                 WHEN hours_since_prior < 48 THEN 4 WHEN hours_since_prior < 168 THEN 5
                 WHEN hours_since_prior < 720 THEN 6 ELSE 7 END AS step
  FROM unit_repeat
)
SELECT unit, scope, ['under_6_h', '6_to_12_h', '12_to_24_h', '24_to_48_h', '2_to_7_days', '7_to_30_days',
                     'over_30_days'][step], {repeats()}
FROM aged GROUP BY unit, scope, step ORDER BY unit, scope, step
""",
)

USED = Section(
    "used",
    mark("How much of the validity had passed"),
    mark("0–25%: the earlier result was still fresh when the test was ordered again."),
    (_SCOPE, Column("part", mark("Part of the validity passed"), "word"), *REPEATS),
    f"""
WITH aged AS (
  SELECT *, CASE WHEN valid_until IS NULL THEN 5
                 WHEN valid_until <= prior_collected_at THEN 4
                 ELSE least(1 + (4 * date_diff('minute', prior_collected_at, ordered_at))
                            // date_diff('minute', prior_collected_at, valid_until), 4) END AS step
  FROM unit_repeat
)
SELECT unit, scope, ['first_quarter', 'second_quarter', 'third_quarter', 'last_quarter', 'lifetime'][step], {repeats()}
FROM aged GROUP BY unit, scope, step ORDER BY unit, scope, step
""",
)

WEEKS = Section(
    "weeks",
    mark("Trend by week"),
    mark("Weeks begin on Monday. The first and the last may be incomplete."),
    (
        _SCOPE,
        Column("week", mark("Week from"), "date"),
        Column("lines", mark("Order lines"), "count"),
        *REPEATS,
        Column("share", mark("Avoidable share"), "share"),
    ),
    f"""
WITH whole AS (SELECT unit, week, sum(lines) AS lines FROM unit_count WHERE dimension = 'week' GROUP BY unit, week),
scoped AS (SELECT DISTINCT unit, scope FROM unit_repeat),
counted AS (
  SELECT unit, scope, CAST(date_trunc('week', ordered_at) AS DATE) AS week, {repeats()} FROM unit_repeat GROUP BY ALL
)
SELECT w.unit, s.scope, w.week, w.lines, {", ".join(f"coalesce(c.{column.name}, 0)" for column in REPEATS)},
       coalesce(c.avoidable, 0) / w.lines
FROM whole AS w JOIN scoped AS s ON s.unit = w.unit
LEFT JOIN counted AS c ON c.unit = w.unit AND c.scope = s.scope AND c.week = w.week
ORDER BY w.unit, s.scope, w.week
""",
)
