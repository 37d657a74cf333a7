"""Simulated worlds of patient records for the benchmarks, with error rates that can be varied."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from dedup.settings import WarehouseSettings
from dedup.simulation.rates import ErrorRates
from dedup.simulation.records import records
from dedup.warehouse import Warehouse, memory_warehouse, open_warehouse

__all__ = ["COLUMNS", "add", "fill", "fill_file", "scaled", "world"]

COLUMNS = (
    "patient_record_id, facility_id, patient_id, first_ordered_at, national_id, insurance_id, full_name, birth_date,"
    " birth_precision, sex, phone, province, address"
)
#: About how many records a person leaves in a year.
_RECORDS_A_PERSON = 2.237


def scaled(factor: float, **own: float) -> ErrorRates:
    """The default error rates, all mistakes ``factor`` times as frequent, some set by hand."""
    kept = {name for name in vars(ErrorRates()) if name.startswith("no_") or name == "newborn_under_parent"}
    values = {name: value if name in kept else min(value * factor, 0.9) for name, value in vars(ErrorRates()).items()}
    return dataclasses.replace(ErrorRates(), **(values | own))


def world(size: int, seed: int, rates: ErrorRates | None = None) -> Any:
    """About ``size`` patient records of one year as an Arrow table, with ``true_person``."""
    return records(int(size / _RECORDS_A_PERSON), seed, rates, days=365).to_arrow()


def fill(table: Any) -> Warehouse:
    """A warehouse in memory whose patient_identity is ``table``, all of it to be matched."""
    warehouse = memory_warehouse(WarehouseSettings(threads=2))
    add(warehouse, table)
    return warehouse


def add(warehouse: Warehouse, table: Any) -> None:
    """Put the records of ``table`` into patient_identity, all to be matched."""
    warehouse.con.register("made", table)
    _take(warehouse, "made")
    warehouse.con.unregister("made")


def fill_file(records: Path, target: Path, memory_limit: str) -> Warehouse:
    """The same of a Parquet file, in a warehouse on disk that may use so much memory."""
    warehouse = open_warehouse(target, settings=WarehouseSettings(threads=2, memory_limit=memory_limit))
    _take(warehouse, f"'{records}'")
    return warehouse


def _take(warehouse: Warehouse, source: str) -> None:
    warehouse.con.execute(f"INSERT INTO patient_identity ({COLUMNS}) SELECT {COLUMNS} FROM {source}")
    warehouse.con.execute(
        f"INSERT INTO todo (stage, patient_record_id) SELECT 'match', patient_record_id FROM {source}"
    )
