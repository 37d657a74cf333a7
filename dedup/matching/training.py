"""Learning a scorecard: from pairs known to be one person or two to weights in bits.

Fellegi–Sunter weights, log2(m/u) for each level, count correlated fields twice (who shares a phone shares a ward).
So the weights are fitted together, by a logistic fit over the same levels: still one additive weight in bits for
each, but such that the probabilities are calibrated on the pairs learnt from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dedup.matching import blocking
from dedup.matching.comparing import FIELDS
from dedup.matching.model import Scorecard
from dedup.schema import kept_number, kept_text
from dedup.warehouse import count

if TYPE_CHECKING:
    import duckdb

    from dedup.matching.comparing import Levels, Positions
    from dedup.settings import MatchingSettings

__all__ = [
    "UNTAUGHT", "Sample", "fit", "joined", "known_pairs", "learn_from_ids", "name_frequencies", "sample", "shifted",
    "unlabelled_scores",
]  # fmt: skip

#: Fewer known pairs of either kind teach nothing.
_LEAST_PAIRS = 100
#: How many pairs the starting weights count for, in each level.
PRIOR_PAIRS = 200.0
#: What trusted ids cannot teach: they fit their record's sex and birth year, so two of one person never differ there.
UNTAUGHT = frozenset(
    [("sex", level) for level in FIELDS["sex"]]
    + [("birth_date", level) for level in ("year_typed_wrong", "near_years", "differs", "generation_apart")]
)
_ROUNDS = 60
#: The share of persons' pairs whose numbers differ by mistake: where its estimate starts, and its limit.
_SLIP, _MOST_SLIPS = 0.005, 0.05
_FREQUENT = 1e-4
_NAME_PARTS = ("family_name", "middle_name", "given_name")
_BATCH = 500_000


@dataclass(frozen=True)
class Sample:
    """Distinct comparison vectors with how often each was met on one person and on two."""

    fields: tuple[str, ...]
    vectors: np.ndarray[Any, np.dtype[np.uint8]]  #: vectors × fields
    same: np.ndarray[Any, np.dtype[np.float64]]
    different: np.ndarray[Any, np.dtype[np.float64]]


def sample(levels: dict[str, Levels], fields: tuple[str, ...], same: Positions, weight: Positions) -> Sample:
    """Count the vectors of known pairs; ``same`` says which are one person, ``weight`` how many each stands for."""
    packed = np.zeros(len(same), dtype=np.int64)
    for name in fields:
        packed = packed * 16 + levels[name]
    distinct, back = np.unique(packed, return_inverse=True)
    vectors = np.empty((len(distinct), len(fields)), dtype=np.uint8)
    for column in range(len(fields) - 1, -1, -1):
        vectors[:, column] = distinct & 15
        distinct = distinct >> 4
    counts = [np.bincount(back, np.where(side, weight, 0.0), len(vectors)).astype(np.float64) for side in (same, ~same)]
    return Sample(fields, vectors, counts[0], counts[1])


def fit(
    known: Sample, card: Scorecard, kept: Collection[tuple[str, str]] = (), prior_pairs: float = PRIOR_PAIRS
) -> Scorecard:
    """A scorecard with the weights of ``known.fields`` learnt, but for the levels in ``kept``.

    Those, and other fields, keep the weights of ``card``, which are also where learning starts and what a level
    seldom met stays close to: they count for ``prior_pairs`` pairs. The first level of a field says nothing and
    weighs 0. Newton's method on the penalised likelihood; the same sample gives the same weights.
    """
    columns = [(name, number) for name in known.fields for number in range(1, len(FIELDS[name]))]
    design = np.ones((len(known.vectors), len(columns) + 1))
    for at, (name, number) in enumerate(columns, start=1):
        design[:, at] = known.vectors[:, known.fields.index(name)] == number
    total = known.same + known.different
    same, slip = known.same, _SLIP
    start = np.array([card.prior, *(card.weights[name][FIELDS[name][number]] for name, number in columns)]) * np.log(2)
    strength = np.full(len(start), prior_pairs / 4)
    strength[0] = 1e-6
    for at, (name, number) in enumerate(columns, start=1):
        if (name, FIELDS[name][number]) in kept:
            strength[at] = 1e12
    weights = start.copy()
    for _ in range(_ROUNDS):
        chance = 1 / (1 + np.exp(-np.clip(design @ weights, -40, 40)))
        # Two numbers on one person, one of them mistyped, look like two persons agreeing in everything: such pairs
        # are counted as one person as far as the rest says so.
        mislabelled = known.different * (slip * chance / (slip * chance + 1 - chance))
        same = known.same + mislabelled
        slip = min(max(float(mislabelled.sum() / max(same.sum(), 1.0)), 1e-5), _MOST_SLIPS)
        slope = design.T @ (same - total * chance) - strength * (weights - start)
        curve = (design * (total * chance * (1 - chance))[:, None]).T @ design + np.diag(strength)
        step = np.linalg.solve(curve, slope)
        weights = weights + np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-6:
            break
    bits = np.round(weights / np.log(2), 4)
    learnt = {name: {FIELDS[name][0]: 0.0} for name in known.fields}
    for (name, number), value in zip(columns, bits[1:].tolist(), strict=True):
        learnt[name][FIELDS[name][number]] = value
    return replace(card, prior=float(bits[0]), weights=card.weights | learnt)


def shifted(card: Scorecard, bits: Positions, share: float) -> Scorecard:
    """The prior moved to pairs without labels, whose share of true pairs is not the ``share`` learnt from.

    ``bits`` are the scores of such pairs; their own share is found by expectation and maximisation (Saerens,
    Latinne, Decaestecker 2002).
    """
    odds = np.exp2(np.clip(bits, -60, 60))
    other = share
    for _ in range(200):
        ratio = (other / share) / ((1 - other) / (1 - share))
        found = float((odds * ratio / (1 + odds * ratio)).mean())
        if abs(found - other) < 1e-7:
            break
        other = min(max(found, 1e-6), 1 - 1e-6)
    move = np.log2((other / share) / ((1 - other) / (1 - share)))
    return replace(card, prior=round(card.prior + float(move), 4))


def learn_from_ids(
    con: duckdb.DuckDBPyConnection, run_id: int, card: Scorecard, settings: MatchingSettings
) -> tuple[Scorecard | None, str]:
    """Learn all fields but the id itself from the warehouse's trusted CCCDs.

    Pairs that meet in a block made without the id: one number is one person, two numbers are two persons; numbers
    one digit apart may be a typing error and teach nothing. Returns None with the reason when there are too few.
    """

    named = replace(card, frequencies=name_frequencies(con))
    known = known_pairs(con, named, settings)
    same, different = float(known.same.sum()), float(known.different.sum())
    if min(same, different) < _LEAST_PAIRS:
        return None, (
            f"Nothing learnt: {same:.0f} pairs known to be one person and {different:.0f} known to be two, "
            f"and at least {_LEAST_PAIRS} of each are needed."
        )
    learnt = fit(known, named, UNTAUGHT)
    learnt = shifted(learnt, unlabelled_scores(con, learnt, settings), same / (same + different))
    learnt = replace(learnt, training={"same": int(same), "different": int(different), "run_id": run_id})
    digest = hashlib.sha256(replace(learnt, version="").to_json().encode()).hexdigest()[:8]
    return replace(learnt, version=f"learnt-{digest}"), (
        f"Scorecard learnt-{digest} learnt from {same:.0f} pairs of one person and {different:.0f} of two."
    )


def known_pairs(con: duckdb.DuckDBPyConnection, card: Scorecard, settings: MatchingSettings) -> Sample:
    """Vectors of the pairs the warehouse's own ids teach: one person when the ids are equal, two when they conflict."""
    from dedup.matching.edges import Scorer
    from dedup.matching.variants import read_variants

    v = read_variants(con, "WHERE settled")
    scorer = Scorer(v, card, settings)
    a, b, weight = _settled_positions(con, v.positions, settings.block_cap)
    fields = tuple(name for name in FIELDS if name != "id")
    equal, conflicts = (FIELDS["id"].index(name) for name in ("equal", "conflicts"))
    parts = [
        sample({name: np.zeros(0, dtype=np.uint8) for name in fields}, fields, np.zeros(0, dtype=np.bool_), np.zeros(0))
    ]
    for start in range(0, len(a), _BATCH):
        part = slice(start, start + _BATCH)
        levels = scorer.levels(a[part], b[part])
        usable = np.isin(levels["id"], (equal, conflicts))
        taught = {name: column[usable] for name, column in levels.items()}
        parts.append(sample(taught, fields, taught["id"] == equal, weight[part][usable]))
    return joined(parts)


