"""A site's own rows over the catalogue's: a row replaces those with its key, empty hours remove them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from dedup.errors import Problem
from dedup.rules.layout import FILES, File
from dedup.rules.parsing import Cell, read_rows

__all__ = ["Placed", "placed_rows"]

CATALOGUE, SITE = "catalogue", "site"


@dataclass(frozen=True)
class Placed:
    """The rows of one file after the overlay; ``file_line`` and ``origin`` say where each came from."""

    file: File
    rows: list[dict[str, Cell]]
    problems: list[Problem]
    paths: dict[str, Path] = field(default_factory=dict)  #: origin → file

    def problem(self, row: dict[str, Cell], message: str) -> Problem:
        """A problem with ``row``, at the place it was read from."""
        return Problem(self.paths[row["origin"]], row["file_line"], message)


def placed_rows(folder: Path, overlay: Path | None) -> dict[str, Placed]:
    """Every file of ``folder`` with the rows of ``overlay`` put over it."""
    return {name: _place(file, folder, overlay) for name, file in FILES.items()}


def _place(file: File, folder: Path, overlay: Path | None) -> Placed:
    paths = {CATALOGUE: folder / f"{file.name}.csv"}
    if overlay is not None:
        paths[SITE] = overlay / f"{file.name}.csv"
    placed = Placed(file, [], [], paths)
    base = _read(placed, CATALOGUE)
    if file.required and not paths[CATALOGUE].is_file():
        placed.problems.append(Problem(paths[CATALOGUE], 1, "is missing"))
    site = _read(placed, SITE) if overlay is not None else []
    replaced = {_key(file, row) for row in site if any(_key(file, row))}  # a rule without an id replaces none
    placed.rows.extend(row for row in base if _key(file, row) not in replaced)
    placed.rows.extend(row for row in site if not _switches_off(file, row))
    _check_blank_hours(placed, base, site)
    return placed


def _read(placed: Placed, origin: str) -> list[dict[str, Cell]]:
    path = placed.paths[origin]
    if not path.is_file():
        return []
    rows, problems = read_rows(path, placed.file)
    placed.problems.extend(problems)
    return [row.cells | {"file_line": row.line, "origin": origin} for row in rows]


def _key(file: File, row: dict[str, Cell]) -> tuple[Cell, ...]:
    return tuple(row[name] for name in file.key)


def _switches_off(file: File, row: dict[str, Cell]) -> bool:
    return file.name == "validity" and row["valid_hours"] is None


def _check_blank_hours(placed: Placed, base: list[dict[str, Cell]], site: list[dict[str, Cell]]) -> None:
    """Only a site may leave the hours blank, and only to switch off a rule that is there."""
    there = {_key(placed.file, row) for row in base}
    faulty = {(problem.file, problem.line) for problem in placed.problems}
    for row in (row for row in base + site if _switches_off(placed.file, row)):
        if (placed.paths[row["origin"]], row["file_line"]) in faulty:
            continue
        if row["origin"] == CATALOGUE:
            placed.problems.append(placed.problem(row, "valid_hours is blank (0 means: never reuse)"))
        elif _key(placed.file, row) not in there:
            key = ", ".join(placed.file.key)
            placed.problems.append(placed.problem(row, f"switches off a rule that is not there (same {key})"))
