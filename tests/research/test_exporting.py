"""Exports hold the contract's columns, whole, in order, private, and harmless in a spreadsheet."""

from __future__ import annotations

import csv
import stat
from pathlib import Path

import duckdb
import pandas
import pytest

import dedup.research.exporting
from dedup.errors import DedupError, UsageError
from dedup.research import export
from dedup.warehouse import Warehouse, open_warehouse
from tests.research.conftest import ORDERS

FLAG = [
    "facility_id",
    "order_id",
    "line_no",
    "scope",
    "verdict",
    "reason",
    "person_id",
    "test_id",
    "ordered_at",
    "prior_facility_id",
    "prior_order_id",
    "prior_line_no",
    "prior_test_id",
    "prior_collected_at",
    "prior_resulted_at",
    "hours_since_prior",
    "valid_until",
    "rule_id",
    "coverage",
    "match_method",
    "match_probability",
    "price_vnd",
    "avoidable_vnd",
    "chain_avoidable",
    "run_id",
]


@pytest.fixture
def warehouse(database: Path) -> Warehouse:
    return open_warehouse(database, read_only=True)


def test_flags_to_parquet(warehouse: Warehouse, tmp_path: Path) -> None:
    out = tmp_path / "f.parquet"
    assert export(warehouse, "flags", out) == 2 * len(ORDERS)
    found = duckdb.read_parquet(str(out))
    assert found.columns == FLAG
    keys = [(row[1], row[3]) for row in found.fetchall()]
    assert keys == [(order, scope) for order in ORDERS for scope in ("elsewhere", "same_facility")]
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_flags_to_csv(warehouse: Warehouse, tmp_path: Path) -> None:
    out = tmp_path / "f.csv"
    assert export(warehouse, "flags", out) == 2 * len(ORDERS)
    assert out.read_bytes().startswith(b"\xef\xbb\xbffacility_id,order_id,")
    with out.open(encoding="utf-8-sig", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert list(rows[0]) == FLAG
    assert not [cell for row in rows for cell in row.values() if cell[:1] in ("=", "+", "-", "@", "\t", "\r")]
    given_back = [row["order_id"].removeprefix("'") for row in rows]
    assert given_back == [order for order in ORDERS for _ in range(2)]
    assert {(row["price_vnd"], row["avoidable_vnd"], row["ordered_at"], row["hours_since_prior"]) for row in rows} == {
        ("20000", "21500.5", "2026-03-02 08:00:00", "1.5")
    }
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_csv_is_read_by_pandas_and_duckdb(warehouse: Warehouse, tmp_path: Path) -> None:
    out = tmp_path / "f.csv"
    export(warehouse, "flags", out)
    assert list(pandas.read_csv(out, dtype=str).columns) == FLAG
    assert duckdb.read_csv(str(out), all_varchar=True).columns == FLAG


def test_orders(warehouse: Warehouse, tmp_path: Path) -> None:
    out = tmp_path / "o.parquet"
    assert export(warehouse, "orders", out) == len(ORDERS)
    assert [row[1] for row in duckdb.read_parquet(str(out)).fetchall()] == ORDERS


def test_patients_without_identity(warehouse: Warehouse, tmp_path: Path) -> None:
    out = tmp_path / "p.csv"
    export(warehouse, "patients", out)
    assert out.read_text("utf-8-sig").splitlines() == [
        "facility_id,patient_id,person_id,match_method,match_probability",
        "01001,P-77,5,single,",
    ]


def test_patients_identified(warehouse: Warehouse, tmp_path: Path) -> None:
    out = tmp_path / "p.csv"
    export(warehouse, "patients", out, identified=True)
    assert "tran van canary" in out.read_text("utf-8-sig")
    assert "1234567890" in out.read_text("utf-8-sig")


@pytest.mark.parametrize(
    ("what", "name", "identified"),
    [("flags", "f.xlsx", False), ("nothing", "f.csv", False), ("flags", "f.csv", True), ("flags", "no/f.csv", False)],
)
def test_calls_that_make_no_sense(warehouse: Warehouse, tmp_path: Path, what: str, name: str, identified: bool) -> None:
    with pytest.raises(UsageError):
        export(warehouse, what, tmp_path / name, identified=identified)


def test_an_older_file_stays_when_writing_fails(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "f.parquet"
    out.write_text("old")
    monkeypatch.setattr(dedup.research.exporting, "select", lambda *_, **__: "SELECT CAST('canary' AS INTEGER)")
    with pytest.raises(DedupError) as error:
        export(warehouse, "flags", out)
    assert "canary" not in str(error.value)
    assert out.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir() if item.name.startswith(".")] == []


def test_awkward_names(warehouse: Warehouse, tmp_path: Path) -> None:
    out = tmp_path / "it's [a] * file?.csv"
    export(warehouse, "flags", out)
    assert out.exists()
