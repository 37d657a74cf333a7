"""Who repeats what, and whose results: by verdict, test, department, orderer, source, pair and hospital."""

from __future__ import annotations

from dedup.reporting.sections.counting import INTERVAL, INTERVAL_NOTE, REPEATS, repeats, share, sums
from dedup.reporting.sections.ranking import rank
from dedup.reporting.tables import Column, Section, mark

__all__ = ["DEPARTMENTS", "HOSPITALS", "ORDERERS", "PAIRS", "SOURCES", "TESTS", "VERDICTS"]

_SCOPE = Column("scope", mark("Earlier result"), "word")
_LINES = Column("lines", mark("Order lines"), "count")
#: At the head of the table what is worth most, then by name: a total order.
_WORTH = "avoidable_vnd DESC, avoidable DESC, repeats DESC"

VERDICTS = Section(
    "verdicts",
    mark("Repeats by verdict"),
    mark("What each verdict means stands under Words at the end."),
    (
        _SCOPE,
        Column("verdict", mark("Verdict"), "word"),
        Column("repeats", mark("Repeats"), "count"),
        Column("share", mark("Share of order lines"), "share"),
        Column("price_vnd", mark("Price"), "vnd"),
        Column("chain_avoidable", mark("Avoidable, chains considered"), "count"),
    ),
    """
SELECT unit, scope, verdict, count(*), count(*) / any_value(w.lines), coalesce(sum(price_vnd), 0),
       count(*) FILTER (chain_avoidable)
FROM unit_repeat JOIN (SELECT unit, sum(lines) AS lines FROM unit_person GROUP BY unit) AS w USING (unit)
GROUP BY unit, scope, verdict
ORDER BY unit, scope, list_position(['avoidable', 'review', 'justified', 'unrecognised', 'pending'], verdict)
""",
)

TESTS = Section(
    "tests",
    mark("Repeats by test"),
    INTERVAL_NOTE,
    (_SCOPE, Column("test_id", mark("Test"), "test"), _LINES, *REPEATS, *INTERVAL),
    f"""
WITH {sums("test_id")},
counted AS (SELECT unit, scope, test_id, {repeats()} FROM unit_repeat GROUP BY ALL)
SELECT c.unit, c.scope, c.test_id, w.lines, c.* EXCLUDE (unit, scope, test_id), {share()}
FROM counted AS c
JOIN whole AS w ON w.unit = c.unit AND w.test_id = c.test_id
LEFT JOIN hit AS h ON h.unit = c.unit AND h.test_id = c.test_id AND h.scope = c.scope
ORDER BY c.unit, c.scope, {_WORTH}, c.test_id
""",
)


def _counted(name: str, title: str, dimension: str, column: str, heading: str, about: str) -> Section:
    return Section(
        name,
        title,
        about,
        (
            _SCOPE,
            Column(column, heading, "text"),
            _LINES,
            *REPEATS,
            Column("share", mark("Avoidable share"), "share"),
        ),
        f"""
WITH counted AS (SELECT unit, scope, {column}, {repeats()} FROM unit_repeat GROUP BY ALL),
whole AS (SELECT unit, {column}, sum(lines) AS lines FROM unit_count WHERE dimension = '{dimension}' GROUP BY ALL)
SELECT unit, scope, {column}, lines, c.* EXCLUDE (unit, scope, {column}), avoidable / lines
FROM counted AS c JOIN whole AS w USING (unit, {column})
ORDER BY unit, scope, {_WORTH}, {column}
""",
    )


DEPARTMENTS = _counted(
    "departments",
    mark("Repeats by department"),
    "department",
    "department",
    mark("Department"),
    mark("The department that ordered again. An empty name: the source did not say."),
)
ORDERERS = _counted(
    "orderers",
    mark("Repeats by orderer"),
    "orderer",
    "ordered_by",
    mark("Orderer"),
    mark("For talking with people, not for ranking them: case mix is not taken into account."),
)

SOURCES = Section(
    "sources",
    mark("Repeats by source of the earlier result"),
    mark("The facility whose earlier result could have served."),
    (_SCOPE, Column("prior_facility_id", mark("Source"), "facility"), *REPEATS),
    f"""
SELECT unit, scope, prior_facility_id, {repeats()}
FROM unit_repeat GROUP BY unit, scope, prior_facility_id
ORDER BY unit, scope, {_WORTH}, prior_facility_id
""",
)

PAIRS = Section(
    "pairs",
    mark("Who repeats whose results"),
    mark("The orderer on the left repeated a test of the source on the right."),
    (
        Column("facility_id", mark("Ordering facility"), "facility"),
        Column("prior_facility_id", mark("Source"), "facility"),
        *REPEATS,
    ),
    f"""
SELECT unit, facility_id, prior_facility_id, {repeats()}
FROM unit_repeat WHERE scope = 'elsewhere'
GROUP BY unit, facility_id, prior_facility_id
ORDER BY unit, {_WORTH}, facility_id, prior_facility_id
""",
    only_all=True,
)

HOSPITALS = Section(
    "hospitals",
    mark("Repeats by ordering hospital"),
    mark(
        "Ranked only with at least 30 persons and 100 order lines: the others stand at the end, by code. "
        "Above or below: the interval does not reach the share of all."
    ),
    (
        _SCOPE,
        Column("facility_id", mark("Ordering facility"), "facility"),
        Column("rank", mark("Rank"), "count"),
        Column("standing", mark("Against all"), "word"),
        Column("persons", mark("Persons"), "count"),
        _LINES,
        *REPEATS,
        *INTERVAL,
    ),
    f"""
WITH {sums("facility_id")},
counted AS (SELECT unit, scope, facility_id, {repeats()} FROM unit_repeat GROUP BY ALL),
scoped AS (SELECT DISTINCT scope FROM unit_repeat)
SELECT w.unit, s.scope, w.facility_id, NULL, NULL, w.persons, w.lines,
       {", ".join(f"coalesce(c.{column.name}, 0)" for column in REPEATS)}, {share()}
FROM whole AS w CROSS JOIN scoped AS s
LEFT JOIN counted AS c ON c.unit = w.unit AND c.scope = s.scope AND c.facility_id = w.facility_id
LEFT JOIN hit AS h ON h.unit = w.unit AND h.scope = s.scope AND h.facility_id = w.facility_id
ORDER BY w.unit, s.scope, w.facility_id
""",
    only_all=True,
    finish=rank,
)
