"""One writer at a time. The kernel frees the lock when its holder dies: no dead lock is left behind."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

from dedup.errors import LockedError
from dedup.schema import TIME_ZONE

__all__ = ["hold"]


@contextlib.contextmanager
def hold(path: Path) -> Iterator[None]:
    """Hold the warehouse at ``path`` for writing; LockedError names the holder when somebody else does."""
    handle = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            who = _holder(handle)
            raise LockedError(f"{path} is held by {who}. Try again when it has finished.") from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, _me(), 0)
        try:
            yield
        finally:
            os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def _me() -> bytes:
    since = datetime.datetime.now(ZoneInfo(TIME_ZONE)).strftime("%Y-%m-%d %H:%M")
    return json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since}).encode()


def _holder(handle: int) -> str:
    try:
        who = json.loads(os.pread(handle, 4096, 0))
        return f"process {who['pid']} on {who['host']} since {who['since']}"
    except (ValueError, KeyError):
        return "another process"
