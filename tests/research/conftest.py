"""A warehouse file with a few flags and hostile ids."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from dedup.schema import APART, KEPT_TEXTS
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
        texts = {"name": "tran van canary", "insurance_numbers": "1234567890"}
        con.execute(
            "INSERT INTO patient_identity (patient_record_id, facility_id, patient_id) VALUES (5, '01001', 'P-77')"
        )
        con.execute("INSERT INTO match_person (patient_record_id, person_id, match_method) VALUES (5, 5, 'single')")
        con.execute("INSERT INTO match_record VALUES (5, 1)")
        con.execute(
            "INSERT INTO match_variant (variant_no, texts, numbers) VALUES (1, ?, 0)",
            [APART.join(texts.get(name, "") for name in KEPT_TEXTS)],
        )
    return path
