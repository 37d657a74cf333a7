"""Which priors cover an order, and what each of them says: conditions 1 to 4 of CONTRACT §4 and the verdicts."""

from __future__ import annotations

from dedup.rules.resolving import SETTING_SLOTS, RuleBook

__all__ = ["AVOIDABLE", "CROSS", "MEETING", "MET", "PAIR", "ROW_BITS", "TIME_BITS", "UNDECIDED", "cell", "keys",
           "lines", "placed", "stride", "units"]  # fmt: skip

#: A rank is verdict × 2^60 + (collection time + 2^31) × 2^28 + row: the best prior has the largest one.
ROW_BITS, TIME_BITS = 28, 32
TIME_ZERO = 1 << (TIME_BITS - 1)
AVOIDABLE = 4 << (ROW_BITS + TIME_BITS)
SAME_ACT = 5 * 60  #: seconds within which one laboratory's two bookings are one specimen (CONTRACT §4, 4)


def _slot(book: RuleBook) -> str:
    """Which cell of the rule book holds a line's rule: its test, its setting and the period of its order."""
    later = list(enumerate(book.starts))[:0:-1]
    periods = "".join(f"WHEN ordered // 86400 >= {start} THEN {at} " for at, start in later)
    period = f"CASE {periods}ELSE 0 END" if periods else "0"
    return f"CAST((test * {SETTING_SLOTS} + setting) * {len(book.starts)} + {period} AS INTEGER)"


def stride(book: RuleBook) -> int:
    """How far the slots of two neighbouring tests lie apart."""
    return SETTING_SLOTS * len(book.starts)


def placed(book: RuleBook, lines: str) -> str:
    """Lines with their place in the rule book beside them, instead of their setting: the fact that judging reads.

    ``slot`` is the cell with the line's rule, ``since`` how far back that one looks (NULL: there is none), ``key``
    person and test folded into one integer. That two different ones fall together is next to impossible, and PAIR
    looks again. Reads d_reach.
    """
    return f"""
SELECT s.* EXCLUDE (setting), xor(s.person, CAST(s.test AS BIGINT) << 43) AS key,
       CAST(greatest(s.ordered - r.reach, {-TIME_ZERO}) AS INTEGER) AS since
FROM (SELECT *, {_slot(book)} AS slot FROM ({lines})) AS s LEFT JOIN d_reach AS r ON r.slot = s.slot"""


def keys(source: str) -> str:
    """What it takes to see who met whom."""
    return f"SELECT id, key, CAST(test AS SMALLINT) AS test, ordered, collected, since FROM {source}"


#: Lines under the key of another test that they cover or are covered by. Of the two tests the lines of the rarer one
#: are multiplied, so that a panel with twelve components does not make thirteen rows of each time it is ordered.
CROSS = """
WITH n AS (SELECT test, count(*) AS lines FROM line_key GROUP BY test),
cover AS (
  SELECT o_test, q_test, mine.lines <= theirs.lines AS by_order
  FROM d_cover JOIN n AS mine ON mine.test = o_test JOIN n AS theirs ON theirs.test = q_test WHERE o_test <> q_test
), other AS (
  SELECT o_test AS test, q_test AS other, true AS by_order FROM cover WHERE by_order
  UNION ALL SELECT q_test, o_test, false FROM cover WHERE NOT by_order
)
SELECT k.id, xor(k.key, xor(CAST(k.test AS BIGINT) << 43, other.other << 43)) AS key,
       ordered, collected, since, by_order
FROM line_key AS k JOIN other ON other.test = k.test"""


def _met(orders: str, priors: str) -> str:
    return f"""
SELECT o.id AS o, q.id AS q FROM {orders} AS o
JOIN {priors} AS q ON q.key = o.key AND q.collected < o.ordered AND q.collected >= o.since
WHERE o.id <> q.id"""


#: ``o, q``: ids of an order and of a line of the same person that was collected before it, within its reach. Nothing
#: else is looked at here, so that all but a few lines are read no further.
MEETING = " UNION ALL ".join(
    [
        _met("line_key", "line_key"),
        _met("(FROM cross_key WHERE by_order)", "line_key"),
        _met("line_key", "(FROM cross_key WHERE NOT by_order)"),
    ]
)


#: The ids of lines that met another, each once.
MET = "SELECT o AS id FROM meeting UNION SELECT q FROM meeting"


def lines(source: str) -> str:
    """The lines that met another, whole."""
    return f"SELECT s.* EXCLUDE (key, since) FROM {source} AS s JOIN met ON met.id = s.id"


