"""What stands above every report, whatever the format."""

from __future__ import annotations

from dedup.reporting import numbers
from dedup.reporting.figures import Figures
from dedup.reporting.words import Words, plain

__all__ = ["head", "title"]


def title(figures: Figures, words: Words) -> str:
    """The report's title, with the hospital when it is about one."""
    if figures.report == "rollout":
        return words("Connecting the hospitals: where we stand and who comes next")
    if figures.facility_id is None:
        return words("Repeated tests with a valid earlier result")
    name = plain(f"{figures.facility_id} {figures.facility_name or ''}").strip()
    return words("Repeated tests with a valid earlier result: {hospital}", hospital=name)


def head(figures: Figures, words: Words) -> list[str]:
    """How much it is about, which period, what was left out, and by which rules."""
    lang, basis = words.lang, figures.basis
    lines = [
        words(
            "Order lines: {lines}; persons: {persons}; price together: {price}",
            lines=numbers.count(figures.lines, lang),
            persons=numbers.count(figures.persons, lang),
            price=numbers.dong(figures.price_vnd, lang),
        )
    ]
    if figures.first_at and figures.last_at:
        lines.append(
            words(
                "Ordered from {first} to {last}",
                first=numbers.date(figures.first_at, lang),
                last=numbers.date(figures.last_at, lang),
            )
        )
    if figures.identified:
        lines.append(words("This report names patients: it is for those who treat them."))
    if chosen := _chosen(figures, words):
        lines.append(words("Only: {filters}", filters=chosen))
    if basis.profile:
        lines.append(
            words(
                "Rules: profile {profile}, catalogue {catalogue}; recognition: {recognition}",
                profile=basis.profile,
                catalogue=basis.catalogue_version,
                recognition=words.label(basis.recognition),
            )
        )
    else:
        lines.append(words("Nothing has been judged yet: dedup flag"))
    return lines


def _chosen(figures: Figures, words: Words) -> str:
    filters, lang = figures.filters, words.lang
    parts = [
        *filters.hospitals,
        *(words("province {province}", province=province) for province in filters.provinces),
        *(words.label(tier) for tier in filters.tiers),
        *filters.tests,
        *((words("from {day}", day=numbers.date(filters.since, lang)),) if filters.since else ()),
        *((words("to {day}", day=numbers.date(filters.until, lang)),) if filters.until else ()),
        *((words.label(filters.scopes[0]),) if len(filters.scopes) == 1 and figures.report == "repeats" else ()),
    ]
    return plain(", ".join(parts))
