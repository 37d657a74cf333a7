"""Repeated deliveries: what is current, what is history, and that the order does not matter."""

from __future__ import annotations

import itertools
from pathlib import Path

from dedup.loading import load, load_register
from dedup.settings import Settings
from dedup.warehouse import Warehouse, memory_warehouse, start_run
from dedup.warehouse.migrations import MIGRATIONS
from tests.loading.conftest import Loader, check_counts, order, rows, stored, write_csv
from tests.loading.xml import SERVICE, STAY, envelope, record


def test_the_same_bytes_again_change_nothing(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    loader(write_csv(tmp_path / "a.csv", order()))
    before = [rows(warehouse, f"FROM {name}") for name in ("line", "delivery", "identity", "todo", "code")]
    summary = loader(write_csv(tmp_path / "b.csv", order()))
    assert [one.repeated for one in summary.deliveries] == [True]
    assert before == [rows(warehouse, f"FROM {name}") for name in ("line", "delivery", "identity", "todo", "code")]


def test_a_later_delivery_supersedes_and_history_stays(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    loader(write_csv(tmp_path / "a.csv", order(), order(order_id="A2")))
    summary = loader(write_csv(tmp_path / "b.csv", order(value="5.1"), order(order_id="A2")))
    assert (summary.rows_loaded, summary.rows_duplicate) == (1, 1)
    found = rows(warehouse, "SELECT order_id, value, delivery_no, superseded_by FROM line ORDER BY line_id")
    assert found == [("A1", None, 1, 2), ("A2", None, 1, None), ("A1", "5.1", 2, None)]


def test_a_key_twice_in_one_delivery_the_later_row_wins(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    summary = loader(write_csv(tmp_path / "a.csv", order(value="1"), order(value="2"), order(value="2")))
    assert (summary.rows_loaded, summary.rows_duplicate) == (1, 2)
    assert rows(warehouse, "SELECT value, superseded_by FROM line") == [("2", None)]


def test_deliveries_of_one_run_go_by_name_not_by_argument(tmp_path: Path) -> None:
    paths = [write_csv(tmp_path / f"{name}.csv", order(value=name)) for name in "abc"]
    for given in itertools.permutations(paths):
        with memory_warehouse() as made, start_run(made, "load") as run:
            load(made, run, given, Settings())
            assert rows(made, "SELECT value, delivery_no, superseded_by FROM line ORDER BY line_id") == [
                ("a", 1, 2),
                ("b", 2, 3),
                ("c", 3, None),
            ]


def _encounters(folder: Path) -> list[Path]:
    """Three versions of one encounter and a withdrawal of another, each with its date of filing."""
    second = SERVICE | {"STT": "2", "MA_DICH_VU": "23.0051.1494"}
    other = STAY | {"MA_LK": "900002", "MA_BN": "BN02", "HO_TEN": "PHẠM VĂN MẪU"}
    theirs = SERVICE | {"MA_LK": "900002"}
    files = {
        "1.xml": envelope(record(), record(other, [theirs]), filed="20260402"),
        "2.xml": envelope(record(services=[SERVICE, second]), filed="20260403"),
        "3.xml": envelope(record(services=[second | {"MA_KHOA": "K02"}]), filed="20260404"),
        "4.xml": envelope(record(other | {"MA_DOITUONG_KCB": "8"}, [theirs]), filed="20260405"),
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in files]


def test_encounters_in_any_order_and_any_number_of_runs(tmp_path: Path) -> None:
    paths = _encounters(tmp_path)
    results = []
    for arrival in itertools.permutations(paths):
        for cut in (1 + sum(map(len, map(str, arrival))) % 3,):
            with memory_warehouse() as made:
                for batch in (arrival[:cut], arrival[cut:]):
                    with start_run(made, "load") as run:
                        check_counts(made, load(made, run, batch, Settings()))
                results.append((stored(made), rows(made, "FROM patient_identity ORDER BY ALL")))
    assert all(one == results[0] for one in results)
    lines, people = results[0]
    assert [(line[0], line[1], line[2], line[18]) for line in lines] == [("98001", "900001", 2, "K02")]
    assert len(people) == 1


def _partly_unread(folder: Path) -> list[Path]:
    """Versions of an encounter in which line 1 is good, cannot be read, is good, cannot be read, or is not there."""

    def line(number: int, price: str) -> dict[str, str]:
        return SERVICE | {"STT": str(number), "THANH_TIEN_BH": price}

    versions = [
        [line(1, "100"), line(2, "100"), line(3, "100")],
        [line(1, "1,0"), line(2, "200"), line(3, "2,0")],
        [line(1, "300"), line(2, "3,0"), line(3, "3,0")],
        [line(1, "4,0"), line(2, "4,0"), line(3, "4,0")],
        [line(1, "5,0"), line(3, "5,0"), line(4, "5,0")],
    ]
    for number, services in enumerate(versions, 1):
        text = envelope(record(services=services), filed=f"2026040{number}")
        (folder / f"{number}.xml").write_text(text, encoding="utf-8")
    return [folder / f"{number}.xml" for number in range(1, len(versions) + 1)]


def test_a_line_that_could_not_be_read_leaves_what_was_there(tmp_path: Path) -> None:
    paths = _partly_unread(tmp_path)
    for number, arrival in enumerate(list(itertools.permutations(paths))[::17]):
        cut = number % 5
        with memory_warehouse() as made:
            batches = (arrival[:cut], arrival[cut:]) if cut else [[one] for one in arrival]
            for batch in filter(None, batches):
                with start_run(made, "load") as run:
                    check_counts(made, load(made, run, batch, Settings()))
            found = rows(
                made, "SELECT line_no, CAST(price_vnd AS INTEGER) FROM line WHERE superseded_by IS NULL ORDER BY 1"
            )
            assert found == [(1, 300), (3, 100)], arrival
            assert len(rows(made, "FROM patient_identity")) == 1


def test_lines_that_vanish_from_a_resent_encounter_are_withdrawn(
    loader: Loader, warehouse: Warehouse, tmp_path: Path
) -> None:
    for path in _encounters(tmp_path)[:3]:
        loader(path)
    found = rows(warehouse, "SELECT order_id, line_no, delivery_no, superseded_by FROM line ORDER BY line_id")
    assert found == [("900001", 1, 1, 3), ("900002", 1, 1, None), ("900001", 2, 2, 3), ("900001", 2, 3, None)]


def test_a_withdrawn_encounter_can_come_back(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    (tmp_path / "1.xml").write_text(envelope(record(STAY | {"MA_DOITUONG_KCB": "8"}), filed="20260403"))
    (tmp_path / "2.xml").write_text(envelope(record(), filed="20260401"))
    (tmp_path / "3.xml").write_text(envelope(record(), filed="20260405"))
    assert loader(tmp_path / "1.xml").deliveries[0].skipped == {"withdrawn": 1}
    assert loader(tmp_path / "2.xml").deliveries[0].skipped == {"outdated": 1}
    assert stored(warehouse) == []
    assert loader(tmp_path / "3.xml").rows_loaded == 1


def test_later_stages_learn_whom_to_look_at(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    loader(write_csv(tmp_path / "a.csv", order(), order(order_id="B1", patient_id="P2")))
    assert len(rows(warehouse, "FROM todo WHERE stage = 'match'")) == 2
    warehouse.con.execute("DELETE FROM todo")
    loader(write_csv(tmp_path / "b.csv", order(order_id="A2"), order(order_id="B1", patient_id="P2", phone="0912")))
    match = rows(
        warehouse,
        "SELECT patient_id FROM todo JOIN patient_identity USING (patient_record_id) WHERE stage = 'match'",
    )
    assert match == [("P2",)]  # P1 got one more line, but nothing new is known of them
    assert len(rows(warehouse, "FROM todo WHERE stage = 'flag'")) == 2


def test_a_patient_is_what_the_latest_order_knows(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    old = order(order_id="A1", ordered_at="2026-01-01T08:00", phone="0901", national_id="001080000017")
    new = order(order_id="A2", ordered_at="2026-02-01T08:00", phone="0902", national_id=None)
    tie = order(order_id="A3", ordered_at="2026-02-01T08:00", phone="0903", sex="unknown")
    loader(write_csv(tmp_path / "a.csv", new))
    loader(write_csv(tmp_path / "b.csv", old, tie))
    found = rows(warehouse, "SELECT phone, national_id, sex, CAST(first_ordered_at AS VARCHAR) FROM patient_identity")
    assert found == [("0903", "001080000017", "male", "2026-01-01 08:00:00")]


def test_what_is_known_is_numbered_as_the_identity_that_says_it(
    loader: Loader, warehouse: Warehouse, tmp_path: Path
) -> None:
    numbers = "SELECT identity_id, filled FROM patient_identity"
    full = order(phone="0901000001", address="12 Lê Lợi", sex="unknown", birth_date="1980-05")
    loader(write_csv(tmp_path / "1.csv", full))
    ((identity,),) = rows(warehouse, "SELECT identity_id FROM identity")
    (first,) = rows(warehouse, numbers)
    assert first[0] == identity
    # What is left out stays known; another number is then that of nobody's identity as sent.
    loader(write_csv(tmp_path / "2.csv", full | {"order_id": "A2", "phone": "", "ordered_at": "2026-03-03T08:30"}))
    assert rows(warehouse, numbers) == [first]
    loader(write_csv(tmp_path / "3.csv", full | {"order_id": "A3", "phone": "0901000002", "address": "",
                                                 "ordered_at": "2026-03-04T08:30"}))  # fmt: skip
    made = rows(warehouse, numbers)
    assert made != [first]
    # Migrating an older file comes to the same.
    for name in ("identity_id", "filled"):
        warehouse.con.execute(f"ALTER TABLE patient_identity DROP {name}")
    for statement in next(step for step in MIGRATIONS if step.version == 10).statements:
        warehouse.con.execute(statement)
    assert rows(warehouse, numbers) == made


def test_a_record_without_current_lines_is_gone(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    loader(write_csv(tmp_path / "a.csv", order()))
    loader(write_csv(tmp_path / "b.csv", order(patient_id="P9")))
    assert rows(warehouse, "SELECT patient_id FROM patient_identity") == [("P9",)]
    assert len(rows(warehouse, "FROM todo WHERE stage = 'match'")) == 2


def test_sensitive_tests_are_dropped_and_counted(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", order(), order(order_id="A2", test_code="24.0169.1616"))
    codes = [("vn-service", "24.0169.1616", None)]
    summary = loader(path, sensitive=codes)
    assert summary.deliveries[0].skipped == {"sensitive": 1}
    assert rows(warehouse, "SELECT order_id FROM line") == [("A1",)]
    assert rows(warehouse, "SELECT test_code FROM code") == [("23.0075.1494",)]


def test_a_hospitals_own_code_is_sensitive_in_that_hospital_only(
    loader: Loader, warehouse: Warehouse, tmp_path: Path
) -> None:
    register = tmp_path / "register.csv"
    register.write_text("facility_id,alias_of\n01001,\n01001-K1,01001\n01002,\n")
    load_register(warehouse, register)
    places = ("01001", "01001-K1", "01002")
    path = write_csv(
        tmp_path / "a.csv",
        *(order(facility_id=place, order_id=place, test_code="X7", code_system="local") for place in places),
    )
    summary = loader(path, sensitive=[("local", "X7", "01001")])
    assert summary.deliveries[0].skipped == {"sensitive": 2}
    assert rows(warehouse, "SELECT order_id FROM line") == [("01002",)]


def test_a_legal_basis_keeps_them(loader: Loader, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", order(test_code="24.0169.1616"))
    summary = loader(path, sensitive=[("vn-service", "24.0169.1616", None)], sensitive_legal_basis="consent")
    assert summary.rows_loaded == 1
