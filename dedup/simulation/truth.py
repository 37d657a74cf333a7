"""What really happened, for measuring: who each record is, and which orders were made as repeats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from dedup.simulation.canonical import keys, of_facility
from dedup.simulation.visits import KINDS
from dedup.simulation.world import World

__all__ = ["duplicates", "patients", "write_truth"]


def patients(world: World) -> pl.DataFrame:
    """facility_id, patient_id, true_person."""
    held = world.records
    return pl.DataFrame(
        {
            "facility_id": pl.Series(world.facilities.code).gather(held.facility),
            "patient_id": world.patient_id,
            "true_person": held.person,
        }
    ).sort("facility_id", "patient_id")


def duplicates(world: World) -> pl.DataFrame:
    """Lines made as repeats, the line each one repeats, and why: serial, transfer, second_opinion, revisit.

    Cancelled and rejected lines and HIV tests are never listed. Whether a repeat was avoidable is for the rules to
    say: some had no result yet, some are justified, some come after the validity.
    """
    orders = world.orders
    all_keys = pl.concat(
        [keys(world, facility, of_facility(world, facility)) for facility in range(len(world.facilities))]
    )
    line = np.flatnonzero(orders.repeats >= 0)
    prior = all_keys[orders.repeats[line]].select(pl.all().name.prefix("prior_"))
    kind = pl.Series(list(KINDS)).gather(world.acts.kind[orders.act[line]])
    return all_keys[line].hstack(prior).with_columns(kind=kind).sort("facility_id", "order_id", "line_no")


def write_truth(world: World, folder: Path) -> int:
    """Write patients.csv and duplicates.csv; returns the number of repeats."""
    made = duplicates(world)
    patients(world).write_csv(folder / "patients.csv")
    made.write_csv(folder / "duplicates.csv")
    return len(made)
