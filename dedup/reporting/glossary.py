"""The words of the reports, explained."""

from __future__ import annotations

from dedup.reporting.tables import mark

__all__ = ["GLOSSARY"]

#: Word → meaning; docs/en/glossary.md and docs/vi/glossary.md hold the same list.
GLOSSARY: tuple[tuple[str, str], ...] = (
    (
        mark("order line"),
        mark("One test ordered for one patient. Cancelled and rejected lines are not counted."),
    ),
    (
        mark("repeat"),
        mark("An order line for which a result of the same test (or of a panel that contains it) was still valid."),
    ),
    (
        mark("earlier result"),
        mark("The result that could have served instead, at another facility or at the same one."),
    ),
    (
        mark("validity"),
        mark("How long a result may be used again, counted from the collection of its specimen. A rule sets it."),
    ),
    (
        mark("avoidable"),
        mark("The earlier result was there in time, its laboratory is recognised, and nothing speaks for a new test."),
    ),
    (
        mark("to review"),
        mark("Probably avoidable, but something is not known well enough: a person should look at it."),
    ),
    (
        mark("justified"),
        mark("The doctor recorded a reason, or an exemption of the rules applies."),
    ),
    (
        mark("not recognised"),
        mark("The result is valid, but the ordering facility need not accept the laboratory that made it."),
    ),
    (
        mark("no result yet"),
        mark("The earlier test had been taken, but its result was not there when the new order was written."),
    ),
    (
        mark("honest saving"),
        mark(
            "Of three orders in a row, each avoidable because of the one before, not all can be left out: "
            "once one is not done, the next may have no valid result. This sum counts only those that could."
        ),
    ),
    (
        mark("95% interval"),
        mark("Where the true share may lie, given that tests of one person are alike. Wide: too few persons to tell."),
    ),
)
