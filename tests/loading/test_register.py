"""The facility register: levels, periods, and old codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from dedup.errors import ConfigError
from dedup.loading import load_register
from dedup.warehouse import Warehouse
from tests.loading.conftest import Loader, order, rows, write_csv

HEADER = "facility_id,name,tier,province,lab_level,iso15189,level_from,level_to,connected_since,alias_of\n"


def register(folder: Path, *lines: str) -> Path:
    path = folder / "facilities.csv"
    path.write_text(HEADER + "".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def test_levels_have_periods(warehouse: Warehouse, tmp_path: Path) -> None:
    path = register(
        tmp_path,
        "01001,Bệnh viện Mẫu,central,Hà Nội,3,true,,2025-12-31,,",
        "01001,Bệnh viện Mẫu,central,Hà Nội,4,true,2026-01-01,,,",
        "01002,Trạm y tế Mẫu,commune,Hà Nội,,false,,,,",
    )
    assert load_register(warehouse, path) == 2
    found = rows(warehouse, "SELECT facility_id, lab_level, level_to, registered FROM facility ORDER BY ALL")
    assert [(row[0], row[1], row[3]) for row in found] == [
        ("01001", 3, True),
        ("01001", 4, True),
        ("01002", None, True),
    ]


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_a_spreadsheet_may_have_saved_it(warehouse: Warehouse, tmp_path: Path, delimiter: str) -> None:
    path = register(tmp_path, "01001,Bệnh viện Mẫu,central,Hà Nội,3,true,,2025-12-31,,")
    path.write_text("\ufeff" + path.read_text(encoding="utf-8").replace(",", delimiter), encoding="utf-8")
    assert load_register(warehouse, path) == 1
    assert rows(warehouse, "SELECT facility_id, lab_level FROM facility") == [("01001", 3)]


def test_all_errors_are_told_at_once_with_their_lines(warehouse: Warehouse, tmp_path: Path) -> None:
    path = register(
        tmp_path,
        "01001,A,central,,9,,,,,",
        "01002,B,palace,,,perhaps,,,,",
        "01003,C,,,1,,2026-01-01,2026-06-30,,",
        "01003,C,,,2,,2026-06-30,,,",
        "01004,,,,,,2026-31-01,,,",
        "01005,,,,,,,,,01006",
        "01006,,,,,,,,,01005",
        "short",
    )
    with pytest.raises(ConfigError) as caught:
        load_register(warehouse, path)
    assert sorted(problem.line for problem in caught.value.problems) == [2, 3, 3, 5, 6, 7, 8, 9]


def test_aliases_are_followed_to_their_end(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    path = register(tmp_path, "01003,C,,,1,,,,,", "01002,,,,,,,,,01003", "01001,,,,,,,,,01002")
    orders = [order(), order(order_id="A2", facility_id="01003", performed_by="01002")]
    loader(write_csv(tmp_path / "a.csv", *orders), facilities=path)
    found = rows(warehouse, "SELECT facility_id, performing_facility_id FROM line ORDER BY order_id")
    assert found == [("01003", "01003"), ("01003", "01003")]
    assert rows(warehouse, "SELECT DISTINCT facility_id, registered FROM facility") == [("01003", True)]
    assert len(rows(warehouse, "FROM patient_identity")) == 1


def test_facilities_found_only_in_the_data(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    loader(write_csv(tmp_path / "a.csv", order(performed_by="01002")))
    found = rows(warehouse, "SELECT facility_id, lab_level, registered FROM facility ORDER BY ALL")
    assert found == [("01001", None, False), ("01002", None, False)]
    load_register(warehouse, register(tmp_path, "01002,B,,,1,,,,,"))
    found = rows(warehouse, "SELECT facility_id, lab_level, registered FROM facility ORDER BY ALL")
    assert found == [("01001", None, False), ("01002", 1, True)]


@pytest.mark.parametrize("later", [True, False])
def test_an_alias_told_later_gives_the_same_lines(
    loader: Loader, warehouse: Warehouse, tmp_path: Path, later: bool
) -> None:
    path = register(tmp_path, "01002,B,,,1,,,,,", "01001,,,,,,,,,01002")
    first = write_csv(tmp_path / "a.csv", order(), order(order_id="A2", performed_by="01001"))
    second = write_csv(tmp_path / "b.csv", order(facility_id="01002", value="7"))
    loader(first, **({} if later else {"facilities": path}))
    loader(second, facilities=path)
    found = rows(
        warehouse,
        "SELECT facility_id, order_id, value, performing_facility_id FROM line "
        "WHERE superseded_by IS NULL ORDER BY ALL",
    )
    assert found == [("01002", "A1", "7", "01002"), ("01002", "A2", None, "01002")]
    assert rows(warehouse, "SELECT facility_id FROM facility") == [("01002",)]
    assert rows(warehouse, "SELECT DISTINCT facility_id FROM patient_identity") == [("01002",)]


def test_a_register_among_the_inputs_is_no_delivery(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    register(tmp_path, "01001,A,,,1,,,,,")
    write_csv(tmp_path / "orders.csv", order())
    summary = loader(tmp_path)
    assert [one.source_name for one in summary.deliveries] == ["orders.csv"]
    assert not summary.over_limit
