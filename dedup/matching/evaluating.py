"""How good the matching is, against a truth that somebody wrote down."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dedup.errors import InputError
from dedup.matching.deciding import METHODS
from dedup.matching.losses import missed_by_cause
from dedup.warehouse import count

if TYPE_CHECKING:
    import duckdb

    from dedup.settings import MatchingSettings, Settings
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
    """Shares between 0 and 1; pairs are pairs of patient records that are in the truth.

    The field names three figures "cluster F1", so all three are given: over pairs in clusters; over whole clusters
    (Menestrina, Whang, Garcia-Molina 2010); B-cubed, the mean over records (Bagga, Baldwin 1998).
    """

    records: int  #: records of the warehouse that the truth knows
    pair_precision: float
    pair_recall: float
    pair_f1: float
    false_pairs: int
    missed_pairs: int
    cluster_precision: float  #: persons found that are exactly a true one
    cluster_recall: float  #: true persons found exactly
    cluster_f1: float
    b_cubed_precision: float  #: of a record's person, the share that is the same true one; mean over records
    b_cubed_recall: float  #: of a record's true person, the share found with it; mean over records
    b_cubed_f1: float
    largest_cluster: int
    largest_true_cluster: int
    #: probabilities → pairs of records so scored (no id decided, no guard refused), said: their mean, true: the share
    calibration: dict[str, dict[str, float]] = field(default_factory=dict)
    #: cause → false pairs and their share of all
    false_by_cause: dict[str, dict[str, float]] = field(default_factory=dict)
    #: cause (losses.py) → missed pairs and their share of all
    missed_by_cause: dict[str, dict[str, float]] = field(default_factory=dict)


def evaluate(warehouse: Warehouse, truth: Path, settings: Settings) -> Evaluation:
    """Compare patient_record with a truth: CSV or Parquet with facility_id, patient_id and true_person.

    Records that the truth does not know, or knows as two persons, are left out. Raises InputError when the file lacks a
    column or a row of the warehouse.
    """
    con = warehouse.con
    _read_truth(con, truth)
    try:
        return _evaluate(con, settings.matching)
    finally:
        for table in ("truth_row", "judged"):
            con.execute(f"DROP TABLE IF EXISTS {table}")


def _read_truth(con: duckdb.DuckDBPyConnection, truth: Path) -> None:
    import duckdb

    reader = (
        "read_parquet(?)"
        if truth.suffix == ".parquet"
        else "read_csv(?, header = true, all_varchar = true, quote = '\"')"
    )
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
      JOIN (SELECT facility_id, patient_id, min(person) AS person FROM truth_row
            GROUP BY facility_id, patient_id HAVING count(DISTINCT person) = 1) AS t USING (facility_id, patient_id)
      LEFT JOIN match_record AS r USING (patient_record_id)""")
    if not count(con, "SELECT count(*) FROM judged"):
        raise InputError(f"{truth} names no patient record of the warehouse.")


def _evaluate(con: duckdb.DuckDBPyConnection, settings: MatchingSettings) -> Evaluation:
    both = _pairs(con, "person, person_id")
    found, true = _pairs(con, "person_id"), _pairs(con, "person")
    records = count(con, "SELECT count(*) FROM judged")
    exact = count(
        con,
        """
      WITH size AS (SELECT person, count(*) AS n FROM judged GROUP BY person),
      own AS (SELECT person_id, any_value(person) AS person, count(*) AS n FROM judged
              GROUP BY person_id HAVING count(DISTINCT person) = 1)
      SELECT count(*) FROM own JOIN size USING (person, n)""",
    )
    persons, trues = (count(con, f"SELECT count(DISTINCT {key}) FROM judged") for key in ("person_id", "person"))
    precision, recall = _share(both, found), _share(both, true)
    exact_precision, exact_recall = _share(exact, persons), _share(exact, trues)
    cubed_precision, cubed_recall = (_b_cubed(con, key, records) for key in ("person_id", "person"))
    return Evaluation(
        records=records,
        pair_precision=precision,
        pair_recall=recall,
        pair_f1=_harmonic(precision, recall),
        false_pairs=found - both,
        missed_pairs=true - both,
        cluster_precision=exact_precision,
        cluster_recall=exact_recall,
        cluster_f1=_harmonic(exact_precision, exact_recall),
        b_cubed_precision=cubed_precision,
        b_cubed_recall=cubed_recall,
        b_cubed_f1=_harmonic(cubed_precision, cubed_recall),
        largest_cluster=_largest(con, "person_id"),
        largest_true_cluster=_largest(con, "person"),
        calibration=_calibration(con),
        false_by_cause=_shares(_false_by_cause(con)),
        missed_by_cause=_shares(missed_by_cause(con, settings)),
    )


