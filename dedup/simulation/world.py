"""The whole world of one seed: people, facilities, acts, records and order lines, as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import polars as pl

from dedup.schema import ABNORMAL_FLAGS, STATUSES
from dedup.simulation.draw import Draw, Ints
from dedup.simulation.facilities import Facilities, default_facilities, make_facilities
from dedup.simulation.households import day_number
from dedup.simulation.identities import identities
from dedup.simulation.orders import NEVER, Orders, make_orders
from dedup.simulation.persons import Persons, make_persons
from dedup.simulation.rates import ErrorRates
from dedup.simulation.records import Records, make_records, patient_ids, ranks
from dedup.simulation.tables import lab_tests
from dedup.simulation.visits import DAY, EMERGENCY, ICU, INPATIENT, OUTPATIENT, SCREENING, Acts, make_acts

__all__ = ["DEPARTMENTS", "World", "make_world"]

#: Code of the ministry's list and the name on the door.
DEPARTMENTS = (
    ("K01", "Khám bệnh"), ("K02", "Cấp cứu"), ("K48", "Hồi sức tích cực"), ("K03", "Nội tổng hợp"),
    ("K07", "Nội tiết"), ("K04", "Nội tim mạch"), ("K33", "Ung bướu"), ("K11", "Truyền nhiễm"),
    ("K27", "Phụ sản"), ("K19", "Ngoại tổng hợp"), ("K18", "Nhi - Sơ sinh"), ("K05", "Khám sức khoẻ"),
)  # fmt: skip
_WARD = np.array([3, 4, 5, 3, 3, 4, 6, 7, 8, 3, 9, 10])  #: department of an inpatient, by profile


@dataclass(frozen=True)
class World:
    """Everything but the text. Lines are sorted by facility, encounter, time and test."""

    seed: int
    start: date
    days: int
    rates: ErrorRates
    plain: bool
    file_days: int
    facilities: Facilities
    persons: Persons
    acts: Acts
    records: Records
    orders: Orders
    patient_id: pl.Series  #: of each record
    identity: pl.DataFrame  #: of each writing
    visit: Ints  #: for each act the number of its encounter in the facility, from 1
    line_no: Ints  #: of each line, from 1 in its encounter
    department: Ints  #: of each act
    doctor: Ints  #: of each act: facility × 10000 + department × 100 + number
    line_start: Ints  #: where the lines of each facility begin; one more entry at the end

    @property
    def end(self) -> int:
        """The first minute after the period."""
        return (day_number(self.start) + self.days) * DAY


def _sorted(acts: Acts, orders: Orders) -> Orders:
    """Lines by facility, encounter, time and test; the repeated lines keep pointing at theirs."""
    act = orders.act
    by_act = np.lexsort((acts.at, acts.encounter, acts.facility))
    rank = np.empty(len(acts), dtype=np.int32)
    rank[by_act] = np.arange(len(acts))
    width = len(lab_tests().code)
    order = np.argsort(rank[act].astype(np.int64) * width + orders.test, kind="stable").astype(np.int32)
    place = np.empty(len(order), dtype=np.int32)
    place[order] = np.arange(len(order))
    prior = orders.repeats[order]
    return orders.taken(order, repeats=np.where(prior < 0, -1, place[prior]))


def _without_niceties(acts: Acts, orders: Orders, rates: ErrorRates) -> tuple[Acts, Orders, ErrorRates]:
    """What every format can say: four statuses, three settings, no reasons, POS and NEG alone, one writing a record."""
    known = {"corrected": "final", "preliminary": "final", "rejected": "cancelled"}
    status = np.array([STATUSES.index(known.get(name, name)) for name in STATUSES], dtype=np.int8)[orders.status]
    setting = np.array([OUTPATIENT, INPATIENT, EMERGENCY, INPATIENT, OUTPATIENT])[acts.setting]
    quality = np.array([kind == "quality" for kind in lab_tests().kind])[orders.test] & (orders.value >= 0)
    spoken = np.where(orders.value == 1, ABNORMAL_FLAGS.index("POS"), ABNORMAL_FLAGS.index("NEG"))
    flag = np.where(quality, spoken, NEVER).astype(np.int8)
    silent = np.full(len(orders), NEVER, dtype=np.int8)
    performed = np.where(orders.resulted < 0, NEVER, orders.performed)  # HL7 tells with the result
    return (
        replace(acts, setting=setting),
        replace(orders, status=status, flag=flag, reason=silent, performed=performed),
        replace(rates, second_writing=0.0),
    )


def _line_numbers(acts: Acts, orders: Orders) -> Ints:
    encounter = acts.encounter[orders.act]
    new = np.concatenate([[True], encounter[1:] != encounter[:-1]]) if len(encounter) else encounter
    begins = np.flatnonzero(new)
    number = 1 + np.arange(len(encounter)) - np.repeat(begins, np.diff(np.append(begins, len(encounter))))
    return number.astype(np.int32)


def _visits(acts: Acts) -> Ints:
    """The encounters of each facility, numbered by their first act."""
    encounter, of_act = np.unique(acts.encounter, return_inverse=True)
    first = np.full(len(encounter), np.iinfo(np.int64).max)
    np.minimum.at(first, of_act, acts.at)
    facility = np.zeros(len(encounter), dtype=np.int64)
    facility[of_act] = acts.facility
    return ranks(facility, first)[of_act]


def _departments(acts: Acts) -> Ints:
    ward = _WARD[acts.profile]
    return np.select(
        [acts.setting == EMERGENCY, acts.setting == ICU, acts.setting == INPATIENT, acts.setting == SCREENING],
        [1, 2, ward, 11],
        0,
    )


def _doctors(acts: Acts, facilities: Facilities, department: Ints, seed: int) -> Ints:
    """Two to six doctors a department; the first ones order more than the others."""
    draw = Draw(seed, "doctors")
    most = np.array([6, 5, 3, 2, 2])[facilities.tier[acts.facility]]
    number = 1 + draw.below(most, len(acts)) * draw.below(2, len(acts))
    return acts.facility * 10_000 + department * 100 + number


def make_world(
    persons: int,
    seed: int,
    *,
    start: date,
    days: int,
    facilities: int | None = None,
    formats: Sequence[str] = ("csv",),
    rates: ErrorRates | None = None,
    plain: bool = False,
    file_days: int = 7,
) -> World:
    """The world of a seed. ``plain``: only what every format can carry."""
    rates = rates or ErrorRates()
    where = make_facilities(facilities or default_facilities(persons), seed, formats, start, days, plain)
    people = make_persons(persons, seed, where, start, days)
    first = day_number(start)
    acts = make_acts(people, where, seed, start, days)
    acts, orders = make_orders(acts, people, where, seed, (first + days) * DAY)
    if plain:
        acts, orders, rates = _without_niceties(acts, orders, rates)
    orders = _sorted(acts, orders)
    held = make_records(acts, len(where), seed, rates, (first + days // 2) * DAY)
    department = _departments(acts)
    counts = np.bincount(acts.facility[orders.act], minlength=len(where))
    return World(
        seed=seed,
        start=start,
        days=days,
        rates=rates,
        plain=plain,
        file_days=file_days,
        facilities=where,
        persons=people,
        acts=acts,
        records=held,
        orders=orders,
        patient_id=patient_ids(held.facility, held.number, start.year),
        identity=identities(people, where, held.person, held.facility, held.of_record, held.written_at, seed, rates),
        visit=_visits(acts),
        line_no=_line_numbers(acts, orders),
        department=department,
        doctor=_doctors(acts, where, department, seed),
        line_start=np.concatenate([[0], np.cumsum(counts)]),
    )
