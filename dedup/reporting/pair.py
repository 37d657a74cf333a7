"""Why two patient records are one person: the waterfall of one pair, in sentences and as a chart.

What is told is what ``dedup review explain --json`` prints: the fields of ``dedup.matching.PairExplanation`` as a
mapping. Levels and bits only: no patient's value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from dedup.reporting import numbers
from dedup.reporting.charts import Span, timeline
from dedup.reporting.tables import mark
from dedup.reporting.words import Words, plain

__all__ = ["Pair", "ReviewWording", "pair_chart", "pair_sentences", "pair_steps"]

Pair = Mapping[str, Any]

_FIELDS = {
    "prior": mark("before comparing"), "given_name": mark("given name"), "middle_name": mark("middle name"),
    "family_name": mark("family name"), "name_rarity": mark("how rare the name is"), "birth_date": mark("birth date"),
    "sex": mark("sex"), "phone": mark("phone"), "insurance": mark("insurance number"), "id": mark("national id"),
    "place": mark("home"),
}  # fmt: skip
_LEVELS = {
    "equal": mark("equal"), "equal_marks_differ": mark("equal but for the diacritics"),
    "sounds_alike": mark("sounds alike"), "similar": mark("alike"), "typed_wrong": mark("typing error"),
    "swapped": mark("same words in another order"), "differs": mark("different"),
    "one_missing": mark("given on one side only"), "overlaps": mark("one word in common"),
    "day_month_swapped": mark("day and month swapped"), "one_part_differs": mark("day or month different"),
    "year_typed_wrong": mark("year typed wrong"), "year_only_equal": mark("same year, no more is known"),
    "year_equal_rest_differs": mark("only the year is equal"), "near_years": mark("about the same year"),
    "generation_apart": mark("a generation apart"), "one_digit_differs": mark("one digit different"),
    "conflicts": mark("two valid numbers"), "conflicts_by_one_digit": mark("two valid numbers, one digit apart"),
    "ward_equal": mark("same commune"), "province_equal": mark("same province"),
    "province_differs": mark("another province"),
}  # fmt: skip
_GUARDS = {
    "conflicting_ids": mark("two different valid numbers"), "generations": mark("born a generation apart"),
    "newborns": mark("a newborn, booked under its mother's name"),
    "guardians": mark("one number but different names, maybe a guardian's"),
    "twins": mark("different given or middle names, maybe twins"), "birth_years": mark("born in different years"),
    "nameless": mark("the name is not known"), "namesakes": mark("maybe namesakes from two provinces"),
    "bare_years": mark("only the year of birth is known"), "names_alone": mark("hardly more than the name is known"),
}  # fmt: skip
_WAITING = {
    "national_id": mark("one national id, but the other records of the two forbid joining them"),
    "insurance_id": mark("one insurance number, but the other records of the two forbid joining them"),
    "fuzzy": mark("alike, but other records of the two forbid joining them, or fit another person as well"),
    "review": mark("not sure enough to join"),
}


class ReviewWording:
    """The words of ``dedup review export``, for the people who decide."""

    def __init__(self, lang: str) -> None:
        """``lang``: vi or en."""
        self._words = Words(lang)

    def evidence(self, field: str, level: str, bits: float) -> str:
        """One comparison: what was found, and its bits."""
        return f"{self._words(_FIELDS[field])}: {_level(level, self._words)} ({_bits(bits, self._words)})"

    def why(self, method: str, guard: str | None) -> str:
        """Why the pair waits: the guard that refused it, else what was made of it."""
        return self._words(_WAITING[method] if guard is None else _GUARDS[guard])


def pair_sentences(pair: Pair, words: Words) -> list[str]:
    """What was made of the pair."""
    told = [
        words(
            "Patient records of {first} and {second}: {bits} bits, probability {probability} (scorecard {model}).",
            first=plain(pair["first"][0]),
            second=plain(pair["second"][0]),
            bits=_bits(pair["bits"], words),
            probability=numbers.percent(pair["probability"], words.lang),
            model=plain(pair["model_version"]),
        ),
        words("One bit more doubles the odds that the two are one person; 0 bits are even chances."),
    ]
    if pair["guard"] is not None:
        guard = _GUARDS[pair["guard"]]
        told.append(words("Alone the two would not be joined: {why}.", why=words(guard)))
    if pair["human_decision"] is not None:
        told.append(words("Somebody decided this pair by hand."))
    return told


def pair_steps(pair: Pair, words: Words) -> list[tuple[str, str]]:
    """Every bar of the waterfall: what was compared and found; its bits and the sum so far."""
    told = []
    for step in pair["steps"]:
        name, level = _FIELDS[step["field"]], _level(step["level"], words)
        label = f"{words(name)}: {level}" if level else words(name)
        told.append((label, f"{_bits(step['bits'], words)} → {_bits(step['total'], words)}"))
    return told


def pair_chart(pair: Pair, words: Words) -> Markup:
    """The waterfall: what speaks for one person (strong) and against (weak); upright: even chances."""
    ends = [0.0, *(step["total"] for step in pair["steps"])]
    low, high = min(ends), max(ends)
    whole = (high - low) or 1.0
    rows = []
    before = 0.0
    for (label, text), step in zip(pair_steps(pair, words), pair["steps"], strict=True):
        left, right = sorted((before, step["total"]))
        kind = "strong" if step["bits"] > 0 else "weak"
        rows.append(Span(label, text, (left - low) / whole, (right - low) / whole, kind))
        before = step["total"]
    title = words("What was compared, in bits")
    return timeline(title, rows, -low / whole, words("Upright line: 0 bits, even chances"))


def _bits(bits: float, words: Words) -> str:
    return ("+" if bits > 0 else "") + numbers.decimals(bits, words.lang)


def _level(level: str, words: Words) -> str:
    if level.startswith("to_"):
        return words("surprise of at most {bits} bits", bits=level.split("_")[1])
    if level.startswith("over_"):
        return words("surprise of more than {bits} bits", bits=level.split("_")[1])
    return words(_LEVELS[level]) if level else ""
