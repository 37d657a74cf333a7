"""dedup demo, run, load, match, flag."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dedup.cli.call import DAY, Call, Facilities, FailOn, MappingFile, Profile, Rules, command, laid_over
from dedup.cli.showing import avoidable_elsewhere, fail_on, put_report, stage_lines
from dedup.cli.watching import watching
from dedup.errors import UsageError

if TYPE_CHECKING:
    from dedup.pipeline import RunSummary

__all__ = ["register"]

Inputs = Annotated[list[Path], typer.Argument(metavar="INPUT…", help="Files, or folders read whole.")]
InputsOrInbox = Annotated[
    list[Path] | None, typer.Argument(metavar="[INPUT…]", help="Files, or folders read whole; else the inbox.")
]


def register(app: typer.Typer) -> None:
    """Add the commands that do the work."""
    for body in (demo, run, load, match, flag, backfill):
        command(app)(body)


def demo(call: Call) -> None:
    """Run everything on the invented data that comes with dedup, and print the report.

    The warehouse is made in a temporary folder and forgotten, unless --db says where to keep it.
    """
    from dedup import pipeline
    from dedup.settings import Settings
    from dedup.simulation import samples_dir
    from dedup.warehouse import scratch

    world = samples_dir() / "world"
    call.say(f"Invented patients and hospitals: {world}")
    with scratch() as folder:
        kept = call.db or folder / "demo.duckdb"
        settings = laid_over(Settings(), db=kept, facilities=world / "facilities.csv")
        summary = pipeline.run([world / "input"], settings)
        for line in stage_lines(summary.counts, summary.seconds, summary.notes):
            call.say(line)
        figures = pipeline.report(settings)
    put_report(call, figures, *((call.chosen_lang,) if call.chosen_lang else ("vi", "en")))
    if call.db is None:
        call.say("To look closer, keep the warehouse: dedup demo --db demo.duckdb")


def run(
    call: Call,
    inputs: InputsOrInbox = None,
    rules: Rules = None,
    facilities: Facilities = None,
    profile: Profile = None,
    mapping: MappingFile = None,
    limit: FailOn = None,
) -> None:
    """Load the inputs, match patients, flag repeats, and tell what the night brought."""
    from dedup import pipeline
    from dedup.reporting import NIGHT_FORMATS, night_summary

    settings = laid_over(call.settings, rules=rules, facilities=facilities, profile=profile, mapping=mapping)
    with watching(call) as watch:
        summary = pipeline.run(inputs, settings, watch=watch) if inputs else pipeline.night(settings, watch=watch)
    with pipeline.latest(settings) as warehouse:
        told = night_summary(warehouse, summary.run_id)
        found = avoidable_elsewhere(warehouse)
    call.put(NIGHT_FORMATS["json" if call.json else "text"](told, call.lang).removesuffix("\n"))
    summary.check()
    fail_on(found, limit)


def load(call: Call, inputs: Inputs, facilities: Facilities = None, mapping: MappingFile = None) -> None:
    """Only load the inputs."""
    from dedup import pipeline

    settings = laid_over(call.settings, facilities=facilities, mapping=mapping)
    with watching(call) as watch:
        summary = pipeline.load(inputs, settings, watch=watch)
    _put(call, summary)
    summary.check()


def match(
    call: Call,
    train: Annotated[
        bool,
        typer.Option("--train", help="Learn the model from this warehouse, then match everybody again."),
    ] = False,
) -> None:
    """Only match patients: who is one person."""
    from dedup import pipeline

    with watching(call) as watch:
        summary = pipeline.match(call.settings, train=train, watch=watch)
    _put(call, summary)


def flag(
    call: Call,
    rules: Rules = None,
    profile: Profile = None,
    everything: Annotated[bool, typer.Option("--all", help="Judge every order line again.")] = False,
) -> None:
    """Only flag repeats."""
    from dedup import pipeline

    settings = laid_over(call.settings, rules=rules, profile=profile)
    with watching(call) as watch:
        summary = pipeline.flag(settings, everything=everything, watch=watch)
    _put(call, summary)


def backfill(
    call: Call,
    since: Annotated[datetime.datetime, typer.Option("--from", **DAY, help="The first day.")],
    until: Annotated[datetime.datetime, typer.Option("--to", **DAY, help="The last day.")],
    rules: Rules = None,
    profile: Profile = None,
) -> None:
    """Only flag what was ordered from one day to another, by the present rules."""
    from dedup import pipeline

    if until < since:
        raise UsageError("--to is before --from.")
    settings = laid_over(call.settings, rules=rules, profile=profile)
    with watching(call) as watch:
        summary = pipeline.backfill(settings, (since.date(), until.date()), watch=watch)
    _put(call, summary)


def _put(call: Call, summary: RunSummary) -> None:
    if call.json:
        call.put_json({"run_id": summary.run_id, "counts": summary.counts, "seconds": summary.seconds,
                       "notes": summary.notes, "over_limit": summary.over_limit})  # fmt: skip
