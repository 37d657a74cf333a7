"""What readers see: the state of the last finished night, also while the next one is being written.

DuckDB lets nobody else open a file that is being written, and no writer open one that is being read. So a finished
run leaves a copy beside the warehouse, and readers open that. Two copies are kept: whoever reads the older one while
the newer one comes goes on reading.

Where the file system shares blocks between files, the copy is theirs and costs nothing. Elsewhere the older of the two
becomes the new one, if nobody has it open: both files are read, but only what the night changed is written.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from dedup.errors import DedupError

__all__ = ["finished_nights", "forget", "lost", "publish"]

KEPT = 2
_CLONE = 0x40049409  # FICLONE: file systems that share blocks copy any size at once
_CHUNK = 1 << 30
_COMPARED = 1 << 17  # bytes read of each at a time: they stay in the processor's cache
_PART = 1 << 26  # bytes one reader goes through
_READERS = 2  # more wait for each other: Python compares for one at a time


def publish(path: Path, run_id: int) -> None:
    """Copy the closed warehouse at ``path`` as the state after ``run_id``; it appears whole or not at all.

    A whole copy is not forced to disk: after a power loss the engine's checksums would refuse a torn one, readers then
    take the other, and the next run makes a new one. Forcing it would cost more than many a night's work.
    """
    folder = _folder(path)
    folder.mkdir(mode=0o700, exist_ok=True)
    for left in folder.glob("*.part"):
        left.unlink(missing_ok=True)
    place = folder / f"run-{run_id:08}.duckdb"
    part = place.with_suffix(".part")
    for lost in finished_nights(path):
        if lost > place:  # of nights after the backup that was put back
            lost.unlink()
    try:
        older = finished_nights(path)[KEPT - 1 : KEPT]
        if not (_clone(path, part) or any(_bring_up(one, part, path) for one in older)):
            _copy(path, part)
        part.replace(place)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise DedupError(
            f"The run is done, but its copy for readers could not be written: {error.strerror}. "
            "They see the night before."
        ) from None
    for old in finished_nights(path)[KEPT:]:
        old.unlink(missing_ok=True)


def finished_nights(path: Path) -> list[Path]:
    """The published copies of the warehouse at ``path``, the newest first."""
    return sorted(_folder(path).glob("run-*.duckdb"), reverse=True)


def lost(path: Path) -> str | None:
    """What to say of a warehouse that is missing though copies of its last nights are there; None: there are none."""
    if not finished_nights(path):
        return None
    return (
        f"There is no warehouse at {path}, but {_folder(path)} holds copies of its last nights. "
        "Put the newest of them there, or remove that folder to begin anew."
    )


def forget(path: Path) -> None:
    """Remove all copies."""
    shutil.rmtree(_folder(path), ignore_errors=True)


def _folder(path: Path) -> Path:
    return path.with_name(path.name + ".published")


def _clone(source: Path, target: Path) -> bool:
    """Let ``target`` share the blocks of ``source``; False where the file system cannot."""
    with source.open("rb") as old, target.open("wb") as new:
        target.chmod(0o600)
        with contextlib.suppress(OSError):
            fcntl.ioctl(new, _CLONE, old.fileno())
            return True
    target.unlink()
    return False


def _bring_up(older: Path, target: Path, source: Path) -> bool:
    """Make the copy ``older`` the same as ``source`` under the name ``target``; False when somebody has it open.

    What it held before is whole, so no checksum would tell if only some of the changes outlived a power loss: they are
    forced to disk before anybody can see them.
    """
    older.replace(target)  # from here on nobody finds it
    with source.open("rb") as new, target.open("r+b", buffering=0) as old:
        try:
            # granted only while nobody else has the file open; if somebody is just opening it, the kernel lets them
            # wait for us and sends this signal, which nobody listens to
            fcntl.fcntl(old, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(old, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        except OSError:
            target.unlink()  # whoever reads it keeps it
            return False
        _write_changes(new.fileno(), old.fileno())
        os.fsync(old)
    return True


def _write_changes(source: int, target: int) -> None:
    """Part by part, some at a time: reading is most of it, and a disk answers several readers sooner than one."""
    size = os.fstat(source).st_size
    with ThreadPoolExecutor(_READERS) as pool:
        for _ in pool.map(partial(_write_part, source, target), range(0, size, _PART)):
            pass
    os.ftruncate(target, size)


def _write_part(source: int, target: int, start: int) -> None:
    ours, theirs = bytearray(_COMPARED), bytearray(_COMPARED)
    for at in range(start, start + _PART, _COMPARED):
        read = os.preadv(source, [ours], at)
        if os.preadv(target, [theirs], at) != read or ours != theirs:
            os.pwrite(target, memoryview(ours)[:read], at)


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as old, target.open("wb") as new:
        target.chmod(0o600)
        left = os.fstat(old.fileno()).st_size
        while left > 0:
            copied = os.copy_file_range(old.fileno(), new.fileno(), min(left, _CHUNK))
            if copied == 0:
                raise OSError(errno.EIO, "it became shorter while it was copied")
            left -= copied
