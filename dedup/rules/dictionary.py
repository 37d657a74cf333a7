"""The catalogue as the warehouse's readers see it: what was tested, under which rules, and what each code meant."""

from __future__ import annotations

import duckdb
import polars as pl

from dedup.rules.reading import Catalogue
from dedup.rules.resolving import RuleBook

__all__ = ["write_dictionary"]


def write_dictionary(con: duckdb.DuckDBPyConnection, catalogue: Catalogue, book: RuleBook) -> None:
    """Write test, rule and code_test anew.

    A code of one facility's own goes before the same code for any facility; a code the catalogue does not know has
    no row in code_test.
    """
    con.execute("DELETE FROM test; DELETE FROM rule; DELETE FROM code_test")
    columns = ["test_id", "name_vi", "name_en", "discipline", "specimen", "class", "price_vnd"]
    con.register("incoming", catalogue.tests.select(columns).to_arrow())
    con.execute("INSERT INTO test BY NAME FROM incoming")
    con.register("incoming", _rules(book).to_arrow())
    con.execute("INSERT INTO rule BY NAME FROM incoming")
    con.register("incoming", catalogue.codes.select("code_system", "code", "facility_id", "test_id").to_arrow())
    con.execute("""
INSERT INTO code_test
SELECT c.code_id, coalesce(own.test_id, common.test_id) AS test_id
FROM code AS c
LEFT JOIN incoming AS own
  ON own.code_system = c.code_system AND own.code = c.test_code AND own.facility_id = c.facility_id
LEFT JOIN incoming AS common
  ON common.code_system = c.code_system AND common.code = c.test_code AND common.facility_id IS NULL
WHERE coalesce(own.test_id, common.test_id) IS NOT NULL""")
    con.unregister("incoming")


def _rules(book: RuleBook) -> pl.DataFrame:
    """Validity and exemption rows of the profile in one table."""
    shared = ("rule_id", "setting", "valid_from", "valid_to", "source", "note")
    rows = [
        {name: row[name] for name in shared}
        | {"kind": "validity", "test_id": row["test_id"] or "*", "valid_hours": row["valid_hours"]}
        | {"condition": row["condition"]}
        for row in book.validity
    ] + [
        {name: row[name] for name in shared}
        | {"kind": "exemption", "test_id": _aim(row), "condition": row["prior_flag"]}
        | {"verdict": row["verdict"], "reason": row["reason"]}
        for row in book.exemptions
    ]
    texts = ("rule_id", "kind", "test_id", "setting", "valid_hours", "condition", "verdict", "reason", "source", "note")
    return pl.DataFrame(rows, schema=dict.fromkeys(texts, pl.String) | {"valid_from": pl.Date, "valid_to": pl.Date})


def _aim(row: dict[str, object]) -> str:
    """What an exemption row is about, in the words of the rule table."""
    for name, prefix in (("test_id", ""), ("discipline", "discipline:"), ("class", "class:")):
        if row[name] is not None:
            return f"{prefix}{row[name]}"
    return "*"
