"""Spreadsheets, CSV and reports as files."""

from __future__ import annotations

import csv
import datetime
import io
import stat
import zipfile
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedup.errors import UsageError
from dedup.reporting import Filters, figures, orders_held, render, write_each_hospital, write_report
from dedup.reporting.collation import sort_key
from dedup.reporting.writing import file_name
from dedup.warehouse import Warehouse, memory_warehouse

ATTACKS = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "'=1", "{=1}", "http://x.y", "<b>"]


def workbook(content: bytes) -> openpyxl.Workbook:
    return openpyxl.load_workbook(io.BytesIO(content))


@pytest.mark.parametrize("lang", ["vi", "en"])
def test_xlsx_has_a_sheet_for_every_table(warehouse: Warehouse, lang: str) -> None:
    report = figures(warehouse)
    book = workbook(render(report, "xlsx", lang))
    assert len(book.sheetnames) == len(report.tables) + 2
    for sheet in book.worksheets[1:]:
        assert sheet.freeze_panes == "A2"
        assert sheet.auto_filter.ref


def test_xlsx_cells_have_types(warehouse: Warehouse) -> None:
    book = workbook(render(figures(warehouse), "xlsx", "en"))
    glance = book.worksheets[1]
    row = {head.value: cell for head, cell in zip(glance[1], glance[2], strict=True)}
    assert row["Avoidable"].value == 3
    assert (row["Avoidable đồng"].value, row["Avoidable đồng"].number_format) == (120000, '#,##0 "₫"')
    assert (row["Avoidable share"].value, row["Avoidable share"].number_format) == (0.3, "0.0%")
    orders = book.worksheets[-1]
    row = {head.value: cell for head, cell in zip(orders[1], orders[2], strict=True)}
    assert row["Ordered"].value == datetime.datetime(2026, 3, 4, 8)
    assert row["Ordering facility"].value == "00003"
    assert row["Ordering facility: name"].value == "Phòng khám Cát"


def hostile(warehouse: Warehouse, text: str) -> None:
    con = warehouse.con
    con.execute("UPDATE facility SET name = ?", [text])
    con.execute("UPDATE test SET name_vi = $1, name_en = $1", [text])
    con.execute("UPDATE line SET department = $1, ordered_by = $1", [text])
    con.execute("UPDATE delivery SET source_name = ?", [text])


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_formula_in_xlsx(warehouse: Warehouse, attack: str) -> None:
    hostile(warehouse, attack)
    content = render(figures(warehouse), "xlsx", "vi")
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        for name in parts.namelist():
            assert b"<f>" not in parts.read(name), name
            assert b"http://x.y" not in parts.read(name) or "sharedStrings" in name
    found = {cell.value for sheet in workbook(content) for row in sheet.iter_rows() for cell in row}
    assert attack.replace("\t", "⟨U+0009⟩") in found


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_formula_in_csv(warehouse: Warehouse, attack: str) -> None:
    hostile(warehouse, attack)
    content = render(figures(warehouse), "csv", "vi")
    assert content.startswith(b"\xef\xbb\xbf")
    cells = [cell for row in csv.reader(io.StringIO(content.decode("utf-8-sig"))) for cell in row]
    assert not [cell for cell in cells if cell[:1] in ("=", "+", "-", "@", "\t", "\r") and len(cell) > 0]
    shown = attack.replace("\t", "⟨U+0009⟩")
    assert shown in cells or f"'{shown}" in cells


def test_csv_numbers_are_plain(warehouse: Warehouse) -> None:
    rows = list(csv.reader(io.StringIO(render(figures(warehouse), "csv", "vi").decode("utf-8-sig"))))
    start = next(place for place, row in enumerate(rows) if row == ["Tổng quan"])
    row = dict(zip(rows[start + 1], rows[start + 2], strict=True))
    assert (row["Số tiền tránh được"], row["Tỷ lệ tránh được"]) == ("120000", "0.3")


@pytest.mark.parametrize("form", ["html", "xlsx", "csv", "json"])
def test_same_bytes_twice(warehouse: Warehouse, form: str) -> None:
    assert render(figures(warehouse), form, "vi") == render(figures(warehouse), form, "vi")


@pytest.mark.parametrize("form", ["html", "xlsx", "csv", "json"])
def test_empty(form: str) -> None:
    with memory_warehouse() as empty:
        assert render(figures(empty), form, "en")


def test_unknown_format(warehouse: Warehouse, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        write_report(figures(warehouse), "pdf", "vi", tmp_path / "a.pdf")
    with pytest.raises(UsageError):
        write_each_hospital(warehouse, None, "pdf", "vi", tmp_path)


def test_one_file_for_each_hospital(warehouse: Warehouse, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "reports"
    paths = write_each_hospital(warehouse, Filters(provinces=("01",)), "html", "vi", folder)
    assert [path.name for path in paths] == ["00002.html", "00003.html"]
    assert {path.name for path in folder.iterdir()} == {"00002.html", "00003.html", "index.html"}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    index = (folder / "index.html").read_text(encoding="utf-8")
    assert index.index("Bệnh viện Đa khoa Bình An") < index.index("Phòng khám Cát")
    assert 'href="00002.html"' in index


@given(st.text(max_size=12), st.text(max_size=12))
def test_file_names(one: str, other: str) -> None:
    name = file_name(one)
    assert not set(name) & set("/\\.:\0 <>\"'|?*&#%") and name
    assert one == other or name != file_name(other)


def test_vietnamese_order() -> None:
    words = [
        "An",
        "Ánh",
        "Ăn",
        "Ân",
        "Bình",
        "Cát",
        "Dương",
        "Đa",
        "Em",
        "Ếch",
        "Mơ",
        "Mới",
        "Nga",
        "Ô",
        "Ơn",
        "Uy",
        "Ưu",
    ]
    assert sorted(words, key=sort_key) == words
    tones = ["ma", "mà", "mả", "mã", "má", "mạ", "man", "mạn"]
    assert sorted(tones, key=sort_key) == tones


def test_files_hold_the_orders_that_a_page_cannot(warehouse: Warehouse) -> None:
    con = warehouse.con
    con.execute("""
INSERT INTO line SELECT * EXCLUDE (i) REPLACE (line_id + 100 * i AS line_id, order_id || '-' || i AS order_id)
FROM line, range(1300) AS r(i) WHERE line_id = 2""")
    con.execute("""
INSERT INTO flag SELECT * EXCLUDE (i) REPLACE (order_id || '-' || i AS order_id)
FROM flag, range(1300) AS r(i) WHERE order_id = 'O2'""")
    page, file = (figures(warehouse, orders=orders_held(form)) for form in ("html", "csv"))
    assert (len(page.tables["orders"].rows), page.orders_left_out) == (1200, 106)
    assert "106 more orders are not on this page" in render(page, "html", "en").decode()
    assert (len(file.tables["orders"].rows), file.orders_left_out) == (1306, 0)
    assert "dedup export flags" not in render(file, "csv", "en").decode()
    assert "106 more orders do not fit here" in render(page, "csv", "en").decode()
