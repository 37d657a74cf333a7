"""Of all priors the one that counts: the strongest verdict, then the latest collection, then the smallest key."""

from __future__ import annotations

from dedup.rules.covering import ROW_BITS, TIME_BITS, cell, stride
from dedup.rules.parsing import LIFETIME_SECONDS
from dedup.rules.resolving import RuleBook

__all__ = ["ANSWER", "BEST", "ROUGH", "STRONGER", "TIE", "WHOLE", "expiry", "judged", "places"]

_ROW = 1 << ROW_BITS
_VERDICT = 1 << (ROW_BITS + TIME_BITS)


#: The best rank of each order, scope and target; ``other`` is another row with the same verdict and time, if any.
ROUGH = f"""
SELECT o, elsewhere, target, max(rank) AS rank,
       {_ROW - 1} - max(rank - rank % {_ROW} + {_ROW - 1} - rank % {_ROW}) % {_ROW} AS other,
       max(open) AS open
FROM unit GROUP BY o, elsewhere, target"""


#: Priors that share the best verdict and time of an order.
TIE = f"""
SELECT u.o, u.elsewhere, u.target, u.q FROM rough AS r
JOIN unit AS u ON u.o = r.o AND u.elsewhere = r.elsewhere AND u.target = r.target
 AND u.rank // {_ROW} = r.rank // {_ROW}
WHERE r.rank % {_ROW} <> r.other"""


def places(rows: str) -> str:
    """``row, place``: the rows named, in the order of their keys (facility_id, order_id, line_no)."""
    return f"""
SELECT n.row, row_number() OVER (ORDER BY b.facility, b.order_id, b.line_no) AS place
FROM (SELECT DISTINCT row FROM ({rows})) AS n JOIN b ON b.rowid = n.row"""


#: The best prior q of each order, scope and target, ties settled.
BEST = f"""
SELECT r.o, r.elsewhere, r.target, r.rank, r.open, coalesce(t.q, r.rank % {_ROW}) AS q
FROM rough AS r LEFT JOIN (
  SELECT o, elsewhere, target, arg_min(tie.q, place.place) AS q FROM tie JOIN place ON place.row = tie.q GROUP BY ALL
) AS t ON t.o = r.o AND t.elsewhere = r.elsewhere AND t.target = r.target"""


def expiry(book: RuleBook) -> str:
    """When each covered component of a panel expires (none of a lifetime before another), and whether another prior's
    does at the same time."""
    return f"""
SELECT part.o, elsewhere, target, q, rank // {_VERDICT} AS verdict, open, b.test,
       least(rank // {_ROW} % {1 << TIME_BITS} + r.valid, {LIFETIME_SECONDS}) AS expires,
       min(q) OVER same <> max(q) OVER same AS contested
FROM part JOIN b ON b.rowid = part.o
JOIN d_rule AS r ON r.slot = b.slot + (target - b.test) * {stride(book)}
WINDOW same AS (PARTITION BY part.o, elsewhere, expires)"""


#: A panel judged by components: the weakest verdict, the component it comes from, and the one that expires first.
WHOLE = """
WITH ordered AS (
  SELECT e.*, row_number() OVER (PARTITION BY o, elsewhere ORDER BY expires, coalesce(place, 0), target) AS turn
  FROM expiry AS e LEFT JOIN place ON place.row = e.q
)
SELECT o, elsewhere, count(*) < any_value(d_panel.required) AS partial,
       min(verdict) AS weakest, min(open) AS weakest_open,
       arg_min(target, turn) AS target, arg_min(q, turn) AS q,
       arg_min(target, verdict * 1000000 + turn) AS why_target, arg_min(q, verdict * 1000000 + turn) AS why_q
FROM ordered JOIN d_panel ON d_panel.test = ordered.test GROUP BY o, elsewhere"""


#: The stronger of the direct verdict and the one by components (the direct one on a tie).
STRONGER = f"""
WITH by_parts AS (
  SELECT o, elsewhere, partial AND weakest = 4 AS cut, CASE WHEN cut THEN 3 ELSE weakest END AS verdict,
         CASE WHEN partial AND weakest_open = 4 THEN 3 ELSE weakest_open END AS open,
         CASE WHEN partial THEN 3 ELSE 2 END AS coverage, target, q, why_target, why_q
  FROM whole
), by_self AS (
  SELECT o, elsewhere, rank // {_VERDICT} AS verdict, open, target, q FROM direct
)
SELECT o, elsewhere, coalesce(d.verdict >= c.verdict, c.verdict IS NULL) AS by_self,
       CASE WHEN by_self THEN d.verdict ELSE c.verdict END AS verdict,
       greatest(coalesce(d.open, 0), coalesce(c.open, 0)) AS open, NOT by_self AND c.cut AS cut,
       CASE WHEN by_self THEN NULL ELSE c.coverage END AS coverage,
       CASE WHEN by_self THEN d.target ELSE c.target END AS target, CASE WHEN by_self THEN d.q ELSE c.q END AS q,
       CASE WHEN by_self THEN d.target ELSE c.why_target END AS why_target,
       CASE WHEN by_self THEN d.q ELSE c.why_q END AS why_q
FROM by_self AS d FULL JOIN by_parts AS c USING (o, elsewhere)"""


def judged(book: RuleBook) -> str:
    """Why, and by which rule and prior."""
    together = "coalesce(b.encounter = w.encounter, false)"
    why_slot = f"(b.slot + (s.why_target - b.test) * {stride(book)})"
    return f"""
WITH named AS (
  SELECT s.o, b.id, s.elsewhere, s.verdict, s.open, s.cut, b.reason > 0 AS reasoned, e.justified, e.review,
         r.rule, r.valid,
         coalesce(s.coverage, CASE WHEN p.test = b.test THEN 0 ELSE 1 END) AS coverage,
         s.q, p.id AS prior, p.collected
  FROM stronger AS s
  JOIN b ON b.rowid = s.o
  JOIN b AS p ON p.rowid = s.q
  JOIN b AS w ON w.rowid = s.why_q
  JOIN d_rule AS r ON r.slot = b.slot + (s.target - b.test) * {stride(book)}
  LEFT JOIN d_exempt AS e ON e.cell = {cell(book, why_slot, "w.flag", together, "b.age")}
)
SELECT o, id, elsewhere, CAST(verdict AS TINYINT) AS verdict,
       CAST(CASE WHEN cut THEN 5 WHEN verdict = 4 THEN 6 WHEN verdict < 2 THEN verdict
                 WHEN verdict = 2 THEN CASE WHEN reasoned THEN 2 ELSE 3 END
                 WHEN review >= 0 THEN 3 ELSE 4 END AS TINYINT) AS reason,
       CAST(CASE WHEN verdict = 2 AND NOT reasoned THEN justified WHEN verdict = 3 AND NOT cut THEN coalesce(review, -1)
                 ELSE -1 END AS INTEGER) AS exemption,
       CAST(rule AS INTEGER) AS rule, CAST(coverage AS TINYINT) AS coverage, q, prior, collected, valid,
       CAST(open AS TINYINT) AS if_recognised
FROM named"""


#: The verdicts with their chains.
ANSWER = """
SELECT judged.*, judged.verdict = 4 AND lost.o IS NULL AS chain_avoidable
FROM judged LEFT JOIN unchained AS lost ON lost.o = judged.o AND lost.elsewhere = judged.elsewhere"""
