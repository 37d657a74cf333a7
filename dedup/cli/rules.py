"""dedup rules list, check, diff, test."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dedup.cli.call import Call, Profile, Rules, command, laid_over
from dedup.cli.showing import put_fields, put_rows
from dedup.errors import DedupError

if TYPE_CHECKING:
    from dedup.rules.reading import Catalogue
    from dedup.settings import Settings

__all__ = ["register"]

Side = Annotated[
    str, typer.Argument(metavar="RULES", help="PROFILE, FOLDER (a catalogue) or +FOLDER (site rows), or both with ':'.")
]
SHOWN = ("kind", "rule_id", "target", "setting", "valid_hours", "condition", "verdict", "reason", "source")
BY_TEST_SHOWN = ("test_id", "scope", "gained", "lost", "changed", "avoidable_before", "avoidable_after",
                 "avoidable_vnd_before", "avoidable_vnd_after")  # fmt: skip
CHANGES_SHOWN = ("facility_id", "order_id", "line_no", "scope", "test_id", "change", "verdict_before", "verdict_after",
                 "avoidable_vnd")  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the group ``rules``."""
    group = typer.Typer(help="The rule catalogue: read it, check it, try a change.", no_args_is_help=True)
    command(group, "list")(list_rules)
    command(group, "check")(check)
    command(group, "diff")(diff)
    command(group, "test")(test)
    app.add_typer(group, name="rules")


def list_rules(
    call: Call,
    rules: Rules = None,
    profile: Profile = None,
    test: Annotated[str | None, typer.Option(metavar="TEST", help="What can hold for this test.")] = None,
    discipline: Annotated[str | None, typer.Option(metavar="NAME", help="What bears on this discipline.")] = None,
    setting: Annotated[str | None, typer.Option(metavar="SETTING", help="Rules for it, and for any.")] = None,
    kind: Annotated[Literal["validity", "exemption"] | None, typer.Option(help="Only one kind.")] = None,
    on: Annotated[
        datetime.datetime | None, typer.Option(formats=["%Y-%m-%d"], metavar="DATE", help="In force that day.")
    ] = None,
    unsourced: Annotated[bool, typer.Option("--unsourced", help="Rules no public source backs.")] = False,
    form: Annotated[Literal["table", "csv", "html"], typer.Option("--format", help="How to print them.")] = "table",
) -> None:
    """The rules in force, the most specific first."""
    from dedup.rules.listing import list_rules as listed
    from dedup.rules.printing import rules_csv, rules_html

    settings = laid_over(call.settings, rules=rules, profile=profile)
    catalogue, name = _catalogue(settings), settings.rules.profile
    day = on.date() if on else None
    found = listed(
        catalogue, name, test=test, discipline=discipline, setting=setting, kind=kind, on=day, unsourced=unsourced
    )
    if form == "html":
        call.put(rules_html(found, profile=name, version=catalogue.version, lang=call.lang))
    elif form == "csv":
        call.put(rules_csv(found).removesuffix("\n"))
    else:
        put_rows(call, [dataclasses.asdict(rule) for rule in found], SHOWN)


def check(call: Call, rules: Rules = None) -> None:
    """Everything wrong or doubtful in a catalogue, with file and line."""
    from dedup.rules.checking import check_folder
    from dedup.rules.listing import catalogue_counts

    chosen = laid_over(call.settings, rules=rules).rules
    put_fields(call, catalogue_counts(check_folder(chosen.catalogue, chosen.overlay)))


def diff(
    call: Call,
    before: Side,
    after: Side,
    changes: Annotated[bool, typer.Option("--changes", help="Every flag that is another, instead of by test.")] = False,
    form: Annotated[Literal["table", "csv"], typer.Option("--format", help="How to print them.")] = "table",
) -> None:
    """What other rules would do to the flags of the warehouse, which stays as it is."""
    from dedup import pipeline
    from dedup.rules.printing import rows_csv
    from dedup.rules.trying import compare

    sides = _side(call.settings, before), _side(call.settings, after)
    with pipeline.reading(call.settings) as warehouse:
        found = compare(warehouse, call.settings, *sides)
    if call.json:
        call.put_json({"by_test": found.by_test.to_dicts(), "changes": found.changes.to_dicts()})
        return
    frame = found.changes if changes else found.by_test
    if form == "csv":
        call.put(rows_csv(frame.columns, frame.iter_rows(named=True)).removesuffix("\n"))
    else:
        put_rows(call, frame.to_dicts(), CHANGES_SHOWN if changes else BY_TEST_SHOWN)


def test(
    call: Call,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of CSV files with cases.")],
    rules: Rules = None,
) -> None:
    """Judge cases written down as CSV, and say which come out otherwise than expected."""
    from dedup.rules.cases import run_cases

    results = run_cases(folder, _catalogue(laid_over(call.settings, rules=rules)))
    failed = [result for result in results if not result.passed]
    if call.json:
        call.put_json({"cases": len(results), "failed": [f"{one.case.file}:{one.case.line}" for one in failed]})
    for one in failed:
        call.say(f"{one.case.file}:{one.case.line}: expected {_words(one.expected)}, found {_words(one.found)}")
    call.say(f"{len(results) - len(failed)} of {len(results)} cases come out as expected")
    if failed:
        raise DedupError(f"{len(failed)} cases come out otherwise than expected.")


def _words(outcome: tuple[str | None, ...]) -> str:
    return " ".join(word for word in outcome if word) or "no flag"


def _catalogue(settings: Settings) -> Catalogue:
    from dedup.rules.reading import read_catalogue

    return read_catalogue(settings.rules.catalogue, settings.rules.overlay)


def _side(settings: Settings, side: str) -> tuple[Catalogue, str]:
    """``[FOLDER][+[SITE]][:PROFILE]`` as a catalogue and the name of a profile.

    What is left out is as in the settings; ``+`` without a folder is the catalogue without a site's rows. A bare word
    that names no folder is a profile.
    """
    place, colon, profile = side.rpartition(":")
    if Path(side).is_dir() or (not colon and "+" in side):
        place, profile = side, ""
    folder, plus, site = (place, "", "") if Path(place).is_dir() else place.partition("+")
    chosen = laid_over(settings, rules=Path(folder) if folder else None, profile=profile or None)
    overlay = chosen.rules.overlay if not plus else Path(site) if site else None
    rules = chosen.rules.model_copy(update={"overlay": overlay})
    return _catalogue(chosen.model_copy(update={"rules": rules})), rules.profile
