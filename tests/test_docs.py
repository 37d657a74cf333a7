"""Every command, option, public table, column and setting is documented in both languages, and nothing else is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from dedup.cli.app import app
from dedup.errors import EXIT_CODES
from dedup.schema import PUBLIC_TABLES, TABLES, VIEWS
from dedup.settings import Settings
from dedup.warehouse import memory_warehouse

DOCS = Path(__file__).parent.parent / "docs"
SHARED = {"--db", "--config", "--json", "--lang", "--quiet", "--help"}
#: A column of a public table that is nobody else's business.
PRIVATE = "verdict_if_recognised"
LANGS = pytest.mark.parametrize("lang", ["en", "vi"])


def sections(path: Path) -> dict[str, str]:
    """Heading → text, for the headings that are code: ``## `dedup run INPUT…` ``."""
    parts = re.split(r"^## `([^`]+)`.*$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command with its own options."""

    def walk(command: object, words: list[str]) -> Iterator[tuple[str, list[str]]]:
        children = getattr(command, "commands", None)
        if children:
            for name, child in children.items():
                yield from walk(child, [*words, name])
            return
        names = [name for one in command.params for name in one.opts if name.startswith("--")]  # type: ignore[attr-defined]
        yield " ".join(words), names

    yield from walk(typer.main.get_command(app), ["dedup"])


@LANGS
def test_every_command_and_option(lang: str) -> None:
    written = {
        " ".join(word for word in heading.split() if word.islower()): text
        for heading, text in sections(DOCS / lang / "cli.md").items()
    }
    known = dict(commands())
    assert sorted(written) == sorted(known)
    missing = [
        f"{command} {option}"
        for command, options in known.items()
        for option in set(options) - SHARED
        if f"`{option}" not in written[command]
    ]
    assert missing == []


@LANGS
def test_shared_options_and_exit_codes(lang: str) -> None:
    text = (DOCS / lang / "cli.md").read_text(encoding="utf-8").split("\n## `")[0]
    assert [option for option in SHARED if f"`{option}" not in text] == []
    assert [code for code in EXIT_CODES if f"| {code} |" not in text] == []


@LANGS
def test_every_public_table_and_column(lang: str) -> None:
    written = sections(DOCS / lang / "tables.md")
    assert sorted(written) == sorted(PUBLIC_TABLES)
    con = memory_warehouse().con
    for name in PUBLIC_TABLES:
        columns = [row[0] for row in con.execute(f"DESCRIBE {name}").fetchall() if row[0] != PRIVATE]
        assert re.findall(r"^\| `(\w+)` \|", written[name], re.MULTILINE) == columns
    assert set(PUBLIC_TABLES) <= {*TABLES, *VIEWS}


@LANGS
def test_every_setting(lang: str) -> None:
    written = sections(DOCS / lang / "settings.md")
    known = {
        f"[{name}]": [one.alias or key for key, one in type(section).model_fields.items()]
        for name, section in Settings()
    }
    assert list(written) == list(known)
    for name, keys in known.items():
        assert re.findall(r"^\| `(\w+)` \|", written[name], re.MULTILINE) == keys
