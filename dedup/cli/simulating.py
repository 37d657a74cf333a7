"""dedup simulate."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path
from typing import Annotated

import typer

from dedup.cli.call import Call, command
from dedup.errors import UsageError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app)(simulate)


def simulate(
    call: Call,
    persons: Annotated[int, typer.Option("--persons", metavar="N", min=1, help="How many people.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Where to write.")],
    seed: Annotated[int, typer.Option("--seed", metavar="S", min=0, help="Same seed, same bytes.")] = 1,
    start: Annotated[
        datetime.datetime, typer.Option("--start", formats=["%Y-%m-%d"], metavar="DATE", help="First day.")
    ] = datetime.datetime(2026, 1, 1),
    days: Annotated[int, typer.Option("--days", metavar="N", min=7, help="How many days.")] = 90,
    facilities: Annotated[
        int | None, typer.Option("--facilities", metavar="N", min=8, help="How many; follows from the persons.")
    ] = None,
    formats: Annotated[
        list[str] | None, typer.Option("--format", metavar="FORMAT", help="What facilities send; may be repeated.")
    ] = None,
) -> None:
    """Write an invented world: what facilities send, their register, and the truth."""
    from dedup.simulation import FORMATS
    from dedup.simulation import simulate as write

    chosen = formats or ["csv", "xml"]
    if unknown := sorted(set(chosen) - set(FORMATS)):
        raise UsageError(f"--format {unknown[0]}: choose from {', '.join(FORMATS)}.")
    summary = write(persons, seed, out, formats=chosen, start=start.date(), days=days, facilities=facilities)
    if call.json:
        call.put_json(dataclasses.asdict(summary))
    call.say(
        f"{summary.persons:,} persons with {summary.records:,} patient records at {summary.facilities:,} facilities: "
        f"{summary.lines:,} order lines in {summary.files:,} files under {out}"
    )
