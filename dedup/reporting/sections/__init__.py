"""The parts of a report, in the order they are shown. A new part is one Section and one line here."""

from __future__ import annotations

from dedup.reporting.sections import breakdowns, funnel, orders, quality, reasons, timing
from dedup.reporting.tables import Section

__all__ = ["SECTIONS"]

SECTIONS: dict[str, Section] = {
    section.name: section
    for section in (
        breakdowns.VERDICTS,
        funnel.FUNNEL,
        funnel.RECOGNITION,
        breakdowns.TESTS,
        breakdowns.PAIRS,
        breakdowns.HOSPITALS,
        breakdowns.DEPARTMENTS,
        breakdowns.ORDERERS,
        breakdowns.SOURCES,
        timing.AGES,
        timing.USED,
        timing.WEEKS,
        reasons.REASONS,
        reasons.RECORDED,
        reasons.ORDERER,
        quality.DELIVERIES,
        quality.REJECTED,
        quality.SKIPPED,
        quality.RULES,
        quality.MATCHING,
        orders.ORDERS,
    )
}
