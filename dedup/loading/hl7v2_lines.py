"""HL7 v2: which line of its order an OBR is, when messages tell of an order's tests one by one.

The place of an OBR in its message is only right where the message holds the whole order. Where messages of one number
and patient, or a message and what is stored, do not agree which test stands where, the test decides: the line is that
of the same code (of one that a message holds twice, the first, the second and so on). Lines are numbered in the order
of the longest message that orders, then of the longest with results; equals by code.

Stored lines keep their numbers and further tests take the next ones, unless a message with the whole order comes after
its results: then the stored lines move to where the order has them, as one more version that is no row of any file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dedup.loading.keys import IDENTITY, order_key, patient_record_id
from dedup.schema import CANONICAL

if TYPE_CHECKING:
    import duckdb

    from dedup.loading.landing import Landing

__all__ = ["STORED", "STORED_COLUMNS", "end_moved", "number_lines"]

_BIRTH = "CAST(i.birth_date AS VARCHAR)[:CASE i.birth_precision WHEN 'year' THEN 4 WHEN 'month' THEN 7 ELSE 10 END]"
#: Stored lines ``l`` with their codes and identities, and canonical column → what they say.
STORED = "line AS l JOIN code USING (code_id) JOIN identity AS i USING (identity_id)"
STORED_COLUMNS = (
    {name: f'l."{name}"' for name in CANONICAL}
    | {name: f"i.{name}" for name in IDENTITY if name != "birth_precision"}
    | {"patient_id": "i.patient_id", "birth_date": _BIRTH, "performed_by": "l.performing_facility_id"}
    | {"test_code": "code.test_code", "code_system": "code.code_system"}
    | {"price_vnd": "concat(l.price_vnd, CASE WHEN l.price_vnd IS NOT NULL THEN '0' END)"}  # four decimals: unambiguous
)

_OWN = "coalesce(a.facility_id, trim(t.facility_id))"
_CODE = "trim(t.test_code)"
_LANDED = "landed_text AS t LEFT JOIN facility_alias AS a ON a.alias = trim(t.facility_id)"
#: The rows of these files by hashes, which cost a tenth of the keys: two orders under one are only looked at closer.
_ROWS = f"""
SELECT t.rowid AS row_id, hash({_OWN}, trim(t.order_id)) AS same_order, hash({_OWN}, trim(t.patient_id)) AS patient,
       hash({_CODE}) AS code, TRY_CAST(t.line_no AS INTEGER) AS place
FROM {_LANDED} WHERE t.delivery_no IN ({{numbers}})"""

#: Orders whose messages do not agree which test stands where.
_UNCLEAR = """
SELECT same_order FROM hl7_row GROUP BY same_order, patient, place HAVING min(code) <> max(code)
UNION
SELECT same_order FROM hl7_row WHERE same_order IN (SELECT same_order FROM hl7_row WHERE place > 1)
GROUP BY same_order, patient, code HAVING min(place) <> max(place)"""

#: Those where a message and the stored lines do not.
_UNLIKE_STORED = f"""
WITH keyed AS (
    SELECT r.*, {order_key(_OWN, "trim(t.order_id)")} AS order_key, {_OWN} AS facility_id, t.patient_id
    FROM hl7_row AS r JOIN {_LANDED} ON t.rowid = r.row_id
), met AS MATERIALIZED (
    SELECT k.*, l.patient_record_id, (l.line_no = k.place) AS same_place, (hash(c.test_code) = k.code) AS same_test
    FROM keyed AS k JOIN line AS l ON l.order_key = k.order_key JOIN code AS c USING (code_id)
    WHERE l.superseded_by IS NULL
)
SELECT DISTINCT same_order FROM met
WHERE same_place <> same_test AND patient_record_id = {patient_record_id("facility_id", "trim(patient_id)")}"""

#: Their rows; ``nth``: of its code in its message, ``size``: rows of the message, ``result``: it has results.
_SAID = f"""
WITH here AS (
    SELECT r.row_id, r.place, {order_key(_OWN, "trim(t.order_id)")} AS order_key,
           {patient_record_id(_OWN, "trim(t.patient_id)")} AS patient_record_id,
           t.delivery_no, t.row_number, {_CODE} AS test_code,
           t.status IN ('preliminary', 'final', 'corrected') AS resulted
    FROM hl7_row AS r JOIN {_LANDED} ON t.rowid = r.row_id
    WHERE r.same_order IN (SELECT same_order FROM hl7_unclear)
), begun AS (
    SELECT *, coalesce(place <= lag(place) OVER file, true) AS begins FROM here
    WINDOW file AS (PARTITION BY delivery_no, order_key ORDER BY row_number)
), told AS (
    SELECT *, count(*) FILTER (begins) OVER (PARTITION BY delivery_no, order_key ORDER BY row_number) AS message
    FROM begun
)
SELECT row_id, order_key, patient_record_id, test_code, place, count(*) OVER whole AS size,
       bool_or(resulted) OVER whole AS result,
       row_number() OVER (PARTITION BY delivery_no, order_key, message, patient_record_id, test_code
                          ORDER BY row_number) AS nth
