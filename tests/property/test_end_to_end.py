"""Files in, Parquet out, through the command line: every flag is the oracle's."""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
import random
import subprocess
import sys
from pathlib import Path

import duckdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.oracle.judging import Line, World, flags
from tests.oracle.warehouse import COMPARED, write_rules

from .test_judging import invented
from .worlds import worlds

#: The export has the contract's columns and no others.
EXPORTED = [name for name in COMPARED if name != "verdict_if_recognised"]
REGISTER = (
    "facility_id", "name", "tier", "province", "lab_level", "iso15189", "level_from", "level_to", "accredited_tests",
)  # fmt: skip


def born(person: int) -> dt.date:
    return dt.date(2025, 12, 1) + dt.timedelta(days=person % 120)


def one_birth_date(line: Line) -> Line:
    """A patient has one birth date; it is what the record says."""
    return dataclasses.replace(line, birth_date=born(line.person))


def citizen_id(person: int) -> str:
    """A number that fits a boy of that birth year: 2 is a male of this century."""
    return f"0012{born(person):%y}{person:06}"


def write_orders(lines: list[Line], file: Path) -> None:
    def text(value: object) -> str:
        return "" if value is None else value.isoformat() if isinstance(value, dt.datetime) else str(value)

    columns = [
        "facility_id", "order_id", "line_no", "patient_id", "national_id", "full_name", "birth_date", "sex",
        "test_code", "code_system", "specimen", "performed_by", "ordered_at", "collected_at", "resulted_at", "status",
        "abnormal_flag", "setting", "order_reason", "price_vnd", "encounter_id",
    ]  # fmt: skip
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(columns)
        for x in lines:
            row = (
                x.facility_id, x.order_id, x.line_no, f"P{x.person}", citizen_id(x.person), f"Nguyễn Văn {x.person}",
                born(x.person), "male", x.test_id or "not in the catalogue", "local", x.specimen, x.performed_by,
                x.ordered_at, x.collected_at, x.resulted_at, x.status, x.abnormal_flag, x.setting, x.order_reason,
                x.price, x.encounter_id,
            )  # fmt: skip
            writer.writerow([text(value) for value in row])


def write_register(world: World, file: Path) -> None:
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, REGISTER, restval="")
        writer.writeheader()
        for row in world.facilities:
            cells = {name: "" if value is None else str(value).lower() for name, value in row.items()}
            cells["accredited_tests"] = ";".join(row["accredited_tests"] or [])
            writer.writerow(cells | {"facility_id": row["facility_id"], "name": "x", "tier": "district"})


def flags_by_command(world: World, folder: Path, files: int) -> list[dict[str, object]]:
    """``dedup run`` on the world's files, then ``dedup export flags``."""
    (folder / "orders").mkdir()
    (folder / "rules").mkdir()
    for at in range(files):
        write_orders(world.lines[at::files], folder / "orders" / f"{at}.csv")
    write_rules(world, folder / "rules")
    register = []
    if world.by_level:
        write_register(world, folder / "facilities.csv")
        register = ["--facilities", folder / "facilities.csv"]
    out, db = folder / "flags.parquet", folder / "w.duckdb"
    for arguments in (
        ["run", folder / "orders", "--db", db, "--rules", folder / "rules", *register, "--profile", world.profile],
        ["export", "flags", "-o", out, "--db", db],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "dedup", *map(str, arguments), "--quiet"], capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, "")
    found = duckdb.execute(f"SELECT {', '.join(EXPORTED)} FROM read_parquet(?) ORDER BY ALL", [str(out)]).fetchall()
    return [dict(zip(EXPORTED, row, strict=True)) for row in found]


def prepared(world: World) -> World:
    world.lines = [one_birth_date(line) for line in world.lines]
    world.by_level = bool(world.facilities)
    return world


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(worlds(), st.integers(1, 3))
def test_small_worlds(tmp_path_factory, world: World, files: int) -> None:
    world = prepared(world)
    expected = [{name: row[name] for name in EXPORTED} for row in flags(world)]
    assert flags_by_command(world, tmp_path_factory.mktemp("world"), files) == expected


@settings(max_examples=1, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(worlds(max_lines=3))
def test_ten_thousand_lines(tmp_path_factory, world: World) -> None:
    rng = random.Random(11)
    world.lines = [invented(rng, at) for at in range(1, 10_501)]
    world = prepared(world)
    expected = [{name: row[name] for name in EXPORTED} for row in flags(world)]
    assert len(expected) > 1000
    assert flags_by_command(world, tmp_path_factory.mktemp("world"), files=4) == expected
