"""The order lines of the world, as numbers: who ordered which test when, what came out, what it cost."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from dedup.schema import STATUSES
from dedup.simulation.choosing import HIV, LIPID_PANEL, choose_tests
from dedup.simulation.draw import Bools, Draw, Ints, whole
from dedup.simulation.facilities import Facilities
from dedup.simulation.persons import Persons
from dedup.simulation.results import results
from dedup.simulation.tables import lab_tests
from dedup.simulation.visits import SEND_OUT, Acts, joined

__all__ = ["NEVER", "Orders", "make_orders"]

NEVER = -1  #: a time that is not known, a facility or reason that is not there
_STATUS = {name: STATUSES.index(name) for name in STATUSES}
#: How an order ends: (final, corrected, preliminary, collected, cancelled, rejected).
_ENDS = ("final", "corrected", "preliminary", "collected", "cancelled", "rejected")
_END_SHARES = [0.962, 0.01, 0.004, 0.004, 0.012, 0.008]


_DESK = 840  #: minutes until a specimen that was sent is booked at the latest
_SMALL = {"test": np.int16, "performed": np.int16, "status": np.int8, "flag": np.int8, "reason": np.int8}


@dataclass(frozen=True)
class Orders:
    """One entry an order line; times are minutes since 1970-01-01, values integers scaled by the test's decimals."""

    act: Ints
    test: Ints
    collected: Ints
    resulted: Ints
    status: Ints  #: position in STATUSES
    value: Ints  #: NEVER: none
    flag: Ints  #: position in ABNORMAL_FLAGS
    performed: Ints  #: facility the specimen was sent to
    reason: Ints  #: position in ORDER_REASONS
    repeats: Ints  #: number of the line that was repeated on purpose

    def __len__(self) -> int:
        return len(self.act)

    def packed(self) -> Orders:
        """The same in the smallest types that hold it: 29 bytes a line."""
        return Orders(*(getattr(self, field.name).astype(_SMALL.get(field.name, np.int32)) for field in fields(Orders)))

    def taken(self, at: Ints | Bools, **changed: Ints) -> Orders:
        """Some lines, with some columns changed."""
        return Orders(**({field.name: getattr(self, field.name)[at] for field in fields(Orders)} | changed))


def _repeated_lines(acts: Acts, act: Ints, test: Ints, repeats: Bools) -> Ints:
    """For lines made as repeats the number of the parent's line of the same test, or of the panel it became."""
    width = len(lab_tests().code)
    keys = act.astype(np.int64) * width + test  # rising, since lines come act by act
    single = acts.parent[act] * width + test
    panel = acts.parent[act] * width + lab_tests().code.index(LIPID_PANEL)
    found = np.searchsorted(keys, single)
    same = keys[np.minimum(found, len(keys) - 1)] == single if len(keys) else repeats
    return np.where(repeats, np.where(same, found, np.searchsorted(keys, panel)), NEVER)


def _sent_out(acts: Acts, act: Ints, test: Ints, facilities: Facilities, draw: Draw) -> Ints:
    """Small facilities send slow tests to a central laboratory, each always to the same one."""
    tests = lab_tests()
    slow = (tests.minutes >= 180) & np.array([kind in ("number", "quality") for kind in tests.kind])
    central = np.flatnonzero(facilities.tier == 0)
    reference = central[draw.below(len(central), len(facilities))]
    facility = acts.facility[act]
    sends = slow[test] & (facilities.tier[facility] >= 2) & (reference[facility] != facility)
    return np.where(sends & draw.chance(0.75, len(act)), reference[facility], NEVER)


def _times(acts: Acts, act: Ints, test: Ints, sent: Bools, draw: Draw) -> tuple[Ints, Ints]:
    """Collection some minutes after the order (one for an act), the result when the machine is done."""
    to_collection = 3 + whole(draw.skewed(16.0, len(acts)))
    collected = (acts.at + to_collection)[act]
    slow = lab_tests().minutes[test] + np.where(sent, 900.0, 0.0)
    result = collected + 5 + whole(draw.skewed(slow, len(act)))
    return collected.astype(np.int32), result.astype(np.int32)  # minutes since 1970 fit until the year 6053


