"""Opening the warehouse: one writer at a time, local time, files nobody else can read."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import duckdb

from dedup.errors import LockedError, WarehouseError
from dedup.quoting import identifier, literal
from dedup.schema import SCHEMA_VERSION, TIME_ZONE
from dedup.settings import WarehouseSettings
from dedup.warehouse.encrypting import Config, arm, connect, is_encrypted, read_key, rewrite_encrypted
from dedup.warehouse.locking import hold
from dedup.warehouse.migrating import back_up, create, log_step, move_forward, version_of
from dedup.warehouse.publishing import finished_nights, forget, lost, publish
from dedup.warehouse.spilling import scratch, spill_folder, sweep
from dedup.warehouse.writing import followed, take_the_place

__all__ = [
    "Warehouse",
    "all_threads",
    "another",
    "memory_warehouse",
    "one_thread",
    "open_finished",
    "open_warehouse",
    "small_memory",
]

READING = 500_000_000  #: bytes; what a scan has under way, and columns that are read twice
_THREADS = "all_threads"  #: the variable of a connection that says how many they were before one_thread
PATIENCE = 2.0  #: seconds; ``runs list`` and ``doctor`` look into the file itself, for a moment


@dataclass
class Warehouse:
    """An open warehouse: the DuckDB connection and where the file lies (None: in memory)."""

    con: duckdb.DuckDBPyConnection
    path: Path | None
    read_only: bool = False
    _held: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _room: Path | None = None

    @contextlib.contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """All or nothing: commits at the end of the block, rolls back when it raises."""
        self.con.begin()
        try:
            yield self.con
        except BaseException:
            with contextlib.suppress(duckdb.Error):
                self.con.rollback()
            raise
        self.con.commit()

    def confine(self) -> Path:
        """A private folder: besides its own files, all that the engine can reach from now on, configuration locked.

        Whoever lets it read foreign files, or writes what was made of them, does so in there. Later calls give the same
        folder; it goes when the warehouse is closed. Nothing undoes this but opening the warehouse again.
        """
        if self._room is None:
            self._room = self._held.enter_context(scratch(self._spills_to()))
            _confine(self.con, self._room)
        return self._room

    def _spills_to(self) -> Path | None:
        """Where there is room for large files: beside the warehouse, or where the settings say."""
        return None if self.path is None else Path(_setting(self.con, "temp_directory")).parent

    def equip(self, other: duckdb.DuckDBPyConnection) -> None:
        """Give another engine of this process the same limits; what it spills lies, and is encrypted, as this one's."""
        for name in ("threads", "memory_limit"):
            other.execute(f"SET {name} = '{_setting(self.con, name)}'")
        if self.path is not None:
            other.execute(f"SET temp_directory = {literal(_setting(self.con, 'temp_directory') + '-other')}")
        if _setting(self.con, "temp_file_encryption") == "true":
            arm(other)

    def publish(self, run_id: int) -> None:
        """Once it is closed, and before the lock goes, copy the file for readers as the state after ``run_id``."""
        if self.path is not None:
            self.con.execute("CHECKPOINT")
            self.when_closed(publish, self.path, run_id)

    def when_closed(self, act: Callable[..., object], *given: object) -> None:
        """Call ``act`` when the file is closed and the lock still held; what was asked for last comes first."""
        self._held.callback(act, *given)

    def close(self) -> None:
        """Close the file and let the lock go."""
        self.con.close()
        self._held.close()

    def __enter__(self) -> Warehouse:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Warehouse({'in memory' if self.path is None else self.path.name!r})"


