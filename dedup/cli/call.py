"""What all commands share: the options --db, --config, --json, --lang and --quiet, and how to talk."""

from __future__ import annotations

import functools
import inspect
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

import typer

from dedup.cli.guard import guarded

if TYPE_CHECKING:
    from dedup.settings import Settings

__all__ = ["DAY", "Call", "Facilities", "FailOn", "Lang", "MappingFile", "Profile", "Rules", "command", "laid_over"]

Lang = Literal["vi", "en"]
#: How an option for a day is given; it becomes midnight.
DAY: dict[str, Any] = {"formats": ["%Y-%m-%d"], "metavar": "DATE"}
Rules = Annotated[
    Path | None, typer.Option("--rules", metavar="DIR", help="Rule catalogue that replaces the shipped one.")
]
Facilities = Annotated[Path | None, typer.Option("--facilities", metavar="FILE", help="Facility register (CSV).")]
Profile = Annotated[str | None, typer.Option("--profile", metavar="NAME", help="Validity profile of the catalogue.")]

MappingFile = Annotated[
    Path | None,
    typer.Option("--mapping", metavar="FILE", help="How a hospital's own tables are laid out; or a folder."),
]
FailOn = Annotated[
    int | None,
    typer.Option("--fail-on", metavar="N", min=0, help="Exit code 6 above N avoidable repeats elsewhere."),
]

_SHARED: dict[str, tuple[Any, Any]] = {
    "db": (Annotated[Path | None, typer.Option("--db", metavar="FILE", help="The warehouse.")], None),
    "config": (
        Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Settings (dedup.toml).")],
        None,
    ),
    "as_json": (Annotated[bool, typer.Option("--json", help="Machine-readable output.")], False),
    "lang": (Annotated[Lang | None, typer.Option("--lang", help="Language of reports.")], None),
    "quiet": (Annotated[bool, typer.Option("--quiet", help="Say nothing but errors on stderr.")], False),
}
CONFIG = Path("dedup.toml")


@dataclass(frozen=True)
class Call:
    """One call of a command: the settings with its options laid over them, and the two ways to speak."""

    settings: Settings
    json: bool
    quiet: bool
    db: Path | None  #: --db as given
    chosen_lang: Lang | None  #: --lang as given

    @property
    def lang(self) -> Lang:
        """The language reports are written in."""
        return self.settings.report.lang

    def say(self, sentence: str) -> None:
        """Talk: to stderr, unless --quiet."""
        if not self.quiet:
            print(sentence, file=sys.stderr, flush=True)

    def put(self, text: str) -> None:
        """Data: to stdout."""
        print(text)

    def put_json(self, data: object) -> None:
        """Data as JSON: dates in ISO 8601, đồng as numbers without loss."""
        print(json.dumps(data, ensure_ascii=False, indent=2, default=str))


Body = Callable[..., None]


def command(app: typer.Typer, name: str | None = None) -> Callable[[Body], Body]:
    """Register ``body(call, …)`` with the shared options added after its own."""

    def register(body: Body) -> Body:
        hints = get_type_hints(body, include_extras=True)
        own = [
            one.replace(annotation=hints[one.name], kind=inspect.Parameter.KEYWORD_ONLY)
            for one in inspect.signature(body).parameters.values()
            if one.name != "call"
        ]
        shared = [
            inspect.Parameter(one, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)
            for one, (kind, default) in _SHARED.items()
        ]

        @functools.wraps(body)
        def run(**given: Any) -> None:
            with guarded():
                options = {one: given.pop(one) for one in _SHARED}
                body(_call(**options), **given)

        run.__signature__ = inspect.Signature(own + shared)  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in own + shared}
        app.command(name)(run)
        return body

    return register


def _call(db: Path | None, config: Path | None, as_json: bool, lang: Lang | None, quiet: bool) -> Call:
    from dedup.settings import read_settings

    settings = read_settings(config or (CONFIG if CONFIG.exists() else None))
    return Call(laid_over(settings, db=db, lang=lang), as_json, quiet, db, lang)


def laid_over(
    settings: Settings,
    *,
    db: Path | None = None,
    lang: Lang | None = None,
    rules: Path | None = None,
    facilities: Path | None = None,
    profile: str | None = None,
    mapping: Path | None = None,
) -> Settings:
    """The settings with what the command line says in their place."""
    given: dict[str, dict[str, object]] = {
        "warehouse": {"path": db},
        "report": {"lang": lang},
        "rules": {"catalogue": rules, "profile": profile},
        "loading": {"register_path": facilities, "mapping": mapping},
    }
    sections = {
        name: getattr(settings, name).model_copy(
            update={key: value for key, value in values.items() if value is not None}
        )
        for name, values in given.items()
    }
    return settings.model_copy(update=sections)
