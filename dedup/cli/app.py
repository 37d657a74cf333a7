"""The commands, put together: one file per group of commands, each with a ``register(app)``."""

from __future__ import annotations

from typing import Annotated

import typer

from dedup.cli import doctoring, mapping, reporting, reviewing, rules, running, runs, simulating

__all__ = ["app"]

app = typer.Typer(
    name="dedup",
    help="Finds lab orders that repeat a recent, still-valid test done at another hospital.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"dedup {version('dedup')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    pass


for group in (running, reporting, reviewing, rules, runs, mapping, simulating, doctoring):
    group.register(app)
