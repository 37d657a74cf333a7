"""The load stage: find, land, store, count."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from dedup.loading.finding import Found, find, in_order
from dedup.loading.formats import FORMATS
from dedup.loading.identities import begin_identities, refresh_identities
from dedup.loading.landing import Landing, make_staging, type_rows
from dedup.loading.mapping import read_mappings
from dedup.loading.outcomes import dropped_as_sensitive, make_way
from dedup.loading.receiving import Arrival, handfuls, receive
from dedup.loading.register import load_register
from dedup.loading.storing import Wave, store
from dedup.loading.summary import DeliverySummary, LoadSummary
from dedup.settings import Settings
from dedup.warehouse import Run, Warehouse, count, one_thread, small_memory
from dedup.warehouse.runs import Stage, now

if TYPE_CHECKING:
    import duckdb

__all__ = ["SensitiveCode", "load"]

#: code_system, code, and the facility whose own code it is (None: everybody's).
SensitiveCode: TypeAlias = tuple[str, str, str | None]

_A_ROW = 4_000  # bytes that storing one holds at most, generously
_READERS = 8  # processes: each needs memory of its own, and storing what they read is one process' work
_FEW = 2  # threads are too few to share this work; more were not measured
_SKIPS = ("sensitive", "outdated", "withdrawn", "waiting", "no_order")


def load(
    warehouse: Warehouse,
    run: Run,
    inputs: Sequence[Path],
    settings: Settings,
    sensitive: Iterable[SensitiveCode] = (),
    *,
    waiting: bool = False,
) -> LoadSummary:
    """Load files, folders and patterns into the warehouse.

    ``sensitive`` lists (code_system, code, facility_id or None for all) of tests that are dropped and counted unless
    the settings state a legal basis. ``waiting``: the inputs are files of an inbox, and what is gone or cannot be read
    is left. Everything is stored in one transaction. Raises InputError when an input does not
    exist, ConfigError when the facility register or a mapping is wrong; damaged deliveries do not raise, they are
    counted (``over_limit``).
    """
    readers = min(count(warehouse.con, "SELECT current_setting('threads')"), _READERS)
    with run.stage("load") as stage, one_thread(warehouse.con, of=_FEW):
        register = settings.loading.register_path
        if register is not None:
            load_register(warehouse, register)
        leave_out = [] if register is None else [register]
        found = Found(in_order(inputs, leave_out)) if waiting else find(inputs, leave_out)
        con = warehouse.con
        mappings = read_mappings(settings.loading.mapping)
        _prepare(con, () if settings.loading.sensitive_legal_basis else sensitive)
        try:
            together = run.track("load", handfuls(found.paths, readers), len(found.paths))
            got = receive(warehouse, together, mappings, settings.fhir, readers=readers, waiting=waiting)
            arrivals, notes = got.arrivals, got.notes
            type_rows(con)
            work = _A_ROW * count(con, "SELECT count(*) FROM landed")
            with small_memory(con, work), warehouse.transaction():
                for wave in _waves([one.landing for one in arrivals]):
                    store(con, wave)
                for name in sorted({one.format for one in arrivals} & FORMATS.keys()):
                    if hasattr(FORMATS[name], "remember"):
                        notes += FORMATS[name].remember(con)  # type: ignore[attr-defined]
                refresh_identities(con)
                deliveries = _summaries(con, arrivals)
                _write(con, arrivals, deliveries, run.run_id)
            replaced = _replaced(con, arrivals)
        finally:
            _clear(con)
        limit = settings.loading.max_rejected_share
        over = any(one.over_limit(limit) for one in deliveries)
        if settings.loading.sensitive_legal_basis:
            notes += _not_kept(dropped_as_sensitive(con, [one.delivery_id for one in got.repeated]))
        remarks = (*found.notes, *notes, *_remarks(deliveries))
        summary = LoadSummary((*deliveries, *got.repeated), over, remarks, got.held, tuple(got.left))
        _report(stage, summary)
        stage.counts |= replaced
    return summary


_TEMPORARY = {
    "outcome": "delivery_no INTEGER, outcome VARCHAR, rows BIGINT",
    "numbering": "line_base BIGINT",
}


def _prepare(con: duckdb.DuckDBPyConnection, sensitive: Iterable[SensitiveCode]) -> None:
    make_staging(con)
    for name, columns in _TEMPORARY.items():
        con.execute(f"CREATE OR REPLACE TEMP TABLE {name} ({columns})")
    begin_identities(con)
    codes = set(sensitive)
    if codes:
        con.executemany("INSERT INTO sensitive_code VALUES (?, ?, ?)", list(codes))
    con.execute("INSERT INTO numbering SELECT coalesce(max(line_id) + 1, 1) FROM line")


def _clear(con: duckdb.DuckDBPyConnection) -> None:
    """No temporary table outlives the load."""
    rows = con.execute("SELECT table_name FROM duckdb_tables() WHERE temporary").fetchall()
    for (name,) in rows:
        con.execute(f'DROP TABLE temp."{name}"')


def _waves(landings: Sequence[Landing]) -> list[Wave]:
    """Consecutive deliveries that are compared in the same way."""
    waves: list[Wave] = []
    kind: tuple[bool, ...] | None = None
    for landing in landings:
        this = (landing.whole_encounters, landing.dated, landing.in_parts)
        first = waves.pop().first if waves and this == kind else landing.delivery_no
        waves.append(Wave(first, landing.delivery_no, landing.whole_encounters, landing.in_parts))
        kind = this
    return waves


def _summaries(con: duckdb.DuckDBPyConnection, arrivals: Sequence[Arrival]) -> list[DeliverySummary]:
    outcomes: dict[int, Counter[str]] = {one.landing.delivery_no: Counter(one.landing.skipped) for one in arrivals}
    sql = "SELECT delivery_no, outcome, CAST(sum(rows) AS BIGINT) FROM outcome GROUP BY ALL"
    for number, outcome, rows in con.execute(sql).fetchall():
        outcomes[number][outcome] += rows
    return [_summary(one, outcomes[one.landing.delivery_no]) for one in arrivals]


def _summary(one: Arrival, counts: Counter[str]) -> DeliverySummary:
    skipped = {reason: counts[reason] for reason in _SKIPS if counts[reason]}
    return DeliverySummary(
        delivery_id=one.delivery_id,
        source_name=one.source_name,
        format=one.format,
        rows_read=one.landing.rows_read,
        rows_loaded=counts["loaded"],
        rows_rejected=counts["rejected"],
        rows_duplicate=counts["duplicate"],
        rows_skipped=sum(skipped.values()),
        rows_counted=one.landing.counted,
        skipped=skipped,
        unknown_columns=tuple(one.landing.unknown_columns),
        failed=one.landing.failed,
    )


def _write(
    con: duckdb.DuckDBPyConnection, arrivals: Sequence[Arrival], deliveries: Sequence[DeliverySummary], run_id: int
) -> None:
    received = now()
    by_number = {one.landing.delivery_no: done for one, done in zip(arrivals, deliveries, strict=True)}
    as_before = make_way(con, by_number, _REJECTED)
    for number, done in by_number.items():
        if number in as_before:
            continue
        con.execute(
            "INSERT INTO delivery VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                done.delivery_id,
                number,
                done.source_name,
                done.format,
                run_id,
                received,
                done.rows_read,
                done.rows_loaded,
                done.rows_rejected,
                done.rows_duplicate,
                done.rows_skipped,
                json.dumps(done.skipped),
                list(done.unknown_columns),
            ],
        )
    con.execute(
        f"""
        INSERT INTO rejected_row BY NAME
        SELECT d.delivery_id, r.row_number, nullif(r.column_name, '') AS column_name, r.reason
        FROM ({_REJECTED}) AS r JOIN delivery AS d ON d.delivery_no = r.delivery_no
        ORDER BY r.delivery_no, r.row_number
        """
    )


# Row 0: the file as a whole, or news of an earlier night's row, which is none of this file.
_REJECTED = """
SELECT l.delivery_no, coalesce(l.row_number, l.rowid - a.first_rowid + 1) AS row_number,
       split_part(problem, ':', 1) AS column_name, split_part(problem, ':', 2) AS reason
