"""The scorecard: weights in bits for every level, a prior, name frequencies; one versioned JSON file."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dedup.matching.comparing import FIELDS, UNHEARD_BITS

if TYPE_CHECKING:
    from dedup.matching.comparing import Levels, Positions
    from dedup.matching.variants import Coded, Variants

__all__ = ["Scorecard", "name_bits", "probability", "shipped"]

_SHIPPED = Path(__file__).parent / "data" / "scorecard.json"


@dataclass(frozen=True)
class Scorecard:
    """An additive model: log2 odds that two records are one person = prior + one weight for each field's level."""

    version: str
    prior: float  #: bits
    weights: dict[str, dict[str, float]]  #: field → level → bits
    frequencies: dict[str, dict[str, float]]  #: given, middle, family → token → share of persons
    guards: tuple[str, ...]
    training: dict[str, int] = field(default_factory=dict)

    def score(self, levels: dict[str, Levels]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Bits for every pair."""
        total: np.ndarray[Any, np.dtype[np.float64]] | None = None
        for name, column in levels.items():
            table = np.array([self.weights[name][level] for level in FIELDS[name]])
            total = table[column] if total is None else total + table[column]
        if total is None:
            return np.zeros(0)
        # Sums of the same numbers in the same order; rounded so that no platform's last digit decides.
        return np.round(self.prior + total, 6)

    def fits_fields(self) -> bool:
        """Whether it weighs every level there is today, and no other."""
        return {name: set(levels) for name, levels in FIELDS.items()} == {
            name: set(levels) for name, levels in self.weights.items()
        }

    def to_json(self) -> str:
        """The file's text."""
        return json.dumps(self.__dict__ | {"guards": list(self.guards)}, ensure_ascii=False, indent=1, sort_keys=True)

    @staticmethod
    def from_json(text: str) -> Scorecard:
        """Read what to_json wrote."""
        data = json.loads(text)
        return Scorecard(**(data | {"guards": tuple(data["guards"])}))


def shipped() -> Scorecard:
    """The scorecard that serves until ``match --train`` has learnt one."""
    return Scorecard.from_json(_SHIPPED.read_text(encoding="utf-8"))


def probability(bits: Positions) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Log2 odds → probability."""
    return np.asarray(1 / (1 + np.exp2(-np.clip(bits, -60, 60))))


def name_bits(v: Variants, card: Scorecard) -> dict[str, Positions]:
    """For each name part the surprise in bits of every variant's (0: no such part)."""
    return {part: _bits(v.text[f"{part}_name"], card.frequencies[part]) for part in ("given", "middle", "family")}


def _bits(column: Coded, shares: dict[str, float]) -> Positions:
    bits = [
        sum(-math.log2(shares[t]) if t in shares else UNHEARD_BITS for t in text.split())
        for text in column.values.to_pylist()
    ]
    return np.asarray(np.array([*bits, 0.0])[column.codes])  # the last for code -1: no such part
