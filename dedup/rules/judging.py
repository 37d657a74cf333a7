"""Judging one person bucket, exactly as CONTRACT §4: lines in, verdicts out, everything as integers.

The steps, each one named table, in the order in which they run:

    line_key, cross_key   the few columns it takes to see who met whom, under a line's own test and under others
    meeting       (order, prior) of one person, the one test covering the other, within reach of any rule
    b             the lines that met another (met), whole
    pair          the same two as rows of b, unless they are one specimen booked twice
    unit          what each prior says about a target: its verdict, packed into a rank
    direct        the strongest prior of each order and scope for the test ordered (rough, tie and place on the way)
    part          the same for the components of panels that no prior makes avoidable directly
    whole         the panel judged by its components (expiry and place on the way)
    stronger      the stronger of the two for each order and scope
    judged        the same with its reason, rule and evidence
    unchained     avoidable orders that are not when the avoided ones are left out
    answer        judged, with its chains

A *target* is what has to be covered: the test ordered or, for a panel judged by components, one of those.
"""

from __future__ import annotations

import contextlib

import duckdb
import pyarrow as pa

from dedup.rules import covering, evidence
from dedup.rules.chains import add_chains
from dedup.rules.making import make
from dedup.rules.recognition import Laboratories
from dedup.rules.resolving import RuleBook

__all__ = ["COVERAGES", "FACT_COLUMNS", "REASONS", "VERDICTS", "judge_bucket", "open_judge"]

#: The narrow fact: what a bucket's source must have. Times are local seconds since DAY_ZERO.
FACT_COLUMNS = {
    "id": "BIGINT",  # line_id
    "person": "BIGINT",
    "test": "INTEGER",
    "specimen": "INTEGER",  # own, else the catalogue's for the test; 0 unknown
    "own_specimen": "INTEGER",  # 0: the line names none
    "facility": "INTEGER",  # numbered in the order of their codes
    "laboratory": "INTEGER",  # the performing facility
    "ordered": "INTEGER",
    "collected": "INTEGER",  # collected, else resulted, else ordered
    "available": "INTEGER",  # when a final or corrected result was there; NULL: never
    "flag": "TINYINT",  # 0 none, 1 N, 2 L H A, 3 LL HH AA, 4 POS, 5 NEG
    "slot": "INTEGER",  # which cell of the rule book holds the line's rule
    "since": "INTEGER",  # how far back that rule looks; NULL: there is none
    "key": "BIGINT",  # person and test folded into one
    "reason": "TINYINT",  # order reason; 0 none
    "age": "INTEGER",  # days at the order; NULL unknown
    "encounter": "BIGINT",  # the same number: the same stay or visit; NULL unknown
    "order_id": "VARCHAR",  # read only to tell equals apart
    "line_no": "INTEGER",
}

#: By rank, the strongest last.
VERDICTS = ("pending", "unrecognised", "justified", "review", "avoidable")
COVERAGES = ("same", "panel", "components", "partial")
REASONS = ("no_result_yet", "lab_not_recognised", "order_reason", "exemption", "specimen_unknown", "partial_panel",
           "valid_result")  # fmt: skip

_NO_CHAINS = pa.table({"id": pa.array([], pa.int64()), "elsewhere": pa.array([], pa.bool_())})


def open_judge(
    book: RuleBook, laboratories: Laboratories, *, by_level: bool, chains: pa.Table | None = None
) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB that holds the rule book, ready to judge buckets one after the other.

    ``laboratories`` count only ``by_level``. ``chains (id, elsewhere)``: lines without ``since`` that are known to be
    chain-avoidable.
    """
    con = duckdb.connect()
    with contextlib.suppress(duckdb.InvalidInputException):  # a notebook without ipywidgets has no bar to switch off
        con.execute("SET enable_progress_bar = false")
    con.execute("SET preserve_insertion_order = false")
    tables = book.tables | {"d_laboratory": laboratories.levels, "d_accredited": laboratories.accredited}
    tables["d_chain"] = _NO_CHAINS if chains is None else chains
    for name, table in tables.items():
        con.register("incoming", table)
        con.execute(f"CREATE TABLE {name} AS FROM incoming")
        con.unregister("incoming")
    con.execute("CREATE TABLE d_policy AS SELECT ? AS by_level", [by_level])
    return con


def judge_bucket(con: duckdb.DuckDBPyConnection, book: RuleBook, source: str) -> str:
    """Judge the lines of ``source`` (a table or view with FACT_COLUMNS); every person in it must be whole.

    Returns the name of a table with one row for each order line and scope that has a covering prior:
    ``o, id, elsewhere, verdict, reason, exemption, rule, coverage, q, prior, collected, valid, if_recognised,
    chain_avoidable``. It stands until the next call. Verdict, reason and coverage index the tuples above; rule and
    exemption the rows of the rule book (-1: none); o and q are row numbers in the bucket, id and prior the lines';
    times in seconds. ``if_recognised`` is the verdict were every laboratory recognised.
    """
    make(con, "line_key", covering.keys(source))
    make(con, "cross_key", covering.CROSS)
    make(con, "meeting", covering.MEETING)
    make(con, "met", covering.MET)
    make(con, "b", covering.lines(source))
    make(con, "pair", covering.PAIR)
    _decide(con, book)
    make(con, "judged", evidence.judged(book))
    add_chains(con, book)
    make(con, "answer", evidence.ANSWER)
    return "answer"


def _decide(con: duckdb.DuckDBPyConnection, book: RuleBook) -> None:
    """From pairs to one verdict for each order and scope."""
    for best, pairs in (("direct", "pair"), ("part", covering.UNDECIDED)):
        make(con, "unit", covering.units(book, pairs, part=int(best == "part")))
        make(con, "rough", evidence.ROUGH)
        make(con, "tie", evidence.TIE)
        make(con, "place", evidence.places("SELECT q AS row FROM tie"))
        make(con, best, evidence.BEST)
    make(con, "expiry", evidence.expiry(book))
    make(con, "place", evidence.places("SELECT q AS row FROM expiry WHERE contested"))
    make(con, "whole", evidence.WHOLE)
    make(con, "stronger", evidence.STRONGER)
