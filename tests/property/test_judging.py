"""The real stage against the oracle: every row of every world, every column."""

from __future__ import annotations

import os
import random

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.oracle.judging import Line, World, flags
from tests.oracle.warehouse import COMPARED, flags_from_sql

from .worlds import PANELS, SINGLES, START, minutes, worlds

#: Small worlds tried in every run of the tests; set DEDUP_WORLDS for more.
WORLDS = int(os.environ.get("DEDUP_WORLDS", "150"))


def expected(world: World) -> list[dict[str, object]]:
    return [{name: row[name] for name in COMPARED} for row in flags(world)]


@settings(max_examples=WORLDS, deadline=None, suppress_health_check=list(HealthCheck))
@given(worlds())
def test_every_flag_of_a_small_world_is_the_oracles(world: World) -> None:
    assert flags_from_sql(world) == expected(world)


@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(worlds(max_lines=3), st.integers(0, 10**6))
def test_every_flag_of_a_large_world_is_the_oracles(world: World, seed: int) -> None:
    """More than ten thousand lines of six hundred persons under one catalogue."""
    rng = random.Random(seed)
    world.lines = [invented(rng, at) for at in range(10_500)]
    found = flags_from_sql(world)
    assert found == expected(world)


def invented(rng: random.Random, at: int) -> Line:
    """A line like the strategy's, drawn without Hypothesis, which is slow at ten thousand of them."""
    ordered = START + minutes(rng.randrange(0, 5 * 24 * 60))
    collected, resulted = rng.choice([None, -10, 0, 3, 5, 60]), rng.choice([None, 20, 20, 20, 90, 600])
    return Line(
        rng.choice("ABC"), rng.choice(["1", "2", "é"]) + str(at // 2), at, rng.randrange(600),
        rng.choice([*SINGLES, *PANELS, None]), ordered,
        None if collected is None else ordered + minutes(collected),
        None if resulted is None else ordered + minutes(resulted),
        rng.choice(["final"] * 8 + ["corrected", "ordered", "cancelled"]), rng.choice([None] * 4 + ["blood", "urine"]),
        rng.choice([None] * 5 + ["A", "Z"]), rng.choice([None, None, "N", "H", "HH", "POS"]),
        rng.choice(["unknown", "unknown", "icu"]), rng.choice([None] * 6 + ["other"]),
        encounter_id=rng.choice([None, "s"]),
    )  # fmt: skip
