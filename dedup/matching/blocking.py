"""Which pairs are worth comparing: named equality rules, hashed in SQL, each block capped."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dedup.matching.names import hash_sql
from dedup.matching.steps import in_steps
from dedup.matching.variants import columns
from dedup.warehouse import all_threads

if TYPE_CHECKING:
    import duckdb

    from dedup.matching.comparing import Positions

__all__ = ["RULES", "Blocks", "Rule", "find_pairs", "keyed_sql"]


@dataclass(frozen=True)
class Rule:
    """Identities that agree on all ``parts`` (SQL over ``keyed_sql``'s columns) meet; NULL in a part meets nobody."""

    column: str  #: of match_variant
    name: str
    parts: tuple[str, ...]
    numbers: bool = False  #: holds an id: no help where ids are missing, and open to newborns


_FULL = "birth_precision = 'day' AND NOT (month(birth_date) = 1 AND day(birth_date) = 1)"
#: What the parts of several rules are made of, worked out once for each record.
_BASICS = {
    "date": f"CASE WHEN {_FULL} THEN birth_date END",
    "year": "year(birth_date)",
    "phone_hash": hash_sql("phone"),
}
#: The same, made of those; taking numbers apart is cheaper than cutting texts.
_DERIVED = {
    "first_nine": "CASE WHEN id_type = 'cccd' THEN number // 1000 ELSE number END",
    "last_eight": "number % 100000000",
    "both_ends": "CASE WHEN id_type = 'cccd' THEN number // 1000000 * 10000 + number % 10000 END",
    #: For years that were typed wrong.
    "day": "month(date) * 100 + day(date)",
    #: Year, and day and month in order of size: the same when the two are swapped.
    "sorted_date": "year * 10000 + least(month(date), day(date)) * 100 + greatest(month(date), day(date))",
}

RULES = (
    Rule("block_id", "id", ("CASE WHEN id_type <> 'other' THEN id_number END",), numbers=True),
    Rule(
        "block_id_first", "id's first nine digits, birth year, given name", ("first_nine", "year", "given_hash"),
        numbers=True,
    ),
    Rule("block_id_last", "id's last eight digits, birth year", ("last_eight", "year"), numbers=True),
    Rule(
        "block_id_ends", "id's province, year and last four digits, given name",
        ("both_ends", "given_hash"), numbers=True,
    ),
    Rule("block_sorted_date", "sorted day and month, birth year, given name", ("sorted_date", "given_hash")),
    Rule("block_date_family", "birth date, family name, province", ("date", "family_hash", "province_hash")),
    Rule("block_date_ward", "birth date, ward", ("date", "province_hash", "ward_hash")),
    Rule("block_phone_given", "phone, given name", ("phone_hash", "given_hash")),
    Rule("block_phone_date", "phone, birth date", ("phone_hash", "date")),
    Rule("block_phone_family", "phone, birth year, family name", ("phone_hash", "year", "family_hash")),
    Rule("block_bag", "name tokens in any order, birth year", ("bag_hash", "year")),
    Rule("block_skeleton", "name as it sounds, ward", ("skeleton_hash", "province_hash", "ward_hash")),
    Rule("block_name", "name, province, day and month of birth", ("name_hash", "province_hash", "day")),
)  # fmt: skip
#: A list column, so met by its members, which are ten digits each.
INSURANCE = "insurance number"
_CARDS = "(SELECT variant_no, settled, unnest(block_insurance) AS key FROM match_variant)"


@dataclass
class Blocks:
    """The pairs found, as variant numbers a < b."""

    a: np.ndarray[Any, np.dtype[np.int32]]
    b: np.ndarray[Any, np.dtype[np.int32]]
    #: rule → (blocks skipped for being over the cap, identities in them)
    skipped: dict[str, tuple[int, int]] = field(default_factory=dict)


def keyed_sql(source: str, kept: str) -> str:
    """SELECT giving, of normalised records, the columns ``kept`` and the blocking keys of match_variant.

    32 bits: of a million keys some hundred meet by chance, and are then told apart by comparing. A newborn is
    found by numbers only.
    """

    def key(rule: Rule) -> str:
        filled = [f"{part} IS NOT NULL" for part in rule.parts] + ([] if rule.numbers else ["NOT newborn"])
        hashed = f"CAST(hash({', '.join(rule.parts)}) >> 32 AS UINTEGER)"
        return f"CASE WHEN {' AND '.join(filled)} THEN {hashed} END AS {rule.column}"

    keys = ", ".join([*(key(rule) for rule in RULES), "CAST(insurance_numbers AS BIGINT[]) AS block_insurance"])
    return f"SELECT {kept}, {keys} FROM {in_steps(source, _BASICS, _DERIVED)}"


def find_pairs(con: duckdb.DuckDBPyConnection, last: int, cap: int) -> Blocks:
    """All pairs in a block of at most ``cap`` identities of which at least one came after number ``last``.

    Two identities that both have a trusted CCCD are already decided (one number: one person; two: two persons), so they
    meet only in the blocks made of the number: where it may have been mistyped, a human is asked.
    """
    found, skipped = [], {}
    with all_threads(con):  # once for all rules: to change their number takes as long as a small night's rule
        for name, source in [*((rule.name, _keyed(rule)) for rule in RULES), (INSURANCE, _CARDS)]:
            pairs, over = _pairs(con, source, last, cap)
            found.append(pairs)
            if over[0]:
                skipped[name] = over
    return _blocks(found, skipped)


def find_settled_pairs(con: duckdb.DuckDBPyConnection, cap: int) -> Blocks:
    """All pairs of identities with trusted CCCDs that meet in a block made without the id: what to learn from."""
    found = [
        _pairs(con, f"(SELECT * REPLACE (false AS settled) FROM {_keyed(rule)} WHERE settled)", -1, cap)[0]
        for rule in RULES
        if not rule.numbers
    ]
    return _blocks(found, {})


def _keyed(rule: Rule) -> str:
    settled = "false AS settled" if rule.numbers else "settled"
    return f"(SELECT variant_no, {settled}, {rule.column} AS key FROM match_variant WHERE {rule.column} IS NOT NULL)"


def _blocks(found: list[np.ndarray[Any, np.dtype[np.int64]]], skipped: dict[str, tuple[int, int]]) -> Blocks:
    pairs = np.sort(np.concatenate(found))  # numpy's own unique hashes, which is slower here
    pairs = pairs[np.append(True, pairs[1:] != pairs[:-1])] if len(pairs) else pairs
    return Blocks((pairs >> 32).astype(np.int32), (pairs & 0xFFFFFFFF).astype(np.int32), skipped)


def _with_undecided(key: Positions, decided: Positions) -> Positions:
    """Which members stand in a block with somebody undecided; told by some bits of the key, so a few too many."""
    bits = len(key).bit_length() + 2
    block = (key & ((1 << bits) - 1)).astype(np.int64)
    found = np.zeros(1 << bits, dtype=np.bool_)
    found[block[~decided]] = True
    return found[block]


#: Key and number are sorted as one integer: hashes have 32 bits, insurance numbers 34.
_NUMBER_BITS = 30


def _pairs(
    con: duckdb.DuckDBPyConnection, source: str, last: int, cap: int
) -> tuple[np.ndarray[Any, np.dtype[np.int64]], tuple[int, int]]:
    """Pairs of one rule, packed, and what was over the cap: blocks, identities.

    ``source`` has variant_no, key and settled; two ``settled`` do not meet.
    """
    met = f"{source} AS member"
    if last >= 0:  # a night: only the blocks that somebody new stands in
        met += f" WHERE key IN (SELECT key FROM {source} WHERE variant_no > {last:d})"
    rows = columns(con, f"SELECT variant_no, key, settled FROM {met}")
    decided = np.zeros(int(rows["variant_no"].max(initial=-1)) + 1, dtype=np.bool_)
    decided[rows["variant_no"]] = rows["settled"]
    open_to = _with_undecided(rows["key"], rows["settled"])
    key, number = (rows[name][open_to].astype(np.uint64) for name in ("key", "variant_no"))
    members = np.sort(key << _NUMBER_BITS | number)
    same = (members[1:] ^ members[:-1]) < 1 << _NUMBER_BITS
    members = members[(np.append(same, False) | np.append(False, same))[: len(members)]]  # not alone in their block
    key = members >> _NUMBER_BITS
    number = (members & ((1 << _NUMBER_BITS) - 1)).astype(np.int64)
    start = np.flatnonzero(np.append(True, key[1:] != key[:-1]))[: len(key)]
    size = np.diff(np.append(start, len(key)))
    open_block = np.add.reduceat(~decided[number], start) > 0 if len(key) else size > 0
    over = open_block & (size > cap)
    fits = np.repeat(open_block & (size <= cap), size)
    earlier = np.arange(len(key)) - np.repeat(start, size)
    count = np.where(fits & (number > last), earlier, 0)
    y = np.repeat(np.arange(len(key)), count)
    x = y - 1 - (np.arange(len(y)) - np.repeat(np.cumsum(count) - count, count))
    x, y = number[x], number[y]
    undecided = ~(decided[x] & decided[y])
    return (x[undecided] << 32) | y[undecided], (int(over.sum()), int(size[over].sum()))
