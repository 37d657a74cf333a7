"""One table of cases for each normalising function."""

from __future__ import annotations

import unicodedata
from typing import Any

import duckdb
import pytest

from dedup.matching import identifiers, names, places
from dedup.warehouse import memory_warehouse


def _sql(expression: str, value: Any) -> Any:
    with duckdb.connect() as con:
        row = con.execute(f"SELECT {expression} FROM (SELECT CAST(? AS VARCHAR) AS x)", [value]).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize(
    ("written", "decoded"),
    [
        ("NguyÔn V¨n Hïng", "nguyễn văn hùng"),  # TCVN3
        ("TrÇn ThÞ BÝch §µo", "trần thị bích đào"),
        ("NGUYÔN THÞ H»NG", "nguyễn thị hằng"),  # capitals of an ABC font are small letters in the file
        ("L£ V¡N D¦¥NG", "lê văn dương"),
        ("Nguyeãn Vaên Huøng", "nguyễn văn hùng"),  # VNI
        ("Nguyá»…n VÄƒn HÃ¹ng", "nguyễn văn hùng"),  # UTF-8 read as cp1252
        ("Nguyá»\u0085n VÄ\u0083n HÃ¹ng", "nguyễn văn hùng"),  # and as Latin-1
        ("Ä\u0090á»— Thá»‹ HÃ", "đỗ thị hà"),  # the last blank trimmed
        ("TrÃ Ä‘Æ°á»\ufffdng", ""),  # a byte is lost
        ("TRAÀN THÒ NGOÏC ÑIEÄP", "trần thị ngọc điệp"),
        ("Ngoâ Thò Höông", "ngô thị hương"),
        ("Nguyễn Văn Hùng", "nguyễn văn hùng"),  # Unicode is left alone
        ("Phạm Thị Huế", "phạm thị huế"),
        ("Đặng Hoà Uyên", "đặng hoà uyên"),
        ("H'Hen Niê", "h'hen niê"),
        ("John Smith", "john smith"),
        ("Ðặng Ðức Ðình", "đặng đức đình"),  # the Icelandic letter
    ],
)
def test_decoded(written: str, decoded: str) -> None:
    decode = names.decoded_sql(names.composed_sql("x"))
    assert _sql(decode, written) == decoded
    assert _sql(decode, unicodedata.normalize("NFD", written)) == decoded


@pytest.mark.parametrize(
    ("decoded", "folded"),
    [
        ("đặng thị  hoà ", "dang thi hoa"),
        ("nguyễn-văn.a", "nguyen van a"),
        ("h'hen niê", "h hen nie"),
        ("  ", ""),
    ],
)
def test_folded(decoded: str, folded: str) -> None:
    assert _sql(names.fold_sql("x"), decoded) == folded


@pytest.mark.parametrize(
    ("decoded", "marked"),
    [
        ("lê thị hòa", "lê thị hoà"),
        ("lê thị hoà", "lê thị hoà"),
        ("nguyễn thúy", "nguyễn thuý"),
        ("nguyễn văn khỏe", "nguyễn văn khoẻ"),
        ("nguyễn văn hòan", "nguyễn văn hòan"),  # not open: no such placement
        ("mùa", "mùa"),
    ],
)
def test_marked(decoded: str, marked: str) -> None:
    assert _sql(names.marked_sql(names.spaced_sql("x")), decoded) == marked


@pytest.mark.parametrize(
    ("folded", "untitled"),
    [
        ("bn nguyen van an", "nguyen van an"),
        ("ong nguyen an", "nguyen an"),
        ("ba trieu", "ba trieu"),
        ("ba ong tran van be", "tran van be"),
        ("nguyen thi ba", "nguyen thi ba"),
        ("ông nguyen huu dat", "nguyen huu dat"),
        ("bà trần thị lệ", "trần thị lệ"),
        ("nguyen huu dat 1980 bhyt", "nguyen huu dat"),
        ("bn ng van an", "nguyen van an"),
        ("nguyen huu dat dv", "nguyen huu dat"),
        ("cu ba nguyen thi tu", "nguyen thi tu"),
        ("chị trần thị lệ", "trần thị lệ"),
        ("cụ nguyễn văn tư", "nguyễn văn tư"),
        ("cu huy can", "cu huy can"),  # Cù Huy Cận
        ("be nguyen", "be nguyen"),
        ("nguyen ng an", "nguyen ng an"),
        ("nguyen thi lan 2", "nguyen thi lan 2"),  # which of the two Lan of this house
    ],
)
def test_untitled(folded: str, untitled: str) -> None:
    assert _sql(names.untitled_sql("x"), folded) == untitled


