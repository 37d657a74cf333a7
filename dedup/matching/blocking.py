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
    """Variants that agree on ``parts`` (SQL over the columns of ``keyed``) meet; NULL in a part meets nobody."""

    name: str
    parts: tuple[str, ...]
    certain: bool = False  #: also between two variants that both have a trusted CCCD
    numbers: bool = False  #: a newborn may be found by it


#: Text columns come as they are; y, md, dm, full_date, bag, skeleton are made in keys_sql.
RULES = (
    Rule("id", ("id_number",), certain=True, numbers=True),
    Rule("insurance", ("insurance_number",), numbers=True),
    Rule("id first nine, birth year", ("id_first", "y")),
    Rule("id last eight, birth year", ("id_last", "y")),
    Rule("id province, year and last four, given name", ("id_ends", "given_name")),
    Rule("sorted day and month, year, given name", ("sorted_date", "given_name")),
    Rule("full date, family name, province", ("full_date", "family_name", "province")),
    Rule("full date, ward", ("full_date", "province", "ward")),
    Rule("phone, given name", ("phone", "given_name")),
    Rule("phone, full date", ("phone", "full_date")),
    Rule("phone, birth year, family name", ("phone", "y", "family_name")),
    Rule("bag of name tokens, birth year", ("bag", "y")),
    Rule("skeleton, ward", ("skeleton", "province", "ward")),
    Rule("folded name, province, birth year", ("name", "province", "y")),
)


@dataclass
class Blocks:
    """The pairs found, as positions a < b (or a = b where a variant stands for several records)."""

    a: np.ndarray[Any, np.dtype[np.int32]]
    b: np.ndarray[Any, np.dtype[np.int32]]
    #: rule → (blocks skipped for being over the cap, variants in them)
    skipped: dict[str, tuple[int, int]] = field(default_factory=dict)


def keys_sql(source: str) -> str:
    """SELECT the parts of all blocking keys for the variants of ``source`` (which has ``position``)."""
    full = "birth_precision = 'day' AND NOT (month(birth_date) = 1 AND day(birth_date) = 1)"
    return f"""
SELECT position, newborn, id_type = 'cccd' AND id_grade = 2 AS settled, name, family_name, given_name,
  phone, province, ward, year(birth_date) AS y,
  CASE WHEN {full} THEN birth_date END AS full_date,
  CASE WHEN {full} THEN year(birth_date) * 10000 + least(month(birth_date), day(birth_date)) * 100
       + greatest(month(birth_date), day(birth_date)) END AS sorted_date,
  CASE WHEN id_type <> 'other' THEN id_number END AS id_number,
  CASE WHEN id_type IN ('cccd', 'cmnd') THEN id_number[:9] END AS id_first,
  CASE WHEN id_type IN ('cccd', 'cmnd') THEN id_number[-8:] END AS id_last,
  CASE WHEN id_type = 'cccd' THEN id_number[:6] || id_number[-4:] END AS id_ends,
  insurance_numbers, records, CASE WHEN contains(name, ' ')
    THEN array_to_string(list_sort(string_split(name, ' ')), ' ') END AS bag, skeleton
FROM {source}"""


def find_pairs(con: duckdb.DuckDBPyConnection, keyed: str, cap: int, *, settled_pairs: bool = False) -> Blocks:
    """All pairs of variants of table ``keyed`` that share a block of at most ``cap`` variants.

    Two variants that both have a trusted CCCD are already decided (one number: one person; two numbers: two),
    so they meet only in the id's own block, unless ``settled_pairs`` asks for them (to learn from).
    A newborn meets others only through numbers.
    """
    selects, skipped = [], {}
    for rule in RULES:
        con.execute(f"CREATE OR REPLACE TEMP TABLE block AS {_block_sql(rule, keyed)}")
        over = con.execute(
            "SELECT count(*), coalesce(sum(n), 0) FROM (SELECT count(*) AS n FROM block GROUP BY key HAVING n > ?)",
            [cap],
        ).fetchone()
        if over is not None and over[0]:
            skipped[rule.name] = (int(over[0]), int(over[1]))
        selects.append(con.execute(_pairs_sql(rule, settled_pairs), [cap]).fetchnumpy()["pair"])
    con.execute("DROP TABLE block")
    selects.append(
        con.execute(
            f"SELECT (CAST(position AS BIGINT) << 32) | position AS pair FROM {keyed} WHERE records > 1"
        ).fetchnumpy()["pair"]
    )
    pairs = np.unique(np.concatenate([np.asarray(found, dtype=np.int64) for found in selects]))
    return Blocks((pairs >> 32).astype(np.int32), (pairs & 0xFFFFFFFF).astype(np.int32), skipped)


def _block_sql(rule: Rule, keyed: str) -> str:
    source = keyed
    if "insurance_number" in rule.parts:
        source = f"(SELECT position, settled, newborn, unnest(insurance_numbers) AS insurance_number FROM {keyed})"
    filled = [f"{part} IS NOT NULL" for part in rule.parts] + ([] if rule.numbers else ["NOT newborn"])
    return f"SELECT position, settled, hash({', '.join(rule.parts)}) AS key FROM {source} WHERE {' AND '.join(filled)}"


def _pairs_sql(rule: Rule, settled_pairs: bool) -> str:
    everybody = rule.certain or settled_pairs
    worth = "" if everybody else "AND count(*) FILTER (NOT settled) > 0"
    unsettled = "" if everybody else "AND NOT (x.settled AND y.settled)"
    return f"""
WITH fit AS (SELECT key FROM block GROUP BY key HAVING count(*) BETWEEN 2 AND ? {worth}),
member AS (SELECT position, settled, key FROM block SEMI JOIN fit USING (key))
SELECT (CAST(x.position AS BIGINT) << 32) | y.position AS pair
FROM member AS x JOIN member AS y ON x.key = y.key AND x.position < y.position {unsettled}"""
