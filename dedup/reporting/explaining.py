"""Why a line was or was not flagged, in plain sentences and as a page with a timeline.

What is told is a trace as ``dedup explain --json`` prints it: the fields of ``dedup.rules.Trace`` as a mapping.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
from markupsafe import Markup

from dedup.reporting import numbers
from dedup.reporting.charts import Span, timeline
from dedup.reporting.laboratories import laboratory, level_sentence
from dedup.reporting.page import policy, style_sheet, template
from dedup.reporting.pair import Pair, pair_chart, pair_sentences, pair_steps
from dedup.reporting.words import Words, plain
from dedup.warehouse import Warehouse

__all__ = ["explain_html", "explain_text"]

Trace = Mapping[str, Any]
_PRIORS = 40  # told one by one; the rest is counted
_SPANS = 15
#: These say nothing about the order in question, so they are only counted.
_COUNTED = ("other_test", "no_test")


@dataclass(frozen=True)
class _Teller:
    """The words and names one explanation needs."""

    words: Words
    facilities: Mapping[str, str]
    tests: Mapping[str, str]

    def key(self, line: Mapping[str, Any]) -> str:
        """Facility, order and line."""
        name = self.facilities.get(line["facility_id"])
        facility = f"{line['facility_id']} {name}" if name else line["facility_id"]
        return plain(f"{facility}, {line['order_id']}/{line['line_no']}")

    def test(self, line: Mapping[str, Any]) -> str:
        """The test's name, else the code as printed."""
        return plain(self.tests.get(line["test_id"], line["test_id"] or line["test_code"]))

    def moment(self, value: datetime.datetime | None) -> str:
        """A moment, or that it is not known."""
        return self.words("never") if value is None else numbers.moment(value, self.words.lang)


def explain_text(warehouse: Warehouse, trace: Trace, pairs: Sequence[Pair], lang: str) -> str:
    """The explanation as plain text, ended by a line feed. ``lang``: vi or en; ``pairs``: see pair.py."""
    teller = _teller(warehouse.con, lang)
    judgements = _judgements(warehouse.con, trace, teller)
    matched = [
        pair_sentences(pair, teller.words) + [f"  {bits:<16} {label}" for label, bits in pair_steps(pair, teller.words)]
        for pair in pairs
    ]
    blocks = [_about(trace, teller), *judgements, *matched, _looked_at(trace, teller)]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def explain_html(warehouse: Warehouse, trace: Trace, pairs: Sequence[Pair], lang: str) -> str:
    """The explanation as one self-contained page with a timeline and a waterfall for each of ``pairs`` (pair.py)."""
    teller = _teller(warehouse.con, lang)
    style = style_sheet()
    return template("explain.html").render(
        words=teller.words,
        policy=policy(style),
        style=Markup(style),  # noqa: S704 (our own file)
        title=teller.words("Why this order was judged as it was"),
        about=_about(trace, teller),
        judgements=_judgements(warehouse.con, trace, teller)
        or [[teller.words("Not a repeat: no earlier line passes every test.")]],
        chart=_chart(trace, teller),
        pairs=[(pair_sentences(pair, teller.words), pair_chart(pair, teller.words)) for pair in pairs],
        looked_at=_looked_at(trace, teller),
    )


def _teller(con: duckdb.DuckDBPyConnection, lang: str) -> _Teller:
    words = Words(lang)
    facilities = con.execute(
        "SELECT facility_id, arg_max(name, coalesce(level_from, DATE '0001-01-01')) FROM facility "
        "WHERE name IS NOT NULL GROUP BY facility_id ORDER BY facility_id"
    ).fetchall()
    name = "name_vi" if lang == "vi" else "name_en"
    tests = con.execute(f"SELECT test_id, coalesce({name}, test_id) FROM test ORDER BY test_id").fetchall()
    return _Teller(words, dict(facilities), dict(tests))


