"""HL7 v2: an order is cancelled without its tests being named."""

from __future__ import annotations

from pathlib import Path

import pytest

from dedup.warehouse import Warehouse
from tests.loading.conftest import Loader, rows
from tests.loading.test_hl7v2 import message, obr, put

STATUSES = 'SELECT order_id, line_no, status, "value", full_name FROM line JOIN identity USING (identity_id)'


@pytest.mark.parametrize("nights", ["one file", "one load", "two nights"])
def test_an_order_is_cancelled_without_its_tests(
    loader: Loader, warehouse: Warehouse, tmp_path: Path, nights: str
) -> None:
    """An ORC with no OBR behind it ends all lines of its order, and only those."""
    first = message(
        "ORC|NW|7", obr("7"), "OBX|1|NM|x||5.1|g|||||F", obr("7"), "ORC|NW|8", obr("8", status=""), kind="ORM^O01"
    )
    then = message("ORC|CA|7", "ORC|CA|9", "ORC|NW|10", obr("10", status=""), "ORC|DC", kind="ORM^O01")
    paths = [tmp_path / f"{number}.hl7" for number in range(2)]
    for path, text in zip(paths, [first + then, ""] if nights == "one file" else [first, then], strict=True):
        path.write_text(text, encoding="utf-8")
    loads = {"one file": [paths[:1]], "one load": [paths], "two nights": [[path] for path in paths]}[nights]
    notes = [note for load in loads for note in loader(*load).notes]
    assert notes == ["1 cancellations named orders that are not known."]
    found = rows(warehouse, f"{STATUSES} WHERE superseded_by IS NULL ORDER BY order_id, line_no")
    assert found == [
        ("10", 1, "ordered", None, "LÊ THỊ MẪU"),
        ("7", 1, "cancelled", None, "LÊ THỊ MẪU"),
        ("7", 2, "cancelled", None, "LÊ THỊ MẪU"),
        ("8", 1, "ordered", None, "LÊ THỊ MẪU"),
    ]


def test_a_cancelled_order_comes_back_with_a_new_result(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    for number, text in enumerate(
        (message(obr("7")), message("ORC|CA|7", kind="ORM^O01"), message(obr("7"), "OBX|1|NM|x||6|g|||||F"))
    ):
        (tmp_path / f"{number}.hl7").write_text(text.replace("|19800228|", "|1980|"), encoding="utf-8")
        loader(tmp_path / f"{number}.hl7")
    assert rows(warehouse, "SELECT birth_precision FROM identity") == [("year",)]
    found = rows(warehouse, f"{STATUSES} ORDER BY line_id")
    assert [(line[2], line[3]) for line in found] == [("final", None), ("cancelled", None), ("final", "6")]


def test_a_cancellation_by_another_name_of_the_hospital(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    warehouse.con.execute("INSERT INTO facility_alias (alias, facility_id) VALUES ('HIS-1', '98001')")
    loader(put(tmp_path, message(obr("A\\T\\7"))))
    text = message("ORC|OC|A\\T\\7", kind="ORM^O01").replace("|98001|LIS", "|HIS-1|LIS", 1)
    assert loader(put(tmp_path, text)).notes == ()
    assert rows(warehouse, f"{STATUSES} WHERE superseded_by IS NULL") == [("A&7", 1, "cancelled", None, "LÊ THỊ MẪU")]
