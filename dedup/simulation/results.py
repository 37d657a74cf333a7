"""What the tests find. Everybody has values of their own, illness moves them, and each measurement varies a little.

The numbers are invented and only look plausible; they are not reference values for any patient.
"""

from __future__ import annotations

import numpy as np

from dedup.schema import ABNORMAL_FLAGS
from dedup.simulation.draw import Draw, Floats, Ints, whole
from dedup.simulation.persons import Persons
from dedup.simulation.tables import lab_tests

__all__ = ["GROUPS", "results"]

GROUPS = ("O", "A", "B", "AB")
_FLAG = {name: position for position, name in enumerate(ABNORMAL_FLAGS)}
_KIND = {name: number for number, name in enumerate(("number", "quality", "panel", "group", "image"))}
_ACUTE = ("24.0183.1637", "24.0187.1637", "24.0243.1671", "24.0005.1716")  # positive by occasion, not by person


def _own(person: Ints, test: Ints, seed: int) -> Floats:
    """A number in [0, 1) that belongs to a person and a test: a 64-bit mix, the same at every measurement."""
    with np.errstate(over="ignore"):
        x = person.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + test.astype(np.uint64)
        x = (x + np.uint64(seed % 2**63)) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0x94D049BB133111EB)
        x ^= x >> np.uint64(31)
    return (x >> np.uint64(11)).astype(np.float64) / float(2**53)


def _numbers(persons: Persons, person: Ints, test: Ints, own: Floats, draw: Draw) -> tuple[Ints, Ints]:
    """Scaled values and flags of tests that give a number."""
    tests = lab_tests()
    ill = (persons.profile[person] > 0) & (tests.chance[persons.profile[person], test] > 0.6)
    deviation = (own - 0.5) * 2.6 + 0.35 * draw.bell(len(person)) + np.where(ill, 0.9, 0.0)
    spread = tests.spread[test]
    value = np.maximum(tests.mean[test] + spread * deviation, tests.mean[test] * 0.15)
    high, low = tests.high[test], tests.low[test]
    flag = np.select(
        [value > high + 2.5 * spread, value > high, value < low - 1.5 * spread, value < low],
        [_FLAG["HH"], _FLAG["H"], _FLAG["LL"], _FLAG["L"]],
        _FLAG["N"],
    )
    return whole(value * 10 ** tests.decimals[test] + 0.5), flag


def results(persons: Persons, person: Ints, test: Ints, seed: int) -> tuple[Ints, Ints]:
    """Value (scaled integer; for blood groups the position in GROUPS; 1 and 0 for positive and negative) and flag."""
    tests, draw = lab_tests(), Draw(seed, "results")
    kind = np.array([_KIND[name] for name in tests.kind], dtype=np.int8)[test]
    own = _own(person, test, seed)
    value, flag = _numbers(persons, person, test, own, draw)
    acute = np.isin(test, tests.where(*_ACUTE))
    positive = np.where(acute, draw.chance(0.15, len(test)), own < 0.07)
    value = np.where(kind == _KIND["quality"], positive.astype(np.int64), value)
    flag = np.where(kind == _KIND["quality"], np.where(positive, _FLAG["POS"], _FLAG["NEG"]), flag)
    group = np.searchsorted(np.array([0.45, 0.66, 0.95]), own)
    value = np.where(
        kind == _KIND["group"], group, np.where((kind == _KIND["panel"]) | (kind == _KIND["image"]), -1, value)
    )
    flag = np.where(kind == _KIND["group"], -1, flag)
    odd = (own < 0.2) | draw.chance(0.08, len(test))
    flag = np.where((kind == _KIND["panel"]) | (kind == _KIND["image"]), np.where(odd, _FLAG["A"], _FLAG["N"]), flag)
    return value, flag
