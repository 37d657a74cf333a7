"""Damaged and hostile files: the good rows load, each bad one is named, and nothing leaks."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dedup.errors import InputError
from dedup.warehouse import Warehouse
from tests.loading.conftest import (
    ORDER,
    Loader,
    as_csv,
    check_counts,
    loader,
    order,
    rejected,
    rows,
    warehouse,
    write_csv,
)
from tests.loading.xml import SERVICE, STAY, envelope, record

__all__ = ["check_counts", "loader", "warehouse"]

LINES = as_csv(*(order(order_id=f"A{n}", full_name="Bí Mật Nhân") for n in range(1, 11))).splitlines()


def damaged(folder: Path, changes: dict[int, bytes], name: str = "a.csv") -> Path:
    """Ten good rows with some replaced."""
    lines = [changes.get(number, line.encode()) for number, line in enumerate(LINES)]
    (folder / name).write_bytes(b"\n".join(lines) + b"\n")
    return folder / name


GOOD = LINES[3].encode()


def test_a_broken_byte_in_a_column_too_many(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    """DuckDB's own reader fails for good on this one, so it may not see it."""
    summary = loader(damaged(tmp_path, {10: GOOD + b",one,two,three\xfd"}))
    assert (summary.rows_read, summary.rows_loaded) == (10, 9)
    assert [reason for _, _, reason in rejected(warehouse)] == ["bad_encoding"]


@pytest.mark.parametrize("shift", range(3))
def test_a_row_longer_than_the_engine_quotes(loader: Loader, warehouse: Warehouse, tmp_path: Path, shift: int) -> None:
    """Its message breaks off after 10,000 bytes, in the middle of a character."""
    path = damaged(tmp_path, {4: b"x" * shift + "㐀".encode() * 4000})
    assert loader(path).rows_loaded == 9
    assert [(row, reason) for row, _, reason in rejected(warehouse)] == [(4, "ragged_row")]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (GOOD + b",extra", "ragged_row"),
        (b"01001,A3", "ragged_row"),
        (b"nothing at all", "ragged_row"),
        (GOOD.replace("Bí Mật Nhân".encode(), b"B\xed M\xe2t"), "bad_encoding"),
        (GOOD.replace("Bí Mật".encode(), b"B\0 M"), "bad_text"),
        (GOOD.replace("Bí".encode(), b'"Bi'), "open_quote"),
        (GOOD.replace("Bí".encode(), b'"B"i'), "open_quote"),
        (GOOD.replace("Bí".encode(), b"B" * 5_000_000), "too_long"),
        (GOOD.replace("Bí".encode(), b"B" * 300_000), "too_long"),
    ],
)
def test_a_bad_row_is_named_and_its_neighbours_load(
    loader: Loader, warehouse: Warehouse, tmp_path: Path, bad: bytes, reason: str
) -> None:
    summary = loader(damaged(tmp_path, {3: bad}))
    assert (summary.rows_read, summary.rows_loaded) == (10, 9)
    ((number, _, found),) = rejected(warehouse)
    assert (number, found) == (3, reason)


