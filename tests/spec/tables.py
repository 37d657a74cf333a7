"""Little tables as text: lines in, flags out. A dash is a blank cell; times are day-of-March-2026 and hour."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from tests.oracle.judging import Line, Row, World

#: A catalogue in which cbc is a panel of hgb and plt; every test lasts a day, glucose in hospital half a day.
TESTS = """
test_id   discipline    specimen  class       price_vnd
hgb       haematology   blood     routine     10000
plt       haematology   blood     routine     12000
cbc       haematology   blood     routine     40000
glucose   biochemistry  blood     routine     22400
culture   microbiology  -         culture     261000
hbsag     microbiology  blood     routine     58600
ungoverned  pathology   tissue    routine     1000
"""
PANELS = """
test_id  component_id  required
cbc      hgb           true
cbc      plt           true
"""
VALIDITY = """
profile  test_id                  setting    valid_hours  condition      valid_from  valid_to  rule_id
p        discipline:haematology   -          24           -              -           -         h-day
p        discipline:biochemistry  -          24           -              -           -         b-day
p        glucose                  inpatient  12           -              -           -         b-ward
p        hbsag                    -          720          positive_only  -           -         m-pos
p        culture                  -          48           -              -           -         m-cult
"""


def rows(table: str) -> list[Row]:
    """The rows of a text table; a dash is None, true and false are booleans."""
    lines = [line.split() for line in table.strip().splitlines()]
    words: dict[str, Any] = {"-": None, "true": True, "false": False}
    return [dict(zip(lines[0], [words.get(cell, cell) for cell in line], strict=True)) for line in lines[1:]]


def moment(text: str | None) -> dt.datetime | None:
    """``2T08:30`` is the second of March 2026, half past eight."""
    if text is None:
        return None
    day, clock = text.split("T")
    hour, minute = clock.split(":")
    return dt.datetime(2026, 3, int(day), int(hour), int(minute))


def day(text: str | None) -> dt.date | None:
    return None if text is None else dt.date.fromisoformat(text)


def lines(table: str) -> list[Line]:
    """Order lines. Unless the table says otherwise: one person, hgb, collected ten minutes and final an hour later."""
    out = []
    for row in rows(table):
        ordered = moment(row["ordered"])
        assert ordered is not None
        later = {"collected": ordered + dt.timedelta(minutes=10), "resulted": ordered + dt.timedelta(minutes=60)}
        for name in later:
            if name in row:
                later[name] = moment(row[name])  # type: ignore[assignment]
        out.append(
            Line(
                facility_id=row["facility"],
                order_id=row["order"],
                line_no=int(row.get("line") or 1),
                person=row.get("person") or "one",
                test_id=row.get("test", "hgb"),
                ordered_at=ordered,
                collected_at=later["collected"],
                resulted_at=later["resulted"],
                status=row.get("status") or "final",
                specimen=row.get("specimen"),
                performed_by=row.get("performed_by"),
                abnormal_flag=row.get("flag"),
                setting=row.get("setting") or "unknown",
                order_reason=row.get("order_reason"),
                birth_date=day(row.get("born")),
                price=None if row.get("price") is None else Decimal(row["price"]),
            )
        )
    return out


def dated(table: str) -> list[Row]:
    return [row | {name: day(row.get(name)) for name in ("valid_from", "valid_to")} for row in rows(table)]


def world(case: dict[str, str]) -> World:
    """The world of a case: what it does not say is as above."""
    exemptions = dated(case["exemptions"]) if "exemptions" in case else []
    blank = dict.fromkeys(
        ("test_id", "discipline", "class", "setting", "prior_flag", "max_age_days", "order_reason", "profile")
    )
    register = rows(case["register"]) if "register" in case else []
    return World(
        lines=lines(case["lines"]),
        tests=[row | {"price_vnd": Decimal(row["price_vnd"])} for row in rows(case.get("tests", TESTS))],
        panels=rows(case.get("panels", PANELS)),
        validity=dated(case.get("validity", VALIDITY)),
        exemptions=[
            blank | row | {"max_age_days": int(row["max_age_days"]) if row.get("max_age_days") else None}
            for row in exemptions
        ],
        facilities=[
            {
                "facility_id": row["facility"],
                "lab_level": None if row.get("level") is None else int(row["level"]),
                "iso15189": bool(row.get("iso")),
                "level_from": day(row.get("from")),
                "level_to": day(row.get("to")),
            }
            for row in register
        ],
        by_level=bool(register),
    )


def said(flags: list[Row], columns: list[str]) -> list[list[str]]:
    """Flags in a case's words: ``order`` is the order line, ``prior`` the prior's order, the rest as named."""
    out = []
    for flag in flags:
        words = {
            "order": flag["order_id"],
            "prior": flag["prior_order_id"],
            "chain": "true" if flag["chain_avoidable"] else "false",
            "until": "-" if flag["valid_until"] is None else f"{flag['valid_until']:%-dT%H:%M}",
            "saves": f"{flag['avoidable_vnd']:.0f}",
            "price_vnd": f"{flag['price_vnd']:.0f}",
        }
        out.append([str(words.get(name, flag.get(name))) for name in columns])
    return sorted(out)