FROM told WINDOW whole AS (PARTITION BY delivery_no, order_key, message, patient_record_id)"""

#: Their stored lines.
_KNOWN = """
SELECT l.line_id, l.order_key, l.patient_record_id, l.line_no, c.test_code,
       row_number() OVER (PARTITION BY l.order_key, l.patient_record_id, c.test_code ORDER BY l.line_no) AS nth
FROM line AS l JOIN code AS c ON c.code_id = l.code_id
WHERE l.superseded_by IS NULL AND l.order_key IN (SELECT order_key FROM hl7_said)"""

#: The number of every line; ``line_id``: of the stored one. A message has the whole order when it says nothing of
#: results, names all stored lines, each code of them once, and reaches as far as their numbers.
_NUMBERED = """
WITH slot AS (
    SELECT order_key, patient_record_id, test_code, nth, min((result, -size, place)) AS best
    FROM hl7_said GROUP BY ALL
), wished AS (
    SELECT s.*, k.line_id, k.line_no, best[1] AS result, -best[2] AS size,
           row_number() OVER tests + first_value(best[3]) OVER tests - 1 AS wish,
           (best[1], best[2]) = first_value((best[1], best[2])) OVER tests AS first
    FROM slot AS s LEFT JOIN hl7_known AS k USING (order_key, patient_record_id, test_code, nth)
    WINDOW tests AS (PARTITION BY order_key, patient_record_id ORDER BY best, test_code, nth)
), stored AS (
    SELECT order_key, patient_record_id, count(*) AS lines, max(line_no) AS last, max(nth) AS repeated
    FROM hl7_known GROUP BY ALL
), compared AS (
    SELECT w.*, last, count(line_id) FILTER (first AND NOT result AND size >= last) OVER tests = lines
                      AND repeated = 1 AS whole
    FROM wished AS w LEFT JOIN stored USING (order_key, patient_record_id)
    WINDOW tests AS (PARTITION BY order_key, patient_record_id)
)
SELECT order_key, patient_record_id, test_code, nth, line_id, line_no AS stored_no,
       CASE WHEN last IS NULL OR whole THEN wish
            ELSE coalesce(line_no, last + row_number() OVER (PARTITION BY order_key, patient_record_id, line_no IS NULL
                                                             ORDER BY wish)) END AS line_no
FROM compared"""


def number_lines(landings: Sequence[Landing]) -> None:
    """Give the staged rows the numbers of their lines where their places are not."""
    con = landings[0].con
    numbers = ", ".join(str(one.delivery_no) for one in landings)
    con.execute("CREATE TEMP TABLE hl7_moved (line_id BIGINT, line_no INTEGER, delivery_no INTEGER)")
    con.execute(f"CREATE TEMP TABLE hl7_row AS {_ROWS.format(numbers=numbers)}")
    con.execute(f"CREATE TEMP TABLE hl7_unclear AS {_UNCLEAR}")
    if con.execute("FROM line LIMIT 1").fetchone() is not None:
        con.execute(f"INSERT INTO hl7_unclear {_UNLIKE_STORED}")
    if con.execute("FROM hl7_unclear LIMIT 1").fetchone() is not None:
        for name, sql in (("said", _SAID), ("known", _KNOWN), ("numbered", _NUMBERED)):
            con.execute(f"CREATE TEMP TABLE hl7_{name} AS {sql}")
        con.execute(
            """
            UPDATE landed_text SET line_no = CAST(n.line_no AS VARCHAR)
            FROM hl7_said AS s JOIN hl7_numbered AS n USING (order_key, patient_record_id, test_code, nth)
            WHERE landed_text.rowid = s.row_id AND s.place <> n.line_no
            """
        )
        _move(landings[0])
    con.execute("DROP TABLE temp.hl7_row")


def _move(landing: Landing) -> None:
    """Stage the stored lines that stand elsewhere now, before anything new is said of them."""
    landing.con.execute(
        f"INSERT INTO hl7_moved SELECT line_id, line_no, {landing.delivery_no} FROM hl7_numbered "
        "WHERE line_id IS NOT NULL AND line_no <> stored_no"
    )
    columns = STORED_COLUMNS | {"line_no": "m.line_no"}
    cells = ", ".join(f'{sql} AS "{name}"' for name, sql in columns.items())
    landing.insert(
        f"(SELECT {cells} FROM hl7_moved AS m JOIN {STORED} ON l.line_id = m.line_id ORDER BY l.line_id)",
        {name: f'"{name}"' for name in columns},
        row_number="0",
        in_order=True,
        counts=False,
    )


def end_moved(con: duckdb.DuckDBPyConnection) -> None:
    """The lines that were moved are current no more where they stood; part of the load's transaction."""
    con.execute(
        "UPDATE line SET superseded_by = m.delivery_no FROM hl7_moved AS m "
        "WHERE line.line_id = m.line_id AND line.superseded_by IS NULL"
    )
