"""What one run did, for the people who did not watch it: as a mail, a page or JSON. No patient, and no file by name."""

from __future__ import annotations

import datetime
import decimal
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from dedup.reporting import numbers
from dedup.reporting.page import policy, style_sheet, template
from dedup.reporting.tables import mark
from dedup.reporting.words import Words, plain
from dedup.warehouse import Warehouse
from dedup.warehouse.runs import logged_run

__all__ = ["NIGHT_FORMATS", "NightSummary", "night_summary"]

LISTED = 20  # hospitals and reasons: a mail must stay short

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class NightSummary:
    """A row of the run log, and what the tables say about that run: name → rows."""

    run: Mapping[str, Any]
    tables: dict[str, Rows]


#: name → SQL with $run.
_TABLES = {
    "flags": "SELECT scope, verdict, count(*) AS flags, sum(avoidable_vnd) AS avoidable_vnd "
    "FROM (FROM flag UNION ALL SELECT * EXCLUDE (until_run_id) FROM flag_history) WHERE run_id = $run "
    "GROUP BY ALL ORDER BY ALL",
    "ended": "SELECT scope, verdict, count(*) AS flags FROM flag_history WHERE until_run_id = $run "
    "GROUP BY ALL ORDER BY ALL",
    "facilities": "SELECT l.facility_id, any_value(f.name ORDER BY f.name) AS name, count(DISTINCT l.line_id) AS lines "
    "FROM line AS l JOIN delivery AS d ON d.delivery_no = l.delivery_no AND d.run_id = $run "
    f"LEFT JOIN facility AS f ON f.facility_id = l.facility_id GROUP BY ALL ORDER BY lines DESC, 1 LIMIT {LISTED}",
    "rejected": "SELECT r.reason, r.column_name, count(*) AS rows, count(DISTINCT delivery_id) AS files "
    "FROM rejected_row AS r JOIN delivery AS d USING (delivery_id) WHERE d.run_id = $run "
    f"GROUP BY ALL ORDER BY rows DESC, 1, 2 LIMIT {LISTED}",
}
_TITLES = {
    "flags": mark("Said for the first time"),
    "ended": mark("No longer said"),
    "facilities": mark("Order lines by facility, the most first"),
    "rejected": mark("Rejected rows by reason, the most first"),
}
_HEADS = {
    "scope": mark("Where the earlier result was"),
    "verdict": mark("Verdict"),
    "flags": mark("Flags"),
    "avoidable_vnd": mark("Avoidable đồng"),
    "facility_id": mark("Facility"),
    "name": mark("Name"),
    "lines": mark("Order lines"),
    "reason": mark("Reason"),
    "column_name": mark("Column"),
    "rows": mark("Rows"),
    "files": mark("Files"),
}
_OUTCOMES = {
    "done": mark("done"),
    "failed": mark("failed"),
    "interrupted": mark("interrupted"),
    "running": mark("running"),
}


def night_summary(warehouse: Warehouse, run_id: int | None = None) -> NightSummary:
    """What run ``run_id`` (None: the last) did. Raises UsageError when there is none."""
    run = logged_run(warehouse, run_id)
    tables: dict[str, Rows] = {}
    for name, sql in _TABLES.items():
        found = warehouse.con.execute(sql, {"run": run["run_id"]})
        heads = [column[0] for column in found.description or ()]
        tables[name] = [dict(zip(heads, row, strict=True)) for row in found.fetchall()]
    return NightSummary(run, tables)


def _json(summary: NightSummary, lang: str) -> str:
    return json.dumps({**summary.run, "tables": summary.tables}, ensure_ascii=False, indent=2, default=_plain) + "\n"


def _plain(value: object) -> object:
    return int(value) if isinstance(value, decimal.Decimal) else str(value)


def _text(summary: NightSummary, lang: str) -> str:
    """At most some 100 columns wide; a mail programme needs nothing more."""
    words = Words(lang)
    lines = [_headline(summary, words), *_versions(summary, words), ""]
    for stage, seconds, counts, notes in _stages(summary, words):
        lines += [f"{stage:<10} {seconds:>9} s", *(f"    {one}" for one in counts), *(f"  ! {one}" for one in notes)]
    for heading, rows in _sections(summary, words):
        lines += ["", heading, *_aligned(rows)]
    return "\n".join(lines) + "\n"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _html(summary: NightSummary, lang: str) -> str:
    words, style = Words(lang), style_sheet()
    return (
        template("night.html").render(
            words=words,
            style=Markup(style),  # noqa: S704 (our own file)
            policy=policy(style),
            title=_headline(summary, words),
            versions=_versions(summary, words),
            stages=list(_stages(summary, words)),
            sections=_sections(summary, words),
        )
        + "\n"
    )


def _headline(summary: NightSummary, words: Words) -> str:
    run = summary.run
    return words(
        "Run {number}, {command}: {outcome}",
        number=run["run_id"],
        command=run["command"],
        outcome=words(_OUTCOMES.get(run["outcome"], run["outcome"])),
    )


def _versions(summary: NightSummary, words: Words) -> list[str]:
    run = summary.run
    ended = run["ended_at"]
    told = [
        words(
            "From {start} to {end}",
            start=numbers.moment(run["started_at"], words.lang),
            end=numbers.moment(ended, words.lang) if isinstance(ended, datetime.datetime) else "–",
        )
    ]
    if run["profile"]:
        told.append(
            words(
                "Rules: profile {profile}, catalogue {version}",
                profile=run["profile"],
                version=run["catalogue_version"],
            )
        )
    return told


def _stages(summary: NightSummary, words: Words) -> list[tuple[str, str, list[str], list[str]]]:
    run, lang = summary.run, words.lang
    return [
        (
            stage,
            numbers.decimals(run["seconds"].get(stage, 0.0), lang),
            [f"{numbers.count(count, lang):>12}  {name.replace('_', ' ')}" for name, count in counts.items()],
            [plain(note) for note in run["notes"].get(stage, ())],
        )
        for stage, counts in run["counts"].items()
    ]


def _sections(summary: NightSummary, words: Words) -> list[tuple[str, list[list[str]]]]:
    """Heading and rows, the first of which names the columns; empty tables are left out."""
    return [
        (words(_TITLES[name]), [[words(_HEADS[head]) for head in rows[0]], *([*_cells(row, words)] for row in rows)])
        for name, rows in summary.tables.items()
        if rows
    ]


def _cells(row: Mapping[str, Any], words: Words) -> list[str]:
    told = []
    for name, value in row.items():
        if isinstance(value, decimal.Decimal):
            told.append(numbers.dong(value, words.lang))
        elif isinstance(value, int):
            told.append(numbers.count(value, words.lang))
        elif name in ("scope", "verdict", "reason"):
            told.append(words.label(value or ""))
        else:
            told.append(plain(value or "–"))
    return told


#: Format → what renders a summary in a language.
NIGHT_FORMATS: dict[str, Callable[[NightSummary, str], str]] = {"text": _text, "html": _html, "json": _json}
