"""Puts an oracle world into a real warehouse, runs the real stage on it, and reads the flags back."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa

from dedup.rules import flag
from dedup.settings import RecognitionSettings, RulesSettings, Settings
from dedup.warehouse import Warehouse, memory_warehouse, start_run

from .judging import World

COMPARED = ("facility_id", "order_id", "line_no", "scope", "verdict", "reason", "test_id", "prior_facility_id",
            "prior_order_id", "prior_line_no", "prior_test_id", "prior_collected_at", "prior_resulted_at",
            "valid_until", "rule_id", "coverage", "chain_avoidable", "price_vnd", "avoidable_vnd",
            "verdict_if_recognised")  # fmt: skip

COLUMNS = {
    "tests": "test_id name_vi name_en discipline specimen loinc class price_vnd source",
    "codes": "code_system code test_id method facility_id source",
    "panels": "test_id component_id required",
    "validity": "profile test_id setting valid_hours condition valid_from valid_to rule_id source note",
    "exemptions": "reason verdict test_id discipline class setting prior_flag max_age_days order_reason "
    "same_encounter profile valid_from valid_to rule_id source note",
}


def write_rules(world: World, folder: Path) -> Path:
    """The world's catalogue as CSV files."""
    codes = [{"code_system": "local", "code": row["test_id"], "test_id": row["test_id"]} for row in world.tests]
    rows = {"tests": world.tests, "codes": codes, "panels": world.panels,
            "validity": world.validity, "exemptions": world.exemptions}  # fmt: skip
    for name, columns in COLUMNS.items():
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns.split(), extrasaction="ignore", restval="")
            writer.writeheader()
            writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows[name])
    return folder


def _cell(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def fill(warehouse: Warehouse, world: World) -> None:
    """Write the world's lines and register where loading and matching would have."""
    con = warehouse.con
    tests = sorted({line.test_id or "?" for line in world.lines})
    people = {person: at for at, person in enumerate(dict.fromkeys(line.person for line in world.lines), 1)}
    records = {
        (line.person, line.birth_date): at
        for at, line in enumerate({(x.person, x.birth_date): x for x in world.lines}.values(), 1)
    }
    con.execute("INSERT INTO delivery (delivery_id, delivery_no) VALUES ('d', 1)")
    for at, test in enumerate(tests):
        con.execute("INSERT INTO code VALUES (?, 'local', ?, 'any')", [at, test])
    for (person, birth), record in records.items():
        con.execute(
            "INSERT INTO match_person (patient_record_id, person_id, match_method, match_probability)"
            " VALUES (?, ?, 'national_id', 1)", [record, people[person]])  # fmt: skip
        con.execute(
            "INSERT INTO patient_identity (patient_record_id, facility_id, birth_date) VALUES (?, 'f', ?)",
            [record, birth])  # fmt: skip
    rows = [
        {
            "line_id": at, "facility_id": x.facility_id, "order_id": x.order_id, "line_no": x.line_no,
            "patient_record_id": records[x.person, x.birth_date], "code_id": tests.index(x.test_id or "?"),
            "specimen": x.specimen, "performing_facility_id": x.laboratory, "ordered_at": x.ordered_at,
            "collected_at": x.collected_at, "resulted_at": x.resulted_at, "status": x.status,
            "abnormal_flag": x.abnormal_flag, "setting": x.setting, "order_reason": x.order_reason,
            "price_vnd": x.price, "delivery_no": 1, "encounter_id": x.encounter_id,
        }
        for at, x in enumerate(world.lines, 1)
    ]  # fmt: skip
    if rows:
        con.register("incoming", pa.Table.from_pylist(rows))
        con.execute("INSERT INTO line BY NAME FROM incoming")
        con.unregister("incoming")
    for row in world.facilities:
        con.execute(
            "INSERT INTO facility (facility_id, lab_level, iso15189, level_from, level_to, accredited_tests,"
            " registered) VALUES (?, ?, ?, ?, ?, ?, true)",
            [*(row[name] for name in ("facility_id", "lab_level", "iso15189", "level_from", "level_to")),
             row.get("accredited_tests")])  # fmt: skip


def flags_from_sql(world: World) -> list[dict[str, Any]]:
    """The flags of the real stage, in the oracle's columns and order."""
    with tempfile.TemporaryDirectory() as folder, memory_warehouse() as warehouse:
        rules = RulesSettings(catalogue=write_rules(world, Path(folder)), profile=world.profile)
        recognition = RecognitionSettings(policy="level" if world.by_level else "all")
        fill(warehouse, world)
        with start_run(warehouse, "test") as run:
            flag(warehouse, run, Settings(rules=rules, recognition=recognition))
        found = warehouse.con.execute(
            f"SELECT {', '.join(COMPARED)} FROM flag ORDER BY facility_id, order_id, line_no, scope"
        ).fetchall()
        return [dict(zip(COMPARED, row, strict=True)) for row in found]
