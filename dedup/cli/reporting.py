"""dedup report, export."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from dedup.cli.call import Call, command
from dedup.cli.showing import put_report
from dedup.schema import SCOPES

__all__ = ["register"]

Day = datetime.datetime
_DAY: dict[str, Any] = {"formats": ["%Y-%m-%d"], "metavar": "DATE"}


def register(app: typer.Typer) -> None:
    """Add the commands that only read."""
    command(app)(report)
    command(app)(export)


def report(
    call: Call,
    hospital: Annotated[list[str] | None, typer.Option(help="Only orders of this facility.")] = None,
    province: Annotated[list[str] | None, typer.Option(help="Only facilities of this province.")] = None,
    tier: Annotated[list[str] | None, typer.Option(help="Only facilities of this tier.")] = None,
    test: Annotated[list[str] | None, typer.Option(help="Only this test of the catalogue.")] = None,
    scope: Annotated[list[str] | None, typer.Option(help="Only repeats of this scope.")] = None,
    since: Annotated[Day | None, typer.Option("--from", **_DAY, help="Ordered on this day or later.")] = None,
    until: Annotated[Day | None, typer.Option("--to", **_DAY, help="Ordered on this day or earlier.")] = None,
) -> None:
    """What was repeated, where, and what it cost. Filters may be repeated."""
    from dedup import pipeline
    from dedup.reporting import Filters

    filters = Filters(
        hospitals=tuple(hospital or ()),
        provinces=tuple(province or ()),
        tiers=tuple(tier or ()),
        tests=tuple(test or ()),
        scopes=tuple(scope or SCOPES),
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
