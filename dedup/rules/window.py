"""Whose orders are judged, and from when on, so that a night reads no more of the history than bears on it.

What changed at some moment changes nothing that was ordered before it. So of a person all orders since then are judged,
against the lines that a rule can still reach from there; the orders before are priors and no more. What became of their
chains stands in their flags.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa

from dedup.rules.covering import stride
from dedup.rules.keeping import Period, within
from dedup.rules.reading import LIFETIME_SECONDS
from dedup.rules.resolving import RuleBook
from dedup.warehouse import count, one_thread

__all__ = ["choose_everybody", "choose_lines", "choose_persons", "earlier_chains"]

#: What judging and the words of a flag need of a line. No more is read: DuckDB unpacks whole columns of the history
#: to find one person's lines.
_READ = ("line_id", "facility_id", "order_id", "line_no", "patient_record_id", "code_id", "specimen",
         "performing_facility_id", "ordered_at", "collected_at", "resulted_at", "status", "abnormal_flag", "setting",
         "encounter_id", "order_reason", "price_vnd")  # fmt: skip
#: So many lines are looked up one by one, each at its place, rather than by unpacking all of the history.
_FEW = 500
_RECORD = "patient_record_id, p.person_id, match_method, match_probability"


def choose_everybody(con: duckdb.DuckDBPyConnection) -> int:
    """Make ``chosen`` (every current line) and ``record`` (every patient record); the number of lines."""
    _drop(con)
    con.execute(f"CREATE TEMP VIEW record AS SELECT {_RECORD}, CAST(NULL AS TIMESTAMP) AS since FROM match_person AS p")
    con.execute(f"CREATE TEMP VIEW chosen AS SELECT {', '.join(_READ)} FROM line WHERE superseded_by IS NULL")
    return count(con, "SELECT count(*) FROM chosen")


def choose_persons(con: duckdb.DuckDBPyConnection, book: RuleBook, *, period: Period | None, anew: bool) -> None:
    """Make ``wanted`` (person_id, since, recent): those with an order in ``period``, or those touched since flags were
    last made; and ``held``, the records of those whose earlier flags only have to say anew how they are held together.

    ``since``: only what was ordered from then on is judged; NULL, as for everybody with ``anew`` or a ``period``: all.
    ``recent``: so late that their lines lie together at the end of the history.
    ``held`` has one record of a facility (person_id, facility_id, since and what a flag says of a record). Who has two
    there is judged: a flag does not say which it means.
    """
    waiting = "SELECT patient_record_id, since FROM todo WHERE stage = 'flag'"
    if period:
        waiting = f"""
SELECT patient_record_id, CAST(NULL AS TIMESTAMP) FROM line WHERE superseded_by IS NULL AND {within(period)}"""
    con.execute(f"""
CREATE OR REPLACE TEMP TABLE asked AS
SELECT p.person_id, min(t.since) AS since, {anew} OR NOT bool_and(t.since IS NOT NULL) AS whole,
       coalesce(bool_or(t.since = 'infinity'), false) AS held
FROM ({waiting}) AS t(patient_record_id, since) JOIN match_person AS p USING (patient_record_id)
WHERE p.person_id IS NOT NULL GROUP BY p.person_id""")
    con.execute("""
CREATE OR REPLACE TEMP TABLE held AS
SELECT p.person_id, i.facility_id, a.since, p.patient_record_id, match_method, match_probability
FROM match_person AS p JOIN (FROM asked WHERE held AND NOT whole) AS a ON a.person_id = p.person_id
JOIN patient_identity AS i ON i.patient_record_id = p.patient_record_id
WHERE EXISTS (FROM flag AS f WHERE f.person_id = p.person_id AND f.ordered_at < a.since)""")
    con.execute(f"""
CREATE OR REPLACE TEMP TABLE wanted AS
WITH twice AS (SELECT person_id FROM held GROUP BY person_id, facility_id HAVING count(*) > 1), touched AS (
  SELECT person_id, CASE WHEN NOT whole AND person_id NOT IN (FROM twice) THEN since END AS since FROM asked
)
SELECT *, coalesce(since >= middle - to_seconds({_reach(book)}), false) AS recent
FROM touched, (SELECT quantile_disc(since, 0.5) AS middle FROM touched WHERE since < 'infinity')
WHERE since IS NULL OR since < 'infinity'""")
    con.execute("DELETE FROM held WHERE person_id IN (SELECT person_id FROM wanted WHERE since IS NULL)")
    con.execute("DROP TABLE asked")


def choose_lines(con: duckdb.DuckDBPyConnection, book: RuleBook) -> int:
    """Make ``record`` (patient records of ``wanted``) and ``chosen``, the current lines of those that bear on what is
    judged; the number of lines. They are taken out of the history once, so that nothing later reads all of it again."""
    _drop(con)
    con.execute(f"""
