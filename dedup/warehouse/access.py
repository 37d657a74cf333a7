"""Who was given data, by name or not: one line for each time, beside the warehouse, never overwritten."""

from __future__ import annotations

import getpass
import json
import os
import socket
from pathlib import Path

from dedup.errors import DedupError
from dedup.warehouse.runs import now
from dedup.warehouse.writing import followed

__all__ = ["access_log", "note_access"]


def access_log(path: Path) -> Path:
    """Where the access log of the warehouse at ``path`` lies."""
    path = followed(path)
    return path.with_name(path.name + ".access.jsonl")


def note_access(path: Path, command: str, **about: object) -> None:
    """Write down that ``command`` gives data out, before it does: when, who, where, and ``about`` what.

    Raises DedupError when it cannot be written: what is not written down is not shown.
    """
    entry = {"at": now().isoformat(sep=" "), "user": _user(), "host": socket.gethostname(), "command": command} | about
    line = json.dumps(entry, ensure_ascii=False, default=str) + "\n"
    log = access_log(path)
    try:
        # one write at the end of the file: lines of two commands never mix
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(handle, line.encode())
        finally:
            os.close(handle)
    except OSError as error:
        raise DedupError(f"The access log {log} cannot be written: {error.strerror}. Nothing was shown.") from None


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        return str(os.getuid())