def _about(trace: Trace, teller: _Teller) -> list[str]:
    words, line = teller.words, trace["line"]
    lines = [
        words(
            "{line}: {test}, ordered {moment}, {setting}.",
            line=teller.key(line),
            test=teller.test(line),
            moment=teller.moment(line["ordered_at"]),
            setting=words.label(line["setting"]),
        )
    ]
    if line["order_reason"]:
        lines.append(words("Reason given for ordering: {reason}.", reason=words.label(line["order_reason"])))
    if line["status"] in ("cancelled", "rejected"):
        lines.append(words("The line was cancelled or rejected, so it is not judged."))
    elif line["test_id"] is None:
        lines.append(words("Its code is not in the catalogue, so it is never a repeat."))
    elif not trace["judgements"]:
        lines.append(words("Not a repeat: no earlier line passes every test."))
    if trace["stale"]:
        lines.append(words("The flags were made with other rules than these: dedup flag --all makes them anew."))
    return lines


def _judgements(con: duckdb.DuckDBPyConnection, trace: Trace, teller: _Teller) -> list[list[str]]:
    return [
        _judgement(judged, trace, teller) + _recognition(con, judged, trace, teller) for judged in trace["judgements"]
    ]


def _recognition(con: duckdb.DuckDBPyConnection, judged: Mapping[str, Any], trace: Trace, teller: _Teller) -> list[str]:
    """The levels of the two laboratories, where they decide."""
    policy = con.execute("SELECT recognition FROM flag_state ORDER BY run_id DESC LIMIT 1").fetchone()
    performing = next(
        (p["line"]["performing_facility_id"] for p in trace["priors"] if _key(p["line"]) == tuple(judged["prior"])),
        None,
    )
    line = trace["line"]
    if policy != ("level",) or judged["scope"] != "elsewhere" or performing in (None, line["facility_id"]):
        return []
    there, here = (
        laboratory(con, place, line["test_id"], line["ordered_at"].date())
        for place in (performing, line["facility_id"])
    )
    return [level_sentence(there, here, teller.words)]


def _judgement(judged: Mapping[str, Any], trace: Trace, teller: _Teller) -> list[str]:
    words, lang = teller.words, teller.words.lang
    facility, order, line = judged["prior"]
    prior = teller.key({"facility_id": facility, "order_id": order, "line_no": line})
    source = judged["rule_source"] or words("not stated")
    hours = judged["rule_valid_hours"]
    validity = words("a lifetime") if hours == "lifetime" else words("{hours} hours", hours=hours or "?")
    told = [
        words(
            "Earlier result {where}: {verdict} ({reason}).",
            where=words.label(judged["scope"]),
            verdict=words.label(judged["verdict"]),
            reason=words.label(judged["reason"]),
        ),
        words(
            "The earlier result is {prior}: collected {collected}, result {resulted}, {hours} hours before the order.",
            prior=prior,
            collected=teller.moment(judged["prior_collected_at"]),
            resulted=teller.moment(judged["prior_resulted_at"]),
            hours=numbers.decimals(judged["hours_since_prior"], lang),
        ),
        words("It covers the order: {coverage}.", coverage=words.label(judged["coverage"])),
        words(
            "Rule {rule}: valid for {validity} from collection. Source: {source}.",
            rule=plain(judged["rule_id"]),
            validity=validity,
            source=plain(source),
        ),
    ]
    if judged["valid_until"] is not None:
        told.append(words("It was valid until {moment}.", moment=teller.moment(judged["valid_until"])))
    told.append(
        words(
            "Both belong to one person: matched by {method}, probability {probability}.",
            method=words.label(judged["match_method"] or "unknown"),
            probability=numbers.percent(judged["match_probability"] or 0, lang),
        )
    )
    if judged["verdict"] == "avoidable":
        kept = words("Had every avoidable order before it been left out, it would still have been avoidable.")
        lost = words("Had every avoidable order before it been left out, it would have been needed.")
        told.append(kept if judged["chain_avoidable"] else lost)
    return told


