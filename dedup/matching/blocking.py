"""Which pairs are worth comparing: named equality rules in SQL, each block capped."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import duckdb

__all__ = ["RULES", "Blocks", "Rule", "find_pairs", "keys_sql"]


@dataclass(frozen=True)
class Rule:
    """Identities that agree on all ``parts`` (SQL over a normalised record) meet; NULL in a part meets nobody."""

    column: str  #: of match_variant
    name: str
    parts: tuple[str, ...]
    numbers: bool = False  #: holds an id: no help where ids are missing, and open to newborns


_FULL = "(birth_precision = 'day' AND NOT (month(birth_date) = 1 AND day(birth_date) = 1))"
_DATE = f"CASE WHEN {_FULL} THEN birth_date END"
#: Year, and day and month in order of size: the same when the two are swapped.
_SORTED_DATE = (
    f"CASE WHEN {_FULL} THEN year(birth_date) * 10000 + least(month(birth_date), day(birth_date)) * 100"
    " + greatest(month(birth_date), day(birth_date)) END"
)
_YEAR = "year(birth_date)"
_NUMBER = "CASE WHEN id_type IN ('cccd', 'cmnd') THEN id_number END"

RULES = (
    Rule("block_id", "id", ("CASE WHEN id_type <> 'other' THEN id_number END",), numbers=True),
    Rule("block_id_first", "id's first nine digits, birth year", (f"({_NUMBER})[:9]", _YEAR), numbers=True),
    Rule("block_id_last", "id's last eight digits, birth year", (f"({_NUMBER})[-8:]", _YEAR), numbers=True),
    Rule(
        "block_id_ends", "id's province, year and last four digits, given name",
        ("CASE WHEN id_type = 'cccd' THEN id_number[:6] || id_number[-4:] END", "given_name"), numbers=True,
    ),
    Rule("block_sorted_date", "sorted day and month, birth year, given name", (_SORTED_DATE, "given_name")),
    Rule("block_date_family", "birth date, family name, province", (_DATE, "family_name", "province")),
    Rule("block_date_ward", "birth date, ward", (_DATE, "province", "ward")),
    Rule("block_phone_given", "phone, given name", ("phone", "given_name")),
    Rule("block_phone_date", "phone, birth date", ("phone", _DATE)),
    Rule("block_phone_family", "phone, birth year, family name", ("phone", _YEAR, "family_name")),
    Rule("block_bag", "name tokens in any order, birth year", ("bag", _YEAR)),
    Rule("block_skeleton", "name as it sounds, ward", ("skeleton", "province", "ward")),
    Rule("block_name", "name, province, birth year", ("name", "province", _YEAR)),
)  # fmt: skip
#: A list column, so met by its members.
INSURANCE = "insurance number"


@dataclass
class Blocks:
    """The pairs found, as variant numbers a < b."""

    a: np.ndarray[Any, np.dtype[np.int32]]
    b: np.ndarray[Any, np.dtype[np.int32]]
    #: rule → (blocks skipped for being over the cap, identities in them)
    skipped: dict[str, tuple[int, int]] = field(default_factory=dict)


def keys_sql() -> str:
    """The hashed key columns, from the columns of a normalised record with ``bag`` and ``skeleton``.

    32 bits: of a million keys some hundred meet by chance, and are then told apart by comparing. A newborn is
    found by numbers only.
    """

    def key(rule: Rule) -> str:
        filled = [f"({part}) IS NOT NULL" for part in rule.parts] + ([] if rule.numbers else ["NOT newborn"])
        hashed = f"CAST(hash({', '.join(rule.parts)}) >> 32 AS UINTEGER)"
        return f"CASE WHEN {' AND '.join(filled)} THEN {hashed} END AS {rule.column}"

    return ", ".join(key(rule) for rule in RULES)


def find_pairs(con: duckdb.DuckDBPyConnection, last: int, cap: int) -> Blocks:
    """All pairs in a block of at most ``cap`` identities of which at least one came after number ``last``.

    Two identities that both have a trusted CCCD are already decided (one number: one person; two: two persons),
    so they meet only in the id's own block.
    """
    found, skipped = [], {}
    for rule in RULES:
        where = f"(SELECT variant_no, settled, {rule.column} AS key FROM match_variant WHERE {rule.column} IS NOT NULL)"
        pairs, over = _pairs(con, where, last, cap, settled=rule.column == "block_id")
        found.append(pairs)
        if over[0]:
            skipped[rule.name] = over
    cards = "(SELECT variant_no, settled, unnest(insurance_numbers) AS key FROM match_variant)"
    pairs, over = _pairs(con, cards, last, cap, settled=False)
    if over[0]:
        skipped[INSURANCE] = over
    return _blocks([*found, pairs], skipped)


def find_settled_pairs(con: duckdb.DuckDBPyConnection, cap: int) -> Blocks:
    """All pairs of identities with trusted CCCDs that meet in a block made without the id: what to learn from."""
    found = []
    for rule in RULES:
        if not rule.numbers:
            where = f"WHERE settled AND {rule.column} IS NOT NULL"
            source = f"(SELECT variant_no, settled, {rule.column} AS key FROM match_variant {where})"
            found.append(_pairs(con, source, -1, cap, settled=True)[0])
    return _blocks(found, {})


def _blocks(found: list[np.ndarray[Any, np.dtype[np.int64]]], skipped: dict[str, tuple[int, int]]) -> Blocks:
    pairs = np.sort(np.concatenate(found))  # numpy's own unique hashes, which is slower here
    pairs = pairs[np.append(True, pairs[1:] != pairs[:-1])] if len(pairs) else pairs
    return Blocks((pairs >> 32).astype(np.int32), (pairs & 0xFFFFFFFF).astype(np.int32), skipped)


def _pairs(
    con: duckdb.DuckDBPyConnection, source: str, last: int, cap: int, *, settled: bool
) -> tuple[np.ndarray[Any, np.dtype[np.int64]], tuple[int, int]]:
    """Pairs of one rule, packed, and what was over the cap. ``source`` has variant_no, settled, key."""
    members = source
    if last >= 0:  # a night: only the blocks that somebody new stands in, looked up once
        con.execute(f"""
          CREATE OR REPLACE TEMP TABLE touched_block AS
          FROM {source} AS old SEMI JOIN (SELECT key FROM {source} WHERE variant_no > {last:d}) AS new USING (key)""")
        members = "touched_block"
    con.execute(f"""
      CREATE OR REPLACE TEMP TABLE block AS
      SELECT key, count(*) AS members FROM {members} AS member
      GROUP BY key HAVING count(*) > 1 {"" if settled else "AND count(*) FILTER (NOT settled) > 0"}""")
    over = con.execute("SELECT count(*), coalesce(sum(members), 0) FROM block WHERE members > ?", [cap]).fetchone()
    undecided = "" if settled else "AND NOT (x.settled AND y.settled)"
    pairs = con.execute(
        f"""
      WITH fit AS (SELECT key FROM block WHERE members <= ?),
      member AS (SELECT variant_no, settled, key FROM {members} AS known SEMI JOIN fit USING (key))
      SELECT (CAST(x.variant_no AS BIGINT) << 32) | y.variant_no AS pair
      FROM member AS x JOIN member AS y
        ON x.key = y.key AND x.variant_no < y.variant_no AND y.variant_no > {last:d} {undecided}""",
        [cap],
    ).fetchnumpy()["pair"]
    con.execute("DROP TABLE block")
    con.execute("DROP TABLE IF EXISTS touched_block")
    return np.asarray(pairs, dtype=np.int64), (0, 0) if over is None else (int(over[0]), int(over[1]))
