"""From all order lines to the avoidable ones, step by step, and what recognition has to do with it."""

from __future__ import annotations

from dedup.reporting.tables import Column, Section, mark

__all__ = ["FUNNEL", "RECOGNITION"]

_SCOPE = Column("scope", mark("Earlier result"), "word")

FUNNEL = Section(
    "funnel",
    mark("From orders to avoidable repeats"),
    mark("Each step keeps the order lines of the one before that pass one more test."),
    (
        _SCOPE,
        Column("step", mark("Step"), "word"),
        Column("lines", mark("Order lines"), "count"),
        Column("share", mark("Share of order lines"), "share"),
    ),
    """
WITH whole AS (SELECT unit, sum(lines) AS lines FROM unit_person GROUP BY unit),
prior AS (
  UNPIVOT (SELECT unit, sum(elsewhere) AS elsewhere, sum(same_facility) AS same_facility FROM unit_prior GROUP BY unit)
  ON elsewhere, same_facility INTO NAME scope VALUE lines
),
judged AS (
  SELECT unit, scope, count(*) AS within,
         count(*) FILTER (verdict <> 'pending') AS resulted,
         count(*) FILTER (verdict NOT IN ('pending', 'unrecognised')) AS recognised,
         count(*) FILTER (verdict IN ('review', 'avoidable')) AS unexempted,
         count(*) FILTER (verdict = 'avoidable') AS avoidable
  FROM unit_repeat GROUP BY unit, scope
),
step AS (
  SELECT w.unit, p.scope,
         unnest([w.lines, p.lines, coalesce(j.within, 0), coalesce(j.resulted, 0), coalesce(j.recognised, 0),
                 coalesce(j.unexempted, 0), coalesce(j.avoidable, 0)]) AS lines,
         w.lines AS whole, generate_subscripts([1, 2, 3, 4, 5, 6, 7], 1) AS step
  FROM whole AS w JOIN prior AS p ON p.unit = w.unit
  LEFT JOIN judged AS j ON j.unit = p.unit AND j.scope = p.scope
  WHERE p.scope IN (SELECT scope FROM report_scope)
)
SELECT unit, scope, ['ordered', 'with_prior', 'within_validity', 'resulted_in_time', 'recognised_prior', 'not_exempt',
                     'surely_avoidable'][step], lines, lines / whole
FROM step ORDER BY unit, scope, step
""",
)

RECOGNITION = Section(
    "recognition",
    mark("What recognition makes avoidable"),
    mark("Repeats of a valid result from elsewhere that was there in time: all, and those without need today or ever."),
    (
        Column("state", mark("Recognition"), "word"),
        Column("repeats", mark("Repeats"), "count"),
        Column("price_vnd", mark("Price"), "vnd"),
    ),
    """
WITH counted AS (
  SELECT unit, price_vnd, unnest([1, 2, 3]) AS place,
         unnest([verdict <> 'pending', verdict = 'avoidable',
                 coalesce(verdict_if_recognised, verdict) = 'avoidable']) AS counts
  FROM unit_repeat WHERE scope = 'elsewhere'
)
SELECT unit, ['happened', 'avoidable_today', 'avoidable_if_recognised'][place], count(*) FILTER (counts),
       coalesce(sum(price_vnd) FILTER (counts), 0)
FROM counted GROUP BY unit, place ORDER BY unit, place
""",
)