def unlabelled_scores(con: duckdb.DuckDBPyConnection, card: Scorecard, settings: MatchingSettings) -> Positions:
    """Scores of pairs whose ids say nothing, in the blocks of every tenth identity."""
    from dedup.matching.edges import Scorer
    from dedup.matching.variants import read_variants

    blocks = blocking.find_pairs(con, -1, settings.block_cap)
    some = blocks.a % 10 == 0
    scorer = Scorer(read_variants(con), card, settings)
    levels = scorer.levels(scorer.v.positions(blocks.a[some]), scorer.v.positions(blocks.b[some]))
    return np.asarray(card.score(levels)[levels["id"] == 0])


def joined(parts: list[Sample]) -> Sample:
    """Several samples of the same fields as one."""
    return Sample(
        parts[0].fields, np.concatenate([p.vectors for p in parts]), np.concatenate([p.same for p in parts]),
        np.concatenate([p.different for p in parts]),
    )  # fmt: skip


def _settled_positions(
    con: duckdb.DuckDBPyConnection, positions: Any, cap: int
) -> tuple[Positions, Positions, Positions]:
    """Pairs of positions and the pairs of records each stands for, with those inside one identity."""
    blocks = blocking.find_settled_pairs(con, cap)
    rows = con.execute("""
      SELECT r.variant_no, count(*) AS records FROM match_record AS r SEMI JOIN
        (FROM match_variant WHERE settled) AS v ON v.variant_no = r.variant_no GROUP BY r.variant_no""").fetchnumpy()
    at = positions(rows["variant_no"])
    records = np.zeros(len(at), dtype=np.float64)
    records[at] = rows["records"]
    several = np.flatnonzero(records > 1)
    a, b = positions(blocks.a), positions(blocks.b)
    inside = records[several] * (records[several] - 1) / 2
    return np.append(a, several), np.append(b, several), np.append(records[a] * records[b], inside)


