"""dedup mapping suggest, check."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from dedup.cli.call import Call, command
from dedup.cli.showing import put_fields
from dedup.errors import DedupError

__all__ = ["register"]

Table = Annotated[Path, typer.Argument(metavar="FILE", help="A hospital's own table: CSV or XLSX.")]


def register(app: typer.Typer) -> None:
    """Add the group ``mapping``."""
    group = typer.Typer(help="How a hospital's own tables are laid out.", no_args_is_help=True)
    command(group, "suggest")(suggest)
    command(group, "check")(check)
    app.add_typer(group, name="mapping")


def suggest(
    call: Call,
    file: Table,
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="MAPPING", help="Where to; else stdout.")] = None,
) -> None:
    """A first draft of a mapping for a table, with what is left to decide as comments."""
    from dedup.loading.mapping_draft import suggest_mapping
    from dedup.warehouse import aside

    draft = suggest_mapping(file)
    if call.json:
        call.put_json({"file": str(out) if out else None, "draft": draft})
    elif out is None:
        call.put(draft.removesuffix("\n"))
    if out is None:
        return
    with aside(out) as place:
        place.write_text(draft, encoding="utf-8")
    call.say(f"A draft in {out}; check every line, then: dedup mapping check {out} {file}")


def check(
    call: Call,
    mapping: Annotated[Path, typer.Argument(metavar="MAPPING", help="A mapping file.")],
    file: Table,
) -> None:
    """Try a mapping on the first rows of a table, without loading."""
    from dedup.loading.mapping_draft import check_mapping

    found = check_mapping(mapping, file)
    put_fields(call, dataclasses.asdict(found))
    if not found.fits:
        raise DedupError(f"{file} lacks a column that {mapping} names.")
    if found.rows_rejected:
        raise DedupError(f"{found.rows_rejected:,} of {found.rows_read:,} rows would be rejected.")
