"""Where the engine puts what does not fit into memory: a folder for each opening, gone when its process is."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from dedup.errors import DedupError

__all__ = ["ENCRYPTING", "VACUUM", "bring_in", "scratch", "spill_folder", "sweep"]

_SCRATCH = "dedup-scratch-"
VACUUM, ENCRYPTING = ".vacuum", ".encrypting"  #: what a warehouse is called while it is written anew


def spill_folder(path: Path, chosen: Path | None) -> Path:
    """A folder of this opening's own; the engine makes it when it needs it. ``chosen``: where, if not beside ``path``.

    The engine's file names are always the same, so two openings must not share one.
    """
    if chosen is not None:
        chosen.mkdir(mode=0o700, parents=True, exist_ok=True)
    parent = path.parent if chosen is None else chosen
    return parent / f"{path.name}.tmp-{os.getpid()}-{secrets.token_hex(4)}"


@contextlib.contextmanager
def scratch(parent: Path | None = None) -> Iterator[Path]:
    """A private folder inside ``parent`` (None: among the system's temporary ones), for the block."""
    inside = None if parent is None else parent.absolute()
    with tempfile.TemporaryDirectory(prefix=f"{_SCRATCH}{os.getpid()}-", dir=inside) as folder:
        yield Path(folder)


def bring_in(source: Path, target: Path) -> None:
    """Give a file a plain name inside a private folder: a second name when both are on one file system, else a copy.

    A symbolic link would not do: the engine judges a path by where it leads.
    """
    try:
        os.link(source.resolve(), target)
    except OSError:
        try:
            shutil.copyfile(source, target)
        except OSError as error:
            raise DedupError(f"{source} could not be copied to {target.parent}: {error.strerror}.") from None


def sweep(path: Path, chosen: Path | None) -> None:
    """Remove what killed processes left: it holds patients' data."""
    for ending in (VACUUM, ENCRYPTING):
        for left in (path.with_name(path.name + ending), path.with_name(f"{path.name}{ending}.wal")):
            left.unlink(missing_ok=True)
    parent = path.parent if chosen is None else chosen
    _sweep(parent, f"{path.name}.tmp-")
    for place in {parent, Path(tempfile.gettempdir())}:
        _sweep(place, _SCRATCH)


def _sweep(parent: Path, prefix: str) -> None:
    for entry in os.scandir(parent) if parent.is_dir() else ():
        pid = re.match(rf"{re.escape(prefix)}(\d+)-", entry.name)
        if pid and entry.is_dir(follow_symlinks=False) and not _alive(int(pid[1])):
            shutil.rmtree(entry.path, ignore_errors=True)


def _alive(pid: int) -> bool:
    with contextlib.suppress(PermissionError):  # somebody else's process, but alive
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
    return True
