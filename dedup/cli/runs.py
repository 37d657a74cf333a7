"""dedup runs list, show, diff."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from dedup.cli.call import Call, command
from dedup.cli.showing import flat, put_rows

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the group ``runs``."""
    group = typer.Typer(help="What each run did.", no_args_is_help=True)
    command(group, "list")(list_runs)
    command(group, "show")(show_run)
    command(group, "diff")(diff_runs)
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
    call: Call,
    run_id: Annotated[int | None, typer.Argument(metavar="[RUN]", help="Its number; the last.")] = None,
    form: Annotated[Literal["text", "html", "json"], typer.Option("--format", help="How to write it.")] = "text",
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help="Where; else stdout.")] = None,
) -> None:
    """One run, without patients: what it counted, said and rejected, and who sent how much."""
    from dedup import pipeline
    from dedup.reporting import NIGHT_FORMATS, night_summary
    from dedup.warehouse import aside

    with pipeline.latest(call.settings) as warehouse:
        summary = night_summary(warehouse, run_id)
    content = NIGHT_FORMATS["json" if call.json else form](summary, call.lang)
    if out is None:
        call.put(content.removesuffix("\n"))
        return
    with aside(out) as place:
        place.write_text(content, encoding="utf-8")


def diff_runs(
    call: Call,
    before: Annotated[int, typer.Argument(metavar="RUN", help="The earlier run.")],
    after: Annotated[int, typer.Argument(metavar="RUN", help="The later run.")],
) -> None:
    """Where two runs differ: versions, counts, seconds."""
    from dedup import pipeline
    from dedup.warehouse.runs import logged_run

    with pipeline.latest(call.settings) as warehouse:
        sides = [dict(flat(logged_run(warehouse, number))) for number in (before, after)]
    names = list(dict.fromkeys([*sides[0], *sides[1]]))
    rows = [{"what": name, "before": sides[0].get(name), "after": sides[1].get(name)} for name in names]
    put_rows(call, [row for row in rows if row["before"] != row["after"]], ("what", "before", "after"))
