"""Why a line was or was not flagged: every other line of the person, and the first test each of them failed.

What a prior that passed says (its verdict) comes from the same queries that judge everybody; only the naming of the
test that failed is done here.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import dataclass
from typing import Any

import duckdb

from dedup.errors import UsageError
from dedup.rules import covering
from dedup.rules.facts import fact, number_dimensions
from dedup.rules.flagging import recognition_policy, resolve_profile
from dedup.rules.judging import VERDICTS, judge_bucket, open_judge
from dedup.rules.making import make
from dedup.rules.reading import Catalogue, read_catalogue
from dedup.rules.recognition import laboratories
from dedup.rules.resolving import DAY_ZERO, SETTING_SLOTS, RuleBook
from dedup.rules.window import choose_lines
from dedup.schema import SETTINGS
from dedup.settings import Settings
from dedup.warehouse import Warehouse

__all__ = ["FAILURES", "Judgement", "Prior", "Trace", "TracedLine", "trace"]

#: What a line can fail on, in the order of looking; a line that fails on none has a verdict instead.
FAILURES = (
    "cancelled",  # it was cancelled or rejected
    "no_test",  # its code is not in the catalogue
    "other_test",  # its test covers nothing of the order
    "not_before",  # it was not collected before the order
    "same_act",  # the same specimen, booked twice
    "no_rule",  # no rule for the test ordered, or one that says never
    "expired",  # collected longer ago than the rule allows
    "condition",  # the rule wants a positive (or a normal) result
    "other_specimen",
)


@dataclass(frozen=True)
class TracedLine:
    """One order line as judging sees it."""

    facility_id: str
    order_id: str
    line_no: int
    test_id: str | None
    test_code: str
    specimen: str | None
    performing_facility_id: str
    ordered_at: dt.datetime
    collected_at: dt.datetime  #: collected, else resulted, else ordered
    resulted_at: dt.datetime | None
    status: str
    abnormal_flag: str | None
    setting: str
    order_reason: str | None


@dataclass(frozen=True)
class Prior:
    """Another line of the person, held against one thing the order needs covered."""

    line: TracedLine
    scope: str
    target: str | None  #: the test ordered, or one of its components
    failed: str | None  #: one of FAILURES, or None
    verdict: str | None  #: what it says when it failed on nothing
    rule_id: str | None
    valid_hours: str | None
    valid_until: dt.datetime | None  #: None also for a lifetime


@dataclass(frozen=True)
class Judgement:
    """The flag of the line in one scope, as the warehouse holds it."""

    scope: str
    verdict: str
    reason: str
    coverage: str
    prior: tuple[str, str, int]
    prior_collected_at: dt.datetime
    prior_resulted_at: dt.datetime | None
    hours_since_prior: float
    valid_until: dt.datetime | None
    rule_id: str
    rule_source: str | None
    rule_valid_hours: str | None
    chain_avoidable: bool
    match_method: str
    match_probability: float


@dataclass(frozen=True)
class Trace:
    """Everything there is to say about one line."""

    line: TracedLine
    person_id: int
    profile: str
    catalogue_version: str
    stale: bool  #: the flags were made with other rules than these
    judgements: tuple[Judgement, ...]
    priors: tuple[Prior, ...]  #: latest collection first


def trace(warehouse: Warehouse, settings: Settings, facility_id: str, order_id: str, line_no: int = 1) -> Trace:
    """Trace one current order line. Raises UsageError when there is no such line, or nobody matched its patient yet."""
    con = warehouse.con
    catalogue = read_catalogue(settings.rules.catalogue, settings.rules.overlay)
    book = resolve_profile(catalogue, settings.rules.profile)
    found = con.execute(
        "SELECT p.person_id, l.line_id FROM line AS l JOIN match_person AS p "
        "ON p.patient_record_id = l.patient_record_id "
        "WHERE l.superseded_by IS NULL AND l.facility_id = ? AND l.order_id = ? AND l.line_no = ?",
        [facility_id, order_id, line_no],
    ).fetchone()
    if found is None:
        raise UsageError(f"Facility {facility_id} has no order line of that number. Give FACILITY ORDER [LINE].")
    person, line_id = found
    lines = _lines_of(con, person)
    verdicts = _verdicts(con, catalogue, book, settings, person, line_id)
    state = con.execute("SELECT catalogue_version, profile FROM flag_state").fetchone()
    order = lines[line_id]
    priors = [
        prior
        for other, line in lines.items()
        if other != line_id and order.status not in ("cancelled", "rejected")
        for prior in _looked_at(book, order, line, {t: v for (q, t), v in verdicts.items() if q == other})
    ]
    priors.sort(key=lambda prior: (prior.line.collected_at, prior.line.facility_id, prior.line.order_id), reverse=True)
    return Trace(
        order, person, book.profile, catalogue.version, state != (catalogue.version, book.profile),
        _judgements(con, order), tuple(priors),
    )  # fmt: skip


def _lines_of(con: duckdb.DuckDBPyConnection, person: int) -> dict[int, TracedLine]:
    rows = con.execute(
        """