#: Every order with every prior that may cover it, as rows of the bucket, and no specimen booked twice.
PAIR = f"""
SELECT o.rowid AS o, q.rowid AS q, o.test, q.test AS q_test, o.slot, o.ordered, q.collected, o.facility, q.laboratory,
       o.facility <> q.facility AS elsewhere, o.own_specimen, q.specimen, o.reason, o.age, q.flag,
       coalesce(q.available <= o.ordered, false) AS resulted, coalesce(o.encounter = q.encounter, false) AS together
FROM meeting AS m JOIN b AS o ON o.id = m.o JOIN b AS q ON q.id = m.q
WHERE o.person = q.person AND NOT (o.laboratory = q.laboratory AND abs(o.collected - q.collected) <= {SAME_ACT})"""

#: Pairs of panels that no prior makes avoidable directly: only there do the components matter.
UNDECIDED = f"""(
SELECT pair.* FROM pair JOIN d_panel ON d_panel.test = pair.test
ANTI JOIN (FROM direct WHERE rank >= {AVOIDABLE}) AS done ON done.o = pair.o AND done.elsewhere = pair.elsewhere)"""


def units(book: RuleBook, pairs: str, *, part: int) -> str:
    """What each pair says about the test ordered (part 0) or about components of it (part 1): a verdict, as a rank, and
    ``open``, the verdict were every laboratory recognised.

    The comparison with ``valid`` is written so that DuckDB cannot make a join of it: with few rules it would join every
    pair to every rule first. That of ``limited`` is written so that it can: as a condition it would be a nested loop.
    """
    return f"""
WITH covered AS (
  SELECT p.*, t.target, r.slot AS target_slot, coalesce(nullif(p.own_specimen, 0), t.specimen) AS o_specimen
  FROM {pairs} AS p
  JOIN d_target AS t ON t.o_test = p.test AND t.q_test = p.q_test AND t.part = {part}
  JOIN d_rule AS r ON r.slot = p.slot + (t.target - p.test) * {stride(book)}
   AND p.ordered - p.collected - r.valid <= 0
   AND CASE r.condition WHEN 0 THEN true WHEN 1 THEN p.flag = 4 ELSE p.flag IN (1, 5) END
), weighed AS (
  SELECT o, q, elsewhere, target, c.collected,
    CASE WHEN NOT resulted THEN 0
         WHEN reason > 0 OR e.justified >= 0 THEN 2
         WHEN e.review >= 0 OR o_specimen = 0 OR specimen = 0 THEN 3
         ELSE 4 END AS open,
    CASE WHEN open > 0 AND elsewhere AND laboratory <> c.facility AND (SELECT by_level FROM d_policy) AND NOT coalesce(
                theirs.iso AND (NOT theirs.limited OR a.test IS NOT NULL)
                OR (theirs.level >= 1 AND theirs.level >= coalesce(mine.level, 0)), false) THEN 1
         ELSE open END AS verdict
  FROM covered AS c
  LEFT JOIN d_exempt AS e ON e.cell = {cell(book, "target_slot", "flag", "together", "age")}
  LEFT JOIN d_laboratory AS mine ON mine.facility = c.facility
   AND ordered // 86400 BETWEEN mine.first_day AND mine.last_day
  LEFT JOIN d_laboratory AS theirs ON theirs.facility = c.laboratory
   AND ordered // 86400 BETWEEN theirs.first_day AND theirs.last_day
  LEFT JOIN d_accredited AS a ON a.facility = CASE WHEN theirs.limited THEN theirs.facility END
   AND a.first_day = theirs.first_day AND a.test = c.q_test
  WHERE o_specimen = specimen OR o_specimen = 0 OR specimen = 0
)
SELECT o, q, elsewhere, CAST(target AS INTEGER) AS target, CAST(open AS TINYINT) AS open,
       verdict * {1 << (ROW_BITS + TIME_BITS)} + (collected + {TIME_ZERO}) * {1 << ROW_BITS} + q AS rank
FROM weighed"""


def cell(book: RuleBook, slot: str, flag: str, together: str, age: str) -> str:
    """The exemption cell: slot, class of the prior's flag (other, abnormal, critical), same encounter, age band."""
    bands = "".join(f"WHEN {age} <= {days} THEN {at} " for at, days in enumerate(book.ages))
    band = f"CASE {bands}ELSE {len(book.ages)} END" if bands else "0"
    level = f"CASE {flag} WHEN 2 THEN 1 WHEN 3 THEN 2 ELSE 0 END"
    return f"(({slot} * 3 + {level}) * 2 + CAST({together} AS INTEGER)) * {len(book.ages) + 1} + {band}"
