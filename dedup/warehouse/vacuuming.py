"""Giving back the room that superseded lines and rewritten flags have left behind in the file."""

from __future__ import annotations

import os
from pathlib import Path

from dedup.warehouse.opening import Warehouse

__all__ = ["vacuum"]


def vacuum(warehouse: Warehouse) -> tuple[int, int]:
    """Write the warehouse anew beside itself; it takes its place when ``warehouse`` is closed, whole or not at all.

    Gives the bytes before and after. The engine never makes a file smaller by itself.
    """
    path = warehouse.path
    if path is None:
        return 0, 0
    warehouse.con.execute("CHECKPOINT")
    place = path.with_name(path.name + ".vacuum")
    place.unlink(missing_ok=True)  # of a vacuum that was killed
    row = warehouse.con.execute("SELECT current_database()").fetchone()
    name = '"' + str(row[0] if row else "").replace('"', '""') + '"'
    warehouse.con.execute("ATTACH '" + str(place).replace("'", "''") + "' AS compact")
    warehouse.con.execute(f"COPY FROM DATABASE {name} TO compact")
    warehouse.con.execute("DETACH compact")
    sizes = path.stat().st_size, place.stat().st_size
    warehouse.when_closed(_take_the_place, place, path)
    return sizes


def _take_the_place(place: Path, path: Path) -> None:
    with place.open("rb") as handle:
        os.fsync(handle.fileno())
    place.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