def open_warehouse(path: Path, *, read_only: bool = False, settings: WarehouseSettings | None = None) -> Warehouse:
    """Open the warehouse at ``path``, creating it unless ``read_only``.

    The file gets mode 0600, folders made for it 0700. While it is open, the process' umask is 077: the engine
    makes its log and spill files whenever it needs them. Raises LockedError (exit 4) while another process
    writes, WarehouseError when the file is missing (for writing: though there are copies of it), damaged, or from a
    newer program, EncryptionError (exit 5) when the
    key of an encrypted one is missing or wrong.
    """
    path = followed(Path(path))
    if read_only and not path.exists():
        raise WarehouseError(
            lost(path) or f"There is no warehouse at {path}. 'dedup run INPUT… --db {path}' makes one."
        )
    held = contextlib.ExitStack()
    held.callback(os.umask, os.umask(0o077))
    try:
        if not read_only:
            _make_folder(path.parent)
            held.enter_context(hold(path))
            if path.is_file() and path.stat().st_size == 0 and not finished_nights(path):
                path.unlink()  # mktemp made it, or a first run that was killed at once
            if not path.exists() and (why := lost(path)):
                raise WarehouseError(why)  # beginning anew would end with the copies being replaced
            sweep(path, (settings or WarehouseSettings()).temp_directory)
        con = _current(path, read_only, settings or WarehouseSettings())
    except BaseException:
        held.close()
        raise
    return Warehouse(con, path, read_only, held)


def open_finished(path: Path, settings: WarehouseSettings | None = None) -> Warehouse:
    """Open the last finished night for reading: no run keeps this waiting, and this keeps no run waiting.

    A warehouse that no run has published yet is opened itself. Raises as ``open_warehouse`` does.
    """
    path = followed(Path(path))
    for night in finished_nights(path) if path.exists() else ():
        with contextlib.suppress(WarehouseError):  # torn by a power loss, or just replaced by a newer one
            return open_warehouse(night, read_only=True, settings=settings)
    return open_warehouse(path, read_only=True, settings=settings)


def memory_warehouse(settings: WarehouseSettings | None = None) -> Warehouse:
    """An empty warehouse in memory, for tests and for trying things out."""
    con = duckdb.connect(config=_config(settings or WarehouseSettings(), None))
    _set_up(con)
    create(con)
    return Warehouse(con, None)


def _make_folder(folder: Path) -> None:
    if not folder.exists():
        folder.mkdir(parents=True, mode=0o700)


def _current(path: Path, read_only: bool, settings: WarehouseSettings) -> duckdb.DuckDBPyConnection:
    """A connection to the file with its tables as this program has them: made, or moved forward, if need be."""
    key = read_key(settings.key_file)
    plain = key is not None and not read_only and is_encrypted(path) is False
    if key is not None and plain:
        take_the_place(rewrite_encrypted(path, _config(settings, path), key), path, before=forget)
    con = _connect(path, read_only, settings, key)
    try:
        if not read_only:
            path.chmod(0o600)
        version = version_of(con, path, read_only=read_only)
        if version is None:
            create(con)
        elif version < SCHEMA_VERSION:
            con.execute("CHECKPOINT")
            con.close()  # the engine's lock would go with any other opening of the file in this process
            backup = back_up(path, version)
            con = _connect(path, read_only, settings, key)
            move_forward(con, version, backup.name)
        if plain:
            log_step(con, "encrypt", "The warehouse is encrypted from now on.")
    except BaseException:
        con.close()
        raise
    return con


def _connect(path: Path, read_only: bool, settings: WarehouseSettings, key: str | None) -> duckdb.DuckDBPyConnection:
    waiting_until = time.monotonic() + PATIENCE
    while True:
        try:
            con = connect(path, read_only=read_only, config=_config(settings, path), key=key)
        except duckdb.Error as error:
            if "conflicting lock" not in str(error).lower():
                raise WarehouseError(f"{path} cannot be opened as a warehouse.") from None
        else:
            _set_up(con)
            return con
        if time.monotonic() > waiting_until:
            raise LockedError(f"Another process is using {path}. Try again when it has finished.") from None
        time.sleep(PATIENCE / 20)


