"""Where the engine puts what does not fit into memory: a folder for each opening, gone when its process is."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from pathlib import Path

__all__ = ["spill_folder", "sweep"]


def spill_folder(path: Path, chosen: Path | None) -> Path:
    """A folder of this opening's own; the engine makes it when it needs it. ``chosen``: where, if not beside ``path``.

    The engine's file names are always the same, so two openings must not share one.
    """
    if chosen is not None:
        chosen.mkdir(mode=0o700, parents=True, exist_ok=True)
    parent = path.parent if chosen is None else chosen
    return parent / f"{path.name}.tmp-{os.getpid()}-{secrets.token_hex(4)}"


def sweep(path: Path, chosen: Path | None) -> None:
    """Remove what killed processes left: it holds patients' data."""
    parent = path.parent if chosen is None else chosen
    for folder in parent.glob(f"{path.name}.tmp-*"):
        pid = re.fullmatch(rf"{re.escape(path.name)}\.tmp-(\d+)-[0-9a-f]+", folder.name)
        if pid and not _alive(int(pid[1])):
            shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    with contextlib.suppress(PermissionError):  # somebody else's process, but alive
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
    return True