def name_frequencies(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, float]]:
    """Share of persons with each family, middle and given name; identities with one trusted id count once."""
    from dedup.matching.variants import arrived_sql

    told = ", ".join(f"{kept_text(name)} AS {name}" for name in ("id_number", "name", *_NAME_PARTS))
    con.execute(f"""
      CREATE OR REPLACE TEMP TABLE named AS
      SELECT {", ".join(_NAME_PARTS)}
      FROM (SELECT variant_no, variant_id, settled, {told} FROM ({arrived_sql()}) WHERE {kept_number("newborn")} = 0)
      WHERE name IS NOT NULL
      QUALIFY row_number() OVER (
        PARTITION BY CASE WHEN settled THEN id_number ELSE CAST(variant_no AS VARCHAR) END ORDER BY variant_id) = 1""")
    persons = count(con, "SELECT count(*) FROM named")
    shares = {}
    for name in _NAME_PARTS:
        rows = con.execute(f"""
          SELECT token, round(count(*) / {persons}, 6) AS share
          FROM (SELECT unnest(string_split({name}, ' ')) AS token FROM named WHERE {name} IS NOT NULL)
          GROUP BY token HAVING count(*) / {persons} >= {_FREQUENT} ORDER BY token""").fetchall()
        shares[name.removesuffix("_name")] = dict(rows)
    con.execute("DROP TABLE named")
    return shares
