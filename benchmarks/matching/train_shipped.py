"""Makes dedup/matching/data/scorecard.json: the scorecard for sites without ids of their own.

Starts from weights set by hand after Fellegi and Sunter (what each agreement is worth by its frequency, what each
disagreement by how often it is a mistake), and learns from the ids of several simulated worlds whose error rates
differ widely, so that no one setting of the simulation is what it knows. The name frequencies stay those of real
names (see ``sources`` in docs/en/matching.md).

    python -m benchmarks.matching.train_shipped [records a world]
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.matching.worlds import fill, scaled, world
from dedup.matching import identities, training
from dedup.matching.comparing import FIELDS
from dedup.matching.model import Scorecard, shipped
from dedup.settings import MatchingSettings
from dedup.simulation.rates import ErrorRates

TARGET = Path(__file__).parents[2] / "dedup" / "matching" / "data" / "scorecard.json"
#: field → level → bits; a level that is not here is worth 0.
START: dict[str, dict[str, float]] = {
    "given_name": {
        "equal_marks_differ": -3, "sounds_alike": 2, "similar": 2, "typed_wrong": 3, "swapped": 5, "differs": -9,
    },
    "middle_name": {"one_missing": -1, "overlaps": 1, "similar": 1, "differs": -5},
    "family_name": {"similar": 1, "differs": -6},
    "name_rarity": {name: float(bits) for bits, name in zip(range(5, 31, 2), FIELDS["name_rarity"][1:], strict=True)},
    "birth_date": {
        "equal": 14.3, "day_month_swapped": 9, "one_part_differs": 6, "year_typed_wrong": 5, "year_only_equal": 5.5,
        "year_equal_rest_differs": -1, "differs": -8, "generation_apart": -12,
    },
    "sex": {"equal": 1, "differs": -5},
    "phone": {"equal": 11, "one_digit_differs": 6, "differs": -1.5},
    "insurance": {"equal": 16, "one_digit_differs": 9, "differs": -4},
    "id": {"equal": 13, "one_digit_differs": 9, "differs": -3, "conflicts": -15, "conflicts_by_one_digit": -10},
    "place": {"ward_equal": 9, "province_equal": 4, "province_differs": -4},
}  # fmt: skip
START_PRIOR = -20.0
GUARDS = (
    "conflicting_ids", "generations", "newborns", "guardians", "twins", "birth_years", "nameless", "namesakes",
    "bare_years", "names_alone",
)  # fmt: skip
#: A country holds more namesakes than a simulated world, and chance agreements grow with their number: three times
#: as many people are a bit and a half less for every pair.
CROWD_BITS = 1.5
#: Levels whose worth follows from how people are named, born and housed, which a simulated world may have wrong.
KEPT = training.UNTAUGHT | {("birth_date", "year_only_equal"), ("place", "province_differs")}
WORLDS: tuple[tuple[int, ErrorRates], ...] = (
    (101, scaled(1.0)),
    (102, scaled(3.0, phone_changed=0.3, moved=0.15)),
    (103, scaled(0.4, no_id_adult=0.4, no_phone=0.5, no_card=0.6)),
    (104, scaled(2.0, name_typo=0.04, birth_typo=0.03, name_misheard=0.02, no_address=0.6)),
)


def main(size: int) -> None:
    """Learn and write the file; print what was learnt from."""
    weights = {name: {level: float(START[name].get(level, 0)) for level in levels} for name, levels in FIELDS.items()}
    card = Scorecard("start", START_PRIOR, weights, shipped().frequencies, GUARDS)
    settings = MatchingSettings()
    samples, scores = [], []
    for seed, rates in WORLDS:
        with fill(world(size, seed, rates)) as warehouse:
            identities.take_in(warehouse.con, everything=True)
            samples.append(training.known_pairs(warehouse.con, card, settings))
            one = training.fit(samples[-1], card, KEPT)
            share = samples[-1].same.sum() / (samples[-1].same.sum() + samples[-1].different.sum())
            moved = training.shifted(one, training.unlabelled_scores(warehouse.con, one, settings), float(share))
            scores.append(moved.prior - one.prior)
        print(
            seed,
            int(samples[-1].same.sum()),
            int(samples[-1].different.sum()),
            round(one.prior, 2),
            round(scores[-1], 2),
        )
    pooled = training.joined(samples)
    learnt = training.fit(pooled, card, KEPT)
    learnt = replace(
        learnt,
        prior=round(learnt.prior + float(np.mean(scores)) - CROWD_BITS, 4),
        training={"same": int(pooled.same.sum()), "different": int(pooled.different.sum()), "worlds": len(WORLDS)},
    )
    digest = hashlib.sha256(replace(learnt, version="").to_json().encode()).hexdigest()[:8]
    TARGET.write_text(replace(learnt, version=f"shipped-{digest}").to_json() + "\n", encoding="utf-8")
    print(json.dumps({"prior": learnt.prior, **learnt.weights}, indent=1))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 600_000)
