"""A warehouse file with a few flags and hostile ids."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from dedup.schema import TABLES
from dedup.warehouse import open_warehouse

WHEN = datetime.datetime(2026, 3, 2, 8, 0)
#: Order numbers in the order an export must give them: by code point.
ORDERS = ["'quoted", "+1", "-2", "0007", "=cmd|' /C calc'!A0", "@sum", "plain", 'with "quotes", and comma', "đ"]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A warehouse with one flag in each scope for every one of ORDERS."""
    path = tmp_path / "w.duckdb"
    with open_warehouse(path) as warehouse:
        con = warehouse.con
        for order in reversed(ORDERS):
            for scope in ("same_facility", "elsewhere"):
                con.execute(
                    "INSERT INTO flag (facility_id, order_id, line_no, scope, verdict, ordered_at, hours_since_prior, "
                    "price_vnd, avoidable_vnd, chain_avoidable) VALUES ('01001', ?, 1, ?, 'avoidable', ?, 1.5, 20000, "
                    "21500.5, true)",
                    [order, scope, WHEN],
                )
        con.execute("INSERT INTO delivery (delivery_id, delivery_no) VALUES ('d', 1)")
        con.execute("INSERT INTO code VALUES (1, 'local', 'GLU', '')")
        for number, order in enumerate(ORDERS):
            con.execute(
                "INSERT INTO line (line_id, facility_id, order_id, line_no, patient_record_id, code_id, ordered_at, "
                "delivery_no) VALUES (?, '01001', ?, 1, 5, 1, ?, 1)",
                [number, order, WHEN],
            )
        values = {
            "patient_record_id": 5,
            "facility_id": "01001",
            "patient_id": "P-77",
            "person_id": 5,
            "match_method": "single",
            "name": "tran van canary",
            "insurance_numbers": ["1234567890"],
        }
        marks = ", ".join("?" for _ in values)
        con.execute(f"INSERT INTO patient_record ({', '.join(values)}) VALUES ({marks})", list(values.values()))
    assert set(values) < set(TABLES["patient_record"].columns)
    return path
