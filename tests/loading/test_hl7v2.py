"""HL7 v2: messages, separators, character sets, statuses."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import pytest

from dedup.loading import hl7v2_text
from dedup.warehouse import Warehouse
from tests.loading.conftest import SAMPLES, Loader, rejected, rows
from tests.loading.test_encodings import as_cp1258

AT = datetime.datetime

HEAD = "MSH|^~\\&|HIS|98001|LIS|98001|202604010800||{kind}|1|P|2.5.1|||||VNM|{charset}"
PID = "PID|1||BN01^^^98001^MR~001180000011^^^VN^NI~DN4010111111111^^^BHYT^HC||LÊ^MẪU^THỊ||19800228|F"
PV1 = "PV1|1|O|K01||||||||||||||||L77"


def message(*segments: str, kind: str = "ORU^R01", charset: str = "UNICODE UTF-8") -> str:
    return "".join(f"{one}\r" for one in (HEAD.format(kind=kind, charset=charset), PID, PV1, *segments))


def obr(
    number: str = "7001", code: str = "23.0075.1494^Glucose", collected: str = "202604010810", status: str = "F"
) -> str:
    return f"OBR|1|{number}||{code}||202604010800|{collected}|||||||||BS09||||||202604010900|||{status}"


def put(folder: Path, text: str | bytes) -> Path:
    (folder / "a.hl7").write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder / "a.hl7"


def test_orders_and_their_results_are_one_line(loader: Loader, warehouse: Warehouse) -> None:
    summary = loader(SAMPLES / "messages.hl7")
    assert (summary.rows_read, summary.rows_loaded, summary.rows_duplicate) == (3, 2, 1)
    found = rows(
        warehouse,
        """SELECT order_id, line_no, test_code, status, collected_at, resulted_at, "value", unit, abnormal_flag,
        setting, department, ordered_by, encounter_id, national_id, insurance_id, full_name, birth_date, sex, province
        FROM line JOIN identity USING (identity_id) JOIN code USING (code_id) WHERE order_id = '7001'""",
    )
    assert found == [
        (
            *("7001", 1, "23.0075.1494", "final", AT(2026, 4, 1, 8, 10), AT(2026, 4, 1, 9), "5.1", "mmol/L", "N"),
            *("outpatient", "K01", "BS09", "L77", "001180000011", "DN4010111111111", "LÊ THỊ MẪU"),
            *(datetime.date(1980, 2, 28), "female", "Hà Nội"),
        )
    ]


@pytest.mark.parametrize(
    "frame", ["{}", "\x0b{}\x1c\r", "FHS|^~\\&\rBHS|^~\\&\r{}BTS|2\rFTS|1\r", "\n\n{}", " \t{}", "\r  {}"]
)
@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_frames_batches_and_line_ends(loader: Loader, tmp_path: Path, frame: str, end: str) -> None:
    text = frame.format(message(obr()) + message(obr("7002"))).replace("\r", end)
    assert loader(put(tmp_path, text)).rows_loaded == 2


def test_separators_of_its_own(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    own = message(obr()).translate(str.maketrans("|^~\\&", "#!*?%"))
    loader(put(tmp_path, own))
    assert rows(
        warehouse, "SELECT test_code, full_name FROM line JOIN identity USING (identity_id) JOIN code USING (code_id)"
    ) == [("23.0075.1494", "LÊ THỊ MẪU")]


@pytest.mark.parametrize(("charset", "codec"), [("8859/1", "latin-1"), ("UNICODE UTF-8", "utf-8"), ("", "utf-8")])
def test_character_sets(loader: Loader, warehouse: Warehouse, tmp_path: Path, charset: str, codec: str) -> None:
    text = message(obr(), charset=charset).replace("LÊ^MẪU^THỊ", "LÊ^Á^Ý")
    loader(put(tmp_path, text.encode(codec)))
    assert rows(warehouse, "SELECT full_name FROM identity") == [("LÊ Ý Á",)]


BAD = message(obr("7002")).encode().replace("LÊ".encode(), b"L\xca")


@pytest.mark.parametrize("charset", ["UNICODE UTF-8", "", "ASCII"])
def test_bytes_that_are_no_text_are_refused(loader: Loader, warehouse: Warehouse, tmp_path: Path, charset: str) -> None:
    bad = BAD.replace(b"UNICODE UTF-8", charset.encode())
    summary = loader(put(tmp_path, message(obr()).encode() + bad + message(obr("7003"), kind="MDM^T02").encode()))
    assert (summary.rows_read, summary.rows_loaded) == (3, 1)
    assert rejected(warehouse) == [(2, None, "bad_encoding"), (3, None, "unsupported_message")]
    assert rows(warehouse, "SELECT full_name FROM identity") == [("LÊ THỊ MẪU",)]


@pytest.mark.parametrize(
    ("charset", "name", "encoded"),
    [
        ("8859/2", "ŁÓŹ THI MAU", lambda text: text.encode("iso8859-2")),
        ("CP1258", "LÊ THỊ MẪU", as_cp1258),
        ("", "LÊ THỊ MẪU", as_cp1258),  # what it is, the file as a whole shows
    ],
)
def test_eight_bit_character_sets(
    loader: Loader, warehouse: Warehouse, tmp_path: Path, charset: str, name: str, encoded: Callable[[str], bytes]
) -> None:
    family, middle, given = name.split()
    written = message(obr(), charset=charset).replace("LÊ^MẪU^THỊ", f"{family}^{given}^{middle}")
    loader(put(tmp_path, encoded(written)))
    assert rows(warehouse, "SELECT full_name FROM identity") == [(name,)]


def test_bytes_outside_the_declared_set_are_refused(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    assert loader(put(tmp_path, BAD.replace(b"UNICODE UTF-8", b"8859/8"))).rows_loaded == 0
    assert rejected(warehouse) == [(1, None, "bad_encoding")]


def test_a_framed_file_that_breaks_off_loses_its_last_message(
    loader: Loader, warehouse: Warehouse, tmp_path: Path
) -> None:
    text = "".join(f"\x0b{message(obr(f'{n}'), 'OBX|1|NM|x||5.1||||||F')}\x1c\r" for n in range(3))
    summary = loader(put(tmp_path, text[: text.rindex("5.1") + 2]))
    assert (summary.rows_read, summary.rows_loaded, summary.deliveries[0].failed) == (3, 2, True)
    assert rejected(warehouse) == [(0, None, "unreadable_file"), (3, None, "unreadable_file")]
    assert not loader(put(tmp_path, text)).deliveries[0].failed


@pytest.mark.parametrize(("promised", "failed"), [("3", True), ("2", False), ("1", False), ("", False), ("x", False)])
def test_a_batch_with_fewer_messages_than_it_says(
    loader: Loader, warehouse: Warehouse, tmp_path: Path, promised: str, failed: bool
) -> None:
    batch = f"BHS|^~\\&\r{message(obr()) + message(obr('7002'))}BTS|{promised}\r"
    summary = loader(put(tmp_path, batch))
    assert (summary.rows_loaded, summary.deliveries[0].failed) == (2, failed)
    assert rejected(warehouse) == ([(0, None, "unreadable_file")] if failed else [])


def test_utf_16(loader: Loader, tmp_path: Path) -> None:
    assert loader(put(tmp_path, message(obr()).encode("utf-16"))).rows_loaded == 1


def test_escapes(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    loader(
        put(tmp_path, message(obr(code="X\\S\\1^a\\T\\b \\E\\ \\X41\\"), "OBX|1|ST|x||a\\F\\b\\R\\|mg\\.br\\||||||F"))
    )
    found = rows(warehouse, 'SELECT test_code, test_name, "value", unit FROM line JOIN code USING (code_id)')
    assert found == [("X^1", "a&b \\ A", "a|b~", "mg")]


@pytest.mark.parametrize(
    ("segments", "kind", "status"),
    [
        (["ORC|NW|7001", obr(status="")], "ORM^O01", "ordered"),
        (["ORC|CA|7001", obr(status="")], "ORM^O01", "cancelled"),
        (["ORC|RP|7001", obr(status="")], "ORM^O01", "cancelled"),
        (["ORC|SC|7001|||DC", obr(status="")], "ORM^O01", "cancelled"),
        (["ORC|SC|7001|||RP", obr(status="")], "ORM^O01", "cancelled"),
        (["ORC|SC|7001|||HD", obr(status="")], "ORM^O01", "ordered"),
        (["ORC|NW|7001", obr(status="I")], "OML^O21", "collected"),
        ([obr(status="X")], "ORU^R01", "cancelled"),
        ([obr(status="P"), "OBX|1|NM|x||5||||||P"], "ORU^R01", "preliminary"),
        ([obr(status="F"), "OBX|1|NM|x||5||||||F"], "ORU^R01", "final"),
        ([obr(status="F"), "OBX|1|NM|x||5||||||F", "OBX|2|NM|x||5||||||C"], "ORU^R01", "corrected"),
        ([obr(status="C"), "OBX|1|NM|x||5||||||C"], "ORU^R01", "corrected"),
        ([obr(status=""), "OBX|1|NM|x||5||||||F"], "ORU^R01", "final"),
        ([obr(status=""), "OBX|1|NM|x||5||||||P"], "ORU^R01", "preliminary"),
        ([obr(status="F"), "OBX|1|NM|x||||||||X"], "ORU^R01", "cancelled"),
        ([obr(status="?")], "ORU^R01", None),
    ],
)
def test_statuses(
    loader: Loader, warehouse: Warehouse, tmp_path: Path, segments: list[str], kind: str, status: str | None
) -> None:
    loader(put(tmp_path, message(*segments, kind=kind)))
    if status is None:
        assert rejected(warehouse) == [(1, "status", "unknown_status")]
    else:
        assert rows(warehouse, "SELECT status FROM line") == [(status,)]


@pytest.mark.parametrize(
    ("flags", "flag"),
    [(["N", "HH"], "HH"), (["", "H"], "H"), (["A~N"], "A"), (["POS"], "POS"), (["S"], None), ([], None)],
)
def test_the_gravest_flag_stands(
    loader: Loader, warehouse: Warehouse, tmp_path: Path, flags: list[str], flag: str | None
) -> None:
    results = [f"OBX|{n}|NM|x||5|||{one}|||F" for n, one in enumerate(flags, 1)]
    loader(put(tmp_path, message(obr(), *results)))
    assert rows(warehouse, "SELECT abnormal_flag FROM line") == [(flag,)]


def test_codes_prefer_national_then_loinc(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    codes = ["G^x^L^23.0075.1494^y^VN", "G^x^L^2345-7^y^LN", "2345-7^x^LN^G^y^L", "G^x^L", "23.0083.1523"]
    loader(put(tmp_path, "".join(message(obr(f"{n}", code)) for n, code in enumerate(codes))))
    found = rows(warehouse, "SELECT code_system, test_code FROM line JOIN code USING (code_id) ORDER BY order_id")
    assert found == [
        ("vn-service", "23.0075.1494"),
        ("loinc", "2345-7"),
        ("loinc", "2345-7"),
        ("local", "G"),
        ("vn-service", "23.0083.1523"),
    ]


def test_offsets_and_panels_of_one_number(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    loader(put(tmp_path, message(obr(collected="20260401021000.5+0100"), obr(code="4548-4^x^LN"))))
    found = rows(warehouse, "SELECT line_no, collected_at FROM line ORDER BY line_no")
    assert found == [(1, AT(2026, 4, 1, 8, 10)), (2, AT(2026, 4, 1, 8, 10))]


def test_other_messages_are_named(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    adt = message(kind="ADT^A01")
    summary = loader(put(tmp_path, adt + message(obr(), kind="MDM^T02") + message(obr()) + "garbage\rOBX|1\r"))
    assert (summary.rows_read, summary.rows_loaded) == (2, 1)
    assert rejected(warehouse) == [(1, None, "unsupported_message")]


def test_cut_anywhere(loader: Loader, tmp_path: Path) -> None:
    text = "".join(message(obr(f"{n}"), "OBX|1|NM|x||5||||||F") for n in range(3))
    for cut in range(0, len(text), 37):
        loader(put(tmp_path, text[: len(text) - cut]))


RESULT = (obr(), "OBX|1|NM|x||5.1|mmol/L||HH|||F")
LATE = """SELECT status, "value", unit, abnormal_flag, resulted_at IS NOT NULL, setting FROM line
    WHERE superseded_by IS NULL AND order_id = '7001'"""
KNOWN = ("5.1", "mmol/L", "HH", True, "outpatient")


@pytest.mark.parametrize("nights", [True, False])
@pytest.mark.parametrize(
    ("later", "kind", "expected"),
    [
        (["ORC|SC|7001||||CM", obr(status="")], "ORM^O01", ("final", *KNOWN)),  # a status says nothing of results
        (["ORC|SC|7001||||IP", obr(status="I")], "OML^O21", ("final", *KNOWN)),
        ([obr(status="")], "ORU^R01", ("final", *KNOWN)),
        ([obr(status="F")], "ORU^R01", ("final", *KNOWN)),
        (["ORC|CA|7001", obr(status="")], "ORM^O01", ("cancelled", None, None, None, False, "outpatient")),
        ([obr(status="F"), "OBX|1|NM|x||||||||W"], "ORU^R01", ("cancelled", None, None, None, False, "outpatient")),
        ([obr(status="C"), "OBX|1|NM|x||6|||N|||C"], "ORU^R01", ("corrected", "6", None, "N", True, "outpatient")),
        ([obr(status="F"), "OBX|1|NM|x||6|||N|||C"], "ORU^R01", ("corrected", "6", None, "N", True, "outpatient")),
    ],
)
def test_a_later_message_changes_what_it_says(
    loader: Loader,
    warehouse: Warehouse,
    tmp_path: Path,
    nights: bool,
    later: list[str],
    kind: str,
    expected: tuple[object, ...],
) -> None:
    messages = [
        message("ORC|NW|7001", obr(status=""), kind="ORM^O01"),
        message(*RESULT),
        message(*later, kind=kind).replace(f"{PV1}\r", ""),
    ]
    for night in messages if nights else ["".join(messages)]:
        loader(put(tmp_path, night))
    assert rows(warehouse, LATE) == [expected]


def test_a_cancelled_order_stays_so_until_a_result_comes(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    order = message("ORC|NW|7001", obr(status=""), kind="ORM^O01")
    for night in (message(*RESULT), message("ORC|CA|7001", obr(status=""), kind="ORM^O01"), order + "\r"):
        loader(put(tmp_path, night))
    assert rows(warehouse, LATE) == [("cancelled", None, None, None, False, "outpatient")]
    loader(put(tmp_path, message(*RESULT) + "\r"))
    assert rows(warehouse, LATE) == [("final", *KNOWN)]


def test_a_number_used_again_for_somebody_else_is_another_order(
    loader: Loader, warehouse: Warehouse, tmp_path: Path
) -> None:
    loader(put(tmp_path, message(*RESULT)))
    loader(put(tmp_path, message("ORC|NW|7001", obr(status=""), kind="ORM^O01").replace("BN01", "BN02")))
    assert rows(warehouse, LATE) == [("ordered", None, None, None, False, "outpatient")]


def test_an_order_was_placed_when_it_was_first_said(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    loader(put(tmp_path, message("ORC|NW|7001", obr(status=""), kind="ORM^O01")))
    late = obr().replace("|202604010800|202604010810|", "||202604010810|")
    loader(put(tmp_path, message("ORC|RE|7001", late, "OBX|1|NM|x||5||||||F")))
    assert rows(warehouse, "SELECT ordered_at FROM line WHERE superseded_by IS NULL") == [(AT(2026, 4, 1, 8),)]


def test_each_order_has_the_patient_before_it(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    second = "PID|1||BN02^^^98001^MR||TRẦN^THỬ^VĂN||19900101|M"
    loader(put(tmp_path, message(obr(), second, obr("7002"))))
    found = rows(warehouse, "SELECT order_id, patient_id, department FROM line JOIN identity USING (identity_id)")
    assert sorted(found) == [("7001", "BN01", "K01"), ("7002", "BN02", None)]


def test_several_cards_and_a_price(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    cards = PID.replace("~DN", "~TE1010222222222^^^BHYT~DN")
    priced = obr().replace("202604010900||", "202604010900|22400&VND|")
    dollars = obr("7002").replace("202604010900||", "202604010900|5&USD|")
    loader(put(tmp_path, message(priced, dollars).replace(PID, cards)))
    found = rows(
        warehouse, "SELECT insurance_id, price_vnd FROM line JOIN identity USING (identity_id) ORDER BY order_id"
    )
    assert found == [("TE1010222222222;DN4010111111111", 22400), ("TE1010222222222;DN4010111111111", None)]


def test_the_null_is_nothing(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    """Two quotation marks alone say that there is no value; within a text they are text."""
    first = obr('""').replace('""||', '""|F1|').replace("|202604010800|", '|""|')
    others = (obr(number).replace("|BS09|", '|""^Minh|') for number in ("7001", "7002"))
    text = message(first, *others, 'OBX|1|ST|x||""|g|""||||F').replace("|19800228|F", '|""|""')
    result = obr("7003"), 'OBX|1|ST|x||a""|""^g|||||F'
    loader(put(tmp_path, text + message(*result).replace("BN01", '""^^^98001^PI~BN01')))
    assert rejected(warehouse) == []
    found = rows(
        warehouse,
        """SELECT order_id, patient_id, birth_date, sex, ordered_by, "value", unit FROM line
        JOIN identity USING (identity_id) ORDER BY order_id""",
    )
    born = datetime.date(1980, 2, 28)
    assert found == [
        ("7001", "BN01", None, None, None, None, None),
        ("7002", "BN01", None, None, None, None, "g"),
        ("7003", "BN01", born, "female", "BS09", 'a""', None),
        ("F1", "BN01", None, None, "BS09", None, None),
    ]


@pytest.mark.parametrize(
    ("producer", "laboratory", "performer"),
    [("79001", "", "79001"), ("LAB01", "", "98001"), ("7900", "", "98001"), ("79001", "48002", "48002")],
)
def test_who_performed_it(
    loader: Loader, warehouse: Warehouse, tmp_path: Path, producer: str, laboratory: str, performer: str
) -> None:
    """A producer's code of five digits is a facility's, others are of a laboratory within the house."""
    loader(put(tmp_path, message(obr(), f"OBX|1|NM|x||5||||||F||||{producer}||||||||^^^^^^^^^{laboratory}")))
    assert rows(warehouse, "SELECT performing_facility_id FROM line") == [(performer,)]


def test_results_without_any_order_are_named(loader: Loader, tmp_path: Path) -> None:
    weight = message("OBX|1|NM|weight||60", kind="ADT^A01")
    assert loader(put(tmp_path, weight)).notes == ()
    summary = loader(put(tmp_path, weight + message("ORC|RE|7001", "OBX|1|NM|x||5", "OBX|2|NM|y||6")))
    assert summary.notes == ("Delivery 2 has 2 results (OBX) and no order (OBR) they belong to.",)


def test_a_blank_repetition_hides_no_other(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    loader(put(tmp_path, message(obr()).replace("~DN", "~~~DN")))
    found = rows(warehouse, "SELECT national_id, insurance_id FROM line JOIN identity USING (identity_id)")
    assert found == [("001180000011", "DN4010111111111")]


def test_an_escape_is_read_from_the_left(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    loader(put(tmp_path, message(obr(code=r"X^a\E\T\E\b"))))
    assert rows(warehouse, "SELECT test_name FROM line") == [("a\\T\\b",)]


def test_a_byte_order_mark_and_messages_cut_by_the_chunks(
    loader: Loader, warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hl7v2_text, "_CHUNK", 700)
    loader(put(tmp_path, "\ufeff" + "".join(message(obr(f"{n}"), "OBX|1|NM|x||5||||||F") for n in range(40))))
    assert rows(warehouse, """SELECT count(*), count(DISTINCT order_id) FROM line WHERE "value" = '5'""") == [(40, 40)]


def test_a_message_longer_than_any_real_one_is_cut(
    loader: Loader, warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hl7v2_text, "_CHUNK", 700)
    monkeypatch.setattr(hl7v2_text, "_MAX_MESSAGE", 2000)
    endless = message(*(obr(f"{n}") for n in range(100)))
    summary = loader(put(tmp_path, message(obr("A")) + endless + message(obr("B"))))
    assert {reason for *_, reason in rejected(warehouse)} == {"too_long"}
    assert rows(warehouse, "SELECT count(*) FROM line WHERE order_id IN ('A', 'B', '0')") == [(3,)]
    assert summary.rows_read == 102
