"""dedup review export, import, explain; dedup evaluate."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from dedup.cli.call import Call, command
from dedup.cli.showing import note, put_fields, put_rows

__all__ = ["register"]

Facility = Annotated[str, typer.Argument(metavar="FACILITY")]
Patient = Annotated[str, typer.Argument(metavar="PATIENT")]


def register(app: typer.Typer) -> None:
    """Add the group ``review``, and ``evaluate``."""
    group = typer.Typer(help="Pairs of patient records that wait for a human.", no_args_is_help=True)
    command(group, "export")(export)
    command(group, "import")(import_)
    command(group, "explain")(explain)
    app.add_typer(group, name="review")
    command(app)(evaluate)


def export(
    call: Call,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="A .csv or .xlsx file.")],
    identified: Annotated[bool, typer.Option("--identified", help="With names and numbers, not masked.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="Only the most likely.")] = None,
) -> None:
    """Write the pairs that wait for a decision, with the evidence in words."""
    from dedup import pipeline
    from dedup.matching import review_export
    from dedup.reporting import ReviewWording

    with pipeline.reading(call.settings) as warehouse:
        note(call, "review export", identified=identified)
        pairs = review_export(
            warehouse, call.settings, out, ReviewWording(call.lang), identified=identified, limit=limit
        )
    if call.json:
        call.put_json({"file": str(out), "pairs": pairs})
    call.say(f"{pairs:,} pairs in {out}")


def import_(
    call: Call, file: Annotated[Path, typer.Argument(metavar="FILE", help="The reviewed CSV or XLSX.")]
) -> None:
    """Take in decisions; the next 'dedup match' acts on them."""
    from dedup import pipeline

    decided = pipeline.decide(file, call.settings)
    if call.json:
        call.put_json({"pairs": decided})
    call.say(f"{decided:,} pairs decided")


def explain(call: Call, facility: Facility, patient: Patient, other_facility: Facility, other_patient: Patient) -> None:
    """Why two patient records are, or are not, one person: every comparison and its weight."""
    from dedup import pipeline
    from dedup.matching import explain_pair

    with pipeline.reading(call.settings) as warehouse:
        found = explain_pair(warehouse, call.settings, (facility, patient), (other_facility, other_patient))
    fields = dataclasses.asdict(found)
    steps = fields.pop("steps")
    if call.json:
        call.put_json(fields | {"steps": steps})
    else:
        put_fields(call, fields)
        put_rows(call, steps, list(steps[0]) if steps else [])


def evaluate(
    call: Call,
    truth: Annotated[
        Path, typer.Option("--truth", metavar="FILE", help="CSV or Parquet: facility_id, patient_id, true_person.")
    ],
) -> None:
    """How well patients were matched, against a known truth."""
    from dedup import pipeline
    from dedup.matching import evaluate as measure

    with pipeline.reading(call.settings) as warehouse:
        put_fields(call, dataclasses.asdict(measure(warehouse, truth, call.settings)))