@pytest.mark.parametrize(
    ("folded", "expected"),
    [
        ("khong ro", True), ("vo danh 2", True), ("benh nhan", True), ("", True), ("123", True),
        ("nguyen van vo", False), ("khong thi ro", False), ("an danh", True), ("tran an danh", False),
        ("benh nhan nam", True), ("nan nhan nu chua ro", True), ("bn khong ro", True), ("khong ro ho ten", True),
        ("chua xac dinh danh tinh", True), ("bn nguyen nam", False), ("vo danh khoi", False), ("bui nam", False),
        ("benh nhan cap cuu", True), ("nan nhan tngt nam 30 tuoi", True), ("nam khong ten", True), ("n a", True),
        ("x x x", True), ("nguyen van a", True), ("tran thi b", True), ("khong ro ten tuoi", True),
        ("nguyen nhu y", False), ("vang a", False), ("nguyen thi nan", False), ("ba nam", False),
    ],
)  # fmt: skip
def test_placeholder(folded: str, expected: bool) -> None:
    assert _sql(names.placeholder_sql("x"), folded) is expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [("huu", True), ("dat", True), ("nguyen", True), ("phuong", True), ("đạt", False), ("anh", False), ("lan", False),
     ("hue", False), ("bih", False)],
)  # fmt: skip
def test_stripped(word: str, expected: bool) -> None:
    assert _sql(names.stripped_sql("x"), word) is expected


@pytest.mark.parametrize(("word", "left"), [("(nam)", ""), ("(nữ)", ""), ("nam", "nam"), ("(cb)", "(cb)")])
def test_unbracketed(word: str, left: str) -> None:
    assert _sql(names.unbracketed_sql("x"), word) == left


@pytest.mark.parametrize(
    ("folded", "expected"),
    [
        ("cb tran thi dao", True), ("con ba tran thi dao", True), ("be trai nguyen thi lan", True),
        ("nguyen thi lan cb", True), ("so sinh", True), ("nguyen thi lan con 2", True), ("con cua le thi ha", True),
        ("nguyen thi lan cb1", True), ("cb2 tran thi dao", True), ("con le thi ha", True), ("con nguyen thi", False),
        ("be van dan", False), ("tran thi be", False), ("nguyen thi con", False), ("le ba con", False),
    ],
)  # fmt: skip
def test_newborn(folded: str, expected: bool) -> None:
    assert _sql(names.newborn_sql("x"), folded) is expected


@pytest.mark.parametrize(
    ("folded", "informative"), [("van", ""), ("thi thu", "thu"), ("thi", ""), ("vanh", "vanh"), ("ngoc thi", "ngoc")]
)
def test_informative(folded: str, informative: str) -> None:
    assert _sql(names.informative_sql("x"), folded) == informative


@pytest.mark.parametrize(
    ("one", "other"),
    [("sinh", "xinh"), ("trinh", "chinh"), ("giang", "dang"), ("linh", "ninh"), ("ly", "li"), ("hien", "hieng"),
     ("nghia", "ngia"), ("cuong", "kuong"), ("minh", "min")],
)  # fmt: skip
def test_skeleton_of_names_that_sound_alike(one: str, other: str) -> None:
    assert names.skeleton(one) == names.skeleton(other)
    assert _sql(names.skeleton_sql("x"), one) == names.skeleton(one)


