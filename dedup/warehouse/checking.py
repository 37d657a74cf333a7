"""Is the warehouse, and the place it stands in, in order? One function for each question."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb

from dedup.errors import EncryptionError, LockedError, WarehouseError
from dedup.quoting import identifier
from dedup.schema import TABLES
from dedup.settings import WarehouseSettings
from dedup.warehouse.encrypting import is_encrypted, read_key
from dedup.warehouse.migrating import backups, wrong_tables
from dedup.warehouse.opening import Warehouse, open_warehouse
from dedup.warehouse.publishing import finished_nights, lost
from dedup.warehouse.runs import now
from dedup.warehouse.writing import followed

__all__ = ["BAD", "DOUBTFUL", "GOOD", "Finding", "check_warehouse"]

GOOD, DOUBTFUL, BAD = "good", "doubtful", "bad"
MUST_BE_FREE = 1 << 30  # bytes; a night's spill and the copy for readers need room
COPIES = 2  # a night may need the size of the warehouse for its copy, and once more for what it spills


@dataclass(frozen=True)
class Finding:
    """The answer to one question. ``outcome``: good, doubtful or bad."""

    question: str
    outcome: str
    answer: str


def check_warehouse(settings: WarehouseSettings) -> list[Finding]:
    """Every question about the file at ``settings.path`` and the place it stands in."""
    settings = settings.model_copy(update={"path": followed(settings.path)})
    path = settings.path
    found = [*_place(path), *_permissions(path), _encryption(settings)]
    if not path.exists():
        why = lost(path)
        none = f"none at {path} yet; 'dedup run' makes one"
        return [*found, Finding("warehouse", BAD, why) if why else Finding("warehouse", DOUBTFUL, none)]
    try:
        with open_warehouse(path, read_only=True, settings=settings) as warehouse:
            found += [Finding(name, *_answer(ask, warehouse)) for name, ask in QUESTIONS.items()]
    except LockedError:
        found.append(Finding("warehouse", DOUBTFUL, "a run is writing to it; ask again when it has finished"))
    except WarehouseError as error:
        found.append(Finding("warehouse", BAD, str(error)))
    except EncryptionError as error:
        found[-1] = Finding("encryption", BAD, str(error))
    return found


def _place(path: Path) -> Iterator[Finding]:
    folder = path.parent
    if not folder.is_dir():
        yield Finding("folder", DOUBTFUL, f"{folder} does not exist yet")
        return
    if not os.access(folder, os.W_OK):
        yield Finding("folder", BAD, f"{folder} cannot be written to by this user")
    free = shutil.disk_usage(folder).free
    size = path.stat().st_size if path.exists() else 0
    outcome = GOOD if free > max(MUST_BE_FREE, COPIES * size) else BAD
    yield Finding("disk", outcome, f"{free / 1e6:,.0f} MB free, the warehouse has {size / 1e6:,.0f} MB")


def _permissions(path: Path) -> Iterator[Finding]:
    ours = [path, path.with_name(path.name + ".lock"), *finished_nights(path), *backups(path)]
    loose = [one.name for one in ours if one.exists() and stat.S_IMODE(one.stat().st_mode) & 0o077]
    answer = f"others may read {', '.join(loose)}; chmod 600" if loose else "only the owner may read"
    yield Finding("permissions", BAD if loose else GOOD, answer)


def _encryption(settings: WarehouseSettings) -> Finding:
    try:
        wanted = read_key(settings.key_file) is not None
    except EncryptionError as error:
        return Finding("encryption", BAD, str(error))
    ours = [settings.path, *finished_nights(settings.path), *backups(settings.path)]
    plain = [one.name for one in ours if is_encrypted(one) is False]
    if wanted and plain:
        return Finding("encryption", DOUBTFUL, f"a key is named, yet these are not encrypted: {', '.join(plain)}")
    return Finding("encryption", GOOD, "on: AES-256-GCM" if wanted else "off")


Answer = tuple[str, str]


def _answer(ask: Callable[[Warehouse], Answer], warehouse: Warehouse) -> Answer:
    try:
        return ask(warehouse)
    except duckdb.Error:
        return BAD, "cannot be read: the file is damaged"


def _content(warehouse: Warehouse) -> Answer:
    """Every block is read, and the engine compares each with its checksum."""
    con = warehouse.con
    tables = con.execute("SELECT table_name FROM duckdb_tables() WHERE database_name = current_database()").fetchall()
    for (name,) in tables:
        con.execute(f"SELECT bit_xor(hash(all_columns)) FROM {identifier(name)} AS all_columns").fetchall()
    return GOOD, "all of it can be read"


def _tables(warehouse: Warehouse) -> Answer:
    wrong = wrong_tables(warehouse.con)
    return (BAD, f"not as this program knows them: {', '.join(wrong)}") if wrong else (GOOD, f"{len(TABLES)} as known")


def _reconciled(warehouse: Warehouse) -> Answer:
    wrong, files = _numbers(
        warehouse,
        "SELECT count(*) FILTER (rows_read IS DISTINCT FROM "
        "rows_loaded + rows_rejected + rows_duplicate + rows_skipped), count(*) FROM delivery",
    )
    return (BAD, f"in {wrong:,} deliveries the rows do not add up") if wrong else (GOOD, f"{files:,}, rows add up")


def _keys(warehouse: Warehouse) -> Answer:
    double, current = _numbers(
        warehouse,
        "SELECT count(*) - count(DISTINCT (facility_id, order_id, line_no)), count(*) FROM line "
        "WHERE superseded_by IS NULL",
    )
    return (BAD, f"{double:,} stand there twice") if double else (GOOD, f"{current:,}, each once")


def _flags(warehouse: Warehouse) -> Answer:
    lost, flags = _numbers(
        warehouse,
        "SELECT count(*) FILTER (l.line_id IS NULL), count(*) FROM flag AS f "
        "LEFT JOIN (SELECT * FROM line WHERE superseded_by IS NULL) AS l USING (facility_id, order_id, line_no)",
    )
    return (BAD, f"{lost:,} of lines that are gone; 'dedup flag --all'") if lost else (GOOD, f"{flags:,}, all of lines")


def _waiting(warehouse: Warehouse) -> Answer:
    match, flag = _numbers(
        warehouse, "SELECT count(*) FILTER (stage = 'match'), count(*) FILTER (stage = 'flag') FROM todo"
    )
    if match or flag:
        return DOUBTFUL, f"{match:,} patient records to match, {flag:,} to judge: the next run does it"
    return GOOD, "nothing waits"


def _last_run(warehouse: Warehouse) -> Answer:
    row = warehouse.con.execute(
        "SELECT run_id, command, outcome, started_at FROM run ORDER BY run_id DESC LIMIT 1"
    ).fetchone()
    if row is None:
        return DOUBTFUL, "none yet"
    answer = f"run {row[0]} ({row[1]}) of {row[3]:%Y-%m-%d %H:%M}: {row[2]}"
    return (GOOD if row[2] == "done" else DOUBTFUL), answer


def _clock(warehouse: Warehouse) -> Answer:
    """Against the latest run: once the clock is right again, nights it was ahead in are no matter."""
    row = warehouse.con.execute("SELECT started_at FROM run ORDER BY run_id DESC LIMIT 1").fetchone()
    if row and row[0] > now():
        return BAD, f"it is before the last run, which began {row[0]:%Y-%m-%d %H:%M}"
    return GOOD, f"{now():%Y-%m-%d %H:%M} in Vietnam"


def _numbers(warehouse: Warehouse, sql: str) -> tuple[int, ...]:
    found = warehouse.con.execute(sql).fetchone()
    return found if found is not None else (0, 0)


QUESTIONS: dict[str, Callable[[Warehouse], Answer]] = {
    "tables": _tables,
    "content": _content,
    "deliveries": _reconciled,
    "order lines": _keys,
    "flags": _flags,
    "waiting": _waiting,
    "last run": _last_run,
    "clock": _clock,
}
