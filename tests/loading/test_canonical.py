"""Canonical order lines: what each column may hold, in CSV, Parquet and NDJSON alike."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import duckdb
import polars as pl
import pytest

from dedup.loading.reasons import REASONS
from dedup.warehouse import Warehouse
from tests.loading.conftest import Loader, as_csv, order, rejected, rows, stored, write_csv

AT = datetime.datetime


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-03-02T08:30", AT(2026, 3, 2, 8, 30)),
        ("2026-03-02 08:30:15", AT(2026, 3, 2, 8, 30, 15)),
        ("2026-03-02T08:30:15.999", AT(2026, 3, 2, 8, 30, 15)),
        ("2026-03-02T08:30+07:00", AT(2026, 3, 2, 8, 30)),
        ("2026-03-02T01:30Z", AT(2026, 3, 2, 8, 30)),
        ("2026-03-02T01:30:00.5z", AT(2026, 3, 2, 8, 30)),
        ("2026-03-01T22:00:00-0330", AT(2026, 3, 2, 8, 30)),
        ("2026-03-02T09:30+08", AT(2026, 3, 2, 8, 30)),
        ("2026-03-02t01:30z", AT(2026, 3, 2, 8, 30)),
        ("2026-03-02T08:30+25:00", None),
        ("2026-03-02T08:30+07:75", None),
        ("  2026-03-02T08:30\t", AT(2026, 3, 2, 8, 30)),
        ("2026-03-02", None),
        ("2026-02-29T08:30", None),
        ("2026-13-02T08:30", None),
        ("2026-3-2 8:30", None),
        ("02/03/2026 08:30", None),
        ("1899-12-31T23:59", None),
        ("2101-01-01T00:00", None),
        ("2026-03-02T08:30 Europe/Paris", None),
        ("20260302", None),
        ("soon", None),
    ],
)
def test_a_time_is_iso_8601_and_becomes_local(
    loader: Loader, warehouse: Warehouse, tmp_path: Path, text: str, at: datetime.datetime | None
) -> None:
    loader(write_csv(tmp_path / "a.csv", order(ordered_at=text)))
    if at is None:
        assert rejected(warehouse) == [(1, "ordered_at", "bad_timestamp")]
    else:
        assert rows(warehouse, "SELECT ordered_at FROM line") == [(at,)]


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("22400", "22400.000"),
        ("22400.5", "22400.500"),
        ("22400.00", "22400.000"),
        ("0.500", "0.500"),
        ("1234.500", "1234.500"),
        ("", None),
        ("21.500", "ambiguous_price"),
        ("999.999", "ambiguous_price"),
        ("1,500", "bad_price"),
        ("1.500.000", "bad_price"),
        ("-5", "bad_price"),
        ("1e5", "bad_price"),
        ("22400 đ", "bad_price"),
    ],
)
def test_a_price_is_never_guessed(
    loader: Loader, warehouse: Warehouse, tmp_path: Path, text: str, price: str | None
) -> None:
    loader(write_csv(tmp_path / "a.csv", order(price_vnd=text)))
    if price is not None and price.endswith("price"):
        assert rejected(warehouse) == [(1, "price_vnd", price)]
    else:
        assert rows(warehouse, "SELECT CAST(price_vnd AS VARCHAR) FROM line") == [(price,)]


@pytest.mark.parametrize(
    ("text", "birth"),
    [
        ("1980-05-17", (datetime.date(1980, 5, 17), "day")),
        ("1980-05", (datetime.date(1980, 5, 1), "month")),
        ("1980", (datetime.date(1980, 1, 1), "year")),
        ("", (None, None)),
        ("17/05/1980", None),
        ("1980-13", None),
        ("1980-02-30", None),
        ("1799-01-01", None),
    ],
)
def test_a_birth_date_keeps_its_precision(
    loader: Loader, warehouse: Warehouse, tmp_path: Path, text: str, birth: tuple[object, object] | None
) -> None:
    loader(write_csv(tmp_path / "a.csv", order(birth_date=text)))
    if birth is None:
        assert rejected(warehouse) == [(1, "birth_date", "bad_date")]
    else:
        assert rows(warehouse, "SELECT birth_date, birth_precision FROM patient_identity") == [birth]


@pytest.mark.parametrize(
    ("column", "text", "kept"),
    [
        ("sex", "M", "male"),
        ("sex", "2", "female"),
        ("sex", "NỮ", "female"),
        ("sex", "nư\u0303", "female"),
        ("sex", "unknown", None),
        ("sex", "3", None),
        ("sex", "", None),
        ("sex", "x", "unknown_sex"),
        ("status", "FINAL", "final"),
        ("status", "done", "unknown_status"),
        ("status", "", "missing_value"),
        ("setting", "", "unknown"),
        ("setting", "ICU", "icu"),
        ("setting", "ward", "unknown_setting"),
        ("abnormal_flag", "hh", "HH"),
        ("abnormal_flag", "high", "unknown_abnormal_flag"),
        ("order_reason", "Lab_Level", "lab_level"),
        ("order_reason", "because", "unknown_order_reason"),
        ("code_system", "LOINC", "loinc"),
        ("code_system", "snomed", "unknown_code_system"),
        ("line_no", "", 1),
        ("line_no", "007", 7),
        ("line_no", "0", "bad_line_no"),
        ("line_no", "1.5", "bad_line_no"),
        ("line_no", "9999999999", "bad_line_no"),
        ("order_id", " ", "missing_value"),
        ("order_id", "x" * 201, "too_long"),
        ("full_name", "x" * 20_001, "too_long"),
        ("specimen", " Máu toàn phần ", "Máu toàn phần"),
        ("facility_id", "00107", "00107"),
    ],
)
def test_words_are_known_or_the_row_is_set_aside(
    loader: Loader, warehouse: Warehouse, tmp_path: Path, column: str, text: str, kept: object
) -> None:
    loader(write_csv(tmp_path / "a.csv", order(**{column: text})))
    if isinstance(kept, str) and kept in REASONS:
        assert rejected(warehouse) == [(1, column, kept)]
    else:
        (one,) = rows(
            warehouse,
            f"SELECT x.{column} FROM (SELECT l.*, i.* EXCLUDE (facility_id, patient_record_id, identity_id), "
            "c.code_system FROM line AS l JOIN identity AS i USING (identity_id) JOIN code AS c USING (code_id)) AS x",
        )
        assert one == (kept,)


@pytest.mark.parametrize(
    ("code", "system"),
    [("23.0083.1523", "vn-service"), ("4548-4", "loinc"), ("GLU01", "local"), ("23.0083.1523.K", "local")],
)
def test_a_code_system_is_recognised_by_shape(
    loader: Loader, warehouse: Warehouse, tmp_path: Path, code: str, system: str
) -> None:
    loader(write_csv(tmp_path / "a.csv", order(test_code=code)))
    assert rows(warehouse, "SELECT code_system, test_code, facility_id FROM code") == [(system, code, "01001")]


def test_one_bad_row_does_not_stop_the_others(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    bad = order(order_id="A2", ordered_at="2026-03-02", price_vnd="1.500.000")
    summary = loader(write_csv(tmp_path / "a.csv", order(), bad, order(order_id="A3")), max_rejected_share=0.5)
    assert (summary.rows_read, summary.rows_loaded, summary.rows_rejected) == (3, 2, 1)
    assert rejected(warehouse) == [(2, "ordered_at", "bad_timestamp")]  # the first of the two in contract order
    assert not summary.over_limit


def test_more_rejected_rows_than_allowed_is_told(loader: Loader, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", order(), order(order_id="A2", status="?"))
    assert loader(path, max_rejected_share=0.4).over_limit


def test_unknown_columns_are_listed_not_loaded(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    summary = loader(write_csv(tmp_path / "a.csv", order() | {"Remark_1": "x", "Trần Văn Thử": "y"}))
    told = ("remark_1", f"column {len(order()) + 2}")  # what may be a patient's name is not repeated
    assert summary.deliveries[0].unknown_columns == told
    assert summary.rows_loaded == 1
    assert any("remark_1" in note for note in summary.notes)


def test_a_header_that_holds_a_row_is_told_by_its_places(loader: Loader, tmp_path: Path) -> None:
    summary = loader(write_csv(tmp_path / "a.csv", order() | {"lan": "x", "DN4010123456789": "y"}))
    assert summary.deliveries[0].unknown_columns == tuple(f"column {len(order()) + place}" for place in (1, 2))


def test_a_missing_column_rejects_every_row(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    bare = {name: value for name, value in order().items() if name != "status"}
    loader(write_csv(tmp_path / "a.csv", bare, bare | {"order_id": "A2"}))
    assert rejected(warehouse) == [(1, "status", "missing_column"), (2, "status", "missing_column")]


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".xlsx"])
def test_a_missing_column_is_told_of_a_file_without_rows_too(
    loader: Loader, warehouse: Warehouse, tmp_path: Path, suffix: str
) -> None:
    names = list(order())
    summary = loader(header_only(tmp_path / f"cut{suffix}", names[: names.index("status")]))
    assert (summary.rows_read, summary.over_limit) == (0, True)
    assert rejected(warehouse) == [(0, "status", "missing_column")]
    assert not loader(header_only(tmp_path / f"empty{suffix}", names)).over_limit


def header_only(path: Path, names: list[str]) -> Path:
    frame = pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    write = {".csv": frame.write_csv, ".parquet": frame.write_parquet, ".xlsx": frame.write_excel}
    write[path.suffix](path)  # type: ignore[operator]
    return path


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_separators_are_seen_in_the_header(
    loader: Loader, warehouse: Warehouse, tmp_path: Path, delimiter: str
) -> None:
    summary = loader(write_csv(tmp_path / "a.csv", order(), order(order_id="A2"), delimiter=delimiter))
    assert summary.rows_loaded == 2


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_byte_order_marks(loader: Loader, tmp_path: Path, end: str, last: bool, mark: str) -> None:
    lines = as_csv(order(), order(order_id="A2", address='12, "Mẫu"')).strip().split("\n")
    (tmp_path / "a.csv").write_bytes((mark + end.join(lines) + (end if last else "")).encode())
    assert loader(tmp_path / "a.csv").rows_loaded == 2


def test_row_numbers_are_those_of_the_file(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    lines = as_csv(*(order(order_id=f"A{n}", status="final" if n % 1000 else "?") for n in range(1, 5001)))
    path.write_text(lines)
    loader(path)
    assert [row[0] for row in rejected(warehouse)] == [1000, 2000, 3000, 4000, 5000]


def test_csv_parquet_and_ndjson_give_the_same_lines(tmp_path: Path) -> None:
    from dedup.warehouse import memory_warehouse, start_run
    from tests.loading.conftest import load

    orders = [order(order_id=f"A{n}", line_no=n, national_id="001080000017", performed_by="01002") for n in range(1, 9)]
    write_csv(tmp_path / "a.csv", *orders)
    (tmp_path / "a.ndjson").write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in orders))
    duckdb.sql(f"SELECT * FROM read_csv('{tmp_path}/a.csv', all_varchar = true)").write_parquet(f"{tmp_path}/t.parquet")
    duckdb.sql(
        f"SELECT * REPLACE (CAST(ordered_at AS TIMESTAMP) AS ordered_at, CAST(line_no AS DOUBLE) AS line_no, "
        f"CAST(birth_date AS TIMESTAMP) AS birth_date, CAST(price_vnd AS DECIMAL(18, 3)) AS price_vnd) "
        f"FROM read_csv('{tmp_path}/a.csv', all_varchar = true)"
    ).write_parquet(f"{tmp_path}/typed.parquet")
    found = []
    for name in ("a.csv", "a.ndjson", "t.parquet", "typed.parquet"):
        from dedup.settings import Settings

        with memory_warehouse() as made, start_run(made, "load") as run:
            summary = load(made, run, [tmp_path / name], Settings())
            assert summary.rows_loaded == 8, (name, summary)
            found.append(stored(made))
    assert found[0] == found[1] == found[2] == found[3]


def test_a_typed_amount_is_never_ambiguous(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", order())
    duckdb.sql(
        "SELECT * REPLACE (CAST(500 AS DECIMAL(18, 3)) AS price_vnd) "
        f"FROM read_csv('{tmp_path}/a.csv', all_varchar = true)"
    ).write_parquet(f"{tmp_path}/a.parquet")
    loader(tmp_path / "a.parquet")
    assert rows(warehouse, "SELECT price_vnd FROM line") == [(500,)]


def test_broken_json_lines_are_named(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    good = [json.dumps(order(order_id=f"A{n}")) for n in range(3)]
    (tmp_path / "a.ndjson").write_text("\n".join([good[0], '{"facility_id": ', good[1], "[1]", "", good[2]]))
    summary = loader(tmp_path / "a.ndjson")
    assert summary.rows_loaded == 3
    assert rejected(warehouse) == [(2, None, "bad_json"), (4, None, "bad_json")]
    assert summary.over_limit


def test_a_nul_in_a_json_text_is_refused(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text(
        "".join(json.dumps(order(order_id=f"A{n}", full_name=name)) + "\n" for n, name in enumerate(("AN", "A\0N"))),
        encoding="utf-8",
    )
    assert loader(path).rows_loaded == 1
    assert rejected(warehouse) == [(2, "full_name", "bad_text")]