@pytest.mark.parametrize(("one", "other"), [("lan", "hoa"), ("hung", "dung"), ("nghia", "linh"), ("an", "anh ba")])
def test_skeleton_of_names_that_do_not(one: str, other: str) -> None:
    assert names.skeleton(one) != names.skeleton(other)


@pytest.mark.parametrize(
    ("written", "compact", "kind"),
    [
        ("001170000123", "001170000123", "cccd"), ("001 170 000 123", "001170000123", "cccd"),
        ("1170000123", "001170000123", "cccd"), ("38199054321", "038199054321", "cccd"),
        ("012345987", "012345987", "cmnd"), ("123456789", "123456789", "other"), ("C1234567", "C1234567", "passport"),
        ("b 7654321", "B7654321", "passport"), ("000000000000", "000000000000", "other"),
        ("001170000000", "001170000000", "other"), ("không có", "KHNGC", "other"), ("", None, None), (None, None, None),
        ("X0000000", "X0000000", "other"), ("12345", "12345", "other"),
        ("038 199 054321", "038199054321", "cccd"), ("012345678901", "012345678901", "other"),
        ("222222222", "222222222", "other"), ("x-12 3", "X123", "other"), ("12345678e", "12345678E", "other"),
        ("123123123", "123123123", "other"), ("000000001", "000000001", "other"), ("121212121", "121212121", "other"),
        ("1170000123.0", "001170000123", "cccd"),
        ("112233445", "112233445", "other"), ("987654320", "987654320", "other"), ("012121212", "012121212", "cmnd"),
    ],
)  # fmt: skip
def test_id(written: str | None, compact: str | None, kind: str | None) -> None:
    assert _sql(identifiers.compact_sql("x"), written) == compact
    assert _sql(identifiers.id_type_sql("x"), compact) == kind


@pytest.mark.parametrize(
    ("kind", "number", "born", "sex", "newborn", "grade"),
    [
        ("cccd", "001170000123", "1970-05-05", "female", False, 2), ("cccd", "001170000123", "1970-05-05", "male",
        False, 0),
        ("cccd", "001170000123", "1971-05-05", "female", False, 0), ("cccd", "001170000123", "1970-05-05", "unknown",
        False, 2),
        ("cccd", "001170000123", None, "female", False, 1), ("cccd", "001170000123", None, "male", False, 0),
        ("cccd", "001170000123", None, "unknown", False, 1), ("cccd", "001226000123", "2026-05-05", "male", True, 2),
        ("cccd", "001326000123", "2026-05-05", "female", True, 2), ("cccd", "001170000123", None, "unknown", True, 0),
        ("cmnd", "012345987", "1970-05-05", "male", False, 2), ("cmnd", "012345987", None, "male", False, 1),
        ("cmnd", "012345987", "2026-05-05", "male", True, 0), ("passport", "B7654321", "1970-05-05", "male", False, 2),
        ("other", "123456789", "1970-05-05", "male", False, 0), (None, None, "1970-05-05", "male", False, 0),
    ],
)  # fmt: skip
def test_grade(kind: str | None, number: str | None, born: str | None, sex: str, newborn: bool, grade: int) -> None:
    with duckdb.connect() as con:
        row = con.execute(
            f"SELECT {identifiers.grade_sql('k', identifiers.number_sql('k', 'n'), 'b', 's', 'w')} FROM "
            "(SELECT CAST(? AS VARCHAR) AS k, CAST(? AS VARCHAR) AS n, CAST(? AS DATE) AS b, ? AS s, ? AS w)",
            [kind, number, born, sex, newborn],
        ).fetchone()
    assert row == (grade,)


@pytest.mark.parametrize(
    ("cards", "numbers"),
    [
        ("GD4010112345678", ["0112345678"]), ("GD4010112345678;DN4790112345678", ["0112345678"]),
        ("gd4 01 0112345678", ["0112345678"]), ("HT3010198765432; DN4790112345678", ["0112345678", "0198765432"]),
        ("TE1010112345678", []), ("TE1010112345678;HT3010198765432", ["0198765432"]), ("0112345678", ["0112345678"]),
        ("không", []), ("GD4010000000000", []), (None, None), ("te-101-0112345678", []),
        ("GD4019876543210;", ["9876543210"]),
    ],
)  # fmt: skip
def test_insurance(cards: str | None, numbers: list[str] | None) -> None:
    assert _sql(identifiers.insurance_sql("x"), cards) == numbers


