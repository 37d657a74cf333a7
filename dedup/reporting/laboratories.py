"""What the register says of two laboratories on the day of an order, in one sentence."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import duckdb

from dedup.reporting.words import Words

__all__ = ["Laboratory", "laboratory", "level_sentence"]


@dataclass(frozen=True)
class Laboratory:
    """One laboratory on one day: its level (0: unknown or lapsed), and whether it holds ISO 15189 for the test."""

    level: int
    iso: bool


def laboratory(con: duckdb.DuckDBPyConnection, facility: str, test: str | None, day: datetime.date) -> Laboratory:
    """The laboratory of ``facility`` on ``day``; of an accreditation limited to some tests, whether ``test`` is one."""
    row = con.execute(
        """
SELECT coalesce(max(lab_level), 0),
       coalesce(bool_or(iso15189 AND (accredited_tests IS NULL OR list_contains(accredited_tests, $test))), false)
FROM facility
WHERE registered AND facility_id = $facility AND $day >= coalesce(level_from, $day) AND $day <= coalesce(level_to, $day)
""",
        {"facility": facility, "test": test or "", "day": day},
    ).fetchone()
    return Laboratory(*row) if row else Laboratory(0, False)


def level_sentence(performing: Laboratory, ordering: Laboratory, words: Words) -> str:
    """Which level each laboratory had and which was needed."""
    return words(
        "Laboratories on that day: the earlier result's {performing}, the orderer's {ordering}. "
        "Recognised from level {needed} on, or with ISO 15189.",
        performing=_told(performing, words),
        ordering=_told(ordering, words),
        needed=max(1, ordering.level),
    )


def _told(found: Laboratory, words: Words) -> str:
    level = words("level {level}", level=found.level) if found.level else words("without a level")
    return words("{level} and ISO 15189", level=level) if found.iso else level