def _b_cubed(con: duckdb.DuckDBPyConnection, key: str, records: int) -> float:
    """Mean over the records of the share of their group by ``key`` that agrees in both."""
    row = con.execute(f"""
      WITH cell AS (SELECT person_id, person, count(*) AS n FROM judged GROUP BY ALL),
      grown AS (SELECT CAST(sum(n) AS BIGINT) AS size, CAST(sum(n * n) AS BIGINT) AS agree FROM cell GROUP BY {key})
      SELECT list(agree / size ORDER BY agree, size) FROM grown""").fetchone()
    return 0.0 if row is None else math.fsum(row[0]) / records


def _calibration(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, float]]:
    """Scored edges that no guard refused, by what the scorecard said of them and what is true."""
    table = {}
    for low, high in itertools.pairwise(_BANDS):
        row = con.execute(
            f"""
          WITH edge AS (
            SELECT variant_a, variant_b, 1 / (1 + pow(2, -bits)) AS chance FROM match_edge
            WHERE guard < 0 AND method IN ({METHODS.index("fuzzy")}, {METHODS.index("review")}))
          SELECT count(*), count(*) FILTER (x.person = y.person), avg(CAST(chance AS DECIMAL(18, 12)))
          FROM edge JOIN judged AS x ON x.variant_no = variant_a JOIN judged AS y ON y.variant_no = variant_b
          WHERE chance >= ? AND (chance < ? OR ? = 1)""",
            [low, high, high],
        ).fetchone()
        if row is not None and row[0]:
            table[f"{low:g}-{high:g}"] = {
                "pairs": row[0], "said": round(float(row[2]), 4), "true": round(row[1] / row[0], 4)
            }  # fmt: skip
    return table


def _false_by_cause(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    cases = " ".join(f"WHEN {test} THEN '{name}'" for name, test in CAUSES.items())
    rows = con.execute(f"""
      SELECT CASE {cases} END AS cause, count(*) FROM judged AS x JOIN judged AS y
        ON x.person_id = y.person_id AND x.person <> y.person AND x.patient_record_id < y.patient_record_id
      GROUP BY cause""").fetchall()
    found = dict(rows)
    return {name: int(found[name]) for name in CAUSES if name in found}


def _shares(counts: dict[str, int]) -> dict[str, dict[str, float]]:
    whole = sum(counts.values())
    return {name: {"pairs": pairs, "share": round(pairs / whole, 4)} for name, pairs in counts.items()}


def _pairs(con: duckdb.DuckDBPyConnection, keys: str) -> int:
    return count(
        con,
        "SELECT CAST(coalesce(sum(n * (n - 1) // 2), 0) AS BIGINT) FROM "
        f"(SELECT count(*) AS n FROM judged GROUP BY {keys})",
    )


def _largest(con: duckdb.DuckDBPyConnection, key: str) -> int:
    return count(con, f"SELECT max(n) FROM (SELECT count(*) AS n FROM judged GROUP BY {key})")


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def _harmonic(one: float, other: float) -> float:
    return 2 * one * other / (one + other) if one + other else 0.0
