"""What ``dedup vacuum`` leaves is what a fresh load of it gives; ``dedup backfill`` gives what judging all gives."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from dedup import pipeline
from dedup.loading import forget
from dedup.matching import match
from dedup.rules import flag
from dedup.schema import CANONICAL
from dedup.settings import Settings
from dedup.simulation import simulate
from dedup.warehouse import open_warehouse, start_run
from dedup.warehouse.checking import check_warehouse
from dedup.warehouse.publishing import finished_nights

Change = Callable[..., Settings]
TODAY = datetime.date(2026, 11, 20)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    simulate(80, 4, folder, days=60)
    return folder


@pytest.fixture
def settings(world: Path, tmp_path: Path) -> Change:
    def change(name: str = "w", keep_days: int | None = None, profile: str = "moh-draft-2026-08") -> Settings:
        return Settings.model_validate({
            "warehouse": {"path": tmp_path / f"{name}.duckdb", "keep_days": keep_days},
            "loading": {"facilities": world / "facilities.csv"},
            "rules": {"profile": profile},
        })  # fmt: skip

    return change


def table(settings: Settings, sql: str) -> pl.DataFrame:
    with pipeline.reading(settings) as warehouse:
        return warehouse.con.execute(sql).pl()


def outcome(settings: Settings) -> list[pl.DataFrame]:
    return [
        table(settings, f"SELECT {columns} FROM {name} ORDER BY ALL")
        for name, columns in (
            ("flag", "* EXCLUDE (run_id)"),
            ("patient_record", "*"),
            ("order_line", "* EXCLUDE (delivery_id)"),
        )
    ]


def canonical(settings: Settings, place: Path) -> None:
    """The current order lines of a warehouse as a delivery."""
    other = {
        "performed_by": "l.performing_facility_id",
        "birth_date": "left(i.birth_date::VARCHAR, CASE i.birth_precision WHEN 'year' THEN 4 WHEN 'month' THEN 7 "
        "ELSE 10 END)",
    }
    own = {"patient_id", "national_id", "insurance_id", "full_name", "sex", "phone", "province", "address"}
    cells = [
        f"{other.get(name) or ('i.' if name in own else 'c.' if name in ('test_code', 'code_system') else 'l.') + name}"
        f" AS {name}"
        for name in CANONICAL
    ]
    table(
        settings,
        f"SELECT {', '.join(cells)} FROM line AS l JOIN identity AS i USING (identity_id) "
        "JOIN code AS c USING (code_id) WHERE l.superseded_by IS NULL",
    ).write_csv(place)


def day_before(settings: Settings, share: float) -> datetime.date:
    found = table(settings, f"SELECT quantile_disc(ordered_at, {share})::DATE AS day FROM order_line")["day"][0]
    assert isinstance(found, datetime.date)
    return found


def test_what_remains_is_as_a_fresh_load_of_it(world: Path, settings: Change, tmp_path: Path) -> None:
    pipeline.run([world / "input"], settings())
    before = day_before(settings(), 0.5)
    sizes = {name: table(settings(), f"FROM {name}").height for name in ("line", "identity", "patient_record", "flag")}
    kept = settings(keep_days=(TODAY - before).days)
    summary, _, _ = pipeline.vacuum(kept, TODAY)
    dropped = summary.counts["retention"]
    assert dropped["lines"] > 100 and dropped["identities"] > 10 and dropped["patient_records"] > 10
    for name, count in (("line", "lines"), ("identity", "identities"), ("patient_record", "patient_records")):
        assert table(kept, f"FROM {name}").height == sizes[name] - dropped[count]
    assert table(kept, f"FROM line WHERE ordered_at < DATE '{before}'").is_empty()
    assert table(kept, f"FROM flag WHERE ordered_at < DATE '{before}'").is_empty()
    assert table(kept, f"FROM flag_history WHERE prior_collected_at < DATE '{before}'").is_empty()
    assert table(kept, "FROM identity ANTI JOIN line USING (identity_id)").is_empty()
    assert table(kept, "FROM match_variant ANTI JOIN match_record USING (variant_no)").is_empty()
    assert len(finished_nights(kept.warehouse.path)) == 1  # the other held what was dropped
    assert [one for one in check_warehouse(kept.warehouse) if one.outcome == "bad" and one.question != "disk"] == []
    canonical(kept, tmp_path / "left.csv")
    pipeline.run([tmp_path / "left.csv"], settings("fresh"))
    for found, expected in zip(outcome(kept), outcome(settings("fresh")), strict=True):
        assert found.equals(expected)
        assert not found.is_empty()
    again = pipeline.run([world / "input"], settings())  # the same bytes
    assert again.counts["load"]["rows_loaded"] == 0


def test_flags_of_persons_that_are_no_more_end(world: Path, settings: Change) -> None:
    pipeline.run([world / "input"], settings())
    before = day_before(settings(), 0.5)
    lost = "FROM flag ANTI JOIN (FROM line WHERE superseded_by IS NULL) AS l USING (facility_id, order_id, line_no)"
    with open_warehouse(settings().warehouse.path) as warehouse, start_run(warehouse, "night") as log:
        count = warehouse.con.execute("SELECT count(*) FROM flag").fetchone()
        forget(warehouse, log, before)
        match(warehouse, log, settings())
        flag(warehouse, log, settings())
        assert warehouse.con.execute(lost).fetchall() == []
        left = warehouse.con.execute("SELECT count(*) FROM flag").fetchone()
        ended = warehouse.con.execute("SELECT count(*) FROM flag_history WHERE until_run_id = 2").fetchone()
        assert count and left and ended and ended[0] > 0
        assert count[0] <= left[0] + ended[0]  # a flag that changes ends, too


def test_without_keep_days_nothing_is_dropped(world: Path, settings: Change) -> None:
    pipeline.run([world / "input"], settings())
    before = outcome(settings())
    summary, _, _ = pipeline.vacuum(settings())
    assert summary.counts == {}
    assert all(one.equals(other) for one, other in zip(outcome(settings()), before, strict=True))


def test_a_vacuum_that_broke_off_is_made_good_by_the_next(
    world: Path, settings: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.run([world / "input"], settings())
    kept = settings(keep_days=(TODAY - day_before(settings(), 0.5)).days)
    whole = settings("whole", kept.warehouse.keep_days)
    pipeline.run([world / "input"], whole)
    pipeline.vacuum(whole, TODAY)
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "_match", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            pipeline.vacuum(kept, TODAY)
    pipeline.vacuum(kept, TODAY)
    assert all(one.equals(other) for one, other in zip(outcome(kept), outcome(whole), strict=True))


def test_backfill_gives_what_judging_all_gives(world: Path, settings: Change) -> None:
    other = settings(profile="guideline")
    pipeline.run([world / "input"], settings())
    first, last = day_before(settings(), 0.3), day_before(settings(), 0.6)
    inside = f"ordered_at::DATE BETWEEN DATE '{first}' AND DATE '{last}'"
    flags = "SELECT * EXCLUDE (run_id) FROM flag WHERE {} ORDER BY ALL"
    before = table(other, flags.format(f"NOT ({inside})"))
    with open_warehouse(other.warehouse.path) as warehouse:
        warehouse.con.execute(
            "INSERT INTO todo (stage, patient_record_id) SELECT 'flag', patient_record_id FROM patient_record LIMIT 3"
        )
    summary = pipeline.backfill(other, (first, last))
    assert any("flags of other days are stale" in note for note in summary.notes["flag"])
    judged = table(other, flags.format(inside))
    assert table(other, flags.format(f"NOT ({inside})")).equals(before)
    assert table(other, "FROM todo").height == 3  # still waits
    pipeline.flag(other, everything=True)
    assert table(other, flags.format(inside)).equals(judged)
    assert not judged.equals(table(settings("w"), flags.format(f"NOT ({inside})")))
    history = table(other, "SELECT count(*) AS n FROM flag_history WHERE until_run_id = 2")
    assert history["n"][0] > 0  # what the earlier rules said is kept
    assert not any("stale" in note for note in pipeline.backfill(other, (first, last)).notes["flag"])


def test_backfill_of_nothing_changes_nothing(world: Path, settings: Change) -> None:
    pipeline.run([world / "input"], settings())
    before = outcome(settings())
    pipeline.backfill(settings(profile="guideline"), (datetime.date(1999, 1, 1), datetime.date(1999, 12, 31)))
    assert all(one.equals(other) for one, other in zip(outcome(settings()), before, strict=True))
