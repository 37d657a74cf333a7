"""Night after night against the oracle: what is judged again is enough."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dedup.rules import flag
from dedup.settings import RecognitionSettings, RulesSettings, Settings
from dedup.warehouse import Warehouse, memory_warehouse, start_run
from tests.oracle.judging import Line, World
from tests.oracle.warehouse import COMPARED, fill, write_rules

from .test_judging import WORLDS, expected, invented
from .worlds import worlds

NIGHTS = 5
KEY = "facility_id, order_id, line_no, scope"

#: Lines that came or went tonight, told as loading tells it.
TONIGHT = """
INSERT INTO todo
SELECT 'flag', patient_record_id, min(least(ordered_at, coalesce(collected_at, resulted_at, ordered_at)))
FROM every JOIN stay USING (line_id) WHERE ? IN (first, last) GROUP BY ALL"""


def stays(rng: random.Random, lines: list[Line]) -> list[tuple[int, int]]:
    """Of each line the night it came and the one it was superseded or withdrawn (NIGHTS: never). Most come in the order
    of their times, some late."""
    in_time = sorted(range(len(lines)), key=lambda at: lines[at].ordered_at)
    rank = {at: place for place, at in enumerate(in_time)}
    out = []
    for at in range(len(lines)):
        first = rank[at] * NIGHTS // len(lines) if rng.random() < 0.85 else rng.randrange(NIGHTS)
        out.append((first, rng.randrange(first + 1, NIGHTS + 1) if rng.random() < 0.2 else NIGHTS))
    return out


def judge(warehouse: Warehouse, world: World, rules: Path) -> None:
    chosen = Settings(
        rules=RulesSettings(catalogue=rules, profile=world.profile),
        recognition=RecognitionSettings(policy="level" if world.by_level else "all"),
    )
    with start_run(warehouse, "test") as run:
        flag(warehouse, run, chosen)


def judge_nights(world: World, rng: random.Random) -> None:
    """Nights through the real stage; after each the flags are those of the lines that stand."""
    lines = world.lines
    stay = stays(rng, lines)
    with tempfile.TemporaryDirectory() as folder, memory_warehouse() as warehouse:
        rules = write_rules(world, Path(folder))
        fill(warehouse, world)
        con = warehouse.con
        con.execute("CREATE TEMP TABLE every AS FROM line; DELETE FROM line")
        con.execute("CREATE TEMP TABLE stay (line_id BIGINT, first INTEGER, last INTEGER)")
        con.executemany("INSERT INTO stay VALUES (?, ?, ?)", [(at, *nights) for at, nights in enumerate(stay, 1)])
        for night in range(NIGHTS):
            con.execute("INSERT INTO line SELECT every.* FROM every JOIN stay USING (line_id) WHERE first = ?", [night])
            con.execute(
                "UPDATE line SET superseded_by = 2 WHERE line_id IN (SELECT line_id FROM stay WHERE last = ?)", [night]
            )
            con.execute(TONIGHT, [night])
            judge(warehouse, world, rules)
            world.lines = [line for line, (first, last) in zip(lines, stay, strict=True) if first <= night < last]
            rows = con.execute(f"SELECT {', '.join(COMPARED)} FROM flag ORDER BY {KEY}").fetchall()
            assert [dict(zip(COMPARED, row, strict=True)) for row in rows] == expected(world)


@settings(max_examples=WORLDS // 10, deadline=None, suppress_health_check=list(HealthCheck))
@given(worlds(), st.integers(0, 10**6))
def test_nights_of_a_small_world(world: World, seed: int) -> None:
    judge_nights(world, random.Random(seed))


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(worlds(max_lines=3), st.integers(0, 10**6))
def test_nights_of_larger_worlds(world: World, seed: int) -> None:
    rng = random.Random(seed)
    world.lines = [invented(rng, at) for at in range(4_000)]
    judge_nights(world, rng)
