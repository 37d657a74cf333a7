"""CONTRACT §4 in slow, plain Python: every line against every line, every rule row by row."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

Row = dict[str, Any]
STRENGTH = ["avoidable", "review", "justified", "unrecognised", "pending"]
MINUTES_OF_ONE_ACT = dt.timedelta(minutes=5)


@dataclass(frozen=True)
class Line:
    facility_id: str
    order_id: str
    line_no: int
    person: Any
    test_id: str | None
    ordered_at: dt.datetime
    collected_at: dt.datetime | None = None
    resulted_at: dt.datetime | None = None
    status: str = "final"
    specimen: str | None = None
    performed_by: str | None = None
    abnormal_flag: str | None = None
    setting: str = "unknown"
    order_reason: str | None = None
    birth_date: dt.date | None = None
    price: Decimal | None = None
    encounter_id: str | None = None

    @property
    def key(self) -> tuple[str, str, int]:
        return (self.facility_id, self.order_id, self.line_no)

    @property
    def collection(self) -> dt.datetime:
        return self.collected_at or self.resulted_at or self.ordered_at

    @property
    def laboratory(self) -> str:
        return self.performed_by or self.facility_id

    @property
    def walk(self) -> tuple[dt.datetime, str, str, int]:
        return (self.ordered_at, *self.key)


@dataclass
class World:
    """Lines, catalogue rows as in the CSV files (blank cells are None), the register, and the choices made."""

    lines: list[Line]
    tests: list[Row]
    panels: list[Row] = field(default_factory=list)
    validity: list[Row] = field(default_factory=list)
    exemptions: list[Row] = field(default_factory=list)
    facilities: list[Row] = field(default_factory=list)
    profile: str = "p"
    by_level: bool = False

    def __post_init__(self) -> None:
        self.test = {row["test_id"]: row for row in self.tests}
        self.parts: dict[str, list[str]] = {}
        for row in self.panels:
            if row["required"] and row["component_id"] not in self.parts.setdefault(row["test_id"], []):
                self.parts[row["test_id"]].append(row["component_id"])
        self.parts = {panel: sorted(parts) for panel, parts in self.parts.items() if parts}


@dataclass(frozen=True)
class Finding:
    """A verdict for one target, with the evidence."""

    verdict: str
    reason: str
    prior: Line
    rule: Row
    coverage: str
    expires: dt.datetime  #: the last moment there is: never


def within(day: dt.date, start: dt.date | None, end: dt.date | None) -> bool:
    return (start is None or start <= day) and (end is None or day <= end)


def rule_for(world: World, test_id: str, setting: str, day: dt.date) -> Row | None:
    """The most specific row: test, discipline, *; then setting; then the latest valid_from; then smallest rule_id."""
    names = {test_id: 0, f"discipline:{world.test[test_id]['discipline']}": 1, "*": 2}
    rows = [
        row
        for row in world.validity
        if row["profile"] == world.profile
        and row["test_id"] in names
        and row["setting"] in (None, setting)
        and within(day, row["valid_from"], row["valid_to"])
    ]
    if not rows:
        return None
    rows.sort(key=lambda row: row["rule_id"])
    rows.sort(key=lambda row: row["valid_from"] or dt.date.min, reverse=True)
    rows.sort(key=lambda row: row["setting"] is None)
    rows.sort(key=lambda row: names[row["test_id"]])
    return rows[0]


def still_valid(rule: Row, o: Line, q: Line) -> bool:
    if rule["valid_hours"] != "lifetime":
        hours = Fraction(rule["valid_hours"])
        if hours == 0:
            return False
        waited = Fraction(int((o.ordered_at - q.collection).total_seconds()), 3600)
        if waited > hours:
            return False
    if rule["condition"] == "positive_only":
        return q.abnormal_flag == "POS"
    if rule["condition"] == "normal_only":
        return q.abnormal_flag in ("N", "NEG")
    return True


def level_and_iso(world: World, facility: str, day: dt.date, test: str | None) -> tuple[int, bool]:
    for row in world.facilities:
        if row["facility_id"] == facility and within(day, row["level_from"], row["level_to"]):
            scope = row.get("accredited_tests")
            return (row["lab_level"] or 0, bool(row["iso15189"]) and (scope is None or test in scope))
    return (0, False)


def recognised(world: World, o: Line, q: Line) -> bool:
    if not world.by_level or q.laboratory == o.facility_id:
        return True
    day = o.ordered_at.date()
    mine, _ = level_and_iso(world, o.facility_id, day, None)
    theirs, iso = level_and_iso(world, q.laboratory, day, q.test_id)
    return iso or (theirs >= 1 and theirs >= mine)


def exemption(world: World, verdict: str, target: str, o: Line, q: Line) -> Row | None:
    """The holding exemption row with the smallest rule_id."""
    test = world.test[target]
    critical = q.abnormal_flag in ("HH", "LL", "AA")
    abnormal = critical or q.abnormal_flag in ("H", "L", "A")

    def holds(row: Row) -> bool:
        return (
            row["verdict"] == verdict
            and row["profile"] in (None, world.profile)
            and row["test_id"] in (None, target)
            and row["discipline"] in (None, test["discipline"])
            and row["class"] in (None, test["class"])
            and row["setting"] in (None, o.setting)
            and row["order_reason"] in (None, o.order_reason)
            and (
                not row.get("same_encounter")
                or (o.encounter_id is not None and (o.facility_id, o.encounter_id) == (q.facility_id, q.encounter_id))
            )
            and (row["prior_flag"] is None or (critical if row["prior_flag"] == "critical" else abnormal))
            and (
                row["max_age_days"] is None
                or (o.birth_date is not None and (o.ordered_at.date() - o.birth_date).days <= row["max_age_days"])
            )
            and within(o.ordered_at.date(), row["valid_from"], row["valid_to"])
        )

    return min(filter(holds, world.exemptions), key=lambda row: row["rule_id"], default=None)


def verdict_of(world: World, target: str, o: Line, q: Line) -> tuple[str, str]:
    o_specimen = o.specimen or world.test[target]["specimen"]
    q_specimen = q.specimen or world.test[q.test_id]["specimen"]
    if q.status not in ("final", "corrected") or q.resulted_at is None or q.resulted_at > o.ordered_at:
        return "pending", "no_result_yet"
    if o.facility_id != q.facility_id and not recognised(world, o, q):
        return "unrecognised", "lab_not_recognised"
    if o.order_reason:
        return "justified", o.order_reason
    if row := exemption(world, "justified", target, o, q):
        return "justified", row["reason"]
    if row := exemption(world, "review", target, o, q):
        return "review", row["reason"]
    if o_specimen is None or q_specimen is None:
        return "review", "specimen_unknown"
    return "avoidable", "valid_result"


def judge_target(world: World, target: str, o: Line, priors: list[Line]) -> Finding | None:
    """The strongest prior that covers ``target``; then the latest collection, then the smallest key."""
    rule = rule_for(world, target, o.setting, o.ordered_at.date())
    if rule is None:
        return None
    found = []
    for q in priors:
        covers = q.test_id == target or target in world.parts.get(q.test_id or "", [])
        o_specimen = o.specimen or world.test[target]["specimen"]
        if not covers or not still_valid(rule, o, q):
            continue
        q_specimen = q.specimen or world.test[q.test_id]["specimen"]
        if o_specimen and q_specimen and o_specimen != q_specimen:
            continue
        verdict, reason = verdict_of(world, target, o, q)
        lasts = rule["valid_hours"]
        expires = (
            dt.datetime.max if lasts == "lifetime" else q.collection + dt.timedelta(seconds=int(Fraction(lasts) * 3600))
        )
        found.append(Finding(verdict, reason, q, rule, "same" if q.test_id == target else "panel", expires))
    found.sort(key=lambda f: f.prior.key)
    found.sort(key=lambda f: f.prior.collection, reverse=True)
    found.sort(key=lambda f: STRENGTH.index(f.verdict))
    return found[0] if found else None


def judge(world: World, o: Line, scope: str, lines: list[Line]) -> Finding | None:
    """One line in one scope."""
    if o.status in ("cancelled", "rejected") or o.test_id is None:
        return None
    priors = [
        q
        for q in lines
        if q is not o
        and q.person == o.person
        and q.test_id is not None
        and q.status not in ("cancelled", "rejected")
        and q.collection < o.ordered_at
        and (q.facility_id != o.facility_id) == (scope == "elsewhere")
        and not (q.laboratory == o.laboratory and abs(q.collection - o.collection) <= MINUTES_OF_ONE_ACT)
    ]
    direct = judge_target(world, o.test_id, o, priors)
    parts = world.parts.get(o.test_id)
    whole = judge_parts(world, parts, o, priors) if parts else None
    if whole and (direct is None or STRENGTH.index(whole.verdict) < STRENGTH.index(direct.verdict)):
        return whole
    return direct


def judge_parts(world: World, parts: list[str], o: Line, priors: list[Line]) -> Finding | None:
    covered = [(part, f) for part in parts if (f := judge_target(world, part, o, priors))]
    if not covered:
        return None
    covered.sort(key=lambda pair: (pair[1].expires, pair[1].prior.key, pair[0]))
    weakest = max(covered, key=lambda pair: STRENGTH.index(pair[1].verdict))[1]  # the first of the weakest
    first = covered[0][1]
    verdict, reason, coverage = weakest.verdict, weakest.reason, "components"
    if len(covered) < len(parts):
        coverage = "partial"
        if verdict == "avoidable":
            verdict, reason = "review", "partial_panel"
    return Finding(verdict, reason, first.prior, first.rule, coverage, first.expires)


def flags(world: World) -> list[Row]:
    """All flags with their chains, sorted by key and scope."""
    out = []
    for scope in ("elsewhere", "same_facility"):
        people: dict[Any, list[Line]] = {}
        for line in world.lines:
            people.setdefault(line.person, []).append(line)
        for lines in people.values():
            out += flags_of_person(world, scope, lines)
    return sorted(out, key=functools.partial(_key))


def _key(row: Row) -> tuple[str, str, int, str]:
    return (row["facility_id"], row["order_id"], row["line_no"], row["scope"])


def flags_of_person(world: World, scope: str, lines: list[Line]) -> list[Row]:
    out, gone = [], set()
    for o in sorted(lines, key=lambda line: line.walk):
        found = judge(world, o, scope, lines)
        if found is None:
            continue
        again = judge(world, o, scope, [q for q in lines if q.key not in gone])
        chain = found.verdict == "avoidable" and again is not None and again.verdict == "avoidable"
        if chain:
            gone.add(o.key)
        open_world = dataclasses.replace(world, by_level=False)
        recognised_all = judge(open_world, o, scope, lines)
        price = o.price if o.price is not None else world.test[o.test_id].get("price_vnd") or Decimal(0)
        out.append({
            "facility_id": o.facility_id, "order_id": o.order_id, "line_no": o.line_no, "scope": scope,
            "verdict": found.verdict, "reason": found.reason, "test_id": o.test_id,
            "prior_facility_id": found.prior.facility_id, "prior_order_id": found.prior.order_id,
            "prior_line_no": found.prior.line_no, "prior_test_id": found.prior.test_id,
            "prior_collected_at": found.prior.collection, "prior_resulted_at": found.prior.resulted_at,
            "valid_until": None if found.expires == dt.datetime.max else found.expires,
            "rule_id": found.rule["rule_id"], "coverage": found.coverage, "chain_avoidable": chain,
            "verdict_if_recognised": recognised_all.verdict if recognised_all else None,
            "price_vnd": price, "avoidable_vnd": price if found.verdict == "avoidable" else Decimal(0),
        })  # fmt: skip
    return out
