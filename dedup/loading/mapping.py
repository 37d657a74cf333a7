"""Mapping files: how one hospital's own table becomes canonical order lines.

A small TOML file: ``[file]`` says how the table is laid out, ``[columns.NAME]`` where each canonical column comes from.
What can be read in two ways, a date without its order or an amount with a mark, is refused and never guessed.
"""

from __future__ import annotations

import codecs
import tomllib
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dedup.errors import ConfigError, Problem
from dedup.schema import CANONICAL

__all__ = ["Column", "File", "Mapping", "date_pattern", "folded", "read_mappings"]


def folded(name: str) -> str:
    """A column's name as it is compared: in any case, and however its diacritics are written."""
    return unicodedata.normalize("NFC", name.strip()).lower()


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class File(_Part):
    """How the table is laid out; everything but the header's row is recognised when it is not said."""

    encoding: str | None = None
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    header_row: Annotated[int, Field(ge=0, le=100)] = 1  #: 0: no header, the columns are called c1, c2, …
    sheet: str | None = None

    @model_validator(mode="after")
    def _known_encoding(self) -> File:
        if self.encoding is not None:
            try:
                codecs.lookup(self.encoding)
            except LookupError:
                raise ValueError("no encoding of this name is known") from None
        if self.delimiter is not None and self.delimiter in "\"'\\\r\n":
            raise ValueError("this character cannot separate columns")
        return self


class Column(_Part):
    """Where a canonical column comes from: a column, several joined by a space, or a constant."""

    column: str | None = None
    columns: tuple[str, ...] = ()
    constant: str | None = None
    format: str | None = None  #: of dates and times: DD, MM, YYYY, HH, mm, ss and the characters between them
    decimal: Annotated[str, Field(pattern=r"^[.,]$")] | None = None
    thousands: Annotated[str, Field(pattern=r"^[., ]$")] | None = None
    values: dict[str, str] = {}
    default: str | None = None  #: for blanks, and for words that are not in ``values``

    @model_validator(mode="after")
    def _one_source(self) -> Column:
        if sum((self.column is not None, bool(self.columns), self.constant is not None)) != 1:
            raise ValueError("give exactly one of column, columns and constant")
        if self.decimal is not None and self.decimal == self.thousands:
            raise ValueError("decimal and thousands cannot be the same mark")
        if self.format is not None:
            date_pattern(self.format)
        return self

    @property
    def sources(self) -> tuple[str, ...]:
        return self.columns or ((self.column,) if self.column is not None else ())


class _Document(_Part):
    file: File = File()
    columns: dict[str, Column]


@dataclass(frozen=True)
class Mapping:
    """A mapping file that has been read."""

    path: Path
    file: File
    columns: dict[str, Column]

    @property
    def sources(self) -> set[str]:
        """The columns a file must have for this mapping to be its own; names are compared ``folded``."""
        return {folded(name) for column in self.columns.values() for name in column.sources}


_TOKENS = {"YYYY": "%Y", "MM": "%m", "DD": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}


def date_pattern(text: str) -> str:
    """``DD/MM/YYYY HH:mm`` the way strptime has it. Raises ValueError for anything else."""
    pattern, rest = "", text
    while rest:
        token = next((one for one in _TOKENS if rest.startswith(one)), None)
        if token is None and rest[0].isalnum():
            raise ValueError("a format is made of YYYY, MM, DD, HH, mm and ss")
        pattern += _TOKENS[token] if token else rest[0].replace("%", "%%")
        rest = rest[len(token or " ") :]
    if not all(one in pattern for one in ("%Y",)):
        raise ValueError("a format needs at least YYYY")
    return pattern


def read_mappings(path: Path | None) -> list[Mapping]:
    """The mappings in a file, or in all ``.toml`` files of a folder. Raises ConfigError with every problem found."""
    if path is None:
        return []
    files = sorted(path.glob("*.toml")) if path.is_dir() else [path]
    found: list[Mapping] = []
    problems: list[Problem] = []
    for one in files:
        mapping, wrong = _read(one)
        problems += wrong
        found += [mapping] if mapping is not None else []
    if problems:
        raise ConfigError(problems)
    return found


def _read(path: Path) -> tuple[Mapping | None, list[Problem]]:
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return None, [Problem(path, 1, f"cannot be read as TOML: {type(error).__name__}")]
    try:
        document = _Document.model_validate(data)
    except ValidationError as error:
        return None, [_problem(path, text, dict(one)) for one in error.errors()]
    unknown = [name for name in document.columns if name not in CANONICAL]
    absent = [name for name, must in CANONICAL.items() if must and name not in document.columns]
    problems = [Problem(path, _line(text, name), f"{name} is no canonical column") for name in unknown]
    problems += [Problem(path, 1, f"[columns.{name}] is missing, and it must be there") for name in absent]
    return Mapping(path, document.file, document.columns), problems


def _problem(path: Path, text: str, entry: dict[str, Any]) -> Problem:
    place = [str(part) for part in entry["loc"]]
    return Problem(path, _line(text, place[1] if len(place) > 1 else place[0]), f"{'.'.join(place)}: {entry['msg']}")


def _line(text: str, name: str) -> int:
    """Where ``name`` is first mentioned."""
    return next((number for number, line in enumerate(text.splitlines(), 1) if name in line), 1)
