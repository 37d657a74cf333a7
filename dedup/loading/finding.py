"""Which files the inputs name: files, folders with everything below them, and patterns."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from dedup.errors import InputError

__all__ = ["Found", "as_text", "find", "in_order", "is_passed_over"]


class Found:
    """The files to load, in the order they are loaded, and what was passed over."""

    def __init__(self, paths: Iterable[Path] = ()) -> None:
        self.paths = list(paths)
        self.notes: list[str] = []


def find(inputs: Sequence[Path], leave_out: Iterable[Path] = ()) -> Found:
    """Files under ``inputs`` by base name, then path, so that the order of the arguments never matters.

    In folders, hidden files, README files and symbolic links are passed over. Raises InputError when an input does
    not exist or cannot be read.
    """
    found = Found()
    named = (one for path in _expand(inputs) for one in (_walk(path, found) if path.is_dir() else [path]))
    found.paths = [path for path in in_order(named, leave_out) if _is_readable(path, found)]
    return found


def in_order(paths: Iterable[Path], leave_out: Iterable[Path] = ()) -> list[Path]:
    """Each file once, whatever its names, by base name, then path."""
    seen = {os.path.realpath(path) for path in leave_out}
    chosen: list[Path] = []
    for path in paths:
        real = os.path.realpath(path)
        if real not in seen:
            chosen.append(path)
        seen.add(real)
    return sorted(chosen, key=lambda path: (path.name, str(path)))


def _expand(inputs: Sequence[Path]) -> Iterator[Path]:
    for given in inputs:
        path = Path(given)
        if path.exists():
            yield path
            continue
        matches = sorted(glob.glob(str(path), recursive=True)) if glob.has_magic(str(path)) else []  # noqa: PTH207
        if not matches:
            raise InputError(f"There is no file or folder at {as_text(str(path))}.")
        yield from (Path(match) for match in matches)


def _walk(folder: Path, found: Found) -> Iterator[Path]:
    """Files below ``folder``. Links are not followed: a delivery must not lead out of its folder."""
    for entry in sorted(os.scandir(folder), key=lambda one: one.name):
        if is_passed_over(entry.name):
            continue
        if entry.is_symlink():
            found.notes.append("A symbolic link in an input folder was passed over.")
        elif entry.is_dir():
            yield from _walk(Path(entry.path), found)
        else:
            yield Path(entry.path)


_LEFT_BEHIND = {"thumbs.db", "desktop.ini", "__macosx"}  # by Windows and macOS, in folders and archives


def is_passed_over(name: str) -> bool:
    """Whether a file or folder is no delivery: hidden, as some systems put beside every file, or a README."""
    return name.startswith(".") or name.upper().startswith("README") or name.lower() in _LEFT_BEHIND


def as_text(name: str) -> str:
    """A file's name without the bytes that are no text, and without control characters: it is shown on terminals."""
    return "".join(c if c.isprintable() else "?" for c in name)


def _is_readable(path: Path, found: Found) -> bool:
    if not stat.S_ISREG(path.stat().st_mode):
        found.notes.append("Something that is no regular file was passed over.")
        return False
    if not os.access(path, os.R_OK):
        raise InputError(f"{as_text(str(path))} cannot be read: permission denied.")
    return True
