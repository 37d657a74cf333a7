"""Archives: zip, tar, gzip and Zstandard, one inside another at most once.

Members are copied to a private folder under plain numbers; their own names are only shown, never used as paths.
Limits on count, size and ratio hold while the bytes stream, so a bomb is stopped before it fills the disk.
"""

from __future__ import annotations

import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from dedup.loading.finding import as_text, is_passed_over

__all__ = ["ArchiveError", "Member", "is_archive", "members"]

MAX_MEMBERS = 10_000
MAX_BYTES = 50 << 30
MAX_RATIO = 200  # unpacked to packed; text compresses about 10 to 1, tables of repeats 50 to 1
FREE_BYTES = 64 << 20  # below this no ratio is suspicious
_CHUNK = 1 << 20
_DEPTH = 2  # containers; a compressed one (.tar.gz) counts once
_LAYERS = 4
_ENCRYPTED = 1  # of a zip member's flags
_DAMAGE = (
    *(OSError, EOFError, ValueError, RuntimeError, NotImplementedError),
    *(zlib.error, tarfile.TarError, zipfile.BadZipFile),
)


class ArchiveError(Exception):
    """The archive cannot be unpacked; ``reason`` is a reject code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Member:
    """A file from an archive: where its copy lies, and what the archive calls it."""

    path: Path
    name: str


def is_archive(path: Path) -> bool:
    """Whether the bytes are those of an archive; a spreadsheet, a zip inside, is not one."""
    return _kind(path) is not None


def _kind(path: Path) -> str | None:
    with path.open("rb") as file:
        head = file.read(512)
    if head.startswith(b"\x1f\x8b"):
        return "gz"
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        return "zst"
    if head[257:262] == b"ustar":
        return "tar"
    if head.startswith(b"PK\x03\x04") and not _is_workbook(path):
        return "zip"
    return None


def _is_workbook(path: Path) -> bool:
    """Whether it is one, or what is left of one."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name == "[Content_Types].xml" or name.startswith("xl/") for name in archive.namelist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return False


def members(path: Path, name: str, folder: Path) -> list[Member]:
    """Unpack into ``folder``; members by base name, then name. Raises ArchiveError when a limit is broken."""
    budget = _Budget(path.stat().st_size)
    found = list(_unpack(path, name, folder, budget, 0, 0))
    return sorted(found, key=lambda one: (Path(one.name).name, one.name))


class _Budget:
    """What may still be written."""

    def __init__(self, packed: int) -> None:
        self.limit = min(MAX_BYTES, max(FREE_BYTES, packed * MAX_RATIO))
        self.bytes = self.count = 0

    def take(self, size: int) -> None:
        self.bytes += size
        if self.bytes > self.limit:
            raise ArchiveError("archive_too_large")

    def member(self) -> int:
        self.count += 1
        if self.count > MAX_MEMBERS:
            raise ArchiveError("archive_too_large")
        return self.count


def _unpack(path: Path, name: str, folder: Path, budget: _Budget, depth: int, layers: int) -> Iterator[Member]:
    kind = _kind(path)
    if kind is None:
        yield Member(path, name)
        return
    inside = depth + (kind in ("zip", "tar"))
    if inside > _DEPTH or layers >= _LAYERS:
        raise ArchiveError("archive_too_deep")
    empty = True
    try:
        for stream, inner in _OPEN[kind](path, name):
            empty = False
            if _is_passed_over(inner):
                continue
            target = folder / f"member{budget.member()}"
            _copy(stream, target, budget)
            yield from _unpack(target, f"{name}/{inner}" if inner else name, folder, budget, inside, layers + 1)
    except _DAMAGE as error:
        raise ArchiveError("unreadable_file") from error
    if empty:  # so does one look whose list of members is damaged
        raise ArchiveError("unreadable_file")


def _is_passed_over(inner: str) -> bool:
    return any(is_passed_over(part) for part in inner.replace("\\", "/").split("/") if part.strip("."))


def _copy(stream: IO[bytes], target: Path, budget: _Budget) -> None:
    with target.open("xb") as out:
        target.chmod(0o600)
        while chunk := stream.read(_CHUNK):
            budget.take(len(chunk))
            out.write(chunk)


def _zip(path: Path, name: str) -> Iterator[tuple[IO[bytes], str]]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.flag_bits & _ENCRYPTED:
                raise ArchiveError("encrypted_file")
            if not info.filename.endswith("/"):  # a damaged name may be empty, which is_dir() does not bear
                with archive.open(info) as stream:
                    yield stream, _shown(info.filename)


def _tar(path: Path, name: str) -> Iterator[tuple[IO[bytes], str]]:
    with tarfile.open(path, "r:") as archive:
        for info in archive:
            stream = archive.extractfile(info) if info.isreg() else None
            if stream is not None:
                yield stream, _shown(info.name)


def _gz(path: Path, name: str) -> Iterator[tuple[IO[bytes], str]]:
    with gzip.open(path, "rb") as stream:
        yield cast("IO[bytes]", stream), ""


def _zst(path: Path, name: str) -> Iterator[tuple[IO[bytes], str]]:
    import pyarrow as pa

    with pa.CompressedInputStream(str(path), "zstd") as stream:
        yield stream, ""


def _shown(name: str) -> str:
    """A member's name as text for the log, without control characters."""
    return "".join(c if c.isprintable() else "?" for c in as_text(name))[-200:]


_OPEN: dict[str, Any] = {"zip": _zip, "tar": _tar, "gz": _gz, "zst": _zst}
