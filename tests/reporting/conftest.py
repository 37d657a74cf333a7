"""A warehouse small enough to count by hand, written straight into the tables the rooms share."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from decimal import Decimal

import pytest

from dedup.schema import TABLES
from dedup.warehouse import Warehouse, memory_warehouse

START = datetime.datetime(2026, 3, 2, 8, 0)  # a Monday


def insert(warehouse: Warehouse, table: str, **values: object) -> None:
    """One row; columns not named stay NULL."""
    assert set(values) <= set(TABLES[table].columns)
    names = ", ".join(f'"{name}"' for name in values)
    marks = ", ".join("?" for _ in values)
    warehouse.con.execute(f'INSERT INTO "{table}" ({names}) VALUES ({marks})', list(values.values()))


def at(hours: float) -> datetime.datetime:
    """So many hours after the world begins."""
    return START + datetime.timedelta(hours=hours)


def add_line(
    warehouse: Warehouse, number: int, facility: str, person: int, test: int, hours: float, **more: object
) -> None:
    """An order line, resulted two hours after it was ordered and collected."""
    values: dict[str, object] = {
        "line_id": number,
        "facility_id": facility,
        "order_id": f"O{number}",
        "line_no": 1,
        "patient_record_id": person * 10 + int(facility[-1]),
        "code_id": test,
        "performing_facility_id": facility,
        "ordered_at": at(hours),
        "collected_at": at(hours),
        "resulted_at": at(hours + 2),
        "status": "final",
        "setting": "outpatient",
        "department": "Nội",
        "ordered_by": "BS1",
        "price_vnd": Decimal(20000),
        "delivery_no": int(facility[-1]),
    }
    insert(warehouse, "line", **(values | more))


def add_flag(
    warehouse: Warehouse,
    number: int,
    prior: int,
    verdict: str,
    reason: str,
    chain: bool = False,
    scope: str = "elsewhere",
) -> None:
    """A flag on order line ``number`` whose prior is order line ``prior``."""
    warehouse.con.execute(
        """
INSERT INTO flag BY NAME
SELECT o.facility_id, o.order_id, o.line_no, $scope AS scope, $verdict AS verdict, $reason AS reason, p.person_id,
       o.test_id, o.ordered_at, q.facility_id AS prior_facility_id, q.order_id AS prior_order_id,
       q.line_no AS prior_line_no, q.test_id AS prior_test_id, q.collected_at AS prior_collected_at,
       q.resulted_at AS prior_resulted_at, date_diff('minute', q.collected_at, o.ordered_at) / 60 AS hours_since_prior,
       q.collected_at + INTERVAL 100 HOUR AS valid_until, 'V001' AS rule_id, 'same' AS coverage,
       'national_id' AS match_method, 1.0 AS match_probability, coalesce(o.price_vnd, 50000) AS price_vnd,
       CASE WHEN $verdict = 'avoidable' THEN coalesce(o.price_vnd, 50000) ELSE 0 END AS avoidable_vnd,
       $chain AS chain_avoidable, 1 AS run_id