def test_two_open_quotes_swallow_nothing_between_them(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    bad = GOOD.replace("Bí".encode(), b'"Bi')
    loader(damaged(tmp_path, {3: bad, 7: bad}))
    assert [(number, reason) for number, _, reason in rejected(warehouse)] == [(3, "open_quote"), (7, "open_quote")]


def test_a_line_break_inside_quotes_is_one_row(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    wrapped = GOOD.replace("Bí Mật Nhân".encode(), b'"B\nM"')
    summary = loader(damaged(tmp_path, {3: wrapped, 5: GOOD + b",extra"}))
    assert (summary.rows_read, summary.rows_loaded) == (10, 9 - 0)
    assert [(number, reason) for number, _, reason in rejected(warehouse)] == [(5, "ragged_row")]


@pytest.mark.parametrize("cut", [1, 7, 40, 200, 555, 900])
@pytest.mark.parametrize("kind", ["csv", "ndjson", "xml", "parquet"])
def test_truncated_files_add_up(loader: Loader, tmp_path: Path, kind: str, cut: int) -> None:
    whole = sample(tmp_path, kind)
    data = whole.read_bytes()
    whole.write_bytes(data[: max(len(data) - cut, 0)])
    loader(whole)


def sample(folder: Path, kind: str) -> Path:
    import duckdb

    path = folder / f"whole.{kind}"
    orders = [order(order_id=f"A{n}") for n in range(20)]
    if kind == "xml":
        text = envelope(*(record(STAY | {"MA_LK": f"{n}"}, [SERVICE | {"MA_LK": f"{n}"}]) for n in range(9)))
        path.write_text(text, encoding="utf-8")
    elif kind == "ndjson":
        path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in orders), encoding="utf-8")
    else:
        write_csv(folder / "whole.csv", *orders)
        if kind == "parquet":
            duckdb.read_csv(str(folder / "whole.csv"), all_varchar=True).write_parquet(str(path))
    return path


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"\0" * 5000,
        b"hello",
        b"a,b,c\n1,2,3\n",
        b"PAR1",
        b"PAR1" * 9,
        b"<html></html>",
        b"{}",
        b"\xff\xfe\0",
    ],
)
def test_what_is_no_known_format_is_a_delivery_of_its_own(
    loader: Loader, warehouse: Warehouse, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    summary = loader(tmp_path / "a.csv")
    assert (summary.rows_read, summary.over_limit, len(summary.deliveries)) == (0, True, 1)
    assert rejected(warehouse)[0][0] == 0


def test_a_header_alone_is_an_empty_delivery(loader: Loader, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(LINES[0])
    summary = loader(tmp_path / "a.csv")
    assert (summary.rows_read, summary.over_limit, summary.deliveries[0].format) == (0, False, "csv")


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>',
        '<!DOCTYPE x SYSTEM "file:///etc/passwd">',
        '<!doctype x [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
    ],
)
@pytest.mark.parametrize("utf16", [False, True])
def test_a_doctype_is_refused(loader: Loader, warehouse: Warehouse, tmp_path: Path, doctype: str, utf16: bool) -> None:
    text = envelope(record(coded=False).replace("LÊ THỊ MẪU", "&a;")).replace(
        "<GIAMDINHHS>", doctype + "<GIAMDINHHS>", 1
    )
    text = text.replace('encoding="utf-8"', 'encoding="utf-16"') if utf16 else text
    (tmp_path / "a.xml").write_bytes(text.encode("utf-16" if utf16 else "utf-8"))
    summary = loader(tmp_path / "a.xml")
    assert (summary.rows_loaded, summary.over_limit) == (0, True)
    assert rejected(warehouse) == [(0, None, "forbidden_doctype")]


