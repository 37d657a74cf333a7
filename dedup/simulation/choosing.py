"""Which tests an act orders. A child act takes over a part of its parent's tests: those are the repeats."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dedup.simulation.draw import Bools, Draw, Ints
from dedup.simulation.facilities import Facilities
from dedup.simulation.tables import lab_tests
from dedup.simulation.visits import KINDS, Acts

__all__ = ["HIV", "LIPIDS", "LIPID_PANEL", "capabilities", "choose_tests"]

HIV = "24.0169.1616"
LIPIDS = ("23.0041.1506", "23.0084.1506", "23.0112.1506", "23.0158.1506")
LIPID_PANEL = "57698-3"  #: where LOINC is spoken, all four are ordered as one panel
_BLOCK = 50_000
#: Share of the parent's tests that is ordered again, and share of the usual chance for other tests.
_AGAIN = {"serial": 0.45, "transfer": 0.72, "second_opinion": 0.55, "revisit": 0.3}
_NEW = {"serial": 0.03, "transfer": 0.3, "second_opinion": 0.12, "revisit": 0.25}
#: What is followed from day to day during a stay; other tests are not repeated there.
_FOLLOWED = (
    "22.0121.1369", "23.0075.1494", "23.0166.1494", "23.0051.1494", "23.0020.1493", "23.0019.1493",
    "23.0027.1493", "23.0058.1487", "23.0228.1483", "23.0130.1549", "23.0161.1569", "23.0103.1531",
    "22.0001.1352", "01.0281.1510",
)  # fmt: skip
#: Never ordered again on purpose: HIV, and what is asked once in a stay.
_ONCE = (HIV, "22.0279.1269", "22.0291.1280")


def capabilities() -> Bools:
    """(tier, test): what a facility of a tier orders at all. Communes have no imaging, clinics no big machines."""
    tests = lab_tests()
    can = np.ones((5, len(tests.code)), dtype=bool)
    image = np.array([kind == "image" for kind in tests.kind])
    large = np.array([code.startswith("18.") and "Siêu âm" not in name and "X-quang" not in name
                      for code, name in zip(tests.code, tests.name, strict=True)])  # fmt: skip
    can[3] &= ~image
    can[2:, large] = False
    can[3:, tests.where("23.0103.1531", "24.0005.1716")] = False
    return can


def _again(kind: Ints) -> npt.NDArray[np.float32]:
    """(act, test): the chance that a test of the parent is ordered again."""
    tests = lab_tests()
    share = np.array([_AGAIN.get(name, 0.0) for name in KINDS], dtype=np.float32)
    table = np.repeat(share[:, None], len(tests.code), axis=1)
    serial = KINDS.index("serial")
    followed = tests.where(*_FOLLOWED)
    table[serial] = 0.0
    table[serial, followed] = _AGAIN["serial"]
    table[:, tests.where(*_ONCE)] = 0.0
    return table[kind]


def _menu(acts: Acts, facilities: Facilities, at: Ints) -> npt.NDArray[np.float64]:
    """(act, test): the usual chance of each test in some acts."""
    new = np.array([_NEW.get(name, 1.0) for name in KINDS])
    usual = lab_tests().chance[acts.profile[at]] * new[acts.kind[at]][:, None]
    possible: npt.NDArray[np.float64] = usual * capabilities()[facilities.tier[acts.facility[at]]]
    return possible


def _generations(acts: Acts) -> Ints:
    generation = np.zeros(len(acts), dtype=np.int64)
    for _ in range(3):
        generation = np.where(acts.parent < 0, 0, generation[acts.parent] + 1)
    return generation


def choose_tests(acts: Acts, facilities: Facilities, seed: int) -> tuple[Ints, Ints, Bools]:
    """Lines: act, test, and whether it repeats the parent's. They come by act, then by test."""
    draw = Draw(seed, "tests")
    chosen = np.zeros((len(acts), len(lab_tests().code)), dtype=bool)
    repeats = np.zeros_like(chosen)
    generation = _generations(acts)
    for number in range(int(generation.max(initial=0)) + 1):
        members = np.flatnonzero(generation == number)
        for begin in range(0, len(members), _BLOCK):
            at = members[begin : begin + _BLOCK]
            shape = (len(at), chosen.shape[1])
            new = draw.uniform(shape[0] * shape[1]).reshape(shape) < _menu(acts, facilities, at)
            if number:
                parents = chosen[acts.parent[at]] & capabilities()[facilities.tier[acts.facility[at]]]
                again = draw.uniform(shape[0] * shape[1]).reshape(shape) < _again(acts.kind[at])
                repeats[at] = parents & again
            else:
                new[~new.any(axis=1), 0] = True  # somebody who comes is tested: a blood count at least
            chosen[at] = new | repeats[at]
    _as_panels(acts, facilities, chosen, repeats)
    act, test = np.nonzero(chosen)
    return act.astype(np.int32), test.astype(np.int16), repeats[act, test]


def _as_panels(acts: Acts, facilities: Facilities, chosen: Bools, repeats: Bools) -> None:
    """Where LOINC is spoken, four lipids that repeat nothing become one panel."""
    tests = lab_tests()
    lipids, panel = tests.where(*LIPIDS), tests.where(LIPID_PANEL)[0]
    speaks = np.array([codes == "loinc" for codes in facilities.codes])[acts.facility]
    whole_panel = speaks & chosen[:, lipids].all(axis=1) & ~repeats[:, lipids].any(axis=1)
    chosen[np.ix_(whole_panel, lipids)] = False
    chosen[whole_panel, panel] = True
