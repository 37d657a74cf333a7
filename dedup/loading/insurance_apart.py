"""Reading insurance XML in processes of their own: Python reads with one processor, and a night has hundreds of files.

Each process reads a run of files, writes their parts as Arrow streams into the private folder and ends; the parts
come in the order of the files. Small inputs are read here. So is what a process could not: whatever ended it (no
memory, no disk) changes how long it takes, not what is read, and an error shows where somebody sees it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from dedup.loading.insurance_reading import TABLES, Part, parts

__all__ = ["read_apart", "work"]

Files: TypeAlias = Sequence[tuple[int, Path]]

_WORTH = 32 << 20  # bytes; starting a process takes as long as reading a third of it
_RUNS = 2  # for each process, so that what it has read is staged while it reads on
_WORK = "from dedup.loading.insurance_apart import work; work()"


def read_apart(files: Files, readers: int) -> Iterator[Part]:
    """``insurance_reading.parts`` of the files (delivery_no, path), read by up to ``readers`` processes at a time.

    All paths are inside one private folder, which gets what they write until it has been handed on.
    """
    runs = _runs(files, readers)
    if readers == 1 or len(runs) == 1:
        yield from parts(files)
        return
    started: deque[_Process] = deque()
    try:
        for run in runs:
            started.append(_Process(run))
            if len(started) == readers:
                yield from started.popleft().parts()
        while started:
            yield from started.popleft().parts()
    finally:
        for process in started:
            process.end()


def _runs(files: Files, readers: int) -> list[Files]:
    """Files that follow each other, about as many bytes in each run."""
    sizes = [path.stat().st_size for _, path in files]
    aim = max(_WORTH, sum(sizes) // (readers * _RUNS))
    runs: list[list[tuple[int, Path]]] = [[]]
    filled = 0
    for file, size in zip(files, sizes, strict=True):
        if runs[-1] and filled + size // 2 > aim:
            runs.append([])
            filled = 0
        runs[-1].append(file)
        filled += size
    return list(runs)


class _Process:
    """One that reads a run of files."""

    def __init__(self, files: Files) -> None:
        self.files = files
        number, path = files[0]
        self.folder = path.parent / f"apart{number}"
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes] | None:
        modules = os.pathsep.join(place or str(Path.cwd()) for place in sys.path)
        try:
            self.folder.mkdir(mode=0o700)
            (self.folder / "files").write_text(json.dumps([(number, str(path)) for number, path in self.files]))
            return subprocess.Popen(  # noqa: S603 this program itself
                [sys.executable, "-P", "-c", _WORK, str(self.folder)],
                env=os.environ | {"PYTHONPATH": modules},
                stdin=subprocess.PIPE,  # nothing is ever said through it: it ends when this process does
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # it might quote what it reads
            )
        except OSError:
            return None

    def parts(self) -> Iterator[Part]:
        """What it has read, or what is read here in its stead."""
        try:
            done = self.process is not None and self.process.wait() == 0
            yield from _written(self.folder) if done else parts(self.files)
        finally:
            self.end()

    def end(self) -> None:
        """Stop it if it is still reading, and remove what it wrote."""
        if self.process is not None:
            with self.process:
                self.process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def work() -> None:
    """What such a process does: read the files listed in the folder that is its argument."""
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    import pyarrow as pa

    folder = Path(sys.argv[1])
    files = [(number, Path(path)) for number, path in json.loads((folder / "files").read_text())]
    for part_no, part in enumerate(parts(files)):
        for name, table in part.items():
            with (
                pa.OSFile(str(folder / f"{part_no}.{name}"), "wb") as out,
                pa.ipc.new_file(out, table.schema) as writer,
            ):
                writer.write_table(table)


def _leave_with_parent() -> None:
    """End when the other end of the standard input does, that is, with the process that has it."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


def _written(folder: Path) -> Iterator[Part]:
    import pyarrow as pa

    part_no = 0
    while (folder / f"{part_no}.files").exists():
        yield {name: pa.ipc.open_file(pa.memory_map(str(folder / f"{part_no}.{name}"))).read_all() for name in TABLES}
        part_no += 1
