"""Flags per shipped profile on the sample world, and what each profile would change of the default's.

    .venv/bin/python -m benchmarks.rules.profiles

Loads and matches once, flags by each profile in turn, and compares every other profile with the default one without
flagging, as ``dedup rules diff`` does; the two ways must agree on every count.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from dedup import pipeline
from dedup.rules.reading import read_catalogue
from dedup.rules.trying import compare
from dedup.schema import SCOPES, VERDICTS
from dedup.settings import LoadingSettings, RulesSettings, Settings, WarehouseSettings
from dedup.simulation import samples_dir

Counts = dict[tuple[str, str], int]


def flagged(settings: Settings, profile: str) -> tuple[Counts, dict[str, int]]:
    """Flags by (scope, verdict), and avoidable đồng by scope, when everybody is flagged by ``profile``."""
    chosen = settings.model_copy(update={"rules": RulesSettings(profile=profile)})
    pipeline.flag(chosen, everything=True)
    with pipeline.reading(chosen) as warehouse:
        rows = warehouse.con.execute(
            "SELECT scope, verdict, count(*), CAST(sum(avoidable_vnd) AS BIGINT) FROM flag GROUP BY ALL"
        ).fetchall()
    money = {scope: sum(vnd for at, _, _, vnd in rows if at == scope) for scope in SCOPES}
    return {(scope, verdict): count for scope, verdict, count, _ in rows}, money


def main() -> None:
    world, catalogue = samples_dir() / "world", read_catalogue()
    default = RulesSettings().profile
    others = sorted(set(catalogue.validity["profile"]) - {default})
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            warehouse=WarehouseSettings(path=Path(folder) / "world.duckdb"),
            loading=LoadingSettings(facilities=world / "facilities.csv"),
        )
        made = pipeline.run([world / "input"], settings)
        print(f"{made.counts['load']['rows_loaded']:,} lines loaded, {made.counts['match']['persons']:,} persons")
        counted: dict[str, Counts] = {}
        for profile in (default, *others):
            counted[profile], money = flagged(settings, profile)
            for scope in SCOPES:
                told = ", ".join(f"{verdict} {counted[profile].get((scope, verdict), 0):,}" for verdict in VERDICTS)
                total = sum(count for (at, _), count in counted[profile].items() if at == scope)
                print(f"{profile:18} {scope:14} {total:5,} flags: {told}; avoidable {money[scope]:,} đồng")
        for profile in others:
            with pipeline.reading(settings) as warehouse:
                found = compare(warehouse, settings, (catalogue, default), (catalogue, profile)).by_test
            for row in found.filter(found["test_id"] == "*").to_dicts():
                after = sum(count for (at, _), count in counted[profile].items() if at == row["scope"])
                assert row["flags_after"] == after, "rules diff and flagging disagree"
                print(f"{default} → {profile}, {row['scope']}: "
                      f"{row['gained']:,} gained, {row['lost']:,} lost, {row['changed']:,} changed")  # fmt: skip


if __name__ == "__main__":
    main()
