"""One tree of errors, each with its exit code.

A message says what is wrong, where, and how to mend it. It never holds a patient's value: file, row number
and column are enough to find the place in the source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "EXIT_CODES",
    "ConfigError",
    "DedupError",
    "EncryptionError",
    "FindingsError",
    "InputError",
    "LockedError",
    "Problem",
    "RejectedError",
    "UsageError",
    "WarehouseError",
]


class DedupError(Exception):
    """Something went wrong that the user can read about. Exit code 1."""

    exit_code = 1


class UsageError(DedupError):
    """The command was called in a way that makes no sense. Exit code 2."""

    exit_code = 2


class InputError(DedupError):
    """An input as a whole cannot be read. Exit code 1."""


class WarehouseError(DedupError):
    """The warehouse is missing, damaged, or from a newer program. Exit code 1."""


class EncryptionError(DedupError):
    """The key of an encrypted warehouse is missing, wrong, or open to others. Exit code 5."""

    exit_code = 5


class RejectedError(DedupError):
    """More rows were rejected than the settings allow. Exit code 3; good rows were loaded."""

    exit_code = 3


class LockedError(DedupError):
    """Another run holds the warehouse. Exit code 4."""

    exit_code = 4


class FindingsError(DedupError):
    """More findings than ``--fail-on`` allows. Exit code 6."""

    exit_code = 6


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong in a file that people edit: where, and what to do about it."""

    file: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


class ConfigError(DedupError):
    """Settings or rules are wrong. Holds *all* problems found, not the first. Exit code 5."""

    exit_code = 5

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


#: The exit codes of the contract, in words.
EXIT_CODES = {
    0: "done",
    1: "failure",
    2: "usage",
    3: "rows rejected over the limit",
    4: "another run holds the warehouse",
    5: "bad configuration or rules",
    6: "findings over --fail-on",
}
