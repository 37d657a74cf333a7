"""The report for programs: JSON. Codes, not words; numbers, not text; đồng exactly."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import json
from typing import Any

from dedup.reporting.figures import Figures

__all__ = ["as_dict", "render_json"]


def render_json(figures: Figures) -> str:
    """The report as one JSON object, ended by a line feed."""
    return json.dumps(as_dict(figures), ensure_ascii=False, indent=2, default=_plain) + "\n"


def as_dict(figures: Figures) -> dict[str, Any]:
    """The headline figures under the names of ``Figures`` and, under ``tables``, each section as a list of rows."""
    fields = ("report", "facility_id", "facility_name", "lines", "persons", "price_vnd", "first_at", "last_at")
    return {
        **{name: getattr(figures, name) for name in fields},
        "filters": dataclasses.asdict(figures.filters),
        "basis": dataclasses.asdict(figures.basis),
        "scopes": {scope.scope: dataclasses.asdict(scope) for scope in figures.scopes},
        "tables": {name: table.dicts() for name, table in figures.tables.items()},
    }


def _plain(value: object) -> object:
    if isinstance(value, decimal.Decimal):
        # Sums of đồng stay below 2**53, where a float still tells thousandths of a đồng apart up to 10**12 đồng.
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, datetime.date):
        return value.isoformat()
    raise TypeError(f"no JSON for {type(value).__name__}")
