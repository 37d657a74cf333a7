"""Are the inbox, the folders files are put away in, the register and the mappings in order? For ``dedup doctor``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from dedup.errors import DedupError
from dedup.loading.inbox import inbox_folder
from dedup.loading.mapping import read_mappings
from dedup.loading.register import load_register
from dedup.settings import InboxSettings, Settings
from dedup.warehouse import memory_warehouse
from dedup.warehouse.checking import BAD, GOOD, Finding

__all__ = ["check_inputs"]


def check_inputs(settings: Settings) -> list[Finding]:
    """Every question about what the settings name for loading; none about what they do not name."""
    found = [*_inbox(settings.inbox)]
    register, mapping = settings.loading.register_path, settings.loading.mapping
    if register is not None:
        found.append(_asked("register", lambda: _register(register)))
    if mapping is not None:
        found.append(_asked("mapping", lambda: f"{len(read_mappings(mapping))} in {mapping}"))
    return found


def _inbox(inbox: InboxSettings) -> Iterator[Finding]:
    if inbox.path is None:
        return
    yield _asked("inbox", lambda: str(inbox_folder(inbox)))
    for name, folder in (("archive", inbox.archive), ("bad", inbox.bad)):
        if folder is not None:
            wrong = _cannot_hold(folder)
            yield Finding(name, BAD if wrong else GOOD, wrong or str(folder))
    if inbox.path.is_dir():
        fixed = sum(not os.access(folder, os.W_OK | os.X_OK) for folder, _, _ in os.walk(inbox.path))
        if fixed and (inbox.archive or inbox.bad):
            yield Finding("moving", BAD, f"files cannot be moved out of {fixed:,} folders of the inbox by this user")


def _cannot_hold(folder: Path) -> str | None:
    """Why nothing can be put into the folder; one that is not there yet is made."""
    there = folder
    while not os.path.lexists(there) and there != there.parent:
        there = there.parent
    if not there.is_dir():
        return f"{there} is no folder"
    if not os.access(there, os.W_OK | os.X_OK):
        return f"{there} cannot be written to by this user"
    return None


def _register(path: Path) -> str:
    with memory_warehouse() as warehouse:
        return f"{load_register(warehouse, path):,} facilities in {path}"


def _asked(question: str, ask: Callable[[], str]) -> Finding:
    try:
        return Finding(question, GOOD, ask())
    except DedupError as error:
        return Finding(question, BAD, str(error).splitlines()[0])
