"""Reports for people in hospitals: figures computed in SQL, shown as a terminal table, JSON, HTML, XLSX or CSV.

Reads the public tables, ``facility``, ``facility_alias``, ``test``, ``rule`` and ``flag_state``; writes none.
"""

from __future__ import annotations

from collections.abc import Callable

from dedup.reporting.data import render_json
from dedup.reporting.explaining import explain_html, explain_text
from dedup.reporting.figures import Figures, each_hospital, figures
from dedup.reporting.filters import Filters
from dedup.reporting.nightly import NIGHT_FORMATS, night_summary
from dedup.reporting.page import render_html
from dedup.reporting.pair import ReviewWording
from dedup.reporting.rollout import rollout
from dedup.reporting.terminal import render_table
from dedup.reporting.writing import FORMATS, orders_held, render, write_each_hospital, write_report
from dedup.warehouse import Warehouse

__all__ = [
    "FORMATS",
    "NIGHT_FORMATS",
    "REPORTS",
    "Figures",
    "Filters",
    "ReviewWording",
    "each_hospital",
    "explain_html",
    "explain_text",
    "figures",
    "night_summary",
    "orders_held",
    "render",
    "render_html",
    "render_json",
    "render_table",
    "rollout",
    "write_each_hospital",
    "write_report",
]

#: Report → what computes it. A new report is one file and one line here.
REPORTS: dict[str, Callable[[Warehouse, Filters | None], Figures]] = {"repeats": figures, "rollout": rollout}
