"""The roll-out: who is connected, what waits, whom to connect next; the ranking against brute force."""

from __future__ import annotations

import datetime
import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.reporting import FORMATS, Filters, render, rollout
from dedup.reporting.ranking import gains, greedy, largest_first
from dedup.warehouse import Warehouse, memory_warehouse

CODES = "ABCDEF"
Pairs = dict[tuple[str, str], int]

pairs_of = st.dictionaries(
    st.tuples(st.sampled_from(CODES), st.sampled_from(CODES)).filter(lambda pair: pair[0] != pair[1]),
    st.integers(1, 9),
    max_size=12,
)


def reached(pairs: Pairs, connected: set[str]) -> int:
    return sum(number for (one, other), number in pairs.items() if {one, other} <= connected)


def worth(pairs: Pairs, done: set[str], code: str) -> tuple[int, int, str]:
    gain = reached(pairs, done | {code}) - reached(pairs, done)
    every = sum(number for pair, number in pairs.items() if code in pair)
    return -gain, -(every - gain), code


def slowly(pairs: Pairs, connected: set[str]) -> list[str]:
    """The rule of ``greedy`` in plain words: try everybody, count again from the beginning."""
    done, order = set(connected), list[str]()
    everybody = sorted({code for pair in pairs for code in pair})
    while reached(pairs, done) < reached(pairs, {*everybody, *done}):
        left = [code for code in everybody if code not in done]
        best = min(left, key=lambda code: worth(pairs, done, code))
        step = [best]
        if worth(pairs, done, best)[0] == 0:
            step = list(min(itertools.combinations(left, 2), key=lambda two: (-reached(pairs, done | set(two)), two)))
        order += step
        done |= set(step)
    return order


@settings(max_examples=300)
@given(pairs_of, st.sets(st.sampled_from(CODES), max_size=3))
def test_ranking_is_what_trying_everybody_gives(pairs: Pairs, connected: set[str]) -> None:
    order = greedy(pairs, connected)
    wanted = slowly(pairs, connected)
    cut = order[: len(wanted)]
    assert cut == wanted
    steps = gains(pairs, connected, order)
    assert reached(pairs, connected) + sum(steps) == sum(pairs.values())
    assert sum(steps[len(wanted) :]) == 0


@settings(max_examples=200)
@given(pairs_of, st.sets(st.sampled_from(CODES), min_size=1, max_size=3))
def test_the_first_step_is_the_best_there_is(pairs: Pairs, connected: set[str]) -> None:
    steps = gains(pairs, connected, greedy(pairs, connected))
    best = max(reached(pairs, connected | {code}) for code in CODES) - reached(pairs, connected)
    assert (steps[0] if steps else 0) in (best, 0)
    if best:
        assert steps[0] == best


def test_largest_first_goes_by_size_alone() -> None:
    assert largest_first({"A": 5, "B": 9, "C": 9, "D": 1}, {"A"}) == ["B", "C", "D"]


def connect(warehouse: Warehouse, **since: datetime.date | None) -> None:
    for code, day in since.items():
        warehouse.con.execute("UPDATE facility SET connected_since = ? WHERE facility_id = ?", [day, code.strip("f")])


def test_small_world(warehouse: Warehouse) -> None:
    connect(
        warehouse, f00001=datetime.date(2025, 1, 1), f00002=datetime.date(2026, 3, 9), f00003=datetime.date(2026, 3, 10)
    )
    warehouse.con.execute("UPDATE facility SET electronic_records = true WHERE facility_id <> '00003'")
    tables = rollout(warehouse).tables
    tiers = {row["tier"]: row for row in tables["tiers"].dicts()}
    assert [(tier, row["connected"], row["to_go"]) for tier, row in tiers.items()] == [
        ("central", 1, 0),
        ("provincial", 1, 0),
        ("private", 0, 1),  # connected a day after the last order
    ]
    assert (tiers["central"]["electronic_records"], tiers["private"]["electronic_records"]) == (1, 0)
    waiting = {row["test_id"]: row for row in tables["waiting"].dicts()}
    assert (waiting["hba1c"]["avoidable"], waiting["hba1c"]["waiting"], waiting["hba1c"]["orderer_missing"]) == (
        2,
        1,
        1,
    )
    assert (waiting["glucose"]["waiting"], waiting["glucose"]["waiting_vnd"]) == (0, 0)
    (step,) = tables["next"].dicts()
    assert (step["facility_id"], step["gain"], step["reached"], step["share"]) == ("00003", 1, 3, 1.0)


def test_nobody_connected_yet(warehouse: Warehouse) -> None:
    steps = rollout(warehouse).tables["next"].dicts()
    assert [(row["facility_id"], row["reached"]) for row in steps] == [("00001", 0), ("00002", 2), ("00003", 3)]


def test_filters_choose_the_orderers(warehouse: Warehouse) -> None:
    tables = rollout(warehouse, Filters(tiers=("private",))).tables
    assert [row["tier"] for row in tables["tiers"].dicts()] == ["private"]
    assert [row["test_id"] for row in tables["waiting"].dicts()] == ["hba1c"]


def test_every_format(warehouse: Warehouse) -> None:
    report = rollout(warehouse)
    for form in FORMATS:
        assert render(report, form, "vi")
        assert render(report, form, "en")
    assert b'href="#orders"' not in render(report, "html", "en")  # it has none


def test_nothing_is_left_behind(warehouse: Warehouse) -> None:
    rollout(warehouse)
    assert warehouse.con.execute("SELECT count(*) FROM duckdb_tables() WHERE temporary").fetchone() == (0,)


def test_empty() -> None:
    with memory_warehouse() as empty:
        assert rollout(empty).tables["next"].rows == ()
