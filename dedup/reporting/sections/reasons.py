"""Why a test was ordered again, as far as somebody wrote it down, and by whom."""

from __future__ import annotations

from dedup.reporting.tables import Column, Section, mark

__all__ = ["ORDERER", "REASONS", "RECORDED"]

_SCOPE = Column("scope", mark("Earlier result"), "word")
_SHARE = Column("share", mark("Share of repeats"), "share")
_COUNTS = """count(*), count(*) FILTER (verdict = 'avoidable'),
       count(*) / sum(count(*)) OVER (PARTITION BY unit, scope)"""

REASONS = Section(
    "reasons",
    mark("Reasons of the verdicts"),
    mark("Why each repeat was judged as it was."),
    (
        _SCOPE,
        Column("verdict", mark("Verdict"), "word"),
        Column("reason", mark("Reason"), "word"),
        Column("repeats", mark("Repeats"), "count"),
        _SHARE,
    ),
    """
SELECT unit, scope, verdict, reason, count(*), count(*) / sum(count(*)) OVER (PARTITION BY unit, scope)
FROM unit_repeat GROUP BY unit, scope, verdict, reason
ORDER BY unit, scope, count(*) DESC, verdict, reason
""",
)

RECORDED = Section(
    "recorded",
    mark("Repeats with a recorded reason"),
    mark("Whether the order itself carries a coded reason for ordering again."),
    (
        _SCOPE,
        Column("recorded", mark("Reason recorded"), "word"),
        Column("repeats", mark("Repeats"), "count"),
        Column("avoidable", mark("Avoidable"), "count"),
        _SHARE,
    ),
    f"""
SELECT unit, scope, coalesce(order_reason, 'none_recorded') AS recorded, {_COUNTS}
FROM unit_repeat GROUP BY unit, scope, recorded
ORDER BY unit, scope, count(*) DESC, recorded
""",
)

ORDERER = Section(
    "orderer",
    mark("Same or other orderer"),
    mark("Whether the person who ordered again is the one who ordered the earlier test."),
    (
        _SCOPE,
        Column("orderer", mark("Orderer"), "word"),
        Column("repeats", mark("Repeats"), "count"),
        Column("avoidable", mark("Avoidable"), "count"),
        _SHARE,
    ),
    f"""
SELECT unit, scope, orderer || '_orderer' AS orderer, {_COUNTS}
FROM unit_repeat GROUP BY unit, scope, orderer
ORDER BY unit, scope, count(*) DESC, orderer
""",
)
