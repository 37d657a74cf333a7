"""The DuckDB file: open, migrate, lock, transactions, run log."""

from dedup.warehouse.opening import Warehouse, memory_warehouse, open_warehouse
from dedup.warehouse.runs import Run, start_run

__all__ = ["Run", "Warehouse", "memory_warehouse", "open_warehouse", "start_run"]
