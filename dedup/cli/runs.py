"""dedup runs list, show."""

from __future__ import annotations

from typing import Annotated

import typer

from dedup.cli.call import Call, command
from dedup.cli.showing import put_rows

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the group ``runs``."""
    group = typer.Typer(help="What each run did.", no_args_is_help=True)
    command(group, "list")(list_runs)
    command(group, "show")(show_run)
    app.add_typer(group, name="runs")


def list_runs(
    call: Call, limit: Annotated[int, typer.Option("--limit", min=1, help="How many, the latest first.")] = 20
) -> None:
    """The latest runs, one a row."""
    from dedup import pipeline
    from dedup.warehouse.runs import logged_runs

    with pipeline.latest(call.settings) as warehouse:
        put_rows(call, logged_runs(warehouse, limit), ("run_id", "command", "started_at", "ended_at", "outcome"))


def show_run(
    call: Call, run_id: Annotated[int | None, typer.Argument(metavar="[RUN]", help="Its number; the last.")] = None
) -> None:
    """One run: versions, counts, seconds and notes of each stage."""
    from dedup import pipeline
    from dedup.cli.showing import put_run
    from dedup.warehouse.runs import logged_run

    with pipeline.latest(call.settings) as warehouse:
        put_run(call, logged_run(warehouse, run_id))