CREATE TEMP TABLE chosen_record AS
SELECT {_RECORD}, w.since, w.recent FROM match_person AS p JOIN wanted AS w ON w.person_id = p.person_id""")
    con.execute("CREATE TEMP VIEW record AS FROM chosen_record")
    late, lookups = _late(con, book), _lookups(con)
    if lookups is None:
        late.append(_scan("NOT recent"))
    con.execute(f"CREATE TEMP TABLE chosen_line AS {' UNION ALL '.join(late or [_scan('recent', 'false')])}")
    if lookups:
        with one_thread(con):  # the engine looks at one place after the other, and a thread that waits is busy
            con.execute(f"INSERT INTO chosen_line {' UNION ALL '.join(lookups)}")
    con.execute("CREATE TEMP VIEW chosen AS FROM chosen_line")
    return count(con, "SELECT count(*) FROM chosen")


def _late(con: duckdb.DuckDBPyConnection, book: RuleBook) -> list[str]:
    """Disjoint SELECTs of the lines of persons who are ``recent``. Each compares one column with a constant: so DuckDB
    passes over the parts of the history that hold nothing so late."""
    row = con.execute("SELECT min(since) FROM wanted WHERE recent").fetchone()
    if not row or not row[0]:
        return []
    start = f"TIMESTAMP '{row[0]}' - to_seconds({_reach(book)})"
    late = [
        f"l.ordered_at >= {start}",
        f"l.ordered_at < {start} AND l.collected_at >= {start}",
        f"l.ordered_at < {start} AND l.collected_at IS NULL AND l.resulted_at >= {start}",
    ]
    early = f"l.ordered_at < {start} AND coalesce(l.collected_at, l.resulted_at, l.ordered_at) < {start}"
    if codes := _lifelong(con, book):
        late.append(f"{early} AND l.code_id IN ({', '.join(map(str, codes))})")
    return [_scan("recent", condition) for condition in late]


def _lookups(con: duckdb.DuckDBPyConnection) -> list[str] | None:
    """SELECTs of the lines of persons who are not ``recent``, one by one: most nights a handful, and anywhere in the
    history. None: there are too many of them."""
    found = con.execute(
        "SELECT line_id FROM line WHERE patient_record_id IN (SELECT patient_record_id FROM record WHERE NOT recent) "
        f"AND superseded_by IS NULL LIMIT {_FEW + 1}"
    ).fetchall()
    return None if len(found) > _FEW else [f"{_LINES} WHERE l.line_id = {line_id}" for (line_id,) in found]


_LINES = f"SELECT {', '.join(f'l.{name}' for name in _READ)} FROM line AS l"


def _scan(whose: str, condition: str = "true") -> str:
    return f"""
{_LINES} WHERE l.patient_record_id IN (SELECT patient_record_id FROM record WHERE {whose})
AND l.superseded_by IS NULL AND {condition}"""


def _reach(book: RuleBook) -> int:
    """How far back, in seconds, an order can look, unless a result serves for a lifetime."""
    reach = book.tables["d_reach"]["reach"].to_numpy()
    return int(reach[reach < LIFETIME_SECONDS].max(initial=0))


def _lifelong(con: duckdb.DuckDBPyConnection, book: RuleBook) -> list[int]:
    """Codes of tests whose results may serve for a lifetime."""
    slots, reach = (book.tables["d_reach"][name].to_numpy() for name in ("slot", "reach"))
    lifelong = set(slots[reach >= LIFETIME_SECONDS] // stride(book))
    cover = book.tables["d_cover"].to_pydict()
    tests = {book.tests[q] for o, q in zip(cover["o_test"], cover["q_test"], strict=True) if o in lifelong}
    rows = con.execute(
        "SELECT code_id FROM code_test WHERE list_contains(?, test_id) ORDER BY code_id", [sorted(tests)]
    ).fetchall()
    return [code for (code,) in rows]


def earlier_chains(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """``id, elsewhere``: lines ordered before what is judged that are chain-avoidable, as their flags say."""
    return con.execute("""
SELECT l.line_id AS id, f.scope = 'elsewhere' AS elsewhere FROM flag AS f
JOIN wanted AS w ON w.person_id = f.person_id AND f.ordered_at < w.since
JOIN chosen AS l ON l.facility_id = f.facility_id AND l.order_id = f.order_id AND l.line_no = f.line_no
WHERE f.chain_avoidable""").to_arrow_table()


def _drop(con: duckdb.DuckDBPyConnection) -> None:
    for kind, name in (("VIEW", "chosen"), ("VIEW", "record"), ("TABLE", "chosen_line"), ("TABLE", "chosen_record")):
        con.execute(f"DROP {kind} IF EXISTS temp.{name}")
