"""Columns and SQL that several sections share."""

from __future__ import annotations

from dedup.reporting.tables import Column, mark
from dedup.schema import VERDICTS

__all__ = ["INTERVAL", "INTERVAL_NOTE", "REPEATS", "repeats", "sums"]

_TITLES = {
    "avoidable": mark("Avoidable"),
    "review": mark("To review"),
    "justified": mark("Justified"),
    "unrecognised": mark("Not recognised"),
    "pending": mark("No result yet"),
}

#: The columns that ``repeats`` fills.
REPEATS = (
    Column("repeats", mark("Repeats"), "count"),
    *(Column(verdict, _TITLES[verdict], "count") for verdict in VERDICTS),
    Column("chain_avoidable", mark("Avoidable, chains considered"), "count"),
    Column("avoidable_vnd", mark("Avoidable đồng"), "vnd"),
    Column("chain_vnd", mark("Honest saving"), "vnd"),
)

INTERVAL = (
    Column("share", mark("Avoidable share"), "share"),
    Column("share_95", mark("95% interval"), "interval"),
)

INTERVAL_NOTE = mark(
    "The share is avoidable repeats over order lines; its interval counts the lines of one person as one cluster."
)


def repeats(alias: str = "") -> str:
    """The aggregates behind REPEATS, over rows of ``unit_repeat``."""
    dot = f"{alias}." if alias else ""
    verdicts = ",\n  ".join(f"count(*) FILTER ({dot}verdict = '{verdict}') AS {verdict}" for verdict in VERDICTS)
    return f"""count(*) AS repeats,
  {verdicts},
  count(*) FILTER ({dot}chain_avoidable) AS chain_avoidable,
  coalesce(sum({dot}avoidable_vnd), 0) AS avoidable_vnd,
  coalesce(sum({dot}avoidable_vnd) FILTER ({dot}chain_avoidable), 0) AS chain_vnd"""


def sums(key: str | None) -> str:
    """CTEs ``whole`` (unit, key, lines, …) and ``hit`` (unit, scope, key, yn, yy): what ``interval`` needs.

    ``key``: a column of both unit_person and unit_repeat to group by, besides the unit.
    """
    also = f", {key}" if key else ""
    return f"""
person_lines AS (SELECT unit{also}, person_id, sum(lines) AS n FROM unit_person GROUP BY ALL),
whole AS (
  SELECT unit{also}, count(*) AS persons, sum(n) AS lines, sum(n * n) AS nn FROM person_lines GROUP BY ALL
),
person_hits AS (
  SELECT unit, scope{also}, person_id, count(*) AS y FROM unit_repeat WHERE verdict = 'avoidable' GROUP BY ALL
),
hit AS (
  SELECT unit, scope{also}, sum(y) AS y, sum(y * n) AS yn, sum(y * y) AS yy
  FROM person_hits JOIN person_lines USING (unit{also}, person_id) GROUP BY ALL
)"""


def share(whole: str = "w", hit: str = "h") -> str:
    """The columns behind INTERVAL, from the rows ``sums`` gives."""
    return (
        f"coalesce({hit}.y, 0) / {whole}.lines AS share, "
        f"[{whole}.persons, {whole}.lines, coalesce({hit}.y, 0), {whole}.nn, coalesce({hit}.yn, 0), "
        f"coalesce({hit}.yy, 0)] AS share_95"
    )
