"""Order lines as the canonical columns of CONTRACT §2.1, all text (null: left empty)."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from dedup.schema import ABNORMAL_FLAGS, CANONICAL, ORDER_REASONS, STATUSES
from dedup.simulation.draw import Ints, whole
from dedup.simulation.results import GROUPS
from dedup.simulation.tables import lab_tests
from dedup.simulation.visits import DAY, OF_SETTING
from dedup.simulation.world import DEPARTMENTS, World

__all__ = [
    "ALIAS_DAYS",
    "batches",
    "canonical",
    "keys",
    "of_facility",
    "order_ids",
    "placer_numbers",
    "prices",
    "result_text",
    "service_codes",
]

ALIAS_DAYS = 35  #: so long the facility with an old code goes on using it


def _listed(values: list[str], at: Ints) -> pl.Series:
    """``values[at]``; null where ``at`` is negative."""
    return pl.Series([*values, None], dtype=pl.String).gather(np.where(at < 0, len(values), at))


def _time(minutes: Ints, style: str) -> pl.Series:
    frame = pl.DataFrame({"at": np.where(minutes < 0, 0, minutes).astype(np.int64) * 60_000, "there": minutes >= 0})
    text = pl.col("at").cast(pl.Datetime("ms")).dt.strftime(style)
    return frame.select(text=pl.when("there").then(text))["text"]


def order_ids(world: World, facility: int, act: Ints) -> pl.Series:
    """The facility's encounter numbers, each facility in its own way: some plain, some with a letter or zeros."""
    year = f"{world.start.year % 100:02d}"
    frame = pl.DataFrame({"n": world.visit[act]})
    digits = pl.col("n").cast(pl.String)
    ways = ("DT" + year + "." + digits.str.zfill(5), digits, year + digits.str.zfill(6))
    return frame.select(order_id=ways[facility % 3])["order_id"]


def service_codes(world: World, facility: int, test: Ints) -> tuple[pl.Series, Ints]:
    """The code each test has at a facility, and its list price in đồng (some tests have several codes)."""
    tests, style = lab_tests(), world.facilities.codes[facility]
    codes, prices = [], []
    for number, code in enumerate(tests.code):
        options = [(code, int(tests.price[number])), *tests.other_codes[number]]
        chosen, price = options[(facility * 31 + number) % len(options)]
        if style == "loinc" and tests.loinc[number]:
            chosen = tests.loinc[number]
        elif style == "local" and number % 4 == 0:
            chosen = f"XN{number:03d}"
        codes.append(chosen)
        prices.append(price)
    return pl.Series(codes).gather(test), np.array(prices)[test]


def prices(world: World, lines: Ints, listed: Ints) -> Ints:
    """Đồng, in hundreds: the list price of the code times what the facility adds or takes off."""
    factor = world.facilities.price_factor[world.acts.facility[world.orders.act[lines]]]
    return whole(listed * factor / 100.0) * 100


def _charged(world: World, lines: Ints, listed: Ints) -> Ints:
    """The price; in a plain world nothing is asked for what was not done, as the insurance has it."""
    undone = world.orders.status[lines] == STATUSES.index("cancelled")
    return np.where(undone & world.plain, 0, prices(world, lines, listed))


