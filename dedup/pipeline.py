"""load → match → flag → report, each one call. The command line and the Python API both stand on this file."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dedup.errors import LockedError, RejectedError
from dedup.settings import Settings
from dedup.warehouse import Run, Warehouse, open_finished, open_warehouse, start_run
from dedup.warehouse.events import Watch, silent
from dedup.warehouse.runs import now

if TYPE_CHECKING:
    from dedup.loading import DeliverySummary, LoadSummary, SensitiveCode
    from dedup.reporting import Figures, Filters
    from dedup.rules import Period

__all__ = [
    "RunSummary",
    "backfill",
    "decide",
    "flag",
    "latest",
    "load",
    "match",
    "night",
    "reading",
    "report",
    "run",
    "vacuum",
]


@dataclass(frozen=True)
class RunSummary:
    """What one run did, stage by stage, as the run log holds it."""

    run_id: int
    counts: dict[str, dict[str, int]]  #: stage → name → count
    seconds: dict[str, float]  #: stage → seconds
    notes: dict[str, list[str]]  #: stage → sentences
    over_limit: tuple[str, ...] = ()  #: delivery_id of those with more rejected rows than the settings allow

    def check(self) -> None:
        """Raise RejectedError when a delivery had too many rejected rows; the good ones are in."""
        if self.over_limit:
            ids = ", ".join(one[:12] for one in self.over_limit)
            raise RejectedError(
                f"More rows were rejected than max_rejected_share allows: delivery {ids}. "
                "'dedup report' tells which files, which columns and why."
            )


def run(inputs: Sequence[Path], settings: Settings, *, watch: Watch = silent) -> RunSummary:
    """One night: load the inputs, match patients, flag repeats. Each stage is all or nothing; ``watch`` is told."""
    sensitive = _sensitive_codes(settings)
    with _writing("run", settings, watch) as (warehouse, log):
        loaded = _load(warehouse, log, inputs, settings, sensitive)
        _match(warehouse, log, settings)
        _flag(warehouse, log, settings)
    return _summary(log, loaded.bad(settings.loading.max_rejected_share))


def night(settings: Settings, *, watch: Watch = silent) -> RunSummary:
    """``run`` on what is ready in the inbox; afterwards the files are put away and unusual senders are named."""
    from dedup.loading.inbox import Left, inbox_folder, put_away, ready
    from dedup.loading.watching import unusual

    left, sensitive = Left(inbox_folder(settings.inbox)), _sensitive_codes(settings)
    share = settings.loading.max_rejected_share
    with _writing("run", settings, watch) as (warehouse, log):
        files = ready(settings.inbox, left)
        loaded = _load(warehouse, log, [file.path for file in files], settings, sensitive, waiting=True)
        _match(warehouse, log, settings)
        _flag(warehouse, log, settings)
        with log.stage("inbox") as stage:
            stage.counts |= put_away(warehouse, settings.inbox, files, loaded, left, max_rejected_share=share)
            stage.notes += left.sentences()
            stage.notes += unusual(warehouse, log.run_id, now=now(), silent_days=settings.inbox.silent_days)
    return _summary(log, loaded.bad(share))


def load(inputs: Sequence[Path], settings: Settings, *, watch: Watch = silent) -> RunSummary:
    """Only load."""
    sensitive = _sensitive_codes(settings)
    with _writing("load", settings, watch) as (warehouse, log):
        loaded = _load(warehouse, log, inputs, settings, sensitive)
    return _summary(log, loaded.bad(settings.loading.max_rejected_share))


def match(settings: Settings, *, train: bool = False, watch: Watch = silent) -> RunSummary:
    """Only match; ``train`` learns the model from this warehouse first and matches everybody again."""
    with _writing("match", settings, watch, must_exist=True) as (warehouse, log):
        _match(warehouse, log, settings, train=train)
    return _summary(log)


def flag(settings: Settings, *, everything: bool = False, watch: Watch = silent) -> RunSummary:
    """Only flag what loading and matching touched, or ``everything``."""
    with _writing("flag", settings, watch, must_exist=True) as (warehouse, log):
        _flag(warehouse, log, settings, everything=everything)
    return _summary(log)


def decide(decisions: Path, settings: Settings) -> int:
    """Take in a reviewed file; the number of pairs decided. The next ``match`` acts on them."""
    from dedup.matching import review_import

    with _writing("review import", settings, must_exist=True) as (warehouse, log):
        return review_import(warehouse, log, settings, decisions)


def backfill(settings: Settings, period: Period, *, watch: Watch = silent) -> RunSummary:
    """Only flag, and only what was ordered from the first to the last day of ``period``, by the present rules."""
    with _writing("backfill", settings, watch, must_exist=True) as (warehouse, log):
        _flag(warehouse, log, settings, period=period)
    return _summary(log)


def vacuum(
    settings: Settings, today: datetime.date | None = None, *, watch: Watch = silent
) -> tuple[RunSummary, int, int]:
    """Drop what is older than ``keep_days``, then write the file anew without the room it no longer needs.

    Second and third: bytes before and after.
    """
    from dedup.warehouse.publishing import forget as forget_copies
    from dedup.warehouse.vacuuming import vacuum as write_anew

    reading(settings).close()  # says what is missing
    place, keep_days = settings.warehouse, settings.warehouse.keep_days
    with open_warehouse(place.path, settings=place) as warehouse, start_run(warehouse, "vacuum", watch) as log:
        if keep_days is not None:
            _forget(warehouse, log, settings, (today or now().date()) - datetime.timedelta(days=keep_days))
    # Opened again, because judging has confined the engine; what is written to the old file from here on is lost.
    with open_warehouse(place.path, settings=place) as warehouse:
        if keep_days is not None:
            warehouse.publish(log.run_id)
            warehouse.when_closed(forget_copies, warehouse.path)  # before that: they hold what was dropped
        return _summary(log), *write_anew(warehouse, place)


def _forget(warehouse: Warehouse, log: Run, settings: Settings, before: datetime.date) -> None:
    """What remains is as if nothing else had ever been loaded."""
    from dedup.loading import forget as forget_lines
    from dedup.matching import forget as forget_records
    from dedup.rules import forget as forget_flags

    forget_lines(warehouse, log, before)
    _match(warehouse, log, settings)
    forget_records(warehouse, log)
    _flag(warehouse, log, settings)
    forget_flags(warehouse, log, before)


def report(settings: Settings, filters: Filters | None = None) -> Figures:
    """The figures of the warehouse as it stands."""
    from dedup.reporting import figures

    with reading(settings) as warehouse:
        return figures(warehouse, filters)


def reading(settings: Settings) -> Warehouse:
    """The last finished night, for reading."""
    return open_finished(settings.warehouse.path, settings.warehouse)


def latest(settings: Settings) -> Warehouse:
    """The warehouse itself, to look at for a moment; the last finished night while a run holds it."""
    try:
        return open_warehouse(settings.warehouse.path, read_only=True, settings=settings.warehouse)
    except LockedError:
        return reading(settings)


@contextlib.contextmanager
def _writing(
    command: str, settings: Settings, watch: Watch = silent, *, must_exist: bool = False
) -> Iterator[tuple[Warehouse, Run]]:
    if must_exist and not settings.warehouse.path.exists():
        reading(settings)  # says what is missing
    with open_warehouse(settings.warehouse.path, settings=settings.warehouse) as warehouse:
        with start_run(warehouse, command, watch) as log:
            yield warehouse, log
        warehouse.publish(log.run_id)


def _load(
    warehouse: Warehouse,
    log: Run,
    inputs: Sequence[Path],
    settings: Settings,
    sensitive: list[SensitiveCode],
    *,
    waiting: bool = False,
) -> LoadSummary:
    from dedup.loading import load as load_room

    return load_room(warehouse, log, inputs, settings, sensitive=sensitive, waiting=waiting)


def _match(warehouse: Warehouse, log: Run, settings: Settings, *, train: bool = False) -> None:
    from dedup.matching import match as match_room

    match_room(warehouse, log, settings, train=train)


def _flag(
    warehouse: Warehouse, log: Run, settings: Settings, *, everything: bool = False, period: Period | None = None
) -> None:
    from dedup.rules import flag as flag_room

    flag_room(warehouse, log, settings, everything=everything, period=period)


def _sensitive_codes(settings: Settings) -> list[SensitiveCode]:
    """Codes of tests of class ``sensitive``: rooms do not know each other, so what loading drops is told here.

    Raises ConfigError, before anything is opened, when the catalogue is wrong or lacks the profile.
    """
    from dedup.rules.flagging import resolve_profile
    from dedup.rules.reading import read_catalogue

    catalogue = read_catalogue(settings.rules.catalogue, settings.rules.overlay)
    resolve_profile(catalogue, settings.rules.profile)
    tests = catalogue.tests.filter(catalogue.tests["class"] == "sensitive")["test_id"]
    codes = catalogue.codes.filter(catalogue.codes["test_id"].is_in(tests.implode()))
    return list(codes.select("code_system", "code", "facility_id").iter_rows())


def _summary(log: Run, over_limit: Sequence[DeliverySummary] = ()) -> RunSummary:
    return RunSummary(
        run_id=log.run_id,
        counts={name: stage.counts for name, stage in log.stages.items()},
        seconds=log.seconds,
        notes={name: stage.notes for name, stage in log.stages.items()},
        over_limit=tuple(one.delivery_id for one in over_limit),
    )