def test_a_doctype_inside_a_payload_is_refused(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    import base64

    evil = base64.b64encode(b'<!DOCTYPE x [<!ENTITY a "aa">]><TONG_HOP><MA_LK>&a;</MA_LK></TONG_HOP>').decode()
    text = envelope(record(coded=False))
    start, end = text.index("<TONG_HOP>"), text.index("</TONG_HOP>") + len("</TONG_HOP>")
    (tmp_path / "a.xml").write_text(text[:start] + evil + text[end:], encoding="utf-8")
    assert loader(tmp_path / "a.xml").rows_loaded == 0
    assert rejected(warehouse) == [(1, None, "unreadable_payload")]


def test_deep_nesting_does_no_harm(loader: Loader, tmp_path: Path) -> None:
    deep = "<A>" * 100_000
    (tmp_path / "a.xml").write_text(envelope(record(coded=False)).replace("<TONG_HOP>", f"<TONG_HOP>{deep}"))
    assert loader(tmp_path / "a.xml").over_limit
    (tmp_path / "a.ndjson").write_text(json.dumps(ORDER) + "\n" + '{"a":' * 100_000 + "\n")
    assert loader(tmp_path / "a.ndjson").rows_loaded == 1


@pytest.mark.parametrize(
    "name", ["o'rder.csv", "a*.csv", "[b].csv", "?.csv", '";DROP TABLE line;--.csv', "a b.gz", "ф.csv"]
)
def test_names_mean_nothing(loader: Loader, warehouse: Warehouse, tmp_path: Path, name: str) -> None:
    write_csv(tmp_path / "a1.csv", order(order_id="other", value="x"))
    loader(write_csv(tmp_path / name, order()))
    assert rows(warehouse, "SELECT order_id FROM line") == [("A1",)]
    assert rows(warehouse, "SELECT source_name FROM delivery") == [(name,)]


def test_a_name_that_is_no_text(loader: Loader, tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff.csv"
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(as_csv(order()).encode())
    assert loader(tmp_path).rows_loaded == 1


@pytest.mark.parametrize(
    "value", ["'; DROP TABLE line; --", '"); SELECT 1; --', "$1", "{}", "%s", "\\", "\u202e", "=1+1", "\U0001f600"]
)
def test_values_mean_nothing(loader: Loader, warehouse: Warehouse, tmp_path: Path, value: str) -> None:
    orders = order(order_id=value, patient_id=value, test_code=value, full_name=value, facility_id=value)
    loader(write_csv(tmp_path / "a.csv", orders))
    (tmp_path / "a.ndjson").write_text(json.dumps(orders | {"value": "2"}) + "\n")
    loader(tmp_path / "a.ndjson")
    assert rows(warehouse, "SELECT order_id FROM line WHERE superseded_by IS NULL") == [(value,)]


def test_links_and_odd_things_in_folders_are_passed_over(loader: Loader, tmp_path: Path) -> None:
    secret = write_csv(tmp_path / "secret.csv", order(order_id="S"))
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    write_csv(inbox / "a.csv", order())
    (inbox / "link.csv").symlink_to(secret)
    (inbox / "up").symlink_to(tmp_path)
    os.mkfifo(inbox / "pipe.csv")
    (inbox / ".hidden.csv").write_text("x")
    summary = loader(inbox)
    assert [one.source_name for one in summary.deliveries] == ["a.csv"]
    assert summary.notes


def test_an_input_that_is_not_there(loader: Loader, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file or folder"):
        loader(tmp_path / "nothing.csv")


def test_patterns_name_files(loader: Loader, tmp_path: Path) -> None:
    write_csv(tmp_path / "a1.csv", order())
    write_csv(tmp_path / "a2.csv", order(order_id="A2"))
    write_csv(tmp_path / "b.csv", order(order_id="A3"))
    assert loader(tmp_path / "a*.csv").rows_loaded == 2


def test_the_wrong_suffix_is_no_matter(loader: Loader, tmp_path: Path) -> None:
    for kind, name in (("csv", "a.xml"), ("ndjson", "b.parquet"), ("xml", "c.csv"), ("parquet", "d.txt")):
        made = sample(tmp_path, kind).rename(tmp_path / name)
        assert loader(made).rows_read > 0, kind


def test_no_value_in_what_is_told(
    loader: Loader, warehouse: Warehouse, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    orders = [
        order(order_id=f"A{n}", full_name="Bí Mật Nhân", ordered_at="Bí Mật Nhân", price_vnd="Bí") for n in range(9)
    ]
    write_csv(tmp_path / "a.csv", *orders)
    (tmp_path / "b.ndjson").write_text('{"facility_id": "1", "order_id": "2", "patient_id": "Bí Mật Nhân"}\n{"Bí Mật\n')
    (tmp_path / "c.xml").write_text(envelope(record(STAY | {"HO_TEN": "Bí Mật Nhân"}, coded=False))[:-300])
    loader(tmp_path)
    told = capfd.readouterr()
    tables = " ".join(str(rows(warehouse, f"FROM {name}")) for name in ("rejected_row", "delivery", "run"))
    assert "Bí" not in told.out + told.err + tables
