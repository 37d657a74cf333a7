"""dedup mapping: from a hospital's own table to order lines."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Dedup

TABLE = """Mã CSKCB;Số phiếu;Mã BN;Mã dịch vụ;Ngày chỉ định;Trạng thái
01001;P1;BN1;23.0083.1523;2026-03-01 08:00;final
01001;P2;BN1;23.0083.1523;2026-03-15 08:00;final
"""
MAPPING = """[columns.facility_id]
column = "Mã CSKCB"
[columns.order_id]
column = "Số phiếu"
[columns.patient_id]
column = "Mã BN"
[columns.test_code]
column = "Mã dịch vụ"
[columns.ordered_at]
column = "Ngày chỉ định"
[columns.status]
column = "Trạng thái"
"""


def test_a_table_is_drafted_checked_and_loaded(dedup: Dedup, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(TABLE, encoding="utf-8")
    assert "[columns.patient_id]" in dedup("mapping", "suggest", "table.csv").stdout
    assert "[columns.patient_id]" in json.loads(dedup("mapping", "suggest", "table.csv", "--json").stdout)["draft"]
    assert dedup("mapping", "suggest", "table.csv", "-o", "draft.toml").returncode == 0
    (tmp_path / "mapping.toml").write_text(MAPPING, encoding="utf-8")
    checked = dedup("mapping", "check", "mapping.toml", "table.csv", "--json")
    assert (checked.returncode, json.loads(checked.stdout)["rows_read"]) == (0, 2)
    loaded = dedup("load", "table.csv", "--mapping", "mapping.toml", "--db", "w.duckdb", "--json")
    assert json.loads(loaded.stdout)["counts"]["load"]["rows_loaded"] == 2


def test_a_mapping_that_does_not_fit_is_said(dedup: Dedup, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(TABLE.replace("Mã BN", "Bệnh nhân"), encoding="utf-8")
    (tmp_path / "mapping.toml").write_text(MAPPING, encoding="utf-8")
    result = dedup("mapping", "check", "mapping.toml", "table.csv")
    assert result.returncode == 1
    assert "lacks a column" in result.stderr
