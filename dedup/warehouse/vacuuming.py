"""Giving back the room that superseded lines and rewritten flags have left behind in the file."""

from __future__ import annotations

from dedup.quoting import identifier, literal
from dedup.settings import WarehouseSettings
from dedup.warehouse.encrypting import key_clause, read_key
from dedup.warehouse.opening import Warehouse
from dedup.warehouse.spilling import VACUUM
from dedup.warehouse.writing import take_the_place

__all__ = ["vacuum"]


def vacuum(warehouse: Warehouse, settings: WarehouseSettings | None = None) -> tuple[int, int]:
    """Write the warehouse anew beside itself; it takes its place when ``warehouse`` is closed, whole or not at all.

    Gives the bytes before and after. The engine never makes a file smaller by itself.
    """
    path = warehouse.path
    if path is None:
        return 0, 0
    warehouse.con.execute("CHECKPOINT")
    place = path.with_name(path.name + VACUUM)
    key = key_clause(read_key(settings.key_file if settings else None))
    row = warehouse.con.execute("SELECT current_database()").fetchone()
    warehouse.con.execute(f"ATTACH {literal(place)} AS compact{key}")
    warehouse.con.execute(f"COPY FROM DATABASE {identifier(row[0] if row else '')} TO compact")
    warehouse.con.execute("DETACH compact")
    sizes = path.stat().st_size, place.stat().st_size
    warehouse.when_closed(take_the_place, place, path)
    return sizes
