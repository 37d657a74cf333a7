"""From the warehouse's order lines to the narrow fact that judging reads, and back from numbers to words."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from dedup.rules.covering import placed
from dedup.rules.resolving import DAY_ZERO, RuleBook
from dedup.schema import ORDER_REASONS, SETTINGS

__all__ = ["fact", "number_dimensions"]

#: Classes of abnormal_flag as judging knows them; 2 is abnormal, 3 critical (CONTRACT §4).
_FLAG_CLASS = {"N": 1, "L": 2, "H": 2, "A": 2, "LL": 3, "HH": 3, "AA": 3, "POS": 4, "NEG": 5}


def number_dimensions(con: duckdb.DuckDBPyConnection, book: RuleBook, specimens: pa.Table) -> None:
    """Make the temporary tables that turn words into numbers: test_number, facility_number, specimen_number.

    They number what the ``chosen`` lines hold.

    ``specimens`` maps a hospital's way of writing one (``text``) to the catalogue's slug (``specimen``). A specimen
    that neither names stays one of its own: it equals only itself.
    """
    tests = pa.table({"test_id": list(book.tests), "test": range(len(book.tests)), "specimen": book.test_specimen})
    slugs = pa.table({"text": list(book.specimens[1:]), "specimen": range(1, len(book.specimens))})
    for name, table in {"tests": tests, "slugs": slugs, "written": specimens, "reach": book.tables["d_reach"]}.items():
        con.register(f"incoming_{name}", table)
    con.execute("CREATE OR REPLACE TEMP TABLE d_reach AS FROM incoming_reach")
    con.execute("CREATE OR REPLACE TEMP TABLE test_number AS FROM incoming_tests")
    con.execute(f"""
CREATE OR REPLACE TEMP TABLE specimen_number AS
WITH text AS (SELECT DISTINCT specimen AS raw, {_plain("specimen")} AS text FROM chosen WHERE specimen IS NOT NULL),
named AS (
  SELECT raw, text.text, coalesce(direct.specimen, through.specimen) AS specimen
  FROM text
  LEFT JOIN incoming_slugs AS direct ON {_plain("direct.text")} = text.text
  LEFT JOIN incoming_written AS w ON {_plain("w.text")} = text.text
  LEFT JOIN incoming_slugs AS through ON through.text = w.specimen
)
SELECT raw, coalesce(specimen, {len(book.specimens)} + dense_rank() OVER (ORDER BY specimen IS NULL, text)) AS specimen
FROM named""")
    con.execute("""
CREATE OR REPLACE TEMP TABLE facility_number AS
SELECT facility_id, CAST(row_number() OVER (ORDER BY facility_id) AS INTEGER) AS facility_no
FROM (SELECT DISTINCT facility_id FROM chosen UNION SELECT DISTINCT performing_facility_id FROM chosen)""")
    for name in ("tests", "slugs", "written", "reach"):
        con.unregister(f"incoming_{name}")


def _plain(column: str) -> str:
    return f"lower(nfc_normalize(trim({column})))"


def fact(book: RuleBook) -> str:
    """SELECT with judging's FACT_COLUMNS over those of the ``chosen`` lines that can be judged or reused.

    Cancelled and rejected lines and codes without a test play no part in judging. Lines ordered before the ``since`` of
    their ``record`` look back at nothing: they are priors and no more.
    """
    settings = {word: at for at, word in enumerate(SETTINGS)}
    reasons = {word: at for at, word in enumerate(ORDER_REASONS, start=1)}
    lines = placed(
        book,
        f"""
SELECT l.line_id AS id, {_seconds("p.since")} AS first, p.person_id AS person, CAST(t.test AS INTEGER) AS test,
       CAST(coalesce(s.specimen, t.specimen) AS INTEGER) AS specimen,
       CAST(coalesce(s.specimen, 0) AS INTEGER) AS own_specimen,
       f.facility_no AS facility, lab.facility_no AS laboratory,
       {_seconds("l.ordered_at")} AS ordered,
       {_seconds("coalesce(l.collected_at, l.resulted_at, l.ordered_at)")} AS collected,
       CASE WHEN l.status IN ('final', 'corrected') THEN {_seconds("l.resulted_at")} END AS available,
       CAST({_numbered("l.abnormal_flag", _FLAG_CLASS)} AS TINYINT) AS flag,
       CAST({_numbered("l.setting", settings, settings["unknown"])} AS TINYINT) AS setting,
       CAST({_numbered("l.order_reason", reasons)} AS TINYINT) AS reason,
       CAST(date_diff('day', i.birth_date, CAST(l.ordered_at AS DATE)) AS INTEGER) AS age,
       CASE WHEN l.encounter_id IS NOT NULL
            THEN CAST(hash(l.facility_id, l.encounter_id) >> 1 AS BIGINT) END AS encounter,
       l.order_id, l.line_no
FROM chosen AS l
JOIN record AS p ON p.patient_record_id = l.patient_record_id
JOIN patient_identity AS i ON i.patient_record_id = l.patient_record_id
JOIN code_test AS c ON c.code_id = l.code_id
JOIN test_number AS t ON t.test_id = c.test_id
JOIN facility_number AS f ON f.facility_id = l.facility_id
JOIN facility_number AS lab ON lab.facility_id = l.performing_facility_id
LEFT JOIN specimen_number AS s ON s.raw = l.specimen
WHERE l.status NOT IN ('cancelled', 'rejected')""",
    )
    since = "CASE WHEN ordered >= coalesce(first, ordered) THEN since END AS since"
    return f"SELECT * EXCLUDE (first) REPLACE ({since}) FROM ({lines})"


def _seconds(time: str) -> str:
    return f"CAST(epoch_us({time}) // 1000000 - epoch_us(TIMESTAMP '{DAY_ZERO}') // 1000000 AS INTEGER)"


def _numbered(column: str, numbers: dict[str, int], otherwise: int = 0) -> str:
    whens = " ".join(f"WHEN '{word}' THEN {number}" for word, number in numbers.items())
    return f"CASE {column} {whens} ELSE {otherwise} END"
