"""How good the matching is, against a truth that somebody wrote down."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dedup.errors import InputError
from dedup.matching.deciding import METHODS

if TYPE_CHECKING:
    import duckdb

    from dedup.warehouse import Warehouse

__all__ = ["CAUSES", "Evaluation", "evaluate"]

#: Limits of the probabilities in the calibration table.
_BANDS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999, 1.0)
#: What may have led two people into one person, from the first that holds.
CAUSES = {
    "newborn": "x.newborn OR y.newborn",
    "shared_id": "x.id_number = y.id_number",
    "shared_insurance": "list_has_any(x.insurance_numbers, y.insurance_numbers)",
    "twins": "x.birth_date = y.birth_date AND x.family_name = y.family_name AND x.given_name <> y.given_name",
    "namesakes": "x.name = y.name",
    "household": "x.phone = y.phone",
    "other": "true",
}


@dataclass(frozen=True)
class Evaluation:
    """Shares between 0 and 1; pairs are pairs of patient records that are in the truth."""

    records: int  #: records of the warehouse that the truth knows
    pair_precision: float
    pair_recall: float
    pair_f1: float
    false_pairs: int
    missed_pairs: int
    cluster_precision: float  #: persons found that are exactly a true one
    cluster_recall: float  #: true persons found exactly
    cluster_f1: float
    largest_cluster: int
    largest_true_cluster: int
    #: probability from, to, how many scored pairs that no guard refused, share of them true
    calibration: list[tuple[float, float, int, float]] = field(default_factory=list)
    false_by_cause: dict[str, int] = field(default_factory=dict)  #: cause → false pairs


def evaluate(warehouse: Warehouse, truth: Path) -> Evaluation:
    """Compare patient_record with a truth: CSV or Parquet with facility_id, patient_id and true_person.

    Records that the truth does not know are left out. Raises InputError when the file lacks a column or a row of
    the warehouse.
    """
    con = warehouse.con
    _read_truth(con, truth)
    try:
        return _evaluate(con)
    finally:
        for table in ("truth_row", "judged"):
            con.execute(f"DROP TABLE IF EXISTS {table}")


def _read_truth(con: duckdb.DuckDBPyConnection, truth: Path) -> None:
    import duckdb

    reader = "read_parquet(?)" if truth.suffix == ".parquet" else "read_csv(?, header = true, all_varchar = true)"
    try:
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE truth_row AS SELECT CAST(facility_id AS VARCHAR) AS facility_id, "
            f"CAST(patient_id AS VARCHAR) AS patient_id, CAST(true_person AS VARCHAR) AS person FROM {reader}",
            [str(truth)],
        )
    except duckdb.Error:
        raise InputError(
            f"{truth} cannot be read as a truth: a CSV or Parquet file with facility_id, patient_id, true_person."
        ) from None
    con.execute("""
      CREATE OR REPLACE TEMP TABLE judged AS
      SELECT p.*, t.person, r.variant_no FROM patient_record AS p
      JOIN (SELECT DISTINCT ON (facility_id, patient_id) * FROM truth_row ORDER BY facility_id, patient_id, person) AS t
        USING (facility_id, patient_id)
      LEFT JOIN match_record AS r USING (patient_record_id)""")
    if not _number(con, "SELECT count(*) FROM judged"):
        raise InputError(f"{truth} names no patient record of the warehouse.")


def _evaluate(con: duckdb.DuckDBPyConnection) -> Evaluation:
    both = _pairs(con, "person, person_id")
    found, true = _pairs(con, "person_id"), _pairs(con, "person")
    exact = _number(
        con,
        """
      WITH size AS (SELECT person, count(*) AS n FROM judged GROUP BY person),
      own AS (SELECT person_id, any_value(person) AS person, count(*) AS n FROM judged
              GROUP BY person_id HAVING count(DISTINCT person) = 1)
      SELECT count(*) FROM own JOIN size USING (person, n)""",
    )
    persons, trues = (_number(con, f"SELECT count(DISTINCT {key}) FROM judged") for key in ("person_id", "person"))
    precision, recall = _share(both, found), _share(both, true)
    exact_precision, exact_recall = _share(exact, persons), _share(exact, trues)
    return Evaluation(
        records=_number(con, "SELECT count(*) FROM judged"),
        pair_precision=precision,
        pair_recall=recall,
        pair_f1=_harmonic(precision, recall),
        false_pairs=found - both,
        missed_pairs=true - both,
        cluster_precision=exact_precision,
        cluster_recall=exact_recall,
        cluster_f1=_harmonic(exact_precision, exact_recall),
        largest_cluster=_largest(con, "person_id"),
        largest_true_cluster=_largest(con, "person"),
        calibration=_calibration(con),
        false_by_cause=_causes(con),
    )


def _calibration(con: duckdb.DuckDBPyConnection) -> list[tuple[float, float, int, float]]:
    """Scored edges that no guard refused, by what the scorecard said of them and what is true."""
    table = []
    for low, high in itertools.pairwise(_BANDS):
        row = con.execute(
            f"""
          WITH edge AS (
            SELECT variant_a, variant_b, 1 / (1 + pow(2, -bits)) AS chance FROM match_edge
            WHERE guard < 0 AND method IN ({METHODS.index("fuzzy")}, {METHODS.index("review")}))
          SELECT count(*), coalesce(avg(CAST(x.person = y.person AS INTEGER)), 0)
          FROM edge JOIN judged AS x ON x.variant_no = variant_a JOIN judged AS y ON y.variant_no = variant_b
          WHERE chance >= ? AND (chance < ? OR ? = 1)""",
            [low, high, high],
        ).fetchone()
        if row is not None and row[0]:
            table.append((low, high, int(row[0]), round(float(row[1]), 4)))
    return table


def _causes(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    cases = " ".join(f"WHEN {test} THEN '{name}'" for name, test in CAUSES.items())
    rows = con.execute(f"""
      SELECT CASE {cases} END AS cause, count(*) FROM judged AS x JOIN judged AS y
        ON x.person_id = y.person_id AND x.person <> y.person AND x.patient_record_id < y.patient_record_id
      GROUP BY cause""").fetchall()
    found = dict(rows)
    return {name: int(found[name]) for name in CAUSES if name in found}


def _pairs(con: duckdb.DuckDBPyConnection, keys: str) -> int:
    return _number(
        con,
        "SELECT CAST(coalesce(sum(n * (n - 1) // 2), 0) AS BIGINT) FROM "
        f"(SELECT count(*) AS n FROM judged GROUP BY {keys})",
    )


def _largest(con: duckdb.DuckDBPyConnection, key: str) -> int:
    return _number(con, f"SELECT max(n) FROM (SELECT count(*) AS n FROM judged GROUP BY {key})")


def _number(con: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = con.execute(sql).fetchone()
    return 0 if row is None else int(row[0])


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def _harmonic(one: float, other: float) -> float:
    return 2 * one * other / (one + other) if one + other else 0.0