def result_text(test: Ints, value: Ints) -> pl.Series:
    """Results as printed: numbers with the test's decimals, words for positive and negative, blood groups."""
    tests = lab_tests()
    kind = pl.Series(tests.kind).gather(test)
    frame = pl.DataFrame({"v": value, "decimals": tests.decimals[test], "kind": kind})
    digits = pl.col("v").cast(pl.String)
    text: Any = pl.when(pl.col("v") < 0).then(pl.lit(None, pl.String))
    text = text.when(pl.col("kind") == "quality").then(
        pl.when(pl.col("v") == 1).then(pl.lit("Dương tính")).otherwise(pl.lit("Âm tính"))
    )
    for number, group in enumerate(GROUPS):
        text = text.when((pl.col("kind") == "group") & (pl.col("v") == number)).then(pl.lit(group))
    for decimals in (1, 2, 3):
        point = (pl.col("v") // 10**decimals).cast(pl.String) + "."
        fraction = (pl.col("v") % 10**decimals).cast(pl.String).str.zfill(decimals)
        text = text.when(pl.col("decimals") == decimals).then(point + fraction)
    return frame.select(text=text.otherwise(digits))["text"]


def placer_numbers(order_id: pl.Expr, line_no: pl.Expr) -> pl.Expr:
    """The number of a single order where every line is one (HL7 v2, FHIR); sorts like the order and its lines."""
    return order_id + "-" + line_no.cast(pl.String).str.zfill(3)


def keys(world: World, facility: int, lines: Ints) -> pl.DataFrame:
    """facility_id, order_id and line_no of some lines of one facility as its format has them, codes as of today."""
    frame = pl.DataFrame(
        {
            "facility_id": pl.repeat(world.facilities.code[facility], len(lines), eager=True),
            "order_id": order_ids(world, facility, world.orders.act[lines]),
            "line_no": world.line_no[lines],
        }
    )
    if world.facilities.format[facility] in ("hl7", "fhir", "fhir-bundle"):
        placer = placer_numbers(pl.col("order_id"), pl.col("line_no"))
        frame = frame.with_columns(order_id=placer, line_no=pl.lit(1, pl.Int32))
    return frame


def _where(world: World, facility: int, at: Ints) -> pl.Series:
    """The facility's code at the time: an old one in the first weeks of the one that had another."""
    code, alias = world.facilities.code[facility], world.facilities.alias[facility]
    old = (at < (world.end - world.days * DAY + ALIAS_DAYS * DAY)) & (alias != "")
    return pl.Series([code, alias]).gather(old.astype(np.int64))


def _doctors(world: World, act: Ints) -> pl.Series:
    return pl.DataFrame({"d": world.doctor[act]}).select(
        t="GL" + pl.col("d").cast(pl.String).str.zfill(8)  # GL: giả lập, no real licence
    )["t"]


def _sexes(text: pl.Series, facility: int, plain: bool) -> pl.Series:
    ways = (("male", "female", "unknown"), ("M", "F", None), ("1", "2", "3"), ("nam", "nữ", None))
    male, female, unknown = ways[0 if plain else facility % 4]
    return text.replace_strict({"male": male, "female": female, "unknown": unknown}, return_dtype=pl.String)


def canonical(world: World, facility: int, lines: Ints) -> pl.DataFrame:
    """Some lines of one facility, every canonical column, the facility's own habits applied."""
    orders, acts, held, f = world.orders, world.acts, world.records, world.facilities
    act, test = orders.act[lines], orders.test[lines]
    writing = held.act_writing[act]
    identity = world.identity[writing]
    tests = lab_tests()
    codes, listed = service_codes(world, facility, test)
    style = "%Y-%m-%dT%H:%M:00+07:00" if facility % 5 == 3 and not world.plain else "%Y-%m-%dT%H:%M"
    collected = orders.collected[lines] if f.sends_collection[facility] else np.full(len(lines), -1)
    absent = pl.repeat(None, len(lines), dtype=pl.String, eager=True)
    columns = {
        "facility_id": _where(world, facility, acts.at[act]),
        "order_id": order_ids(world, facility, act),
        "line_no": pl.Series(world.line_no[lines]).cast(pl.String),
        "patient_id": world.patient_id.gather(held.of_record[writing]),
        **{name: identity[name] for name in ("national_id", "insurance_id", "full_name", "birth_date")},
        "sex": _sexes(identity["sex"], facility, world.plain),
        "phone": identity["phone"],
        "province": identity["province_code" if world.plain else "province"],
        "address": identity["address"],
        "test_code": codes,
        "code_system": absent,
        "test_name": pl.Series(tests.name).gather(test) if f.sends_test_name[facility] else absent,
        "specimen": _specimens(test) if f.sends_specimen[facility] else absent,
        "performed_by": _listed(f.code, orders.performed[lines]),
        "ordered_at": _time(acts.at[act], style),
        "collected_at": _time(collected, style),
        "resulted_at": _time(orders.resulted[lines], style),
        "status": pl.Series(list(STATUSES)).gather(orders.status[lines]),
        "value": result_text(test, orders.value[lines]),
        "unit": pl.Series([unit or None for unit in tests.unit])
        .gather(test)
        .set(pl.Series(orders.value[lines] < 0), None),
        "abnormal_flag": _listed(list(ABNORMAL_FLAGS), orders.flag[lines]),
        "setting": pl.Series(list(OF_SETTING)).gather(acts.setting[act]),
        "department": pl.Series([code if world.plain else name for code, name in DEPARTMENTS]).gather(
            world.department[act]
        ),
        "ordered_by": _doctors(world, act),
        "encounter_id": order_ids(world, facility, act) if f.sends_encounter[facility] else absent,
        "order_reason": _listed(list(ORDER_REASONS), orders.reason[lines]),
        "price_vnd": pl.Series(_charged(world, lines, listed)).cast(pl.String),
    }
    return pl.DataFrame(columns).select(list(CANONICAL))


def _specimens(test: Ints) -> pl.Series:
    return pl.Series([None if text in ("imaging", "various") else text for text in lab_tests().specimen]).gather(test)


def batches(world: World, minutes: Ints) -> Ints:
    """Which of a facility's files a time falls into, from 0."""
    return (minutes.astype(np.int64) - (world.end - world.days * DAY)) // (world.file_days * DAY)


def of_facility(world: World, facility: int) -> Ints:
    """The numbers of a facility's lines."""
    return np.arange(world.line_start[facility], world.line_start[facility + 1])
