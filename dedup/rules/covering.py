"""Which priors cover an order, and what each of them says: conditions 1 to 4 of CONTRACT §4 and the verdicts."""

from __future__ import annotations

from dedup.rules.resolving import SETTING_SLOTS, RuleBook

__all__ = ["AVOIDABLE", "CROSS", "PAIR", "ROW_BITS", "TIME_BITS", "UNDECIDED", "cell", "lines", "stride", "units"]

#: A rank is verdict × 2^60 + collection time × 2^27 + row: the best prior has the largest one.
ROW_BITS, TIME_BITS = 27, 33
AVOIDABLE = 4 << (ROW_BITS + TIME_BITS)
SAME_ACT = 5 * 60  #: seconds within which one laboratory's two bookings are one specimen (CONTRACT §4, 4)


def lines(book: RuleBook, source: str) -> str:
    """The bucket's lines; slot says which cell of the rule book holds their rule, reach how far back it looks."""
    later = list(enumerate(book.starts))[:0:-1]
    periods = "".join(f"WHEN ordered >= {start * 86400} THEN {at} " for at, start in later)
    period = f"CASE {periods}ELSE 0 END" if periods else "0"
    return f"""
SELECT s.*, coalesce(d_reach.reach, 0) AS reach
FROM (SELECT id, person, test, specimen, own_specimen, facility, laboratory, ordered, collected, available, flag,
             reason, age, CAST((test * {SETTING_SLOTS} + setting) * {len(book.starts)} + {period} AS INTEGER) AS slot
      FROM {source}) AS s
LEFT JOIN d_reach ON d_reach.slot = s.slot"""


def stride(book: RuleBook) -> int:
    """How far the slots of two neighbouring tests lie apart."""
    return SETTING_SLOTS * len(book.starts)


#: Lines that may be covered by, or cover, a line of another test. Of the two tests of a cover the rarer one is
#: multiplied, so that a panel with twelve components does not make thirteen rows of each time it is ordered.
CROSS = """
WITH n AS (SELECT test, count(*) AS lines FROM b GROUP BY test),
cover AS (
  SELECT c.o_test, c.q_test, mine.lines <= theirs.lines AS by_order
  FROM d_cover AS c JOIN n AS mine ON mine.test = c.o_test JOIN n AS theirs ON theirs.test = c.q_test
  WHERE c.o_test <> c.q_test
)
SELECT b.rowid AS row, b.*, true AS by_order, c.q_test AS other
FROM b JOIN cover AS c ON c.by_order AND c.o_test = b.test WHERE b.reach > 0
UNION ALL
SELECT b.rowid, b.*, false, c.o_test FROM b JOIN cover AS c ON NOT c.by_order AND c.q_test = b.test"""


def _pairs(orders: str, priors: str, tests: str) -> str:
    return f"""
SELECT o.row AS o, q.row AS q, o.test, q.test AS q_test, o.slot, o.ordered, q.collected, o.facility, q.laboratory,
       o.facility <> q.facility AS elsewhere, o.own_specimen, q.specimen, o.reason, o.age, q.flag,
       coalesce(q.available <= o.ordered, false) AS resulted
FROM {orders} AS o JOIN {priors} AS q ON q.person = o.person AND {tests}
 AND q.collected < o.ordered AND q.collected >= o.ordered - o.reach
WHERE o.reach > 0 AND o.row <> q.row
  AND NOT (o.laboratory = q.laboratory AND abs(o.collected - q.collected) <= {SAME_ACT})"""


_ALL = "(SELECT rowid AS row, * FROM b)"

#: Every order with every prior of the same person that may cover it, collected before it and within its reach.
PAIR = " UNION ALL ".join(
    [
        _pairs(_ALL, _ALL, "q.test = o.test"),
        _pairs("(FROM cross_line WHERE by_order)", _ALL, "q.test = o.other"),
        _pairs(_ALL, "(FROM cross_line WHERE NOT by_order)", "o.test = q.other"),
    ]
)

#: Pairs of panels that no prior makes avoidable directly: only there do the components matter.
UNDECIDED = f"""(
SELECT pair.* FROM pair JOIN d_panel ON d_panel.test = pair.test
ANTI JOIN (FROM direct WHERE rank >= {AVOIDABLE}) AS done ON done.o = pair.o AND done.elsewhere = pair.elsewhere)"""


def units(book: RuleBook, pairs: str, *, part: int) -> str:
    """What each pair says about the test ordered (part 0) or about components of it (part 1): a verdict, as a rank."""
    return f"""
WITH covered AS (
  SELECT p.*, t.target, r.slot AS target_slot, coalesce(nullif(p.own_specimen, 0), t.specimen) AS o_specimen
  FROM {pairs} AS p
  JOIN d_target AS t ON t.o_test = p.test AND t.q_test = p.q_test AND t.part = {part}
  JOIN d_rule AS r ON r.slot = p.slot + (t.target - p.test) * {stride(book)}
   AND p.ordered - p.collected <= r.valid
   AND CASE r.condition WHEN 0 THEN true WHEN 1 THEN p.flag = 4 ELSE p.flag IN (1, 5) END
), weighed AS (
  SELECT o, q, elsewhere, target, c.collected,
    CASE WHEN NOT resulted THEN 0
         WHEN elsewhere AND laboratory <> c.facility AND (SELECT by_level FROM d_policy) AND NOT coalesce(
              theirs.iso OR (theirs.level >= 1 AND theirs.level >= coalesce(mine.level, 0)), false) THEN 1
         WHEN reason > 0 OR e.justified >= 0 THEN 2
         WHEN e.review >= 0 OR o_specimen = 0 OR specimen = 0 THEN 3
         ELSE 4 END AS verdict
  FROM covered AS c
  LEFT JOIN d_exempt AS e ON e.cell = {cell(book, "target_slot", "flag", "age")}
  LEFT JOIN d_laboratory AS mine ON mine.facility = c.facility
   AND ordered // 86400 BETWEEN mine.first_day AND mine.last_day
  LEFT JOIN d_laboratory AS theirs ON theirs.facility = c.laboratory
   AND ordered // 86400 BETWEEN theirs.first_day AND theirs.last_day
  WHERE o_specimen = specimen OR o_specimen = 0 OR specimen = 0
)
SELECT o, q, elsewhere, CAST(target AS INTEGER) AS target,
       verdict * {1 << (ROW_BITS + TIME_BITS)} + collected * {1 << ROW_BITS} + q AS rank
FROM weighed"""


def cell(book: RuleBook, slot: str, flag: str, age: str) -> str:
    """The exemption cell: slot, class of the prior's flag (other, abnormal, critical), age band."""
    bands = "".join(f"WHEN {age} <= {days} THEN {at} " for at, days in enumerate(book.ages))
    band = f"CASE {bands}ELSE {len(book.ages)} END" if bands else "0"
    return f"({slot} * 3 + CASE {flag} WHEN 2 THEN 1 WHEN 3 THEN 2 ELSE 0 END) * {len(book.ages) + 1} + {band}"
