"""Why two patient records are, or are not, one person: the waterfall of one pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dedup.errors import UsageError
from dedup.matching.comparing import FIELDS
from dedup.matching.deciding import GUARDS, METHODS

if TYPE_CHECKING:
    from dedup.matching.model import Scorecard
    from dedup.settings import Settings
    from dedup.warehouse import Warehouse

__all__ = ["PairExplanation", "Step", "explain_lines", "explain_pair"]


@dataclass(frozen=True)
class Step:
    """One bar of the waterfall."""

    field: str  #: ``prior`` or a field of the scorecard
    level: str  #: what the two have in common there
    bits: float  #: what that adds
    total: float  #: the bits so far


@dataclass(frozen=True)
class PairExplanation:
    """What speaks for and against one pair. Levels and bits only: no patient's value."""

    first: tuple[str, str]  #: facility_id, patient_id
    second: tuple[str, str]
    steps: tuple[Step, ...]
    bits: float
    probability: float
    method: str  #: what was decided of the pair alone: national_id, insurance_id, fuzzy, review, none
    guard: str | None  #: the rule that forbids joining without a human
    human_decision: bool | None  #: what somebody decided; None: nobody has
    same_person: bool  #: whether the two are one person now
    model_version: str


def explain_pair(
    warehouse: Warehouse, settings: Settings, first: tuple[str, str], second: tuple[str, str]
) -> PairExplanation:
    """The waterfall of two patient records, each given as (facility_id, patient_id).

    Raises UsageError when the warehouse does not know one of them.
    """
    from dedup.matching import state
    from dedup.matching.edges import Scorer
    from dedup.matching.variants import read_variants

    con = warehouse.con
    rows = [
        con.execute(
            "SELECT patient_record_id, variant_no, person_id FROM patient_identity "
            "JOIN match_person USING (patient_record_id) JOIN match_record USING (patient_record_id) "
            "WHERE facility_id = ? AND patient_id = ?",
            list(key),
        ).fetchone()
        for key in (first, second)
    ]
    if rows[0] is None or rows[1] is None:
        raise UsageError("One of the two patient records is not in the warehouse, or is not matched yet.")
    record_a, number_a, person_a = rows[0]
    record_b, number_b, person_b = rows[1]
    card = state.serving(con)
    v = read_variants(con, f"WHERE variant_no IN ({int(number_a)}, {int(number_b)})")
    at = v.positions(np.array([number_a, number_b]))
    scorer = Scorer(v, card, settings.matching)
    levels = scorer.levels(at[:1], at[1:])
    decided = scorer.decide(at[:1], at[1:])
    guard = int(decided.guard[0])
    return PairExplanation(
        first=first,
        second=second,
        steps=_steps(card, {name: int(column[0]) for name, column in levels.items()}),
        bits=float(decided.bits[0]),
        probability=float(1 / (1 + 2.0 ** -float(decided.bits[0]))),
        method=METHODS[int(decided.method[0])],
        guard=None if guard < 0 else list(GUARDS)[guard],
        human_decision=_human(warehouse, record_a, record_b),
        same_person=person_a == person_b,
        model_version=card.version,
    )


def explain_lines(
    warehouse: Warehouse, settings: Settings, first: tuple[str, str, int], second: tuple[str, str, int]
) -> PairExplanation | None:
    """The same for the patients of two order lines (facility_id, order_id, line_no); None for one patient record."""
    keys = [
        warehouse.con.execute(
            "SELECT p.facility_id, p.patient_id FROM line JOIN patient_identity AS p USING (patient_record_id) "
            "WHERE line.superseded_by IS NULL AND line.facility_id = ? AND order_id = ? AND line_no = ?",
            list(line),
        ).fetchone()
        for line in (first, second)
    ]
    if keys[0] is None or keys[1] is None or keys[0] == keys[1]:
        return None
    return explain_pair(warehouse, settings, (keys[0][0], keys[0][1]), (keys[1][0], keys[1][1]))


def _steps(card: Scorecard, levels: dict[str, int]) -> tuple[Step, ...]:
    """The prior first, then every field that says something, the most telling first."""
    told = [(name, FIELDS[name][number]) for name, number in levels.items() if number]
    told.sort(key=lambda part: (-abs(card.weights[part[0]][part[1]]), part))
    total = card.prior
    steps = [Step("prior", "", card.prior, round(total, 4))]
    for name, told_level in told:
        total += card.weights[name][told_level]
        steps.append(Step(name, told_level, card.weights[name][told_level], round(total, 4)))
    return tuple(steps)


def _human(warehouse: Warehouse, record_a: int, record_b: int) -> bool | None:
    row = warehouse.con.execute(
        "SELECT same_person FROM match_decision WHERE record_a = ? AND record_b = ?", sorted([record_a, record_b])
    ).fetchone()
    return None if row is None else bool(row[0])