def _ends(collected: Ints, resulted: Ints, end: int, draw: Draw) -> tuple[Ints, Ints, Ints]:
    """Status, collection and result of each line as known at the end of the period."""
    codes = np.array([_STATUS[name] for name in _ENDS], dtype=np.int8)
    status = codes[draw.pick(_END_SHARES, len(collected))]
    done = np.isin(status, (_STATUS["final"], _STATUS["corrected"], _STATUS["preliminary"]))
    pending = done & (resulted >= end)
    status[pending] = np.where(collected >= end, _STATUS["ordered"], _STATUS["collected"])[pending]
    not_taken = (status == _STATUS["cancelled"]) | (collected >= end)
    return status, np.where(not_taken, NEVER, collected), np.where(done & ~pending, resulted, NEVER)


def _reasons(acts: Acts, repeats: Bools, act: Ints, draw: Draw) -> Ints:
    """Seven in a hundred acts that repeat something say why."""
    reason = np.where(draw.chance(0.07, len(acts)), draw.pick([4, 2, 1, 1, 2, 1], len(acts)), NEVER)
    return np.where(repeats, reason[act], NEVER)


def _booked_twice(acts: Acts, orders: Orders, end: int, draw: Draw) -> tuple[Acts, Orders]:
    """The central laboratory books some of the specimens sent to it as orders of its own: the same act, no repeat."""
    some = draw.chance(0.3, len(acts)) & (acts.at + _DESK < end)
    sent = (orders.performed >= 0) & (orders.collected >= 0) & some[orders.act]
    origin, position = np.unique(orders.act[sent], return_inverse=True)
    first = np.searchsorted(orders.act[sent], origin)
    facility = orders.performed[sent][first] if len(origin) else origin
    booked = Acts(
        person=acts.person[origin],
        facility=facility,
        at=acts.at[origin] + _DESK - draw.below(600, len(origin)),
        profile=acts.profile[origin],
        setting=np.zeros(len(origin), dtype=np.int64),
        kind=np.full(len(origin), SEND_OUT),
        parent=origin,
        encounter=int(acts.encounter.max(initial=0)) + 1 + np.arange(len(origin)),
    )
    none = np.full(int(sent.sum()), NEVER)
    lines = orders.taken(sent, act=len(acts) + position, performed=none, repeats=none, reason=none)
    return joined([acts, booked]), Orders(
        *(np.concatenate([getattr(orders, f.name), getattr(lines, f.name)]) for f in fields(Orders))
    )


def _true_repeats(orders: Orders, prior: Ints) -> Ints:
    """A repeat counts where both lines were carried out; HIV tests are never loaded."""
    hiv = lab_tests().code.index(HIV)
    void = np.isin(orders.status, (_STATUS["cancelled"], _STATUS["rejected"])) | (orders.test == hiv)
    return np.where((prior >= 0) & ~void & ~void[prior], prior, NEVER)


def make_orders(acts: Acts, persons: Persons, facilities: Facilities, seed: int, end: int) -> tuple[Acts, Orders]:
    """All order lines up to ``end`` (minutes since 1970-01-01), and the acts with those of the send-outs added."""
    draw = Draw(seed, "orders")
    act, test, repeats = choose_tests(acts, facilities, seed)
    performed = _sent_out(acts, act, test, facilities, draw)
    collected, resulted = _times(acts, act, test, performed >= 0, draw)
    status, collected, resulted = _ends(collected, resulted, end, draw)
    value, flag = results(persons, acts.person[act], test, seed)
    silent = (resulted < 0) | draw.chance(0.03, len(act))
    orders = Orders(
        act=act,
        test=test,
        collected=collected,
        resulted=resulted,
        status=status,
        value=np.where(resulted < 0, NEVER, value),
        flag=np.where(silent, NEVER, flag),
        performed=performed,
        reason=_reasons(acts, repeats, act, draw),
        repeats=_repeated_lines(acts, act, test, repeats),
    )
    orders = replace(orders, repeats=_true_repeats(orders, orders.repeats)).packed()
    acts, orders = _booked_twice(acts, orders, end, draw)
    return acts, orders.packed()