def _looked_at(trace: Trace, teller: _Teller) -> list[str]:
    words, lang = teller.words, teller.words.lang
    if not trace["priors"]:
        return [words("The person has no other order line.")]
    told = [words("Other order lines of the person, the latest first:")]
    mine = trace["line"]["test_id"]
    single: dict[tuple[object, ...], list[Mapping[str, Any]]] = {}  # a panel's components that fare alike: one sentence
    for prior in trace["priors"]:
        if _why(prior, mine) not in _COUNTED:
            direct = prior["target"] in (None, mine)
            single.setdefault((_key(prior["line"]), direct, _result(prior, teller)), []).append(prior)
    told += [f"  – {_prior(alike, mine, teller)}" for alike in list(single.values())[:_PRIORS]]
    if len(single) > _PRIORS:
        told.append("  – " + words("and {number} more", number=numbers.count(len(single) - _PRIORS, lang)))
    counted = Counter(_why(prior, mine) for prior in trace["priors"])
    for failed in _COUNTED:
        if counted[failed]:
            number = numbers.count(counted[failed], lang)
            told.append("  – " + words("{number} more: {failed}", number=number, failed=words.label(failed)))
    return told


def _why(prior: Mapping[str, Any], test: str | None) -> str | None:
    """What the line failed on; that it was cancelled matters only when it was the test in question."""
    if prior["failed"] == "cancelled" and prior["line"]["test_id"] != test:
        return "other_test"
    failed: str | None = prior["failed"]
    return failed


def _result(prior: Mapping[str, Any], teller: _Teller) -> str:
    words = teller.words
    if prior["failed"] is None:
        return words("passes every test: {verdict}", verdict=words.label(prior["verdict"] or "unknown"))
    outcome = words.label(prior["failed"])
    if prior["failed"] == "expired" and prior["valid_until"] is not None:
        outcome += words(" (valid until {moment})", moment=teller.moment(prior["valid_until"]))
    return outcome


def _prior(alike: list[Mapping[str, Any]], test: str | None, teller: _Teller) -> str:
    words, line, outcome = teller.words, alike[0]["line"], _result(alike[0], teller)
    if alike[0]["target"] not in (None, test):
        names = [plain(teller.tests.get(prior["target"], prior["target"])) for prior in alike]
        outcome = words("for the component {component}: {outcome}", component=", ".join(names), outcome=outcome)
    return words(
        "{line}, {test}, collected {moment}: {outcome}.",
        line=teller.key(line),
        test=teller.test(line),
        moment=teller.moment(line["collected_at"]),
        outcome=outcome,
    )


def _chart(trace: Trace, teller: _Teller) -> Markup:
    """The validity of each earlier line of the test, held against the moment of the order."""
    drawn: dict[tuple[str, str, int], Mapping[str, Any]] = {}
    for prior in trace["priors"]:
        if prior["failed"] in (None, "expired", "condition", "other_specimen"):
            known = drawn.setdefault(_key(prior["line"]), prior)
            if known["target"] != trace["line"]["test_id"] == prior["target"]:
                drawn[_key(prior["line"])] = prior  # a panel against the panel, rather than its components
    priors = list(drawn.values())[:_SPANS]
    if not priors:
        return Markup("")
    now = trace["line"]["ordered_at"]
    # a validity far longer than what is looked at would press everything else together
    first = min(prior["line"]["collected_at"] for prior in priors)
    last = now + max((now - first) * 0.35, datetime.timedelta(hours=6))
    whole = (last - first).total_seconds()

    def share(moment: datetime.datetime | None) -> float:
        return 1.0 if moment is None else min(1.0, max(0.0, (moment - first).total_seconds() / whole))

    chosen = {tuple(judged["prior"]) for judged in trace["judgements"]}
    rows = [
        Span(
            f"{teller.key(prior['line'])}: {teller.test(prior['line'])}",
            _outcome(prior, teller),
            share(prior["line"]["collected_at"]),
            share(prior["valid_until"]),
            "strong" if _key(prior["line"]) in chosen else "weak",
        )
        for prior in priors
    ]
    words = teller.words
    title = words("From collection to the end of validity")
    return timeline(title, rows, share(now), words("Upright line: the order, {moment}", moment=teller.moment(now)))


def _outcome(prior: Mapping[str, Any], teller: _Teller) -> str:
    collected = teller.moment(prior["line"]["collected_at"])
    return f"{collected}: {teller.words.label(prior['failed'] or prior['verdict'])}"


def _key(line: Mapping[str, Any]) -> tuple[str, str, int]:
    return line["facility_id"], line["order_id"], line["line_no"]