@pytest.mark.parametrize(
    ("written", "phone"),
    [
        ("0912000111", "0912000111"), ("+84 912 000 111", "0912000111"), ("0163 234 5678", "0332345678"),
        ("912000111", "0912000111"), ("912000111.0", "0912000111"), ("843920001", "0843920001"),
        ("0123 234 5678", "0832345678"), ("0912.000.111 / 0988111222", "0912000111"), ("0900000000", None),
        ("0123456789", None), ("0912345678", None), ("0900000001", None), ("0909090909", None),
        ("0988888886", "0988888886"),
        ("024 3825 1234", "02438251234" [:11]), ("12345", None), ("không rõ", None), (None, None),
    ],
)  # fmt: skip
def test_phone(written: str | None, phone: str | None) -> None:
    local = _sql(identifiers.local_phone_sql("x"), written)
    assert _sql(identifiers.phone_sql("x"), local) == phone


@pytest.mark.parametrize(
    ("province", "address", "code", "ward"),
    [
        ("Hà Giang", None, "08", None), ("Tỉnh Tuyên Quang", None, "08", None), ("TP. Hồ Chí Minh", None, "79", None),
        ("02", None, "08", None), ("Hà Nội", "5 Hàng Than, Phường Phúc Xá, Quận Ba Đình", "01", "hong ha"),
        ("Hà Nội", "5 Hàng Than, Phường Hồng Hà", "01", "hong ha"), (None, "Phường Phúc Xá, Quận Ba Đình, Hà Nội",
        "01", "hong ha"),
        ("Hồ Chí Minh", "Phường 1, Quận 3", "79", "ban co"), ("Hồ Chí Minh", "Phường 1", "79", "1"),
        ("Viêng Chăn", None, "vieng chan", None), (None, "Phường Phúc Xá", None, None),
        ("T. Nghệ An", None, "40", None), ("1", None, "01", None), ("002", None, "08", None), ("99", None, None, None),
        ("Không rõ", None, None, None), ("Tỉnh", None, None, None),
        # Where the province is not told, whatever ends the address is none unless it is known as one, or tells it.
        (None, "74, Xã Tân Hội, Huyện Châu Thành", None, None), (None, "Xã Kông Bơ La", None, None),
        (None, "74, Xã Tế Nông, Huyện Nông Cống", "38", "thang loi"), (None, "5 Lý Tự Trọng, Q.1", "79", None),
        (None, "Xã Tế Nông - Huyện Nông Cống - Tỉnh Thanh Hóa", "38", "thang loi"),
        (None, "Xã Tế Nông; Huyện Nông Cống; Thanh Hoá, Việt Nam.", "38", "thang loi"), (None, "Hà Nội", "01", None),
        (None, "Xã An Hòa, Bà Rịa - Vũng Tàu", "79", "an hoa"), (None, "12 Lê Lợi, Hà Nội, VN", "01", None),
        ("Hồ Chí Minh", "12 Lê Lợi P.Bến Nghé Q.1", "79", "sai gon"), ("Thanh Hóa", "TT Nông Cống", "38", "nong cong"),
    ],
)  # fmt: skip
def test_place(province: str | None, address: str | None, code: str | None, ward: str | None) -> None:
    with memory_warehouse() as warehouse:
        con = warehouse.con
        places.prepare(con)
        con.execute(
            "CREATE TEMP TABLE written AS SELECT CAST(? AS VARCHAR) AS province, CAST(? AS VARCHAR) AS address",
            [province, address],
        )
        row = con.execute(f"WITH {places.steps_sql('written')} SELECT province, ward FROM place").fetchone()
    assert row == (code, ward)
