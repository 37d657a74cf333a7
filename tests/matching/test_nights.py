"""Any order, any split over nights: the same persons; and what a night leaves behind."""

from __future__ import annotations

import datetime
import random
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest

from dedup.matching import clustering, normalising
from dedup.matching.variants import Coded, read_variants, variant_id_sql
from dedup.schema import NORMALISED
from dedup.settings import WarehouseSettings
from dedup.simulation.rates import ErrorRates
from dedup.simulation.records import records
from dedup.warehouse import Warehouse, memory_warehouse
from tests.matching.conftest import add_records, run_match

COLUMNS = (
    "patient_record_id, facility_id, patient_id, first_ordered_at, national_id, insurance_id, full_name, birth_date,"
    " birth_precision, sex, phone, province, address"
)
PERSONS = "SELECT patient_record_id, person_id, match_method, match_probability FROM patient_record ORDER BY 1"


@pytest.fixture(scope="module")
def world() -> Any:
    """About three thousand records with more mistakes than usual."""
    rates = ErrorRates(duplicate_record=0.1, id_typo=0.02, name_typo=0.03, no_id_adult=0.4)
    return records(1200, 5, rates, days=365, facilities=12).to_arrow()


def _load(warehouse: Warehouse, world: Any, nights: int, seed: int) -> list[Any]:
    """Match the world in so many nights, its records shuffled."""
    order = list(range(len(world)))
    random.Random(seed).shuffle(order)
    for night in range(nights):
        part = world.take(order[night::nights])
        warehouse.con.register("part", part)
        warehouse.con.execute(f"INSERT INTO patient_identity ({COLUMNS}) SELECT {COLUMNS} FROM part")
        warehouse.con.execute("INSERT INTO todo (stage, patient_record_id) SELECT 'match', patient_record_id FROM part")
        warehouse.con.unregister("part")
        run_match(warehouse)
    return warehouse.con.execute(PERSONS).fetchall()


@pytest.fixture(scope="module")
def at_once(world: Any) -> Iterator[list[Any]]:
    with memory_warehouse() as warehouse:
        yield _load(warehouse, world, 1, 0)


@pytest.mark.parametrize(("nights", "seed"), [(1, 3), (4, 1), (9, 2)])
def test_nights_and_order_change_nothing(world: Any, at_once: list[Any], nights: int, seed: int) -> None:
    with memory_warehouse() as warehouse:
        assert _load(warehouse, world, nights, seed) == at_once


def test_nights_change_nothing_of_groups_that_are_too_large(world: Any) -> None:
    with mock.patch.object(clustering, "_LARGEST", 3), memory_warehouse() as some, memory_warehouse() as many:
        assert _load(some, world, 1, 0) == _load(many, world, 4, 5)
        count = "SELECT max(n) FROM (SELECT count(DISTINCT id_number) AS n FROM patient_record WHERE id_trusted "
        assert some.con.execute(f"{count} AND id_type = 'cccd' GROUP BY person_id)").fetchone() == (1,)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_change_nothing(world: Any, at_once: list[Any], threads: int) -> None:
    with memory_warehouse(WarehouseSettings(threads=threads)) as warehouse:
        assert _load(warehouse, world, 2, 4) == at_once


def test_most_persons_are_found(world: Any, at_once: list[Any]) -> None:
    truth = dict(zip(world["patient_record_id"].to_pylist(), world["true_person"].to_pylist(), strict=True))
    found = {record: person for record, person, *_ in at_once}
    assert len(set(found.values())) == pytest.approx(len(set(truth.values())), rel=0.06)


LAN = {"national_id": "001170000123", "full_name": "Nguyễn Thị Lan", "birth_date": "1970-05-12", "sex": "female"}


def _changes(warehouse: Warehouse) -> list[tuple[str, int]]:
    return warehouse.con.execute(
        "SELECT reason, count(*) FROM person_change GROUP BY reason ORDER BY reason"
    ).fetchall()


def _persons(warehouse: Warehouse) -> int:
    row = warehouse.con.execute("SELECT count(DISTINCT person_id) FROM patient_record").fetchone()
    assert row is not None
    return int(row[0])


def test_a_merge_is_logged_and_judged_again(warehouse: Warehouse) -> None:
    other = LAN | {"facility_id": "F9", "national_id": "not known"}
    add_records(warehouse, [LAN, other | {"full_name": "Trần Văn Bình", "sex": "male"}])
    run_match(warehouse)
    assert _persons(warehouse) == 2
    warehouse.con.execute("DELETE FROM todo")
    add_records(warehouse, [LAN | {"facility_id": "F9", "first_ordered_at": "2026-09-02 08:00"}])
    run_match(warehouse)
    assert _persons(warehouse) == 1
    assert _changes(warehouse) == [("merge", 1)]
    assert warehouse.con.execute("SELECT stage, count(*) FROM todo GROUP BY stage").fetchall() == [("flag", 2)]


def test_a_split_is_logged(warehouse: Warehouse) -> None:
    add_records(warehouse, [LAN, LAN | {"facility_id": "F9"}])
    run_match(warehouse)
    add_records(warehouse, [LAN | {"facility_id": "F9", "national_id": "001170000777"}])
    run_match(warehouse)
    assert _persons(warehouse) == 2
    assert _changes(warehouse) == [("split", 1)]


def test_an_earlier_record_renames(warehouse: Warehouse) -> None:
    add_records(warehouse, [LAN])
    run_match(warehouse)
    add_records(warehouse, [LAN | {"facility_id": "F9", "first_ordered_at": "2020-01-01 08:00"}])
    run_match(warehouse)
    assert _changes(warehouse) == [("rename", 1)]


