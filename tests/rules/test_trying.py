"""Comparing rules on a warehouse: the same as flagging twice and comparing; and the warehouse stays as it is."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dedup import pipeline
from dedup.cli.rules import _side
from dedup.errors import ConfigError
from dedup.rules.reading import read_catalogue
from dedup.rules.trying import Difference, compare
from dedup.settings import LoadingSettings, RulesSettings, Settings, WarehouseSettings
from dedup.simulation import samples_dir

from .conftest import Write

DEFAULT = "moh-draft-2026-08"
OFF = "profile,test_id,setting,valid_hours\nmoh-draft-2026-08,hba1c,,\n"
Flags = dict[tuple[Any, ...], dict[str, Any]]


def settings_for(db: Path, **rules: Any) -> Settings:
    register = samples_dir() / "world" / "facilities.csv"
    return Settings(
        warehouse=WarehouseSettings(path=db),
        loading=LoadingSettings(facilities=register),
        rules=RulesSettings(**rules),
    )


@pytest.fixture(scope="module")
def flagged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample world, loaded, matched, and flagged by the default profile."""
    db = tmp_path_factory.mktemp("world") / "w.duckdb"
    pipeline.run([samples_dir() / "world" / "input"], settings_for(db))
    return db


@pytest.fixture
def site(write: Write) -> Path:
    """A site's folder with one row: HbA1c has no rule of its own."""
    return write("site", base={}, validity=OFF)


def bytes_of(folder: Path) -> dict[str, str]:
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def flags_of(db: Path, copy: Path, **rules: Any) -> Flags:
    """The flags of another warehouse with the same lines, flagged by these rules."""
    copy.mkdir()
    shutil.copy(db, copy / "w.duckdb")
    settings = settings_for(copy / "w.duckdb", **rules)
    pipeline.flag(settings, everything=True)
    with pipeline.reading(settings) as warehouse:
        rows = warehouse.con.execute("FROM flag").pl().to_dicts()
    return {tuple(row[name] for name in ("facility_id", "order_id", "line_no", "scope")): row for row in rows}


def difference(db: Path, before: tuple[Any, str], after: tuple[Any, str]) -> Difference:
    settings = settings_for(db)
    kept = bytes_of(db.parent)
    with pipeline.reading(settings) as warehouse:
        found = compare(warehouse, settings, before, after)
        assert warehouse.con.execute("SELECT count(*) FROM duckdb_tables() WHERE temporary AND table_name LIKE 'flag_%'"
                                     " AND table_name <> 'flag_words'").fetchall() == [(0,)]  # fmt: skip
        assert warehouse.con.execute("SELECT count(*) FROM code_test").fetchall()[0][0] > 100
    assert bytes_of(db.parent) == kept
    return found


def agree(found: Difference, before: Flags, after: Flags) -> None:
    """``found`` is what two sets of flags, compared row by row, say."""
    names = ("verdict", "reason", "avoidable_vnd", "chain_avoidable")
    changes: dict[tuple[Any, ...], str] = dict.fromkeys(before.keys() - after.keys(), "lost")
    changes |= dict.fromkeys(after.keys() - before.keys(), "gained")
    both = before.keys() & after.keys()
    changes |= {key: "changed" for key in both if any(before[key][name] != after[key][name] for name in names)}
    rows = {tuple(row.values())[:4]: row for row in found.changes.to_dicts()}
    assert {key: row["change"] for key, row in rows.items()} == changes
    assert list(rows) == sorted(rows)
    for key, row in rows.items():
        assert row["verdict_before"] == before.get(key, {}).get("verdict")
        assert row["verdict_after"] == after.get(key, {}).get("verdict")
    counted = Counter(
        (test, key[3], change) for key, change in changes.items() for test in ("*", {**before, **after}[key]["test_id"])
    )
    by_test = {(row["test_id"], row["scope"]): row for row in found.by_test.to_dicts()}
    told = {(*at, name): row[name] for at, row in by_test.items() for name in ("gained", "lost", "changed")}
    assert {key: count for key, count in told.items() if count} == counted
    for (test, scope), row in by_test.items():
        for side, flags in (("before", before), ("after", after)):
            mine = [one for key, one in flags.items() if key[3] == scope and test in ("*", one["test_id"])]
            assert row[f"flags_{side}"] == len(mine)
            assert row[f"avoidable_{side}"] == sum(one["verdict"] == "avoidable" for one in mine)
            assert row[f"avoidable_vnd_{side}"] == sum((one["avoidable_vnd"] for one in mine), Decimal(0))
            chained = [one["avoidable_vnd"] for one in mine if one["chain_avoidable"]]
            assert row[f"chain_avoidable_vnd_{side}"] == sum(chained, Decimal(0))


def test_two_profiles(flagged: Path, tmp_path: Path) -> None:
    catalogue = read_catalogue()
    found = difference(flagged, (catalogue, "conservative"), (catalogue, "guideline"))
    kinds = set(found.changes["change"])
    assert kinds == {"gained", "lost", "changed"}, "the world is rich enough for all three"
    before = flags_of(flagged, tmp_path / "a", profile="conservative")
    agree(found, before, flags_of(flagged, tmp_path / "b", profile="guideline"))


def test_a_row_switched_off_by_a_site(flagged: Path, tmp_path: Path, site: Path) -> None:
    found = difference(flagged, (read_catalogue(), DEFAULT), (read_catalogue(None, site), DEFAULT))
    assert set(found.by_test["test_id"]) == {"*", "hba1c"}
    assert found.by_test["lost"].sum() > 0
    before = flags_of(flagged, tmp_path / "a")
    agree(found, before, flags_of(flagged, tmp_path / "b", overlay=site))


def test_the_same_rules_change_nothing(flagged: Path) -> None:
    catalogue = read_catalogue()
    found = difference(flagged, (catalogue, DEFAULT), (catalogue, DEFAULT))
    assert found.changes.is_empty() and set(found.by_test["test_id"]) == {"*"}


def test_an_unknown_profile_leaves_nothing_behind(flagged: Path) -> None:
    catalogue = read_catalogue()
    with pipeline.reading(settings_for(flagged)) as warehouse:
        with pytest.raises(ConfigError):
            compare(warehouse, settings_for(flagged), (catalogue, DEFAULT), (catalogue, "nonsense"))
        assert warehouse.con.execute("SELECT count(*) FROM flag").fetchall()[0][0] > 500
        assert warehouse.con.execute("SELECT count(*) FROM duckdb_tables() WHERE temporary AND table_name = 'test'"
                                     ).fetchall() == [(0,)]  # fmt: skip


def test_how_rules_are_named(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    site = write("site", base={}, specimens="text,specimen\nour serum,blood\n")
    own = write("own")
    plain, with_site = read_catalogue().version, read_catalogue(None, site).version
    settings = Settings(rules=RulesSettings(overlay=site))
    named = {name: _side(settings, name) for name in ("guideline", "+", "+site:p", "own", "own+:p", ":q", f"{own}:q")}
    assert {name: profile for name, (_, profile) in named.items()} == {
        "guideline": "guideline", "+": DEFAULT, "+site:p": "p", "own": DEFAULT, "own+:p": "p", ":q": "q",
        f"{own}:q": "q",
    }  # fmt: skip
    assert named["own"][0].version == named[f"{own}:q"][0].version == read_catalogue(own, site).version
    assert named["guideline"][0].version == named["+site:p"][0].version == with_site
    assert named["+"][0].version == plain
    assert named["own+:p"][0].version == read_catalogue(own).version
