"""The folder that hospitals drop files into: what is ready, and where it goes once it was loaded.

No file stops a night: what cannot be read or moved stays where it is and is told by count and folder (``Left``).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dedup.errors import DedupError, InputError, UsageError
from dedup.loading.finding import as_text, is_passed_over
from dedup.loading.outcomes import bad
from dedup.loading.summary import LoadSummary
from dedup.settings import InboxSettings
from dedup.warehouse import Warehouse, aside
from dedup.warehouse.writing import take_the_place

__all__ = ["Left", "Waiting", "inbox_folder", "put_away", "ready"]

#: How senders name what they have not finished.
UNFINISHED = (".part", ".partial", ".filepart", ".tmp", ".crdownload")
_LONGEST = 255  # bytes a file's name may have
_REASON = ".reason.txt"


@dataclass(frozen=True)
class Waiting:
    """A file in the inbox, and what it was like when it was found."""

    path: Path
    stamp: tuple[int, int, int]


class Left:
    """What stays in the inbox though it should not, by facility folder and why: a file's name may be a patient's."""

    def __init__(self, inbox: Path) -> None:
        self.inbox = inbox
        self.counts: Counter[tuple[str, str]] = Counter()

    def add(self, path: Path, why: str) -> None:
        """Leave a file, or a folder with what is in it."""
        inside = path.relative_to(self.inbox).parts
        folder = inside[0] if len(inside) > 1 else "The inbox"
        self.counts[as_text(folder), why] += 1

    def sentences(self) -> list[str]:
        """One for each folder and cause."""
        return [f"{folder}: {count:,} left: {why}." for (folder, why), count in sorted(self.counts.items())]


def inbox_folder(inbox: InboxSettings) -> Path:
    """The inbox. Raises UsageError when there is none or it is what is put away, InputError when it is not readable."""
    if inbox.path is None or not inbox.path.is_dir():
        raise UsageError("Name INPUT, or a folder as path under [inbox] in the settings.")
    for name, folder in (("archive", inbox.archive), ("bad", inbox.bad)):
        if folder is not None and inbox.path.resolve().is_relative_to(folder.resolve()):
            raise UsageError(f"{name} under [inbox] in the settings is, or holds, the inbox itself.")
    if not os.access(inbox.path, os.R_OK | os.X_OK):
        raise InputError(f"{inbox.path} cannot be read: permission denied.")
    return inbox.path


def ready(inbox: InboxSettings, left: Left | None = None, *, at: float | None = None) -> list[Waiting]:
    """Files nobody has touched for ``settle_seconds``, by name; hidden, README and unfinished ones stay.

    A file dated in the future counts as touched when it arrived here. Links, what is no regular file and what cannot be
    looked at are put into ``left``.
    ``at``: the present, in seconds since 1970. Raises what ``inbox_folder`` raises.
    """
    root = inbox_folder(inbox)
    left = Left(root) if left is None else left
    present = time.time() if at is None else at
    return [
        Waiting(path, _stamp(found))
        for path in sorted(_files(inbox, root, left))
        if (found := _looked_at(path, left)) is not None
        and _is_plain(path, found, left)
        and _has_settled(path, found, present, inbox.settle_seconds, left)
    ]


def _files(inbox: InboxSettings, root: Path, left: Left) -> list[Path]:
    apart = {folder.resolve() for folder in (inbox.archive, inbox.bad) if folder is not None}

    def unreadable(error: OSError) -> None:
        left.add(Path(error.filename), "the folder could not be read")

    found = []
    for place, folders, names in os.walk(root, onerror=unreadable):
        folders[:] = [name for name in folders if not is_passed_over(name) and Path(place, name).resolve() not in apart]
        linked = [name for name in folders if Path(place, name).is_symlink()]  # those are not walked
        found += [Path(place, name) for name in (*names, *linked) if not is_passed_over(name)]
    return [path for path in found if path.suffix.lower() not in UNFINISHED]


def _looked_at(path: Path, left: Left) -> os.stat_result | None:
    """The link itself, not what it leads to; None for what is gone by now."""
    try:
        return path.lstat()
    except FileNotFoundError:
        return None
    except OSError:
        left.add(path, "could not be read")
        return None


def _is_plain(path: Path, found: os.stat_result, left: Left) -> bool:
    """Links are not followed: a delivery must not lead out of the inbox."""
    plain = stat.S_ISREG(found.st_mode)
    if not plain:
        left.add(path, "is a link" if stat.S_ISLNK(found.st_mode) else "is no regular file")
    return plain


def _has_settled(path: Path, found: os.stat_result, present: float, seconds: int, left: Left) -> bool:
    touched = found.st_mtime if found.st_mtime <= present else found.st_ctime
    if touched > present:
        left.add(path, "came at a time that is still to come, says the clock")
    return touched <= present - seconds


def put_away(
    warehouse: Warehouse,
    inbox: InboxSettings,
    files: Sequence[Waiting],
    loaded: LoadSummary,
    left: Left,
    *,
    max_rejected_share: float,
) -> dict[str, int]:
    """Move files to the archive, and what is or holds a bad delivery, tonight's or an earlier night's, aside, with the
    reasons in a file each.

    A file changed since it was found is left for the next run; one that could not be read or moved is put into
    ``left``. A folder not set in ``inbox`` means that files stay. Counts what was moved.
    """
    moved = {"files archived": 0, "files set aside": 0}
    wrong = bad(warehouse.con, {one for held in loaded.held.values() for one in held}, max_rejected_share)
    unread = set(loaded.left)
    for one in files:
        if one.path in unread:
            left.add(one.path, "could not be read" if os.path.lexists(one.path) else "was gone before it was read")
        reasons = [held for held in loaded.held.get(one.path, ()) if held in wrong]
        target, count = (inbox.bad, "files set aside") if reasons else (inbox.archive, "files archived")
        if target is None or one.path not in loaded.held:
            continue
        try:
            if one.path.is_file() and _stamp(one.path.lstat()) == one.stamp:
                _put(warehouse, one.path, target / one.path.relative_to(left.inbox), reasons)
                moved[count] += 1
        except (OSError, DedupError) as error:
            why = error.strerror if isinstance(error, OSError) else None
            left.add(one.path, f"could not be moved to {target}: {why or 'not writable'}")
    return moved


def _put(warehouse: Warehouse, path: Path, place: Path, reasons: Sequence[str]) -> None:
    """Move a file to ``place``, or beside it when that is taken; first the ``reasons``, when there are any."""
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    place = _free(place)
    if reasons:
        with aside(place.with_name(_reason_name(place.name))) as note:
            note.write_text("".join(_reasons(warehouse, one) for one in reasons), encoding="utf-8")
    _move(path, place)
    with contextlib.suppress(OSError):  # somebody else's file
        place.chmod(0o600)


def _move(path: Path, place: Path) -> None:
    """Rename, or, on another file system, copy: under its final name a file is whole."""
    try:
        path.rename(place)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # The same name after a crash: what was left of the copy is written over.
        copy = place.with_name(f".{hashlib.sha256(os.fsencode(place.name)).hexdigest()[:32]}")
        try:
            copy.unlink(missing_ok=True)
            copy.touch(mode=0o600)
            shutil.copyfile(path, copy)
            found = path.stat()
            os.utime(copy, ns=(found.st_atime_ns, found.st_mtime_ns))
            take_the_place(copy, place)
        finally:
            copy.unlink(missing_ok=True)
        try:
            path.unlink()
        except OSError:
            place.unlink()
            raise


def _stamp(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_ino, found.st_size, found.st_mtime_ns


def _free(place: Path) -> Path:
    """``place``, or with a number when a file of that name is there; its folder is made."""
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    number, free = 1, place
    while os.path.lexists(free):
        number += 1
        free = place.with_name(_fitting(place.stem, f"~{number}{place.suffix}"))
    return free


def _reason_name(name: str) -> str:
    if len(os.fsencode(name + _REASON)) <= _LONGEST:
        return name + _REASON
    return _fitting(name, f"~{hashlib.sha256(os.fsencode(name)).hexdigest()[:8]}{_REASON}")


def _fitting(stem: str, ending: str) -> str:
    """A name with as much of ``stem`` as there is room for."""
    while len(os.fsencode(stem + ending)) > _LONGEST:
        stem = stem[:-1]
    return stem + ending


def _reasons(warehouse: Warehouse, delivery: str) -> str:
    """Which column failed how, and how often; never a value."""
    found = warehouse.con.execute("SELECT source_name FROM delivery WHERE delivery_id = ?", [delivery]).fetchone()
    rows = warehouse.con.execute(
        "SELECT reason, coalesce(column_name, ''), count(*), min(row_number) FROM rejected_row WHERE delivery_id = ? "
        "GROUP BY ALL ORDER BY count(*) DESC, 1, 2",
        [delivery],
    ).fetchall()
    told = "{reason}, column {column}: {count} rows, the first is row {first}"
    lines = [
        told.format(reason=reason, column=column or "–", count=count, first=first)
        for reason, column, count, first in rows
    ]
    return "\n".join([f"{found[0] if found else ''}, delivery {delivery}", *lines]) + "\n"
