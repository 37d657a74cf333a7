"""The stage ``flag``: which persons to judge, their verdicts, and the table ``flag`` that says so in words."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from dedup.engines import each_bucket
from dedup.errors import ConfigError, Problem
from dedup.rules.dictionary import write_dictionary
from dedup.rules.facts import fact, number_dimensions
from dedup.rules.judging import COVERAGES, REASONS, VERDICTS, judge_bucket, open_judge
from dedup.rules.keeping import HELD_BY, Period, add_flags, begin_flags, keep_flags
from dedup.rules.reading import LIFETIME_SECONDS, Catalogue, read_catalogue
from dedup.rules.recognition import laboratories
from dedup.rules.resolving import RuleBook, resolve
from dedup.rules.window import choose_everybody, choose_lines, choose_persons, earlier_chains
from dedup.settings import Settings
from dedup.warehouse import Run, Warehouse, count, small_memory

__all__ = ["FlagSummary", "flag", "flags_of"]

_A_PERSON = 5_000  #: bytes that all a person's lines take at most, generously


@dataclass(frozen=True)
class FlagSummary:
    """What flagging did: persons and lines judged, flags by (scope, verdict), and whether older flags are stale."""

    profile: str
    catalogue_version: str
    recognition: str
    persons: int
    lines: int
    flags: dict[tuple[str, str], int]
    stale: bool


def flag(
    warehouse: Warehouse, run: Run, settings: Settings, *, everything: bool = False, period: Period | None = None
) -> FlagSummary:
    """Judge the persons that loading and matching touched, or ``everything``, and write their flags.

    With a ``period`` it is the lines ordered in it that are judged, and what was touched goes on waiting; the flags are
    those ``everything`` would give them.

    Reads line, code, facility, match_person, patient_identity and todo; writes flag, flag_history, flag_state, test,
    rule and code_test. Raises ConfigError when the profile has no validity row.
    """
    catalogue = read_catalogue(settings.rules.catalogue, settings.rules.overlay)
    book = resolve_profile(catalogue, settings.rules.profile)
    with run.stage("flag") as stage, warehouse.transaction() as con:
        policy = recognition_policy(con, settings)
        state = (catalogue.version, book.profile, policy, _register_version(con))
        before = con.execute(
            "SELECT catalogue_version, profile, recognition, facility_version FROM flag_state"
        ).fetchone()
        everything = everything or before is None
        write_dictionary(con, catalogue, book)
        stale = before is not None and before != state and not everything
        chains = None
        if everything:
            lines = choose_everybody(con)
        else:
            choose_persons(con, book, period=period, anew=stale)
            with small_memory(con, _A_PERSON * count(con, "SELECT count(*) FROM wanted")):
                lines = choose_lines(con, book)
                chains = earlier_chains(con)
        begin_flags(con, everything=everything, period=period)
        for words in flags_of(warehouse, book, catalogue, by_level=policy == "level", lines=lines, chains=chains):
            add_flags(con, words, None if everything else period)
        keep_flags(con, run.run_id)
        persons = count(con, f"SELECT count(DISTINCT person_id) FROM {'record' if everything else 'wanted'}")
        if everything or not (stale or period):
            con.execute("DELETE FROM flag_state")
            con.execute("INSERT INTO flag_state VALUES (?, ?, ?, ?, ?)", [*state, run.run_id])
        if everything or not period:
            # Whom matching has not looked at yet has no person, and waits.
            con.execute(
                "DELETE FROM todo WHERE stage = 'flag' AND patient_record_id NOT IN "
                "(SELECT patient_record_id FROM todo WHERE stage = 'match')"
            )
        flags = {(scope, verdict): n for scope, verdict, n in con.execute(
            "SELECT scope, verdict, count(*) FROM flag GROUP BY ALL ORDER BY ALL").fetchall()}  # fmt: skip
        stage.counts |= {"persons": persons, "lines": lines, "flags": sum(flags.values())}
        if policy == "all" and settings.recognition.policy is None:
            stage.notes.append("No facility register: the results of every laboratory are recognised.")
        if stale:
            others = "flags of other days" if period else "older flags"
            stage.notes.append(f"Rules, profile or register changed; {others} are stale until 'dedup flag --all'")
    run.version(catalogue=catalogue.version, profile=book.profile)
    return FlagSummary(book.profile, catalogue.version, policy, persons, lines, flags, stale)


def resolve_profile(catalogue: Catalogue, profile: str) -> RuleBook:
    """The rule book of a profile; ConfigError when the catalogue has no such profile."""
    book = resolve(catalogue, profile)
    if not any(row["profile"] == profile for row in book.validity):
        known = ", ".join(sorted({row["profile"] for row in catalogue.validity.to_dicts() if row["profile"]}))
        problem = f"there is no profile {profile!r}; there are: {known or 'none'}"
        raise ConfigError([Problem(catalogue.path("validity", "catalogue"), 1, problem)])
    return book


def recognition_policy(con: duckdb.DuckDBPyConnection, settings: Settings) -> str:
    """``level`` when there is a register, else ``all``; the settings may say otherwise."""
    if settings.recognition.policy is not None:
        return settings.recognition.policy
    return "level" if count(con, "SELECT count(*) FROM facility WHERE registered") else "all"


def flags_of(
    warehouse: Warehouse,
    book: RuleBook,
    catalogue: Catalogue,
    *,
    by_level: bool,
    lines: int,
    chains: pa.Table | None = None,
) -> Iterator[str]:
    """Judge the ``chosen`` lines; yields, bucket by bucket, a table with the columns of ``flag`` (without run_id), each
    standing until the next is asked for. ``chains``: what is known of lines that are not judged (``earlier_chains``).
    """
    con = warehouse.con
    number_dimensions(con, book, catalogue.specimens.select("text", "specimen").to_arrow())
    _register_words(con, book)
    judge = open_judge(book, laboratories(con), by_level=by_level, chains=chains)
    warehouse.equip(judge)
    try:
        for bucket in each_bucket(con, fact(book), person="person", lines=lines, folder=warehouse.confine()):
            con.register("answer", judge.execute(f"FROM {judge_bucket(judge, book, bucket)}").to_arrow_table())
            con.execute(f"CREATE OR REPLACE TEMP TABLE flag_words AS {_IN_WORDS}")
            con.unregister("answer")
            yield "flag_words"
    finally:
        judge.close()


def _register_version(con: duckdb.DuckDBPyConnection) -> str:
    """Changes when a level, an ISO 15189 date or an alias does."""
    rows = con.execute(
        "SELECT facility_id, lab_level, iso15189, level_from, level_to, accredited_tests FROM facility "
        "WHERE registered ORDER BY ALL"
    ).fetchall()
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:16]


def _register_words(con: duckdb.DuckDBPyConnection, book: RuleBook) -> None:
    words = {
        "verdict_word": VERDICTS,
        "coverage_word": COVERAGES,
        "reason_word": REASONS,
        "rule_word": [row["rule_id"] for row in book.validity],
        "exemption_word": [row["reason"] for row in book.exemptions],
    }
    for name, values in words.items():
        con.register("incoming", pa.table({"no": range(len(values)), "word": pa.array(values, pa.string())}))
        con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS FROM incoming")
        con.unregister("incoming")


_IN_WORDS = f"""
SELECT o.facility_id, o.order_id, o.line_no,
       CASE WHEN a.elsewhere THEN 'elsewhere' ELSE 'same_facility' END AS scope,
       v.word AS verdict,
       CASE why.word WHEN 'order_reason' THEN o.order_reason WHEN 'exemption' THEN x.word ELSE why.word END AS reason,
       mine.person_id, ot.test_id, o.ordered_at,
       q.facility_id AS prior_facility_id, q.order_id AS prior_order_id, q.line_no AS prior_line_no,
       qt.test_id AS prior_test_id,
       coalesce(q.collected_at, q.resulted_at, q.ordered_at) AS prior_collected_at, q.resulted_at AS prior_resulted_at,
       date_diff('second', prior_collected_at, o.ordered_at) / 3600 AS hours_since_prior,
       CASE WHEN a.valid < {LIFETIME_SECONDS} THEN prior_collected_at + to_seconds(a.valid) END AS valid_until,
       r.word AS rule_id, c.word AS coverage,
       {", ".join(f"{sql} AS {name}" for name, sql in HELD_BY.items())},
       coalesce(o.price_vnd, t.price_vnd, 0) AS price_vnd,
       CASE WHEN v.word = 'avoidable' THEN coalesce(o.price_vnd, t.price_vnd, 0) ELSE 0 END AS avoidable_vnd,
       a.chain_avoidable, n.word AS verdict_if_recognised
FROM answer AS a
JOIN chosen AS o ON o.line_id = a.id
JOIN chosen AS q ON q.line_id = a.prior
JOIN record AS mine ON mine.patient_record_id = o.patient_record_id
JOIN record AS theirs ON theirs.patient_record_id = q.patient_record_id
JOIN code_test AS ot ON ot.code_id = o.code_id
JOIN code_test AS qt ON qt.code_id = q.code_id
JOIN test AS t ON t.test_id = ot.test_id
JOIN verdict_word AS v ON v.no = a.verdict
JOIN verdict_word AS n ON n.no = a.if_recognised
JOIN coverage_word AS c ON c.no = a.coverage
JOIN reason_word AS why ON why.no = a.reason
JOIN rule_word AS r ON r.no = a.rule
LEFT JOIN exemption_word AS x ON x.no = a.exemption"""
