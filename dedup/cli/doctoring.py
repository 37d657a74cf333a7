"""dedup doctor, vacuum."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from dedup.cli.call import Call, command
from dedup.cli.showing import put_rows
from dedup.cli.watching import watching
from dedup.errors import DedupError

if TYPE_CHECKING:
    from dedup.settings import Settings
    from dedup.warehouse.checking import Finding

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app)(doctor)
    command(app)(vacuum)


def vacuum(call: Call) -> None:
    """Drop what is older than keep_days, and write the warehouse anew without the room it no longer needs."""
    from dedup import pipeline

    with watching(call) as watch:
        summary, before, after = pipeline.vacuum(call.settings, watch=watch)
    if call.json:
        call.put_json({"bytes_before": before, "bytes_after": after, "dropped": summary.counts.get("retention", {})})
    call.say(f"{before / 1e6:,.1f} MB before, {after / 1e6:,.1f} MB after")


def doctor(call: Call) -> None:
    """Is everything in order: versions, settings, rules, inbox, disk, permissions, the warehouse?"""
    from dedup.loading.checking import check_inputs
    from dedup.warehouse.checking import check_warehouse

    inputs = check_inputs(call.settings)
    found = [*_versions(), *_rules(call.settings), *inputs, *check_warehouse(call.settings.warehouse)]
    put_rows(call, [dataclasses.asdict(one) for one in found], ("outcome", "question", "answer"))
    bad = [one.question for one in found if one.outcome == "bad"]
    if bad:
        raise DedupError(f"Not in order: {', '.join(bad)}.")


def _versions() -> Iterator[Finding]:
    from importlib.metadata import version

    from dedup.warehouse.checking import Finding

    named = ", ".join(f"{name} {version(name)}" for name in ("dedup", "duckdb", "polars", "pyarrow"))
    yield Finding("versions", "good", f"{named}, Python {platform.python_version()}")


def _rules(settings: Settings) -> Iterator[Finding]:
    """Settings were read already, or this would not run."""
    from dedup.rules.checking import check_catalogue
    from dedup.rules.flagging import resolve_profile
    from dedup.rules.reading import read_catalogue
    from dedup.warehouse.checking import Finding

    try:
        catalogue = read_catalogue(settings.rules.catalogue, settings.rules.overlay)
        resolve_profile(catalogue, settings.rules.profile)
        doubts = len(check_catalogue(catalogue))
    except DedupError as error:
        yield Finding("rules", "bad", str(error).splitlines()[0])
        return
    answer = f"catalogue {catalogue.version}, profile {settings.rules.profile}"
    yield Finding("rules", "doubtful" if doubts else "good", answer + (", see 'dedup rules check'" if doubts else ""))
