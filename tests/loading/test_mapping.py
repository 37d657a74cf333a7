"""A hospital's own table: mapping files, spreadsheets, drafts and trials."""

from __future__ import annotations

import datetime
import unicodedata
import zipfile
from pathlib import Path

import openpyxl
import pytest

from dedup.errors import ConfigError, InputError
from dedup.loading.mapping import read_mappings
from dedup.loading.mapping_draft import check_mapping, suggest_mapping
from dedup.warehouse import Warehouse
from tests.loading.conftest import Loader, order, rejected, rows, stored

TABLE = """Bảng kê xét nghiệm
Số phiếu;Mã BN;Họ tên;Ngày sinh;Giới tính;Mã DV;Ngày CĐ;Giờ CĐ;Ngày trả KQ;Trạng thái;Thành tiền
P1;BN1;Trần Văn Thử;17/05/1980;Nam;23.0075.1494;02/03/2026;08:30;02/03/2026 09:30;Đã trả;1.022.400,50
P2;BN2;Đỗ Thị Ví Dụ;01/02/1962;Nữ;GLU;25/03/2026;10:00;;Mới;500
"""

MAPPING = """
[file]
header_row = 2
delimiter = ";"
[columns.facility_id]
constant = "01001"
[columns.order_id]
column = "Số phiếu"
[columns.patient_id]
column = "Mã BN"
[columns.full_name]
column = "Họ tên"
[columns.birth_date]
column = "Ngày sinh"
format = "DD/MM/YYYY"
[columns.sex]
column = "Giới tính"
[columns.test_code]
column = "Mã DV"
[columns.ordered_at]
columns = ["Ngày CĐ", "Giờ CĐ"]
format = "DD/MM/YYYY HH:mm"
[columns.resulted_at]
column = "Ngày trả KQ"
format = "DD/MM/YYYY HH:mm"
[columns.status]
column = "Trạng thái"
values = { "đã trả" = "final", "Mới" = "ordered" }
[columns.price_vnd]
column = "Thành tiền"
decimal = ","
thousands = "."
"""


def put(folder: Path, table: str = TABLE, mapping: str = MAPPING) -> tuple[Path, Path]:
    (folder / "table.csv").write_text(table, encoding="utf-8")
    (folder / "mapping.toml").write_text(mapping, encoding="utf-8")
    return folder / "table.csv", folder / "mapping.toml"


AT, DAY = datetime.datetime, datetime.date