FROM landed AS l LEFT JOIN first_row AS a ON a.delivery_no = l.delivery_no
WHERE problem IS NOT NULL
UNION ALL
SELECT delivery_no, row_number, column_name, reason FROM landed_reject
"""


def _not_kept(files: int) -> list[str]:
    told = "{} files known from before hold sensitive tests that were dropped then; the same bytes are not read again."
    return [told.format(files)] if files else []


def _remarks(deliveries: Sequence[DeliverySummary]) -> list[str]:
    columns = sorted({name for one in deliveries for name in one.unknown_columns})
    remarks = [f"Unknown columns were ignored: {', '.join(columns)}."] if columns else []
    return remarks + [
        f"Delivery {one.delivery_id[:12]}: {one.rows_counted} rows counted, {one.rows_read} read. Please report this."
        for one in deliveries
        if one.rows_counted != one.rows_read
    ]


def _report(stage: Stage, summary: LoadSummary) -> None:
    for name in ("rows_read", "rows_loaded", "rows_rejected", "rows_duplicate", "rows_skipped"):
        stage.counts[name] = getattr(summary, name)
    for reason in _SKIPS:
        skipped = sum(one.skipped.get(reason, 0) for one in summary.deliveries)
        if skipped:
            stage.counts[f"skipped_{reason}"] = skipped
    stage.counts["deliveries"] = sum(not one.repeated for one in summary.deliveries)
    stage.counts["deliveries_repeated"] = sum(one.repeated for one in summary.deliveries)
    stage.notes += summary.notes


def _replaced(con: duckdb.DuckDBPyConnection, arrivals: Sequence[Arrival]) -> dict[str, int]:
    """Stored lines that are no longer current because of this run's deliveries."""
    if not arrivals:
        return {"lines_superseded": 0, "lines_withdrawn": 0}
    first = arrivals[0].landing.delivery_no
    return {
        "lines_superseded": count(con, f"SELECT count(*) FROM line WHERE superseded_by >= {first}"),
        "lines_withdrawn": count(
            con,
            "SELECT count(*) FROM line AS l JOIN encounter AS e ON e.facility_id = l.facility_id AND e.order_id = "
            f"l.order_id AND e.delivery_no = l.superseded_by WHERE e.withdrawn AND e.delivery_no >= {first}",
        ),
    }
