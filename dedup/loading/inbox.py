"""The folder that hospitals drop files into: what is ready, and where it goes once it was loaded."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dedup.errors import UsageError
from dedup.loading.archives import ArchiveError, is_archive, members
from dedup.loading.counting import sha256
from dedup.loading.finding import as_text, is_passed_over
from dedup.settings import InboxSettings
from dedup.warehouse import Warehouse, aside, scratch

__all__ = ["Waiting", "put_away", "ready"]

#: How senders name what they have not finished.
UNFINISHED = (".part", ".partial", ".filepart", ".tmp", ".crdownload")


@dataclass(frozen=True)
class Waiting:
    """A file in the inbox, and what it was like when it was found."""

    path: Path
    stamp: tuple[int, int, int]


def ready(inbox: InboxSettings, *, at: float | None = None) -> list[Waiting]:
    """Files nobody has touched for ``settle_seconds``, by name; hidden, README, unfinished and linked ones are left.

    ``at``: the present, in seconds since 1970. Raises UsageError when there is no such folder.
    """
    if inbox.path is None or not inbox.path.is_dir():
        raise UsageError("Name INPUT, or a folder as path under [inbox] in the settings.")
    latest = (time.time() if at is None else at) - inbox.settle_seconds
    apart = [folder.resolve() for folder in (inbox.archive, inbox.bad) if folder is not None]
    return [
        Waiting(path, _stamp(path))
        for path in sorted(inbox.path.rglob("*"))
        if path.is_file()
        and not path.is_symlink()
        and not any(is_passed_over(part) for part in path.relative_to(inbox.path).parts)
        and path.suffix.lower() not in UNFINISHED
        and path.stat().st_mtime <= latest
        and not any(path.resolve().is_relative_to(folder) for folder in apart)
    ]


def put_away(
    warehouse: Warehouse, inbox: InboxSettings, files: Sequence[Waiting], bad: Mapping[str, str]
) -> dict[str, int]:
    """Move what was loaded to the archive, and what is or holds a delivery of ``bad`` (id → source_name) aside, with
    the reasons in a file each.

    A file changed since it was found is left for the next run. A folder not set in ``inbox`` means that files stay.
    Counts what was moved.
    """
    moved = {"files archived": 0, "files set aside": 0}
    for one in files:
        if not one.path.is_file() or _stamp(one.path) != one.stamp:
            continue
        wrong = _wrong(warehouse, one.path, bad)
        target, count = (inbox.bad, "files set aside") if wrong else (inbox.archive, "files archived")
        if target is None:
            continue
        place = _free(target / one.path.relative_to(inbox.path or one.path.parent))
        if wrong:
            with aside(place.with_name(place.name + ".reason.txt")) as note:
                note.write_text("".join(_reasons(warehouse, one, bad[one]) for one in wrong), encoding="utf-8")
        shutil.move(one.path, place)
        moved[count] += 1
    return moved


def _wrong(warehouse: Warehouse, path: Path, bad: Mapping[str, str]) -> list[str]:
    """Which of the deliveries ``bad`` the file is, or, an archive, holds."""
    name = as_text(path.name)
    ids = {sha256(path)}
    if any(f"{source}/".startswith(f"{name}/") for source in bad.values()) and is_archive(path):
        with scratch(warehouse.path and warehouse.path.parent) as folder, contextlib.suppress(ArchiveError):
            ids |= {sha256(member.path) for member in members(path, name, folder)}
    return [delivery for delivery in bad if delivery in ids]


def _stamp(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _free(place: Path) -> Path:
    """``place``, or with a number when a file of that name is there; its folder is made."""
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    number, free = 1, place
    while os.path.lexists(free):
        number += 1
        free = place.with_name(f"{place.stem}~{number}{place.suffix}")
    return free


def _reasons(warehouse: Warehouse, delivery: str, source: str) -> str:
    """Which column failed how, and how often; never a value."""
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
    return "\n".join([f"{source}, delivery {delivery}", *lines]) + "\n"
