"""dedup report, explain, export."""

from __future__ import annotations

import dataclasses
import datetime
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from dedup.cli.call import DAY, Call, FailOn, Profile, Rules, command, laid_over
from dedup.cli.showing import fail_on, note, put_report
from dedup.errors import UsageError
from dedup.schema import SCOPES

__all__ = ["register"]

Day = datetime.datetime


def register(app: typer.Typer) -> None:
    """Add the commands that only read."""
    for body in (report, explain, export):
        command(app)(body)


def report(
    call: Call,
    which: Annotated[
        Literal["repeats", "rollout"],
        typer.Argument(metavar="[WHICH]", help="repeats, or rollout: whom to connect next."),
    ] = "repeats",
    hospital: Annotated[list[str] | None, typer.Option(help="Only orders of this facility.")] = None,
    province: Annotated[list[str] | None, typer.Option(help="Only facilities of this province.")] = None,
    tier: Annotated[list[str] | None, typer.Option(help="Only facilities of this tier.")] = None,
    test: Annotated[list[str] | None, typer.Option(help="Only this test of the catalogue.")] = None,
    scope: Annotated[list[str] | None, typer.Option(help="Only repeats of this scope.")] = None,
    since: Annotated[Day | None, typer.Option("--from", **DAY, help="Ordered on this day or later.")] = None,
    until: Annotated[Day | None, typer.Option("--to", **DAY, help="Ordered on this day or earlier.")] = None,
    form: Annotated[
        Literal["table", "html", "xlsx", "csv", "json"] | None,
        typer.Option("--format", help="How to write it; else as the name of the file says."),
    ] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="FILE", help="Where to; else stdout.")] = None,
    each_hospital: Annotated[
        Path | None, typer.Option("--each-hospital", metavar="DIR", help="One file for each hospital, in this folder.")
    ] = None,
    identified: Annotated[
        bool, typer.Option("--identified", help="Name the patients of the orders; this is written down.")
    ] = False,
    limit: FailOn = None,
) -> None:
    """What was repeated, where, and what it cost; or whom to connect next. Filters may be repeated."""
    from dedup import pipeline
    from dedup.reporting import (
        Filters,
        figures,
        orders_held,
        render,
        rollout,
        write_each_hospital,
        write_report,
    )

    filters = Filters(
        hospitals=tuple(hospital or ()),
        provinces=tuple(province or ()),
        tiers=tuple(tier or ()),
        tests=tuple(test or ()),
        scopes=tuple(scope or SCOPES),
        since=since.date() if since else None,
        until=until.date() if until else None,
    )
    chosen = form or ("html" if each_hospital else _form_of(out))
    if chosen == "table" and (out or each_hospital):
        raise UsageError("A table is for the terminal. For files choose --format html, xlsx, csv or json.")
    if which == "rollout" and (each_hospital or identified):
        raise UsageError("--each-hospital and --identified are for the report on repeats.")
    if each_hospital and limit is not None:
        raise UsageError("--fail-on is for a report on all hospitals.")
    with pipeline.reading(call.settings) as warehouse:
        note(call, f"report {which}", identified=identified, **dataclasses.asdict(filters))
        if each_hospital:
            files = write_each_hospital(warehouse, filters, chosen, call.lang, each_hospital, identified=identified)
            call.say(f"{len(files):,} files in {each_hospital}")
            return
        if which == "rollout":
            found = rollout(warehouse, filters)
        else:
            found = figures(warehouse, filters, identified=identified, orders=orders_held(chosen))
    if out:
        write_report(found, chosen, call.lang, out)
    elif chosen == "table":
        put_report(call, found, call.lang)
    else:
        sys.stdout.buffer.write(render(found, chosen, call.lang))
    fail_on(found.scope("elsewhere").verdicts["avoidable"], limit)


def _form_of(out: Path | None) -> str:
    """The format that the ending of a file names; else a table."""
    from dedup.reporting import FORMATS

    return out.suffix[1:] if out and out.suffix[1:] in FORMATS else "table"


def explain(
    call: Call,
    facility: Annotated[str, typer.Argument(metavar="FACILITY", help="The facility that ordered.")],
    order: Annotated[str, typer.Argument(metavar="ORDER", help="Its order number.")],
    line: Annotated[int, typer.Argument(metavar="[LINE]", help="Line of the order.", min=1)] = 1,
    rules: Rules = None,
    profile: Profile = None,
    form: Annotated[Literal["text", "html"], typer.Option("--format", help="html: one page with a timeline.")] = "text",
) -> None:
    """Why an order line was flagged, or was not: the priors, what each failed on, the rule and its source."""
    from dedup import pipeline
    from dedup.matching import explain_lines
    from dedup.reporting import explain_html, explain_text
    from dedup.rules.tracing import trace

    settings = laid_over(call.settings, rules=rules, profile=profile)
    with pipeline.reading(settings) as warehouse:
        traced = dataclasses.asdict(trace(warehouse, settings, facility, order, line))
        note(call, "explain", identified=False, order=[facility, order, line])
        priors = dict.fromkeys(tuple(judged["prior"]) for judged in traced["judgements"])
        if call.json:
            call.put_json(traced)
        else:
            tell = explain_html if form == "html" else explain_text
            pairs = [explain_lines(warehouse, settings, (facility, order, line), prior) for prior in priors]
            told = [dataclasses.asdict(pair) for pair in pairs if pair is not None]
            call.put(tell(warehouse, traced, told, call.lang).removesuffix("\n"))


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
        note(call, f"export {what}", identified=identified)
        rows = write(warehouse, what, out, identified=identified)
    if call.json:
        call.put_json({"file": str(out), "rows": rows})
    call.say(f"{rows:,} rows in {out}")
