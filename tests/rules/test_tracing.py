"""A trace says what the flag says, and finds a reason for every prior that does not count."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings

from dedup.errors import UsageError
from dedup.rules import flag, trace
from dedup.rules.tracing import FAILURES
from dedup.schema import VERDICTS
from dedup.settings import RecognitionSettings, RulesSettings, Settings
from dedup.warehouse import memory_warehouse, start_run
from tests.oracle.judging import World, flags
from tests.oracle.warehouse import fill, write_rules
from tests.property.worlds import worlds


@hypothesis_settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(worlds(max_lines=10))
def test_a_trace_agrees_with_the_flags(world: World) -> None:
    expected = {(row["facility_id"], row["order_id"], row["line_no"], row["scope"]): row for row in flags(world)}
    with tempfile.TemporaryDirectory() as folder, memory_warehouse() as warehouse:
        rules = RulesSettings(catalogue=write_rules(world, Path(folder)), profile=world.profile)
        settings = Settings(rules=rules, recognition=RecognitionSettings(policy="level" if world.by_level else "all"))
        fill(warehouse, world)
        with start_run(warehouse, "test") as run:
            flag(warehouse, run, settings)
        for line in world.lines:
            found = trace(warehouse, settings, *line.key)
            for scope in ("elsewhere", "same_facility"):
                judged = [one for one in found.judgements if one.scope == scope]
                row = expected.get((*line.key, scope))
                assert [one.verdict for one in judged] == ([row["verdict"]] if row else [])
                said = [prior for prior in found.priors if prior.scope == scope and prior.verdict]
                assert bool(said) == bool(row)
                if row and row["coverage"] in ("same", "panel"):
                    direct = [prior.verdict for prior in said if prior.target == line.test_id]
                    assert min(direct, key=VERDICTS.index) == row["verdict"]
            assert all((prior.failed in FAILURES) != (prior.verdict in VERDICTS) for prior in found.priors)


def test_an_unknown_line_is_named_without_its_number() -> None:
    with memory_warehouse() as warehouse, pytest.raises(UsageError) as caught:
        trace(warehouse, Settings(), "01001", "secret-order", 1)
    assert "secret-order" not in str(caught.value)
