"""This matching and Splink 5, side by side: same machine, same records, same run.

    python -m benchmarks.matching.side_by_side [records]

Every contender runs in a process of its own on the same Parquet file and prints CPU seconds, peak memory and how
its persons agree with the truth. Splink gets the identities already normalised by this package (names folded and
split, dates, trusted ids, places mapped), for which it is not charged, and clusters at its recommended way:
connected components at .95.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.matching.worlds import COLUMNS, fill, fill_file, world

CONTENDERS = ("shipped", "train", "hidden ids", "splink")


def _figures(con: Any) -> dict[str, float]:
    """Of a table ``found`` (patient_record_id, person) and ``truth`` (patient_record_id, true_person)."""
    con.execute(
        "CREATE TEMP TABLE agreed AS SELECT person, true_person FROM found JOIN truth USING (patient_record_id)"
    )

    def one(sql: str) -> int:
        return int(con.execute(sql).fetchone()[0])

    def pairs(keys: str) -> int:
        return one(f"SELECT sum(n * (n - 1) // 2) FROM (SELECT count(*) AS n FROM agreed GROUP BY {keys})")

    both, found, true = pairs("person, true_person"), pairs("person"), pairs("true_person")
    largest = [
        one(f"SELECT max(n) FROM (SELECT count(*) AS n FROM agreed GROUP BY {key})")
        for key in ("person", "true_person")
    ]
    return {
        "precision": round(both / found, 5), "recall": round(both / true, 5), "f1": round(2 * both / (found + true), 5),
        "false_pairs": found - both, "largest": largest[0], "largest_true": largest[1],
    }  # fmt: skip


def _peak() -> int:
    """Peak memory of this process in MiB; ru_maxrss would be that of the process that started it, when that is more."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


def ours(file: Path, *, train: bool, hidden: bool) -> dict[str, float]:
    """Match with the shipped scorecard, with one learnt in the run, or with the shipped one and no ids."""
    from dedup.matching import match
    from dedup.settings import Settings
    from dedup.warehouse import start_run

    target = file.with_name(f"{train:d}{hidden:d}.duckdb")
    with fill_file(file, target, "600MB") as warehouse:
        con = warehouse.con
        if hidden:
            con.execute("UPDATE patient_identity SET national_id = NULL")
        cpu, wall = time.process_time(), time.perf_counter()
        with start_run(warehouse, "match") as run:
            match(warehouse, run, Settings(), train=train)
        times = {"cpu": round(time.process_time() - cpu, 1), "wall": round(time.perf_counter() - wall, 1)}
        times["peak_mib"] = _peak()
        con.execute("CREATE TEMP TABLE found AS SELECT patient_record_id, person_id AS person FROM patient_record")
        con.execute(f"CREATE TEMP TABLE truth AS SELECT patient_record_id, true_person FROM '{file}'")
        return times | _figures(con)


def prepared(file: Path) -> Path:
    """The same records normalised, for Splink."""
    import pyarrow.parquet as pq

    from dedup.matching import normalising

    with fill(pq.read_table(file)) as warehouse:
        con = warehouse.con
        normalising.prepare(con, "patient_identity")
        target = file.with_name("normalised.parquet")
        con.execute(f"""
          COPY (SELECT patient_record_id AS unique_id, CASE WHEN id_grade = 2 THEN id_number END AS national_id,
            insurance_numbers[1] AS card, name, family_name, middle_name, given_name, birth_date,
            CAST(year(birth_date) AS VARCHAR) AS birth_year, nullif(sex, 'unknown') AS sex, phone, province, ward
          FROM ({normalising.normalise_sql("patient_identity")})) TO '{target}'""")
    return target


def splink(file: Path, truth: Path) -> dict[str, float]:
    """Train, predict and cluster with Splink 5 in the way its documentation recommends."""
    import duckdb
    import splink.comparison_level_library as cll
    import splink.comparison_library as cl
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    con = duckdb.connect()
    con.execute("SET threads = 2")
    con.execute(f"CREATE TABLE records AS FROM '{file}'")
    cpu, wall = time.process_time(), time.perf_counter()
    settings = SettingsCreator(
        link_type="dedupe_only",
        comparisons=[
            cl.ExactMatch("national_id"),
            cl.ExactMatch("card"),
            cl.JaroWinklerAtThresholds("given_name", [0.9]).configure(term_frequency_adjustments=True),
            cl.JaroWinklerAtThresholds("middle_name", [0.9]).configure(term_frequency_adjustments=True),
            cl.ExactMatch("family_name").configure(term_frequency_adjustments=True),
            cl.CustomComparison(
                output_column_name="birth_date",
                comparison_levels=[
                    cll.NullLevel("birth_date"),
                    cll.ExactMatchLevel("birth_date"),
                    cll.ExactMatchLevel("birth_year"),
                    cll.ElseLevel(),
                ],
            ),
            cl.ExactMatch("sex"),
            cl.ExactMatch("phone"),
            cl.ExactMatch("province"),
            cl.ExactMatch("ward"),
        ],
        blocking_rules_to_generate_predictions=[
            block_on("national_id"),
            block_on("card"),
            block_on("name", "birth_date"),
            block_on("given_name", "birth_date"),
            block_on("phone", "given_name"),
            block_on("birth_date", "ward"),
            block_on("name", "birth_year", "province"),
        ],
        retain_matching_columns=False,
    )
    api = DuckDBAPI(connection=con)
    linker = Linker(api.register("records"), settings, log_level=40)
    linker.training.estimate_probability_two_random_records_match(
        [block_on("national_id"), block_on("name", "birth_date", "province")], recall=0.8
    )
    linker.training.estimate_u_using_random_sampling(max_pairs=2e6, seed=1)
    for rule in (block_on("given_name", "birth_date"), block_on("phone", "given_name"), block_on("national_id")):
        linker.training.estimate_parameters_using_expectation_maximisation(rule)
    trained = time.process_time()
    predicted = linker.inference.predict(threshold_match_probability=0.5)
    clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(predicted, threshold_match_probability=0.95)
    times = {
        "cpu": round(time.process_time() - cpu, 1), "cpu_without_training": round(time.process_time() - trained, 1),
        "wall": round(time.perf_counter() - wall, 1),
        "peak_mib": _peak(),
    }  # fmt: skip
    con.execute(
        "CREATE TEMP TABLE found AS SELECT unique_id AS patient_record_id, cluster_id AS person "
        f"FROM {clusters.physical_name}"
    )
    con.execute(f"CREATE TEMP TABLE truth AS SELECT patient_record_id, true_person FROM '{truth}'")
    return times | _figures(con)


def main(size: int) -> None:
    """Make the records once, run every contender in its own process, print what each found."""
    import pyarrow.parquet as pq

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "records.parquet"
        table = world(size, 11)
        pq.write_table(table.select([*COLUMNS.replace(" ", "").split(","), "true_person"]), file)
        prepared(file)
        print(f"{len(table)} records, {table['national_id'].null_count / len(table):.1%} without a national id")
        for name in CONTENDERS:
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.matching.side_by_side", name, str(file)],
                capture_output=True,
                text=True,
                check=False,
            )
            print(f"{name}: {done.stdout.strip() or done.stderr.strip()[-800:]}", flush=True)


def contend(name: str, file: Path) -> dict[str, float]:
    """One contender."""
    if name == "splink":
        return splink(file.with_name("normalised.parquet"), file)
    return ours(file, train=name == "train", hidden=name == "hidden ids")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(contend(sys.argv[1], Path(sys.argv[2]))))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
