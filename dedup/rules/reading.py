"""Reading a rule catalogue: a folder of CSV files, read as one and validated whole.

What the contract resolves by itself (overlapping dates, ties, rows that can never win) is no error here;
``dedup.rules.checking`` finds it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dedup.errors import ConfigError, Problem
from dedup.rules.layout import FILES, NOT_IN_VERSION, File
from dedup.rules.overlay import Placed, placed_rows
from dedup.rules.parsing import LIFETIME_SECONDS, Cell, seconds_of

if TYPE_CHECKING:
    import polars as pl

__all__ = ["LIFETIME_SECONDS", "SHIPPED", "Catalogue", "read_catalogue", "read_sound_rows"]

#: The catalogue that comes with the package.
SHIPPED = Path(__file__).parent / "catalogue"


@dataclass(frozen=True, eq=False)
class Catalogue:
    """A catalogue as typed frames, one per file, with the contract's columns; a blank cell is null.

    Each also has ``file_line`` (Int64) and ``origin`` (``catalogue`` or ``site``): where a row was read.
    ``validity`` has ``valid_hours`` as written and ``valid_seconds`` (Int64; a lifetime: LIFETIME_SECONDS).
    ``version`` changes with the content, not with the order of rows or the writing of a number.
    """

    tests: pl.DataFrame
    codes: pl.DataFrame
    panels: pl.DataFrame
    validity: pl.DataFrame
    exemptions: pl.DataFrame
    specimens: pl.DataFrame
    version: str
    folder: Path
    overlay: Path | None

    def path(self, name: str, origin: str) -> Path:
        """The file a row of frame ``name`` was read from."""
        folder = self.overlay if origin == "site" and self.overlay is not None else self.folder
        return folder / f"{name}.csv"


def read_catalogue(folder: Path | None = None, overlay: Path | None = None) -> Catalogue:
    """Read the catalogue in ``folder`` (None: the shipped one) with the rows of a site's ``overlay`` over it.

    Raises ConfigError with every problem of every file, each with its line.
    """
    catalogue, problems = read_sound_rows(folder, overlay)
    if problems:
        raise ConfigError(problems)
    return catalogue


def read_sound_rows(folder: Path | None, overlay: Path | None) -> tuple[Catalogue, list[Problem]]:
    """What of a catalogue can be read, and every problem with the rest; ConfigError when there is no such folder."""
    folder = SHIPPED if folder is None else folder
    folders = [folder] if overlay is None else [folder, overlay]
    missing = [Problem(place, 1, "is no folder") for place in folders if not place.is_dir()]
    if missing:
        raise ConfigError(missing)
    placed = placed_rows(folder, overlay)
    problems = [problem for one in placed.values() for problem in one.problems]
    problems += _repeated(placed["tests"], ("test_id",), "this test stands here a second time")
    problems += _repeated(placed["codes"], FILES["codes"].key, "this code is mapped a second time")
    problems += _repeated(placed["specimens"], ("text",), "this text is mapped a second time")
    problems += _unknown_tests(placed)
    problems += _panel_problems(placed["panels"])
    faulty = {(problem.file, problem.line) for problem in problems}
    for one in placed.values():
        one.rows[:] = [row for row in one.rows if (one.paths[row["origin"]], row["file_line"]) not in faulty]
    frames = {name: _frame(one) for name, one in placed.items()}
    catalogue = Catalogue(**frames, version=_version(placed), folder=folder, overlay=overlay)
    return catalogue, sorted(set(problems))


def _repeated(placed: Placed, key: tuple[str, ...], message: str) -> Iterator[Problem]:
    seen: dict[tuple[Cell, ...], int] = {}
    for row in (row for row in placed.rows if row[key[0]] is not None):
        at = seen.setdefault(tuple(row[name] for name in key), row["file_line"])
        if at != row["file_line"]:
            yield placed.problem(row, f"{message}; first in line {at}")


def _unknown_tests(placed: dict[str, Placed]) -> Iterator[Problem]:
    known = {row["test_id"] for row in placed["tests"].rows}
    places = {"codes": ("test_id",), "panels": ("test_id", "component_id"), "exemptions": ("test_id",)}
    for name, column in ((name, column) for name, columns in places.items() for column in columns):
        for row in placed[name].rows:
            if row[column] is not None and row[column] not in known:
                yield placed[name].problem(row, f"{column} {row[column]!r} is not in tests.csv")
    for row in placed["validity"].rows:
        target = row["test_id"] or "*"
        if target not in known and target != "*" and not (target.startswith("discipline:") and target[11:]):
            message = f"test_id {target!r} is neither in tests.csv nor discipline:NAME nor *"
            yield placed["validity"].problem(row, message)


def _panel_problems(panels: Placed) -> Iterator[Problem]:
    ids = {row["test_id"] for row in panels.rows}
    said: dict[tuple[Cell, ...], Cell] = {}
    for row in panels.rows:
        if row["component_id"] in ids:
            yield panels.problem(row, f"component {row['component_id']!r} is itself a panel")
        if said.setdefault((row["test_id"], row["component_id"]), row["required"]) != row["required"]:
            yield panels.problem(row, f"component {row['component_id']!r} is both required and not required")


def _frame(placed: Placed) -> pl.DataFrame:
    import polars as pl

    frame = pl.DataFrame(placed.rows, schema=_schema(placed.file), orient="row", strict=True)
    if placed.file.name == "validity":
        seconds = [seconds_of(row["valid_hours"]) for row in placed.rows]
        frame = frame.with_columns(pl.Series("valid_seconds", seconds, dtype=pl.Int64))
    return frame


def _schema(file: File) -> dict[str, pl.DataType]:
    import polars as pl

    kinds = {"decimal": pl.Decimal(18, 3), "days": pl.Int64(), "date": pl.Date(), "boolean": pl.Boolean()}
    columns = {
        name: kinds.get(kind, pl.String()) if isinstance(kind, str) else pl.String()
        for name, kind in file.columns.items()
    }
    return columns | {"file_line": pl.Int64(), "origin": pl.String()}


def _version(placed: dict[str, Placed]) -> str:
    """First 16 hex digits of the SHA-256 of what the rows say."""
    digest = hashlib.sha256()
    for name, one in placed.items():
        digest.update(f"{name}\n".encode())
        for line in sorted(_said(row) for row in one.rows):
            digest.update(line.encode() + b"\n")
    return digest.hexdigest()[:16]


def _said(row: dict[str, Cell]) -> str:
    cells = {name: str(cell) for name, cell in row.items() if cell is not None and name not in NOT_IN_VERSION}
    if row.get("price_vnd") is not None:
        cells["price_vnd"] = f"{row['price_vnd']:.3f}"
    if row.get("valid_hours") is not None:
        cells["valid_seconds"] = str(seconds_of(row["valid_hours"]))
    return json.dumps(cells, ensure_ascii=False, sort_keys=True)