EXPECTED = [
    (
        "P1",
        "Trần Văn Thử",
        datetime.date(1980, 5, 17),
        "male",
        datetime.datetime(2026, 3, 2, 8, 30),
        "final",
        "1022400.500",
    ),
    (
        "P2",
        "Đỗ Thị Ví Dụ",
        datetime.date(1962, 2, 1),
        "female",
        datetime.datetime(2026, 3, 25, 10),
        "ordered",
        "500.000",
    ),
]
FOUND = (
    "SELECT order_id, full_name, birth_date, sex, ordered_at, status, CAST(price_vnd AS VARCHAR) "
    "FROM line JOIN identity USING (identity_id) ORDER BY ALL"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_table_of_its_own(loader: Loader, warehouse: Warehouse, tmp_path: Path, encoding: str) -> None:
    table, mapping = put(tmp_path)
    table.write_bytes(TABLE.encode(encoding))
    summary = loader(table, mapping=mapping)
    assert summary.deliveries[0].format == "mapped"
    assert rows(warehouse, FOUND) == EXPECTED


def test_a_damaged_table(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    table, mapping = put(tmp_path, TABLE + "P3;broken\n")
    loader(table, mapping=mapping)
    assert rows(warehouse, FOUND) == EXPECTED
    assert rejected(warehouse) == [(3, None, "ragged_row")]


def test_a_mapping_leaves_other_files_alone(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    _, mapping = put(tmp_path)
    from tests.loading.conftest import write_csv

    summary = loader(write_csv(tmp_path / "own.csv", order()), mapping=mapping)
    assert summary.deliveries[0].format == "csv"


def workbook(path: Path, *lines: list[object], options: dict[str, object] | None = None) -> Path:
    import xlsxwriter

    with xlsxwriter.Workbook(path, options or {}) as book:
        sheet = book.add_worksheet("Dữ liệu")
        dates = book.add_format({"num_format": "dd/mm/yyyy hh:mm"})
        for number, line in enumerate(lines):
            for place, value in enumerate(line):
                if isinstance(value, datetime.datetime):
                    sheet.write_datetime(number, place, value, dates)
                elif value != "":
                    sheet.write(number, place, value)
    return path


def test_a_spreadsheet_with_the_canonical_columns(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    one = order(price_vnd="22400")
    typed: dict[str, object] = dict(one)
    typed |= {"line_no": 1, "price_vnd": 22400.0, "ordered_at": datetime.datetime(2026, 3, 2, 8, 30)}
    path = workbook(
        tmp_path / "a.xlsx", list(one), list(typed.values()), [""] * 3, list((typed | {"order_id": "A2"}).values())
    )
    summary = loader(path)
    assert (summary.deliveries[0].format, summary.rows_loaded) == ("xlsx", 2)
    from tests.loading.conftest import write_csv

    before = stored(warehouse)
    loader(write_csv(tmp_path / "b.csv", one))
    assert stored(warehouse) == before


@pytest.mark.parametrize("first_year", [1900, 1904])
def test_midnight_is_a_time_and_a_birth_date_has_none(
    loader: Loader, warehouse: Warehouse, tmp_path: Path, first_year: int
) -> None:
    typed: dict[str, object] = dict(order()) | {"ordered_at": AT(2026, 3, 2), "birth_date": AT(1980, 5, 17)}
    path = workbook(tmp_path / "a.xlsx", list(typed), list(typed.values()), options={"date_1904": first_year == 1904})
    loader(path)
    found = rows(warehouse, "SELECT ordered_at, birth_date FROM line JOIN identity USING (identity_id)")
    assert found == [(AT(2026, 3, 2), DAY(1980, 5, 17))]


def test_a_day_and_its_time_in_two_cells(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    lines: list[list[object]] = [list(line.split(";")) for line in TABLE.splitlines()[:3]]
    lines[2][6] = AT(2026, 3, 2)
    _, mapping = put(tmp_path)
    loader(workbook(tmp_path / "a.xlsx", *lines), mapping=mapping)
    assert rows(warehouse, "SELECT ordered_at FROM line") == [(AT(2026, 3, 2, 8, 30),)]


@pytest.mark.parametrize(
    ("shown", "expected"), [("00000", "01001"), ("0", "1001"), ("00", "1001"), ('"0"0000', "1001"), ("00.0", "1001")]
)
def test_zeros_of_a_number_format_are_kept(
    loader: Loader, warehouse: Warehouse, tmp_path: Path, shown: str, expected: str
) -> None:
    book = openpyxl.Workbook()
    book.active.append(list(order()))
    book.active.append(list((order() | {"facility_id": 1001}).values()))
    book.active["A2"].number_format = shown
    book.save(tmp_path / "a.xlsx")
    loader(tmp_path / "a.xlsx")
    assert rows(warehouse, "SELECT facility_id FROM line") == [(expected,)]


def test_a_spreadsheet_with_a_mapping(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    lines: list[list[object]] = [list(line.split(";")) for line in TABLE.splitlines()]
    path = workbook(tmp_path / "a.xlsx", *lines)
    mapping = put(tmp_path)[1]
    assert loader(path, mapping=mapping).deliveries[0].format == "mapped"
    assert rows(warehouse, FOUND) == EXPECTED


def test_hidden_sheets_are_passed_over_and_further_ones_told(loader: Loader, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["a", "b"])
    book.active.sheet_state = "hidden"
    for number in (1, 2, 3):
        sheet = book.create_sheet(f"Trang {number}")
        sheet.append(list(order()))
        sheet.append(list(order(order_id=f"A{number}").values()))
    book.save(tmp_path / "a.xlsx")
    summary = loader(tmp_path / "a.xlsx")
    assert (summary.rows_loaded, len(summary.notes)) == (1, 1)
    assert "2 further" in summary.notes[0]


@pytest.mark.parametrize("cut", [5, 100, 2000])
def test_a_cut_spreadsheet(loader: Loader, tmp_path: Path, cut: int) -> None:
    path = workbook(tmp_path / "a.xlsx", list(order()), list(order().values()))
    path.write_bytes(path.read_bytes()[:-cut])
    assert loader(path).over_limit


def test_a_spreadsheet_whose_sheet_lies_nowhere(loader: Loader, tmp_path: Path) -> None:
    path, lame = workbook(tmp_path / "a.xlsx", list(order()), list(order().values())), tmp_path / "b.xlsx"
    with zipfile.ZipFile(path) as whole, zipfile.ZipFile(lame, "w") as copy:
        for name in whole.namelist():
            copy.writestr(name, whole.read(name).replace(b"r:id=", b"r:no="))
    assert loader(lame).over_limit


@pytest.mark.parametrize(
    ("wrong", "line", "says"),
    [
        ('column = "Mã BN"', 'colum = "Mã BN"', "patient_id"),
        ('constant = "01001"', 'constant = "01001"\ncolumn = "x"', "exactly one"),
        ('format = "DD/MM/YYYY"', 'format = "jj/mm/aaaa"', "YYYY"),
        ("[columns.patient_id]", "[columns.patient]", "no canonical column"),
        ('thousands = "."', 'thousands = ","', "same mark"),
        ("[file]", "[file]\nencoding = 'klingon'", "no encoding"),
        ("[file]", "[file", "TOML"),
    ],
)
def test_errors_name_the_file_and_the_line(tmp_path: Path, wrong: str, line: str, says: str) -> None:
    _, mapping = put(tmp_path, mapping=MAPPING.replace(wrong, line, 1))
    with pytest.raises(ConfigError, match=says):
        read_mappings(mapping)


def test_a_draft_loads_once_its_questions_are_answered(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    table = TABLE.split("\n", 1)[1].replace("Ngày CĐ;Giờ CĐ", "Ngày chỉ định;x").replace(";08:30;", " 08:30;;")
    table = table.replace("25/03/2026;10:00;", "25/03/2026 10:00;;")
    path, mapping = put(tmp_path, table)
    draft = suggest_mapping(path)
    assert 'format = "DD/MM/YYYY HH:mm"' in draft  # a day over 12 tells
    assert "Trần" not in draft
    answers = {
        'constant = ""': 'constant = "01001"',
        "# decimal": "decimal",
        "# thousands": "thousands",
        '"Đã trả" = ""': '"Đã trả" = "final"',
        '"Mới" = ""': '"Mới" = "ordered"',
        '# format = "DD/MM': 'format = "DD/MM',
    }
    answered = draft
    for question, answer in answers.items():
        answered = answered.replace(question, answer)
    mapping.write_text(answered, encoding="utf-8")
    checked = check_mapping(mapping, path)
    assert (checked.fits, checked.rows_read, checked.rows_rejected) == (True, 2, 0), checked
    assert loader(path, mapping=mapping).rows_loaded == 2
    assert rows(warehouse, FOUND) == EXPECTED


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_a_draft_finds_the_header_below_titles(tmp_path: Path, ending: str) -> None:
    titles = [["Bệnh viện A, huyện B, tỉnh C, Việt Nam", "", ""], [], ["Danh sách chỉ định", "", ""]]
    table = [*titles, ["Mã BN", "Số phiếu", "Ngày giờ chỉ định"], ["P1", "O1", "25/03/2026 08:30"]]
    path = tmp_path / f"table.{ending}"
    if ending == "xlsx":
        book = openpyxl.Workbook()
        for row in table:
            book.active.append(row)
        book.save(path)
    else:
        path.write_text("\n".join(";".join(row) for row in table) + "\n", encoding="utf-8")
    draft = suggest_mapping(path)
    assert "header_row = 3\n" in draft  # the blank row counts none
    assert 'column = "Mã BN"' in draft
    assert 'column = "Ngày giờ chỉ định"\nformat = "DD/MM/YYYY HH:mm"' in draft


def test_what_can_be_read_two_ways_is_refused_with_the_line_to_add(
    loader: Loader, warehouse: Warehouse, tmp_path: Path
) -> None:
    vague = MAPPING.replace('format = "DD/MM/YYYY HH:mm"\n', "").replace('decimal = ","\nthousands = "."\n', "")
    table, mapping = put(tmp_path, TABLE.replace("25/03", "05/03"), vague)
    checked = check_mapping(mapping, table)
    assert (checked.rows_read, checked.rows_rejected) == (2, 2)
    assert loader(table, mapping=mapping).rows_loaded == 0
    price = MAPPING.replace('decimal = ","\nthousands = "."\n', "")
    mapping.write_text(price, encoding="utf-8")
    assert any("thousands" in hint for hint in check_mapping(mapping, table).hints)


MARKS = 'decimal = ","\nthousands = "."\n'


@pytest.mark.parametrize(
    ("marks", "amount", "price", "hint"),
    [
        (MARKS, "1.234.567,50 đ", "1234567.500", None),
        (MARKS, "VNĐ 101.000", "101000.000", None),
        (MARKS, "21,5đồng", "21.500", None),
        (MARKS, "1.234.567,5000", "1234567.500", None),
        (MARKS, "21.50", None, "are not the marks"),
        (MARKS, "1234.567", None, "are not the marks"),
        (MARKS, "12.34.567 đ", None, "are not the marks"),
        (MARKS, "-101.000", None, "are not the marks"),
        (MARKS, "đ", None, None),
        ('thousands = ","\n', "21.50", None, 'decimal = "."'),
        ('decimal = ","\n', "1.234,5", None, 'thousands = "."'),
        ("", "101000 VND", "101000.000", None),
        ("", "21.50 ₫", "21.500", None),
        ("", "101.000 vnd", None, "thousands"),
        ("", "1.234.567 Đ", None, "thousands"),
    ],
)
def test_amounts_keep_to_their_marks(
    loader: Loader,
    warehouse: Warehouse,
    tmp_path: Path,
    marks: str,
    amount: str,
    price: str | None,
    hint: str | None,
) -> None:
    table, mapping = put(tmp_path, TABLE.replace("1.022.400,50", amount), MAPPING.replace(MARKS, marks))
    hints = check_mapping(mapping, table).hints
    assert bool(hints) == (hint is not None) and (hint is None or hint in hints[0])
    loader(table, mapping=mapping)
    found = rows(warehouse, "SELECT CAST(price_vnd AS VARCHAR) FROM line WHERE order_id = 'P1'")
    assert found == ([] if hint else [(price,)])


def test_a_typed_amount_has_a_decimal_point(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    lines: list[list[object]] = [list(line.split(";")) for line in TABLE.splitlines()]
    lines[2][10], lines[3][10] = 21500.5, 21.5
    loader(workbook(tmp_path / "a.xlsx", *lines), mapping=put(tmp_path)[1])
    assert rows(warehouse, "SELECT CAST(price_vnd AS VARCHAR) FROM line ORDER BY 1") == [("21.500",), ("21500.500",)]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_header_in_any_unicode_form(loader: Loader, warehouse: Warehouse, tmp_path: Path, form: str) -> None:
    header, rest = unicodedata.normalize("NFD" if form == "NFC" else "NFC", TABLE).split("Mới", 1)[0], "Mới;500\n"
    table, mapping = put(tmp_path, header + rest, unicodedata.normalize(form, MAPPING))
    assert check_mapping(mapping, table).fits
    assert loader(table, mapping=mapping).rows_loaded == 2


def test_a_mapping_for_another_table_does_not_fit(tmp_path: Path) -> None:
    table, mapping = put(tmp_path, "a;b\n1;2\n")
    assert not check_mapping(mapping, table).fits
    assert not check_mapping(mapping.parent, table).fits
    table, mapping = put(tmp_path, TABLE.replace("Mã DV", "Dịch vụ"))
    checked = check_mapping(mapping, table)
    assert (checked.fits, checked.hints) == (False, ('row 2 of the file has no column "Mã DV"',))


def test_a_damaged_spreadsheet_has_no_draft(tmp_path: Path) -> None:
    (tmp_path / "table.xlsx").write_bytes(b"PK\3\4xl/ and no more")
    with pytest.raises(InputError, match="no spreadsheet"):
        suggest_mapping(tmp_path / "table.xlsx")
