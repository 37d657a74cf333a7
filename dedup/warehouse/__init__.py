"""The DuckDB file: open, migrate, lock, transactions, run log."""

from dedup.warehouse.counting import count
from dedup.warehouse.opening import (
    Warehouse,
    all_threads,
    another,
    memory_warehouse,
    one_thread,
    open_finished,
    open_warehouse,
    small_memory,
)
from dedup.warehouse.runs import Run, start_run
from dedup.warehouse.spilling import bring_in, scratch
from dedup.warehouse.writing import aside

__all__ = [
    "Run",
    "Warehouse",
    "all_threads",
    "another",
    "aside",
    "bring_in",
    "count",
    "memory_warehouse",
    "one_thread",
    "open_finished",
    "open_warehouse",
    "scratch",
    "small_memory",
    "start_run",
]
