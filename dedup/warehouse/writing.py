"""Files for people and other programs: whole or not at all, and readable by their owner only."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from dedup.errors import DedupError, UsageError

__all__ = ["aside", "followed", "take_the_place"]


@contextlib.contextmanager
def aside(out: Path) -> Iterator[Path]:
    """An empty private file beside ``out`` that takes its place when the block succeeds and goes when it does not.

    Raises UsageError when the folder is missing, DedupError when it cannot be written to.
    """
    if not out.parent.is_dir():
        raise UsageError(f"There is no folder {out.parent}.")
    if out.is_dir():
        raise UsageError(f"{out} is a folder.")
    # the ending stays, because some writers go by it
    place = out.with_name(f".{secrets.token_hex(8)}{out.suffix}")
    try:
        try:
            os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except OSError as error:
            raise DedupError(f"{out} could not be written: {error.strerror}.") from None
        yield place
        with place.open("rb") as handle:
            os.fsync(handle.fileno())
        place.chmod(0o600)
        place.replace(out)
    finally:
        place.unlink(missing_ok=True)


def followed(path: Path) -> Path:
    """Where a symbolic link leads: what stands beside a file is found by whatever name it is called."""
    return path.resolve() if path.is_symlink() else path


def take_the_place(place: Path, path: Path, *, before: Callable[[Path], None] | None = None) -> None:
    """Put the finished file ``place`` where ``path`` is, safe from a power loss; right before that ``before(path)``."""
    with place.open("rb") as handle:
        os.fsync(handle.fileno())
    if before is not None:
        before(path)
    place.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
