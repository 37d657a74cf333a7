"""Seeded chance. Every stage of the world draws from a stream of its own.

Only ``Generator.random`` is used: NumPy promises the same doubles for a seed, but not the same shuffles or
choices over its versions. So the world of a seed stays the same, and a stage that draws more does not
disturb the others.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Bools", "Draw", "Floats", "Ints", "whole"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.signedinteger[Any]]
Bools = npt.NDArray[np.bool_]


def whole(values: npt.NDArray[Any]) -> Ints:
    """Any numbers or truths as 64-bit integers, rounded down."""
    return np.floor(values).astype(np.int64) if values.dtype.kind == "f" else values.astype(np.int64)


class Draw:
    """One stream of chance, known by the seed and a name."""

    def __init__(self, seed: int, *names: str) -> None:
        keys = [zlib.crc32(name.encode()) for name in names]
        self._random = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *keys])))

    def uniform(self, count: int) -> Floats:
        """``count`` doubles in [0, 1)."""
        return self._random.random(count)

    def chance(self, probability: float | Floats, count: int) -> Bools:
        """True with the given probability (one for all, or one for each)."""
        return self.uniform(count) < probability

    def below(self, limit: int | Ints, count: int) -> Ints:
        """Integers from 0 to ``limit`` - 1, evenly."""
        return whole(self.uniform(count) * limit)

    def between(self, low: int, high: int, count: int) -> Ints:
        """Integers from ``low`` to ``high``, both included, evenly."""
        numbers: Ints = low + self.below(high - low + 1, count)
        return numbers

    def pick(self, weights: Floats | Ints | list[float], count: int) -> Ints:
        """Positions in ``weights``, each as often as its weight says."""
        edges = np.cumsum(np.asarray(weights, dtype=np.float64))
        found = np.searchsorted(edges, self.uniform(count) * edges[-1], side="right")
        return whole(np.minimum(found, len(edges) - 1))

    def bell(self, count: int) -> Floats:
        """Roughly normal deviates (mean 0, deviation 1, never beyond 3.5), by sums alone: the same on all CPUs."""
        total: Floats = self.uniform(count) + self.uniform(count) + self.uniform(count) + self.uniform(count)
        deviates: Floats = (total - 2.0) * 3.0**0.5
        return deviates

    def skewed(self, median: float | Floats, count: int) -> Floats:
        """Positive numbers with a long right tail: from a fifth of ``median`` to ten times it."""
        u = self.uniform(count)
        skew: Floats = median * (0.25 + 0.5 * u + u * u) / (1.15 * (1.15 - u))
        return skew