FROM order_line AS o JOIN patient_record AS p USING (patient_record_id), order_line AS q
WHERE o.order_id = $order AND q.order_id = $prior
""",
        {
            "scope": scope,
            "verdict": verdict,
            "reason": reason,
            "chain": chain,
            "order": f"O{number}",
            "prior": f"O{prior}",
        },
    )


def fill(warehouse: Warehouse) -> None:
    """Three hospitals, four persons, two tests, eleven order lines."""
    for place, (name, tier) in enumerate(
        [("Bệnh viện Ánh Dương", "central"), ("Bệnh viện Đa khoa Bình An", "provincial"), ("Phòng khám Cát", "private")]
    ):
        code = f"0000{place + 1}"
        insert(
            warehouse,
            "facility",
            facility_id=code,
            name=name,
            tier=tier,
            province="01" if place else "79",
            lab_level=3 - place,
        )
        insert(
            warehouse,
            "delivery",
            delivery_id=f"{place + 1}" * 64,
            delivery_no=place + 1,
            source_name=f"{code}.csv",
            format="csv",
            run_id=1,
            received_at=at(200),
            rows_read=6 + place,
            rows_loaded=4,
            rows_rejected=1,
            rows_duplicate=0,
            rows_skipped=1 + place,
            skipped=json.dumps({"sensitive": 1 + place}),
        )
        insert(
            warehouse,
            "rejected_row",
            delivery_id=f"{place + 1}" * 64,
            row_number=7,
            column_name="ordered_at",
            reason="not_a_time",
        )
    insert(warehouse, "facility_alias", alias="99999", facility_id="00001")
    insert(warehouse, "test", test_id="hba1c", name_vi="Định lượng HbA1c", name_en="HbA1c", price_vnd=Decimal(50000))
    insert(
        warehouse, "test", test_id="glucose", name_vi="Định lượng Glucose", name_en="Glucose", price_vnd=Decimal(20000)
    )
    for number, test in enumerate(["hba1c", "glucose"], start=1):
        insert(warehouse, "code", code_id=number, code_system="local", test_code=test)
        insert(warehouse, "code_test", code_id=number, test_id=test)
    insert(warehouse, "code", code_id=3, code_system="local", test_code="XYZ")
    insert(warehouse, "rule", rule_id="V001", kind="validity", test_id="*", valid_hours="100", source="Draft circular")
    for person in (1, 2, 3, 4):
        for facility in (1, 2, 3):
            insert(
                warehouse,
                "patient_identity",
                patient_record_id=person * 10 + facility,
                facility_id=f"0000{facility}",
                patient_id=f"P{person}",
                full_name="Nguyễn Văn A",
                national_id="001090000001",
            )
            insert(
                warehouse,
                "match_person",
                patient_record_id=person * 10 + facility,
                person_id=person,
                match_method="national_id",
                match_probability=1.0,
            )
    add_line(warehouse, 1, "00001", 1, 1, 0, price_vnd=None)
    add_line(warehouse, 2, "00002", 1, 1, 24, price_vnd=None, ordered_by="BS2")
    add_line(warehouse, 3, "00003", 1, 1, 48, price_vnd=None)
    add_line(warehouse, 4, "00001", 2, 2, 1)
    add_line(warehouse, 5, "00002", 2, 2, 5, order_reason="clinical_change")
    add_line(warehouse, 6, "00002", 2, 2, 30, department="Ngoại", ordered_by=None)
    add_line(warehouse, 7, "00003", 3, 2, 10)
    add_line(warehouse, 8, "00001", 3, 2, 11, department=None)
    add_line(warehouse, 9, "00001", 4, 3, 170)
    add_line(warehouse, 10, "00001", 4, 2, 171, status="cancelled")
    add_line(warehouse, 11, "00003", 4, 2, 172)
    insert(
        warehouse,
        "flag_state",
        catalogue_version="c1",
        profile="moh-draft-2026-08",
        recognition="level",
        facility_version="f1",
        run_id=1,
    )
    insert(warehouse, "run", run_id=1, command="run", started_at=at(200), ended_at=at(201), outcome="done")
    add_flag(warehouse, 2, 1, "avoidable", "valid_result", chain=True)
    add_flag(warehouse, 3, 2, "avoidable", "valid_result", chain=False)
    add_flag(warehouse, 5, 4, "justified", "clinical_change")
    add_flag(warehouse, 6, 4, "avoidable", "valid_result", chain=True)
    add_flag(warehouse, 6, 5, "avoidable", "valid_result", chain=True, scope="same_facility")
    add_flag(warehouse, 8, 7, "pending", "no_result_yet")


@pytest.fixture
def warehouse() -> Iterator[Warehouse]:
    """The small world, in memory."""
    with memory_warehouse() as made:
        fill(made)
        yield made
