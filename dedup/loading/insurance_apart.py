"""Reading insurance XML in processes of their own: Python reads with one processor, and a night has hundreds of files.

A process is given a run of files at a time, and writes their parts as Arrow files into the private folder; the parts
come in the order of the files. Small inputs are read here. So is what a process could not: whatever ended it (no
memory, no disk) changes how long it takes, not what is read, and an error shows where somebody sees it.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from dedup.loading.insurance_reading import TABLES, Part, parts

__all__ = ["Readers", "work"]

Files: TypeAlias = Sequence[tuple[int, Path]]  #: delivery_no, and where

_WORTH = 48 << 20  # bytes; starting a process takes as long as reading a fourth of it
_RUN = 16 << 20  # bytes, so that nobody waits long for who is last
_WORK = "from dedup.loading.insurance_apart import work; work()"


class Readers(contextlib.AbstractContextManager["Readers"]):
    """Up to ``most`` processes that read: started when there is enough to read, ended with the block."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.idle: list[_Process] | None = None

    def __exit__(self, *raised: object) -> None:
        for process in self.idle or ():
            process.end()
        self.idle = None

    def parts(self, files: Files) -> Generator[Part, None, None]:
        """``insurance_reading.parts`` of the files. All are inside one private folder, which gets what the processes
        write until it has been handed on."""
        waiting = deque(_runs(files))
        alone = self.most == 1 or len(waiting) == 1
        if alone or sum(path.stat().st_size for _, path in files) < _WORTH:
            yield from parts(files)
            return
        if self.idle is None:
            self.idle = list(_started(self.most))
        given: deque[tuple[_Process, Files]] = deque()
        try:
            self._hand_out(waiting, given)
            while waiting or given:
                done, run = self._next(given) if given else (False, waiting.popleft())
                self._hand_out(waiting, given)  # they go on while this one is staged
                yield from _written(_folder(run)) if done else parts(run)
                shutil.rmtree(_folder(run), ignore_errors=True)
        finally:
            for process, _ in given:
                process.end()

    def _hand_out(self, waiting: deque[Files], given: deque[tuple[_Process, Files]]) -> None:
        while waiting and self.idle:
            given.append((self.idle.pop(), waiting.popleft()))
            given[-1][0].give(given[-1][1])

    def _next(self, given: deque[tuple[_Process, Files]]) -> tuple[bool, Files]:
        """Whether the first run was read, and which it was. Its process can have another one, or is gone."""
        process, run = given[0]
        done = process.answer()
        given.popleft()
        if done and self.idle is not None:
            self.idle.append(process)
        else:
            process.end()
        return done, run


def _runs(files: Files) -> Iterator[Files]:
    """Files that follow each other, about as many bytes in each run."""
    run: list[tuple[int, Path]] = []
    filled = 0
    for number, path in files:
        run.append((number, path))
        filled += path.stat().st_size
        if filled >= _RUN:
            yield run
            run, filled = [], 0
    if run:
        yield run


def _folder(run: Files) -> Path:
    number, path = run[0]
    return path.parent / f"apart{number}"


def _started(most: int) -> Iterator[_Process]:
    with contextlib.suppress(OSError):  # those that there is room for
        for _ in range(most):
            yield _Process()


class _Process:
    """One that reads a run of files after the other."""

    def __init__(self) -> None:
        modules = os.pathsep.join(place or str(Path.cwd()) for place in sys.path)
        self.process = subprocess.Popen(  # noqa: S603 this program itself
            [sys.executable, "-P", "-c", _WORK],
            env=os.environ | {"PYTHONPATH": modules},
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # it might quote what it reads
        )

    def give(self, run: Files) -> None:
        """Let it read these files; to be followed by ``answer``."""
        folder = _folder(run)
        try:
            folder.mkdir(mode=0o700)
            (folder / "files").write_text(json.dumps([(number, str(path)) for number, path in run]))
            if self.process.stdin is not None:
                self.process.stdin.write(json.dumps(str(folder)).encode() + b"\n")
        except OSError:
            self.process.kill()

    def answer(self) -> bool:
        """Wait until it has read them; False when it died."""
        return self.process.stdout is not None and self.process.stdout.read(1) == b"\n"

    def end(self) -> None:
        """Stop it, whatever it does."""
        with self.process:
            self.process.kill()


def work() -> None:
    """What such a process does: read the runs it is told of, for as long as there is somebody to tell it."""
    told: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(told,), daemon=True).start()
    try:
        while True:
            _write(Path(json.loads(told.get())))
            os.write(sys.stdout.fileno(), b"\n")
    finally:
        os._exit(1)


def _listen(told: queue.SimpleQueue[str]) -> None:
    """Take what is said on the standard input; end at once with the process that has its other end."""
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as lines:
        for line in lines:
            told.put(line.decode())
    os._exit(1)


def _write(folder: Path) -> None:
    import pyarrow as pa

    files = [(number, Path(path)) for number, path in json.loads((folder / "files").read_text())]
    for part_no, part in enumerate(parts(files)):
        for name, table in part.items():
            place = str(folder / f"{part_no}.{name}")
            with pa.OSFile(place, "wb") as out, pa.ipc.new_file(out, table.schema) as writer:
                writer.write_table(table)


def _written(folder: Path) -> Iterator[Part]:
    import pyarrow as pa

    part_no = 0
    while (folder / f"{part_no}.files").exists():
        yield {name: pa.ipc.open_file(pa.memory_map(str(folder / f"{part_no}.{name}"))).read_all() for name in TABLES}
        part_no += 1