def test_a_record_that_is_gone_leaves_its_person(warehouse: Warehouse) -> None:
    add_records(warehouse, [LAN, LAN | {"facility_id": "F9"}])
    run_match(warehouse)
    warehouse.con.execute("DELETE FROM todo")
    warehouse.con.execute(
        "INSERT INTO todo (stage, patient_record_id) "
        "SELECT 'match', patient_record_id FROM patient_identity WHERE facility_id = 'F9'"
    )
    warehouse.con.execute("DELETE FROM patient_identity WHERE facility_id = 'F9'")
    run_match(warehouse)
    held = warehouse.con.execute("SELECT facility_id, match_method FROM patient_record").fetchall()
    assert held == [("F0000", "single")]


def test_an_identity_changes_hands_in_one_night(warehouse: Warehouse) -> None:
    add_records(warehouse, [LAN | {"facility_id": "F1"}, LAN | {"facility_id": "F2", "phone": "0912345678"}])
    run_match(warehouse)
    binh = LAN | {"national_id": "001070000777", "full_name": "Trần Văn Bình", "sex": "male"}
    night = [binh | {"facility_id": "F1"}, LAN | {"facility_id": "F9"}, binh | {"facility_id": "F2"}]
    add_records(warehouse, night)
    run_match(warehouse)
    again = memory_warehouse()
    add_records(again, night)
    run_match(again)
    persons = "SELECT * FROM patient_record ORDER BY patient_record_id"
    assert warehouse.con.execute(persons).fetchall() == again.con.execute(persons).fetchall()
    assert _persons(warehouse) == 2
    kept = "SELECT count(*) FROM match_variant"
    assert warehouse.con.execute(kept).fetchall() == again.con.execute(kept).fetchall() == [(2,)]


def test_nothing_to_do_does_nothing(warehouse: Warehouse) -> None:
    summary = run_match(warehouse)
    assert (summary.records, summary.persons, summary.pairs) == (0, 0, 0)


def test_what_is_compared_is_kept_as_it_came(world: Any) -> None:
    apart = "\x1f"  # between the texts that are kept as one: in what hospitals send it is white space like any other
    strange = {"full_name": f"Lê{apart}An", "national_id": f"A{apart}123456", "phone": f"0912{apart}345678",
               "province": f"Hà{apart}Nội", "address": f"Xã A{apart}B, tỉnh C{apart}"}  # fmt: skip
    with memory_warehouse() as warehouse:
        add_records(warehouse, [{}, {"birth_date": "1980"}, {"birth_date": "1980-05", "full_name": "A"}, strange])
        warehouse.con.register("part", world)
        warehouse.con.execute(f"INSERT INTO patient_identity ({COLUMNS}) SELECT {COLUMNS} FROM part")
        came = _normalised(warehouse)
        run_match(warehouse)
        kept = read_variants(warehouse.con)
        shown = warehouse.con.execute("FROM patient_record").to_arrow_table().to_pylist()
        assert len(read_variants(warehouse.con, "WHERE false")) == 0
    by_record = {one["patient_record_id"]: one | {"id_trusted": one["id_grade"] == 2} for one in came}
    assert len(shown) == len(by_record)
    for one in shown:
        expected = by_record[one["patient_record_id"]]
        for name in ("facility_id", "patient_id", *NORMALISED):
            assert one[name] == expected[name], name
    came = [one for _, one in sorted({one["variant_id"]: one for one in came}.items())]
    assert len(came) == len(kept) > len(world) // 2
    for name in ("variant_id", "id_grade", "newborn"):
        assert getattr(kept, name).tolist() == [one[name] for one in came], name
    assert kept.sex.tolist() == [("unknown", "male", "female").index(one["sex"]) for one in came]
    assert kept.id_type.tolist() == [(None, "cccd", "cmnd", "passport", "other").index(one["id_type"]) % 4
                                     for one in came]  # fmt: skip
    born = [_born(one["birth_date"], one["birth_precision"]) for one in came]
    assert list(zip(kept.year.tolist(), kept.month.tolist(), kept.day.tolist(), strict=True)) == born
    for name in ("id_number", "name", "family_name", "middle_name", "given_name", "phone", "province", "ward"):
        assert _written(kept.text[name]) == [one[name] for one in came], name
    assert _written(kept.text["marked_given"]) == [(one["marked"] or "").split(" ")[-1] or None for one in came]
    cards = [" ".join(one["insurance_numbers"] or []) or None for one in came]
    assert _written(kept.text["insurance_numbers"]) == cards


def _normalised(warehouse: Warehouse) -> list[dict[str, Any]]:
    con, source = warehouse.con, "patient_identity"
    normalising.prepare(con, source)
    found = con.execute(f"SELECT *, {variant_id_sql()} AS variant_id FROM ({normalising.normalise_sql(source)})")
    rows: list[dict[str, Any]] = found.to_arrow_table().to_pylist()
    normalising.drop(con)
    return rows


def _born(date: datetime.date | None, precision: str | None) -> tuple[int, int, int]:
    """What is known of a date of birth; a 1 January often means no more than the year."""
    if date is None:
        return (0, 0, 0)
    known = precision == "month" or (precision == "day" and (date.month, date.day) != (1, 1))
    return (date.year, date.month if known else 0, date.day if known and precision == "day" else 0)


def _written(column: Coded) -> list[str | None]:
    return [None if code < 0 else column.values[code].as_py() for code in column.codes.tolist()]
