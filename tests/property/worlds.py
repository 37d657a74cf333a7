"""Hypothesis strategies for whole little worlds: catalogue, register and order lines that meet often."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from hypothesis import strategies as st

from tests.oracle.judging import Line, Row, World

START = dt.datetime(2026, 3, 1)
SINGLES = ("a", "b", "c", "d")
PANELS = ("p1", "p2")
DAYS = [None, None, dt.date(2026, 2, 28), dt.date(2026, 3, 1), dt.date(2026, 3, 2)]


def minutes(count: int) -> dt.timedelta:
    return dt.timedelta(minutes=count)


@st.composite
def span(draw: st.DrawFn) -> dict[str, dt.date | None]:
    """valid_from and valid_to, never the wrong way round."""
    first, last = draw(st.sampled_from(DAYS)), draw(st.sampled_from(DAYS))
    if first and last and first > last:
        first, last = last, first
    return {"valid_from": first, "valid_to": last}


@st.composite
def tests(draw: st.DrawFn) -> list[Row]:
    return [
        {
            "test_id": name,
            "discipline": draw(st.sampled_from("xy")),
            "specimen": draw(st.sampled_from(["blood", "blood", None, "urine"])),
            "class": draw(st.sampled_from(["routine", "timed"])),
            "price_vnd": draw(st.sampled_from([None, Decimal(1000), Decimal("21500.5")])),
        }
        for name in SINGLES + PANELS
    ]


@st.composite
def panels(draw: st.DrawFn) -> list[Row]:
    return [
        {"test_id": panel, "component_id": part, "required": draw(st.sampled_from([True, True, True, False]))}
        for panel in PANELS
        for part in draw(st.lists(st.sampled_from(SINGLES), unique=True, max_size=4))
    ]


@st.composite
def validity(draw: st.DrawFn) -> list[Row]:
    aims = [*SINGLES, *PANELS, "discipline:x", "discipline:y", "*", "*"]
    rows = [
        {
            "profile": draw(st.sampled_from("pppq")),
            "test_id": draw(st.sampled_from(aims)),
            "setting": draw(st.sampled_from([None, None, "unknown", "icu"])),
            "valid_hours": draw(st.sampled_from(["24", "0", "48", "30", "lifetime", "12", "0.0833"])),
            "condition": draw(st.sampled_from([None, None, None, None, "positive_only", "normal_only"])),
            "rule_id": f"r{at}",
            **draw(span()),
        }
        for at in range(draw(st.integers(1, 6)))
    ]
    always = {"profile": "p", "test_id": "*", "setting": None, "valid_hours": "36", "condition": None,
              "rule_id": "z", "valid_from": None, "valid_to": None}  # fmt: skip
    return [*rows, always]


@st.composite
def exemptions(draw: st.DrawFn) -> list[Row]:
    def some(*values: object) -> object:
        return draw(st.sampled_from([None, None, *values]))

    return [
        {
            "reason": f"why{at}",
            "verdict": draw(st.sampled_from(["justified", "review"])),
            "test_id": some("a", "p1"),
            "discipline": some("x"),
            "class": some("timed"),
            "setting": some("icu"),
            "prior_flag": some("abnormal", "critical"),
            "max_age_days": some(28, 400),
            "order_reason": some("other"),
            "same_encounter": some(True, False),
            "profile": some("p", "q"),
            "rule_id": f"e{at}",
            **draw(span()),
        }
        for at in range(draw(st.integers(0, 3)))
    ]


@st.composite
def facilities(draw: st.DrawFn) -> list[Row]:
    """A register in which some levels lapse and some facilities are missing."""
    rows = []
    for name in draw(st.lists(st.sampled_from("ABC"), unique=True)):
        level, iso = draw(st.sampled_from([None, 0, 1, 2, 3])), draw(st.booleans())
        scope = draw(st.sampled_from([None, None, ["a", "p1"]]))
        if draw(st.booleans()):
            always = {"level_from": None, "level_to": None}
            rows.append({"facility_id": name, "lab_level": level, "iso15189": iso, "accredited_tests": scope, **always})
            continue
        rows += [
            {"facility_id": name, "lab_level": level, "iso15189": iso, "accredited_tests": scope, "level_from": None,
             "level_to": dt.date(2026, 3, 1)},
            {"facility_id": name, "lab_level": 2, "iso15189": False, "accredited_tests": None,
             "level_from": dt.date(2026, 3, 3), "level_to": None},
        ]  # fmt: skip
    return rows


@st.composite
def line(draw: st.DrawFn, at: int, persons: int) -> Line:
    ordered = START + minutes(draw(st.one_of(st.integers(0, 80).map(lambda hour: 60 * hour), st.integers(0, 4800))))
    collected = draw(st.sampled_from([None, -10, 0, 3, 5, 60]))
    resulted = draw(st.sampled_from([None, 20, 20, 20, 90, 600]))
    return Line(
        facility_id=draw(st.sampled_from("ABC")),
        order_id=draw(st.sampled_from(["1", "2", "10", "é", "Z"])) + str(at if draw(st.booleans()) else at // 2),
        line_no=at + 1,
        person=draw(st.integers(1, persons)),
        test_id=draw(st.sampled_from([*SINGLES, *PANELS, "a", "p1", None])),
        ordered_at=ordered,
        collected_at=None if collected is None else ordered + minutes(collected),
        resulted_at=None if resulted is None else ordered + minutes(resulted),
        status=draw(st.sampled_from(["final"] * 8 + ["corrected", "ordered", "preliminary", "cancelled", "rejected"])),
        specimen=draw(st.sampled_from([None] * 4 + ["blood", "urine"])),
        performed_by=draw(st.sampled_from([None] * 5 + ["A", "Z"])),
        abnormal_flag=draw(st.sampled_from([None, None, None, "N", "H", "HH", "POS", "NEG"])),
        setting=draw(st.sampled_from(["unknown", "unknown", "unknown", "icu"])),
        order_reason=draw(st.sampled_from([None] * 6 + ["other"])),
        birth_date=draw(st.sampled_from([None, dt.date(2026, 2, 10), dt.date(2020, 1, 1)])),
        encounter_id=draw(st.sampled_from([None, "s1", "s1", "s2"])),
        price=draw(st.sampled_from([None, None, Decimal(500)])),
    )


@st.composite
def worlds(draw: st.DrawFn, max_lines: int = 24) -> World:
    count = draw(st.integers(2, max_lines))
    persons = draw(st.integers(1, 3))
    return World(
        lines=[draw(line(at, persons)) for at in range(count)],
        tests=draw(tests()),
        panels=draw(panels()),
        validity=draw(validity()),
        exemptions=draw(exemptions()),
        facilities=draw(facilities()),
        by_level=draw(st.booleans()),
    )
