"""HL7 v2: orders whose tests are told of one by one, in messages of their own."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from dedup.warehouse import Warehouse, memory_warehouse
from tests.loading.conftest import Loader, loading, rows
from tests.loading.test_hl7v2 import message, obr

A, B, C = "23.0075.1494^Glucose", "23.0083.1523^HbA1c", "23.0051.1494^Creatinine"
LINES = """SELECT order_id, line_no, test_code[4:7], status, "value" FROM line JOIN code USING (code_id)
    WHERE superseded_by IS NULL ORDER BY ALL"""


def order(*codes: str, control: str = "NW", number: str = "7") -> str:
    segments = ([f"ORC|{control}|{number}", obr(number, code, status="")] for code in codes)
    return message(*itertools.chain.from_iterable(segments), kind="ORM^O01")


def result(*results: tuple[str, str], status: str = "F", number: str = "7") -> str:
    segments = ([obr(number, code, status=status), f"OBX|1|NM|x||{value}||||||{status}"] for code, value in results)
    return message(*itertools.chain.from_iterable(segments))


def load_nights(warehouse: Warehouse, folder: Path, *nights: list[str]) -> list[tuple[object, ...]]:
    """Load nights of messages, each message in a file of its own, in this order. The current lines."""
    number = 0
    for night in nights:
        paths = []
        for text in night:
            number += 1
            paths.append(folder / f"{number:02}.hl7")
            paths[-1].write_text(text, encoding="utf-8")
        loading(warehouse, *paths)
    return rows(warehouse, LINES)


def splits(messages: tuple[str, ...]) -> list[list[list[str]]]:
    """All ways to spread messages over nights, keeping their order."""
    ways = []
    for cuts in itertools.product([False, True], repeat=len(messages) - 1):
        nights = [[messages[0]]]
        for text, cut in zip(messages[1:], cuts, strict=True):
            if cut:
                nights.append([])
            nights[-1].append(text)
        ways.append(nights)
    return ways


@pytest.mark.parametrize("messages", [*itertools.permutations([order(A, B), result((B, "6.1")), result((A, "5.1"))])])
def test_results_that_come_one_by_one(tmp_path: Path, messages: tuple[str, ...]) -> None:
    """Whatever comes first, and on which night: one line a test, numbered as ordered."""
    for nights in splits(messages):
        with memory_warehouse() as warehouse:
            found = load_nights(warehouse, tmp_path, *nights)
        assert found == [("7", 1, "0075", "final", "5.1"), ("7", 2, "0083", "final", "6.1")], nights


def test_an_order_that_comes_last_moves_what_is_there(warehouse: Warehouse, tmp_path: Path) -> None:
    found = load_nights(
        warehouse,
        tmp_path,
        [result((B, "6.1")), order(A, number="8")],
        [result((A, "5.1"))],
        [result((B, "6.5"), status="C")],
        [order(C, B, A)],
    )
    assert found == [
        ("7", 1, "0051", "ordered", None),
        ("7", 2, "0083", "corrected", "6.5"),
        ("7", 3, "0075", "final", "5.1"),
        ("8", 1, "0075", "ordered", None),
    ]
    assert load_nights(warehouse, tmp_path, [order(C, B, A) + "\r"]) == found


def test_a_moved_line_keeps_all_it_says(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    said = message(obr("7", B).replace("202604010900||", "202604010900|500&VND|"), "OBX|1|NM|x||6.1|%||H|||F")
    columns = "* EXCLUDE (line_id, line_no, delivery_no, superseded_by)"
    load_nights(warehouse, tmp_path, [said])
    before = rows(warehouse, f"SELECT {columns} FROM line")
    load_nights(warehouse, tmp_path, [order(A, B)])
    assert rows(warehouse, f"SELECT {columns} FROM line WHERE superseded_by IS NULL AND line_no = 2") == before


@pytest.mark.parametrize("nights", [True, False])
def test_tests_that_are_added_take_the_next_number(warehouse: Warehouse, tmp_path: Path, nights: bool) -> None:
    messages = [order(B, A), order(C), result((C, "80")), order(A, control="SC"), result((A, "5.1"), (B, "6.1"))]
    found = load_nights(warehouse, tmp_path, *([[one] for one in messages] if nights else [messages]))
    assert found == [
        ("7", 1, "0083", "final", "6.1"),
        ("7", 2, "0075", "final", "5.1"),
        ("7", 3, "0051", "final", "80"),
    ]


@pytest.mark.parametrize("nights", [True, False])
def test_corrections_and_cancellations_of_one_test(warehouse: Warehouse, tmp_path: Path, nights: bool) -> None:
    messages = [order(A, B, C), result((B, "6")), order(C, control="CA"), result((B, "7"), status="C"), order(A, C)]
    found = load_nights(warehouse, tmp_path, *([[one] for one in messages] if nights else [messages]))
    assert found == [
        ("7", 1, "0075", "ordered", None),
        ("7", 2, "0083", "corrected", "7"),
        ("7", 3, "0051", "cancelled", None),
    ]
    found = load_nights(warehouse, tmp_path, [message("ORC|CA|7", kind="ORM^O01"), result((C, "80"))])
    assert [line[3:] for line in found] == [("cancelled", None), ("cancelled", None), ("final", "80")]


@pytest.mark.parametrize("nights", [True, False])
def test_a_test_ordered_twice_has_two_lines(warehouse: Warehouse, tmp_path: Path, nights: bool) -> None:
    messages = [order(A, B, A), result((B, "6")), result((A, "5"), (A, "9"))]
    found = load_nights(warehouse, tmp_path, *([[one] for one in messages] if nights else [messages]))
    assert found == [("7", 1, "0075", "final", "5"), ("7", 2, "0083", "final", "6"), ("7", 3, "0075", "final", "9")]


def test_a_test_that_may_not_be_kept_leaves_its_number(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    for number, text in enumerate([order(A, B, C), result((C, "80")), result((A, "5")), order(B, C), order(A, B, C)]):
        path = tmp_path / f"{number}.hl7"
        path.write_text(text + number * "\r", encoding="utf-8")
        loader(path, sensitive=[("vn-service", A.split("^")[0], None)])
    assert rows(warehouse, LINES) == [("7", 2, "0083", "ordered", None), ("7", 3, "0051", "final", "80")]


def test_two_patients_of_one_number_in_a_message(warehouse: Warehouse, tmp_path: Path) -> None:
    other = "PID|1||BN02^^^98001^MR||TRẦN^THỬ^VĂN||19900101|M"
    both = message(obr("7", A, status=""), other, obr("7", B, status=""), kind="ORM^O01")
    found = load_nights(warehouse, tmp_path, [both, result((A, "5"))])
    assert found == [("7", 1, "0075", "final", "5"), ("7", 2, "0083", "ordered", None)]