def _config(settings: WarehouseSettings, path: Path | None) -> Config:
    config: Config = {
        "autoinstall_known_extensions": False,  # no network
        "autoload_known_extensions": False,
    }
    if settings.threads is not None:
        config["threads"] = settings.threads
    if settings.memory_limit is not None:
        config["memory_limit"] = settings.memory_limit
    if path is not None:
        config["temp_directory"] = str(spill_folder(path, settings.temp_directory))
    return config


def another(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """A further connection to the same database, with temporary tables of its own."""
    row = con.execute("SELECT current_database()").fetchone()
    own = con.cursor()
    own.execute(f"USE {identifier(row[0] if row else '')}")
    return own


@contextlib.contextmanager
def one_thread(con: duckdb.DuckDBPyConnection, *, of: int | None = None) -> Iterator[None]:
    """Inserts of wide rows: two threads take 1.5 times the CPU, and no less time (DuckDB 1.5).

    ``of``: only where there are at most so many. To be left after the commit, which writes most of the rows.
    """
    threads = int(_setting(con, "threads"))
    if threads == 1 or (of is not None and threads > of):
        yield
        return
    con.execute(f"SET VARIABLE {_THREADS} = {threads:d}")
    _set(con, "threads", "1")
    try:
        yield
    finally:
        _set(con, "threads", f"{threads:d}")


@contextlib.contextmanager
def all_threads(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Within ``one_thread``, for what reads or works out a whole table: two threads take half the time, for the same
    CPU to a third more."""
    row = con.execute(f"SELECT current_setting('threads'), getvariable('{_THREADS}')").fetchone()
    now, before = row if row else (None, None)
    if before is None or now >= before:
        yield
        return
    _set(con, "threads", f"{before:d}")
    try:
        yield
    finally:
        _set(con, "threads", f"{now:d}")


@contextlib.contextmanager
def small_memory(con: duckdb.DuckDBPyConnection, room: int) -> Iterator[None]:
    """Hold no more than ``room`` bytes of work, and some of what is read, where the limit is higher.

    The engine keeps every block it reads until it reaches the limit. A night reads much of the history, and all of it
    once: memory that is new to the process costs more than the reading (docs/adr/0008-small-nights.md).
    """
    limit = _bytes(_setting(con, "memory_limit"))
    _set(con, "memory_limit", f"'{min(limit, READING + room):d}B'")
    try:
        yield
    finally:
        _set(con, "memory_limit", f"'{limit:d}B'")


def _set(con: duckdb.DuckDBPyConnection, name: str, value: str) -> None:
    """By a connection of its own: one whose transaction has failed takes no orders, and would hide why it failed."""
    with con.cursor() as own:
        own.execute(f"SET {name} = {value}")


def _bytes(size: str) -> int:
    """Of a size as the engine writes it (``18.7 GiB``), so many that it writes the same again: it has cut off the rest
    of the next smaller unit, and would cut off more every time."""
    number, unit = size.split()
    place = ("bytes", "kib", "mib", "gib", "tib").index(unit.lower())
    return math.ceil(float(number) * 1024) << 10 * place >> 10


def _setting(con: duckdb.DuckDBPyConnection, name: str) -> str:
    row = con.execute("SELECT current_setting(?)", [name]).fetchone()
    return str(row[0]).lower() if row and isinstance(row[0], bool) else str(row[0]) if row else ""


def _set_up(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(f"SET TimeZone = '{TIME_ZONE}'")
    with contextlib.suppress(duckdb.InvalidInputException):  # a notebook without ipywidgets has no bar to switch off
        con.execute("SET enable_progress_bar = false")


def _confine(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """The engine adds its own files by itself: the warehouse, its log, and the folder it spills to."""
    con.execute(f"SET allowed_directories = [{literal(folder)}]")
    con.execute("SET enable_external_access = false")
    con.execute("SET allowed_configs = ['threads', 'memory_limit']")  # see one_thread, small_memory; they open no door
    con.execute("SET lock_configuration = true")
