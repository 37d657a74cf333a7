"""Printing rows and runs: JSON for programs, aligned text for people."""

from __future__ import annotations

import decimal
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from dedup.cli.call import Call, Lang
from dedup.errors import DedupError, FindingsError

if TYPE_CHECKING:
    from dedup.reporting import Figures
    from dedup.warehouse import Warehouse

__all__ = ["avoidable_elsewhere", "fail_on", "flat", "note", "put_fields", "put_report", "put_rows", "stage_lines"]

#: Columns of a report that goes to a file or another program instead of a terminal.
FILE_WIDTH = 120


def avoidable_elsewhere(warehouse: Warehouse) -> int:
    """How many avoidable repeats at another facility the warehouse holds."""
    from dedup.warehouse import count

    return count(warehouse.con, "SELECT count(*) FROM flag WHERE scope = 'elsewhere' AND verdict = 'avoidable'")


def fail_on(found: int, limit: int | None) -> None:
    """Raise FindingsError when there are more avoidable repeats at another facility than ``limit``."""
    if limit is not None and found > limit:
        raise FindingsError(f"{found:,} avoidable repeats at another facility are more than --fail-on {limit:,}.")


def note(call: Call, command: str, *, identified: bool, **about: object) -> None:
    """Write into the access log that ``command`` is about to give data out.

    Names are not shown when that fails (DedupError); what is pseudonymous is shown all the same, with a word about it:
    somebody who may only read the folder of the warehouse still gets a report.
    """
    from dedup.warehouse.access import note_access

    try:
        note_access(call.settings.warehouse.path, command, identified=identified, **about)
    except DedupError as error:
        if identified:
            raise
        call.say(str(error).removesuffix(" Nothing was shown."))


def put_report(call: Call, figures: Figures, *langs: Lang) -> None:
    """The report once in each language, or once as JSON."""
    from dedup.reporting import render_json, render_table

    if call.json:
        call.put(render_json(figures))
        return
    from rich.console import Console

    class Plain(Console):
        def on_broken_pipe(self) -> None:
            raise  # for the guard; rich itself would say 1, a failure

    wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else FILE_WIDTH
    console = Plain(file=sys.stdout, width=wide)
    for lang in langs:
        render_table(figures, lang, console)


def put_rows(call: Call, rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> None:
    """Rows as a JSON list with everything, or the given columns as a table."""
    if call.json:
        call.put_json(rows)
        return
    cells = [tuple(columns), *[tuple(_cell(row[name]) for name in columns) for row in rows]]
    widths = [max(len(row[at]) for row in cells) for at in range(len(columns))]
    for row in cells:
        call.put("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def put_fields(call: Call, fields: Mapping[str, object]) -> None:
    """Names and values: as JSON, or one a line, with those inside a value indented."""
    if call.json:
        call.put_json(fields)
        return
    for line in _lines(fields, ""):
        call.put(line)


def _lines(fields: Mapping[str, object], indent: str) -> Iterator[str]:
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield f"{indent}{name}"
            yield from _lines(value, indent + "  ")
        else:
            yield f"{indent}{name:<18} {_cell(value)}".rstrip()


def flat(fields: Mapping[str, object], before: str = "") -> Iterator[tuple[str, object]]:
    """The innermost values, each with the names that lead to it."""
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{before}{name} ")
        else:
            yield before + name, value


def stage_lines(
    counts: Mapping[str, Mapping[str, int]],
    seconds: Mapping[str, float],
    notes: Mapping[str, Sequence[str]],
) -> list[str]:
    """What each stage counted, how long it took, and what it remarked."""
    lines = []
    for stage, numbers in counts.items():
        told = " · ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in numbers.items())
        lines.append(f"{stage:<7} {seconds.get(stage, 0):7.1f} s   {told}".rstrip())
        lines += [f"        {note}" for note in notes.get(stage, ())]
    return lines


def _cell(value: object) -> str:
    if isinstance(value, decimal.Decimal):  # đồng, without needless decimals
        return f"{value.normalize():f}"
    return "" if value is None else str(value)
