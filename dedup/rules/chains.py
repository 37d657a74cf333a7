"""Chains: had every avoidable order so far not been done, would this one still have had a valid prior?

Each scope is walked by itself, each person's lines by (ordered_at, facility_id, order_id, line_no). Most avoidable
orders rest on a prior that nobody would have avoided; they are settled in one query. What is left hangs on other
avoidable orders walked before it, and is settled in rounds: each round decides at least the first order still open of
every person. Of lines that are not judged themselves it is known which are chain-avoidable (d_chain).
"""

from __future__ import annotations

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup.rules import covering, evidence
from dedup.rules.making import make
from dedup.rules.resolving import RuleBook

__all__ = ["add_chains"]

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

#: Orders that may not have been done: avoidable ones.
_AVOIDED = """
SELECT o, elsewhere FROM judged WHERE verdict = 4
UNION ALL SELECT b.rowid, c.elsewhere FROM d_chain AS c JOIN b ON b.id = c.id"""

#: Avoidable orders whose evidence is itself avoidable in the same scope, and panels avoidable by their components.
_OPEN = """
SELECT j.o, j.elsewhere FROM judged AS j
LEFT JOIN avoided AS k ON k.o = j.q AND k.elsewhere = j.elsewhere
WHERE j.verdict = 4 AND (j.coverage >= 2 OR k.o IS NOT NULL)"""

_OPEN_PAIRS = "(SELECT pair.* FROM pair SEMI JOIN open_order AS x ON x.o = pair.o AND x.elsewhere = pair.elsewhere)"

#: Everything that makes an open order avoidable; ``hangs``: on a prior that may itself be avoided (walked before).
_WITNESS = f"""
SELECT u.o * 2 + CAST(u.elsewhere AS INTEGER) AS o, u.target, u.part, u.q * 2 + CAST(u.elsewhere AS INTEGER) AS q,
       k.o IS NOT NULL AND (qb.ordered < ob.ordered OR (qb.ordered = ob.ordered AND qp.place < op.place)) AS hangs
FROM (SELECT *, 0 AS part FROM open_direct UNION ALL SELECT *, 1 FROM open_part) AS u
JOIN b AS ob ON ob.rowid = u.o
JOIN b AS qb ON qb.rowid = u.q
LEFT JOIN place AS op ON op.row = u.o
LEFT JOIN place AS qp ON qp.row = u.q
LEFT JOIN avoided AS k ON k.o = u.q AND k.elsewhere = u.elsewhere
WHERE u.rank >= {covering.AVOIDABLE}"""

_WALKED_TOGETHER = """
SELECT unnest([u.o, u.q]) AS row FROM (FROM open_direct UNION ALL FROM open_part) AS u
JOIN b AS ob ON ob.rowid = u.o JOIN b AS qb ON qb.rowid = u.q WHERE ob.ordered = qb.ordered"""

_PANELS = """
SELECT x.o * 2 + CAST(x.elsewhere AS INTEGER) AS o, coalesce(d_panel.required, 0) AS required
FROM open_order AS x JOIN b ON b.rowid = x.o LEFT JOIN d_panel ON d_panel.test = b.test ORDER BY 1"""


def add_chains(con: duckdb.DuckDBPyConnection, book: RuleBook) -> None:
    """Make the table ``unchained (o, elsewhere)``: avoidable orders that are not chain-avoidable."""
    make(con, "avoided", _AVOIDED)
    make(con, "open_order", _OPEN)
    make(con, "open_direct", covering.units(book, _OPEN_PAIRS, part=0))
    make(con, "open_part", covering.units(book, _OPEN_PAIRS, part=1))
    make(con, "place", evidence.places(_WALKED_TOGETHER))
    make(con, "witness", _WITNESS)
    lost = _lost(_arrays(con, _PANELS), _arrays(con, "FROM witness ORDER BY o, target, q"))
    con.register("incoming", pa.table({"key": lost}))
    make(con, "unchained", "SELECT key // 2 AS o, key % 2 = 1 AS elsewhere FROM incoming")
    con.unregister("incoming")


def _arrays(con: duckdb.DuckDBPyConnection, sql: str) -> dict[str, Ints]:
    return {name: np.asarray(column).astype(np.int64) for name, column in con.execute(sql).fetchnumpy().items()}


def _lost(orders: dict[str, Ints], witness: dict[str, Ints]) -> Ints:
    """Of the open orders (key = row × 2 + scope) those that lose every way of being avoidable along the walk."""
    keys, required = orders["o"], orders["required"]
    at = np.searchsorted(keys, witness["o"])
    # One group for each target of an order: the direct one, or one component.
    group_key = at * (2**31) + witness["target"]
    groups, group = np.unique(group_key, return_inverse=True)
    group_order = groups // 2**31
    group_part = np.zeros(len(groups), dtype=bool)
    group_part[group] = witness["part"] == 1
    held = np.zeros(len(groups), dtype=bool)
    np.logical_or.at(held, group[~witness["hangs"].astype(bool)], True)

    waits = witness["hangs"].astype(bool) & ~held[group]
    group_of, prior = group[waits], witness["q"][waits]
    place = np.searchsorted(keys, prior)
    is_open = (place < len(keys)) & (keys[np.minimum(place, len(keys) - 1)] == prior) if len(keys) else waits[:0]
    # A prior that is avoidable and not open is chain-avoidable: it would not have been done.
    group_of, place = group_of[is_open], place[is_open]

    verdict = np.full(len(keys), -1, dtype=np.int8)  # -1 open, 0 lost, 1 chain-avoidable
    while True:
        pending = np.bincount(group_of, minlength=len(groups)) > 0
        _decide(verdict, required, group_order, group_part, held, pending)
        decided = verdict[place] >= 0
        if not decided.any():
            break
        np.logical_or.at(held, group_of[decided & (verdict[place] == 0)], True)
        group_of, place = group_of[~decided], place[~decided]
    lost: Ints = keys[verdict == 0]
    return lost


def _decide(
    verdict: npt.NDArray[np.int8], required: Ints, order: Ints, part: Bools, held: Bools, pending: Bools
) -> None:
    """Settle the orders that can be: one way held makes an order chain-avoidable, none left makes it lost."""
    count = len(verdict)
    whole = np.bincount(order[part & held], minlength=count) == required
    direct = np.bincount(order[~part & held], minlength=count) > 0
    yes = direct | (whole & (required > 0))
    maybe_direct = np.bincount(order[~part & (held | pending)], minlength=count) > 0
    maybe_whole = (np.bincount(order[part & (held | pending)], minlength=count) == required) & (required > 0)
    verdict[yes] = 1
    verdict[~yes & ~maybe_direct & ~maybe_whole] = 0
