"""dedup report, export."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from dedup.cli.call import Call, command
from dedup.cli.showing import put_report

__all__ = ["register"]

_DATE = {"formats": ["%Y-%m-%d"], "metavar": "DATE"}


def register(app: typer.Typer) -> None:
    """Add the commands that only read."""
    command(app)(report)
    command(app)(export)


def report(
    call: Call,
    hospital: Annotated[list[str], typer.Option(help="Only orders of this facility; may be repeated.")] = [],  # noqa: B006
    province: Annotated[list[str], typer.Option(help="Only facilities of this province.")] = [],  # noqa: B006
    tier: Annotated[list[str], typer.Option(help="Only facilities of this tier.")] = [],  # noqa: B006
    test: Annotated[list[str], typer.Option(help="Only this test of the catalogue.")] = [],  # noqa: B006
    since: Annotated[datetime.datetime | None, typer.Option(**_DATE, help="Ordered on this day or later.")] = None,
    until: Annotated[datetime.datetime | None, typer.Option(**_DATE, help="Ordered on this day or earlier.")] = None,
) -> None:
    """What was repeated, where, and what it cost."""
    from dedup import pipeline
    from dedup.reporting import Filters

    filters = Filters(
        hospitals=tuple(hospital),
        provinces=tuple(province),
        tiers=tuple(tier),
        tests=tuple(test),
        since=since.date() if since else None,
        until=until.date() if until else None,
    )
    put_report(call, pipeline.report(call.settings, filters), call.lang)


def export(
    call: Call,
    what: Annotated[Literal["flags", "orders", "patients"], typer.Argument(help="What to write.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="A .parquet or .csv file.")],
    identified: Annotated[
        bool, typer.Option("--identified", help="Patients with names, numbers and birth dates.")
    ] = False,
) -> None:
    """Write flags, order lines or patients to a file."""
    from dedup import pipeline
    from dedup.research import export as write

    with pipeline.reading(call.settings) as warehouse:
        rows = write(warehouse, what, out, identified=identified)
    if call.json:
        call.put_json({"file": str(out), "rows": rows})
    call.say(f"{rows:,} rows in {out}")
