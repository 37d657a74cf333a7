"""Learning: weights that were put in come out; labels that are wrong do not bend them; too little teaches nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dedup.matching import state, training
from dedup.matching.comparing import FIELDS
from dedup.matching.model import Scorecard, probability, shipped
from dedup.simulation.records import records
from dedup.warehouse import Warehouse, memory_warehouse
from tests.matching.conftest import add_records, run_match
from tests.matching.test_nights import COLUMNS

TRUE = {"sex": {"equal": 1.0, "differs": -5.0}, "phone": {"equal": 7.0, "one_digit_differs": 3.0, "differs": -2.0}}


def _known(slips: float) -> training.Sample:
    """Pairs drawn from TRUE with a prior of -1 bit; of those on one person the share ``slips`` is labelled as two."""
    rng = np.random.default_rng(3)
    levels = {name: rng.integers(0, len(FIELDS[name]), 200_000).astype(np.uint8) for name in TRUE}
    bits = -1.0 + sum(np.array([TRUE[name].get(level, 0.0) for level in FIELDS[name]])[levels[name]] for name in TRUE)
    same = rng.random(200_000) < probability(bits)
    labelled = same & (rng.random(200_000) >= slips)
    return training.sample(levels, tuple(TRUE), labelled, np.ones(200_000))


def _blank() -> Scorecard:
    nothing = {name: dict.fromkeys(levels, 0.0) for name, levels in FIELDS.items()}
    return Scorecard("blank", 0.0, nothing, {"family": {}, "middle": {}, "given": {}}, ())


@pytest.mark.parametrize("slips", [0.0, 0.01])
def test_the_weights_come_out_that_were_put_in(slips: float) -> None:
    learnt = training.fit(_known(slips), _blank(), prior_pairs=1.0)
    assert learnt.prior == pytest.approx(-1.0, abs=0.3)
    for name, weights in TRUE.items():
        for level, bits in weights.items():
            assert learnt.weights[name][level] == pytest.approx(bits, abs=0.6), (name, level)


def test_kept_levels_stay() -> None:
    learnt = training.fit(_known(0.0), _blank(), kept={("sex", "differs")})
    assert learnt.weights["sex"]["differs"] == pytest.approx(0.0, abs=1e-3)


def test_the_same_pairs_give_the_same_card() -> None:
    assert training.fit(_known(0.0), _blank()).to_json() == training.fit(_known(0.0), _blank()).to_json()


def test_the_prior_moves_to_the_share_of_unlabelled_pairs() -> None:
    rng = np.random.default_rng(5)
    bits = np.where(rng.random(50_000) < 0.8, 6.0, -6.0)
    moved = training.shifted(_blank(), bits, 0.5)
    assert moved.prior == pytest.approx(2.0, abs=0.2)


def test_a_scorecard_survives_its_file() -> None:
    assert Scorecard.from_json(shipped().to_json()) == shipped()


def test_the_shipped_scorecard_knows_every_level() -> None:
    card = shipped()
    assert card.fits_fields()
    assert card.version.startswith("shipped-")


def test_a_scorecard_of_other_fields_serves_no_more(warehouse: Warehouse) -> None:
    old = replace(shipped(), version="learnt-old", weights=shipped().weights | {"given_rarity": {"common": 2.5}})
    for card, served in ((old, shipped().version), (replace(shipped(), version="learnt-new"), "learnt-new")):
        warehouse.con.execute("DELETE FROM match_model")
        warehouse.con.execute("INSERT INTO match_model VALUES (?, ?, 1)", [card.version, card.to_json()])
        assert state.serving(warehouse.con).version == served


def test_too_few_ids_teach_nothing_and_say_so(warehouse: Warehouse) -> None:
    add_records(warehouse, [{"full_name": "Trần Văn Bình", "birth_date": "1980-03-04", "sex": "male"}])
    assert run_match(warehouse, train=True).model_version == shipped().version
    notes = warehouse.con.execute("SELECT notes FROM run").fetchone()
    assert notes is not None
    assert "Nothing learnt" in notes[0]


def test_training_keeps_its_card_until_the_next() -> None:
    world = records(5000, 9, days=365, facilities=20).to_arrow()
    with memory_warehouse() as warehouse:
        warehouse.con.register("made", world)
        warehouse.con.execute(f"INSERT INTO patient_identity ({COLUMNS}) SELECT {COLUMNS} FROM made")
        warehouse.con.execute(
            "INSERT INTO todo (stage, patient_record_id) SELECT 'match', patient_record_id FROM patient_identity"
        )
        old = replace(shipped(), version="learnt-old", guards=("generations",))
        warehouse.con.execute("INSERT INTO match_model VALUES (?, ?, 0)", [old.version, old.to_json()])
        first = run_match(warehouse, train=True)
        assert first.model_version.startswith("learnt-")
        assert first.model_version != old.version
        assert state.serving(warehouse.con).guards == shipped().guards  # what an earlier version did not know holds
        assert run_match(warehouse).model_version == first.model_version
        before = warehouse.con.execute("SELECT patient_record_id, person_id FROM patient_record ORDER BY 1").fetchall()
        warehouse.con.execute(
            "INSERT INTO todo (stage, patient_record_id) "
            "SELECT 'match', patient_record_id FROM patient_identity LIMIT 300"
        )
        run_match(warehouse)
        after = warehouse.con.execute("SELECT patient_record_id, person_id FROM patient_record ORDER BY 1").fetchall()
        assert after == before
