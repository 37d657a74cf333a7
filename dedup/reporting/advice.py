"""What to do first: a few sentences drawn from the figures, each with the section it rests on.

Nothing is said below ``_ENOUGH`` cases: a handful of repeats is chance, and chance asks for no action.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dedup.reporting import numbers
from dedup.reporting.cells import facility, test
from dedup.reporting.figures import Figures
from dedup.reporting.words import Words, plain

__all__ = ["Advice", "advice"]

_ENOUGH = 5
_TESTS = 3


@dataclass(frozen=True)
class Advice:
    """One sentence and the name of the section that shows the figures behind it."""

    text: str
    section: str


def advice(figures: Figures, words: Words) -> list[Advice]:
    """The sentences that the figures call for, the most valuable first; none for the roll-out report."""
    if figures.report != "repeats":
        return []
    return [*_elsewhere(figures, words), *_own(figures, words), *_judged(figures, words)]


def _elsewhere(figures: Figures, words: Words) -> Iterator[Advice]:
    whole = figures.scope("elsewhere")
    number = whole.verdicts["avoidable"]
    if number < _ENOUGH:
        return
    every = numbers.count(number, words.lang)
    tests = [row for row in _rows(figures, "tests", "elsewhere") if row["avoidable_vnd"]][:_TESTS]
    if tests:
        yield Advice(
            words(
                "Before ordering {tests}: look for a result elsewhere. They make up {share} of the avoidable đồng.",
                tests=", ".join(test(row["test_id"], words, figures) for row in tests),
                share=numbers.percent(
                    float(sum(row["avoidable_vnd"] for row in tests) / whole.avoidable_vnd), words.lang
                ),
            ),
            "tests",
        )
    source = max(_rows(figures, "sources", "elsewhere"), key=lambda row: row["avoidable"])
    yield Advice(
        words(
            "Most often the result lay at {source}: {number} of {every} avoidable repeats. Agree on how to look it up.",
            source=facility(source["prior_facility_id"], figures),
            number=numbers.count(source["avoidable"], words.lang),
            every=every,
        ),
        "sources",
    )
    place = max(_rows(figures, "departments", "elsewhere"), key=lambda row: row["avoidable"])
    if figures.facility_id is not None and place["department"] and place["avoidable"] >= _ENOUGH:
        yield Advice(
            words(
                "Begin with “{department}”: {number} of {every} avoidable repeats were ordered there.",
                department=plain(place["department"]),
                number=numbers.count(place["avoidable"], words.lang),
                every=every,
            ),
            "departments",
        )


def _own(figures: Figures, words: Words) -> Iterator[Advice]:
    number = figures.scope("same_facility").verdicts["avoidable"]
    if number >= max(_ENOUGH, figures.scope("elsewhere").verdicts["avoidable"]):
        yield Advice(
            words(
                "{number} avoidable repeats are of results the facility had itself: show the last one when ordering.",
                number=numbers.count(number, words.lang),
            ),
            "verdicts",
        )


def _judged(figures: Figures, words: Words) -> Iterator[Advice]:
    scope = figures.scope(figures.filters.scopes[0])
    rows = _rows(figures, "recorded", scope.scope)
    silent = sum(row["repeats"] for row in rows if row["recorded"] == "none_recorded")
    if silent >= max(_ENOUGH, scope.repeats / 2):
        yield Advice(
            words(
                "{number} of {every} repeats carry no reason: have one recorded when a valid result is not used.",
                number=numbers.count(silent, words.lang),
                every=numbers.count(scope.repeats, words.lang),
            ),
            "recorded",
        )
    if scope.verdicts["review"] >= _ENOUGH:
        reasons = [row for row in _rows(figures, "reasons", scope.scope) if row["verdict"] == "review"]
        yield Advice(
            words(
                "{number} repeats need somebody to look at them; the commonest reason: {reason}.",
                number=numbers.count(scope.verdicts["review"], words.lang),
                reason=words.label(reasons[0]["reason"]),
            ),
            "reasons",
        )
    states = {row["state"]: row["repeats"] for row in figures.tables["recognition"].dicts()}
    more = int(str(states.get("avoidable_if_recognised", 0))) - int(str(states.get("avoidable_today", 0)))
    if more >= _ENOUGH:
        yield Advice(
            words(
                "{number} more would be avoidable if every laboratory were recognised: have their levels assessed.",
                number=numbers.count(more, words.lang),
            ),
            "recognition",
        )


def _rows(figures: Figures, name: str, scope: str) -> list[Mapping[str, Any]]:
    return [row for row in figures.tables[name].dicts() if row["scope"] == scope]