SELECT l.line_id, l.facility_id, l.order_id, l.line_no, t.test_id, c.test_code, coalesce(l.specimen, x.specimen),
       l.performing_facility_id, l.ordered_at, coalesce(l.collected_at, l.resulted_at, l.ordered_at), l.resulted_at,
       l.status, l.abnormal_flag, coalesce(l.setting, 'unknown'), l.order_reason
FROM line AS l
JOIN match_person AS p ON p.patient_record_id = l.patient_record_id
JOIN code AS c ON c.code_id = l.code_id
LEFT JOIN code_test AS t ON t.code_id = l.code_id
LEFT JOIN test AS x ON x.test_id = t.test_id
WHERE l.superseded_by IS NULL AND p.person_id = ? ORDER BY l.line_id""",
        [person],
    ).fetchall()
    return {row[0]: TracedLine(*row[1:]) for row in rows}


def _verdicts(
    con: duckdb.DuckDBPyConnection, catalogue: Catalogue, book: RuleBook, settings: Settings, person: int, line_id: int
) -> dict[tuple[int, str], str]:
    """(prior's line_id, target) → verdict, from judging the person's lines."""
    con.execute(
        "CREATE OR REPLACE TEMP TABLE wanted AS "
        "SELECT CAST(? AS BIGINT) AS person_id, CAST(NULL AS TIMESTAMP) AS since, false AS recent",
        [person],
    )
    choose_lines(con, book)
    number_dimensions(con, book, catalogue.specimens.select("text", "specimen").to_arrow())
    lines = con.execute(fact(book)).to_arrow_table()
    by_level = recognition_policy(con, settings) == "level"
    judge = open_judge(book, laboratories(con), by_level=by_level)
    with judge:
        judge.register("lines", lines)
        judge_bucket(judge, book, "lines")
        make(judge, "traced", covering.PAIR)
        rows = [
            row
            for part in (0, 1)
            for row in judge.execute(
                f"SELECT prior.id, u.target, u.rank FROM ({covering.units(book, 'traced', part=part)}) AS u "
                "JOIN b AS o ON o.rowid = u.o JOIN b AS prior ON prior.rowid = u.q WHERE o.id = ?",
                [line_id],
            ).fetchall()
        ]
    size = covering.ROW_BITS + covering.TIME_BITS
    return {(prior, book.tests[target]): VERDICTS[rank >> size] for prior, target, rank in rows}


def _looked_at(book: RuleBook, order: TracedLine, line: TracedLine, verdicts: dict[str, str]) -> list[Prior]:
    """What became of one other line: a verdict for each target it covers, or the first test it failed."""
    scope = "same_facility" if line.facility_id == order.facility_id else "elsewhere"
    targets = _targets(book, order, line)
    failed = _failed_itself(order, line, bool(targets))
    if failed:
        return [Prior(line, scope, None, failed, None, None, None, None)]
    out = []
    for target in targets:
        rule = _rule(book, order, target)
        why = None if target in verdicts else _failed_rule(line, order, rule)
        until = None if rule is None or rule["valid_hours"] == "lifetime" else line.collected_at + dt.timedelta(
            seconds=rule["valid_seconds"]
        )  # fmt: skip
        out.append(
            Prior(
                line, scope, target, why, verdicts.get(target),
                None if rule is None else rule["rule_id"], None if rule is None else rule["valid_hours"], until,
            )
        )  # fmt: skip
    return out


def _targets(book: RuleBook, order: TracedLine, line: TracedLine) -> list[str]:
    if order.test_id not in book.tests or line.test_id not in book.tests:
        return []
    mine, theirs = book.tests.index(order.test_id), book.tests.index(line.test_id)
    table = book.tables["d_target"].to_pylist()
    return [book.tests[row["target"]] for row in table if row["o_test"] == mine and row["q_test"] == theirs]


def _failed_itself(order: TracedLine, line: TracedLine, covers: bool) -> str | None:
    if line.status in ("cancelled", "rejected"):
        return "cancelled"
    if line.test_id is None:
        return "no_test"
    if not covers:
        return "other_test"
    if line.collected_at >= order.ordered_at:
        return "not_before"
    apart = abs((line.collected_at - order.collected_at).total_seconds())
    if line.performing_facility_id == order.performing_facility_id and apart <= covering.SAME_ACT:
        return "same_act"
    return None


def _rule(book: RuleBook, order: TracedLine, target: str) -> dict[str, Any] | None:
    day = (order.ordered_at.date() - DAY_ZERO).days
    period = max(at for at, start in enumerate(book.starts) if start <= day)
    setting = SETTINGS.index(order.setting)
    slot = (book.tests.index(target) * SETTING_SLOTS + setting) * len(book.starts) + period
    table = book.tables["d_rule"]
    at = table["slot"].to_numpy().searchsorted(slot)
    if at == len(table) or table["slot"][int(at)].as_py() != slot:
        return None
    rule: dict[str, Any] = book.validity[table["rule"][int(at)].as_py()]
    return rule


def _failed_rule(line: TracedLine, order: TracedLine, rule: dict[str, Any] | None) -> str:
    if rule is None:
        return "no_rule"
    if (order.ordered_at - line.collected_at).total_seconds() > rule["valid_seconds"]:
        return "expired"
    wanted = {"positive_only": ("POS",), "normal_only": ("N", "NEG")}.get(rule["condition"])
    if wanted is not None and line.abnormal_flag not in wanted:
        return "condition"
    return "other_specimen"


def _judgements(con: duckdb.DuckDBPyConnection, order: TracedLine) -> tuple[Judgement, ...]:
    rows = con.execute(
        """
SELECT f.scope, f.verdict, f.reason, f.coverage, f.prior_facility_id, f.prior_order_id, f.prior_line_no,
       f.prior_collected_at, f.prior_resulted_at, f.hours_since_prior, f.valid_until,
       f.rule_id, r.source, r.valid_hours, f.chain_avoidable, f.match_method, f.match_probability
FROM flag AS f LEFT JOIN (SELECT rule_id, min(source) AS source, min(valid_hours) AS valid_hours FROM rule
                          WHERE kind = 'validity' GROUP BY rule_id) AS r ON r.rule_id = f.rule_id
WHERE f.facility_id = ? AND f.order_id = ? AND f.line_no = ? ORDER BY f.scope""",
        [order.facility_id, order.order_id, order.line_no],
    ).fetchall()
    names = [field.name for field in dataclasses.fields(Judgement)]
    return tuple(
        Judgement(**dict(zip(names, (*row[:4], (row[4], row[5], row[6]), *row[7:]), strict=True))) for row in rows
    )
