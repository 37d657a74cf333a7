"""What changed in the tables from one version to the next, oldest first. Statements are never edited once released."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MIGRATIONS", "Migration"]


@dataclass(frozen=True)
class Migration:
    """The statements that make the tables of ``version`` out of those of the version before."""

    version: int
    about: str
    statements: tuple[str, ...]


MIGRATIONS: tuple[Migration, ...] = (
    Migration(
        2,
        "flags that no longer hold are kept as history",
        (
            # Some files of version 1 have it already: nothing had been released then.
            """
CREATE TABLE IF NOT EXISTS flag_history (
  facility_id VARCHAR, order_id VARCHAR, line_no INTEGER, scope VARCHAR, verdict VARCHAR, reason VARCHAR,
  person_id BIGINT, test_id VARCHAR, ordered_at TIMESTAMP, prior_facility_id VARCHAR, prior_order_id VARCHAR,
  prior_line_no INTEGER, prior_test_id VARCHAR, prior_collected_at TIMESTAMP, prior_resulted_at TIMESTAMP,
  hours_since_prior DOUBLE, valid_until TIMESTAMP, rule_id VARCHAR, coverage VARCHAR, match_method VARCHAR,
  match_probability DOUBLE, price_vnd DECIMAL(18,3), avoidable_vnd DECIMAL(18,3), chain_avoidable BOOLEAN,
  run_id INTEGER, verdict_if_recognised VARCHAR, until_run_id INTEGER
)""",
        ),
    ),
    Migration(
        3,
        "FHIR results and requests find each other on different nights",
        (
            "CREATE TABLE request_line (request_key BIGINT, facility_id VARCHAR, order_id VARCHAR)",
            """
CREATE TABLE waiting_result (
  request_key BIGINT, results BIGINT, corrected BOOLEAN, finished BOOLEAN, cancelled BOOLEAN, issued VARCHAR,
  effective VARCHAR, value VARCHAR, unit VARCHAR, performer VARCHAR, flag VARCHAR
)""",
        ),
    ),
    Migration(
        4,
        "identities are kept once, and the next match compares all anew",
        (
            "DROP TABLE match_variant",
            """
CREATE TABLE match_variant (
  variant_no INTEGER, variant_id BIGINT, id_grade TINYINT, settled BOOLEAN, marked_given VARCHAR, block_id UINTEGER,
  block_id_first UINTEGER, block_id_last UINTEGER, block_id_ends UINTEGER, block_sorted_date UINTEGER,
  block_date_family UINTEGER, block_date_ward UINTEGER, block_phone_given UINTEGER, block_phone_date UINTEGER,
  block_phone_family UINTEGER, block_bag UINTEGER, block_skeleton UINTEGER, block_name UINTEGER,
  block_insurance BIGINT[]
)""",
            "DELETE FROM match_record",
            "DELETE FROM match_edge",
            "DELETE FROM match_state",
        ),
    ),
    Migration(
        5,
        "flagging is told from when on a patient's orders have to be judged again; FHIR resources wait for others",
        (
            "ALTER TABLE todo ADD COLUMN since TIMESTAMP",
            "ALTER TABLE request_line ADD COLUMN specimen VARCHAR",
            """
CREATE TABLE request_result (
  request_key BIGINT, source_key BIGINT, delivery_no INTEGER, kind VARCHAR, status VARCHAR, issued VARCHAR,
  effective VARCHAR, value VARCHAR, unit VARCHAR, performer VARCHAR, specimen VARCHAR, flag VARCHAR
)""",
            # A result that waits may be of a test that must not be kept, and nobody can tell: it leaves its times only.
            """
INSERT INTO request_result BY NAME
SELECT request_key, 0 AS source_key, (SELECT max(delivery_no) FROM delivery) AS delivery_no, 'Observation' AS kind,
       CASE WHEN cancelled THEN 'cancelled' WHEN corrected THEN 'corrected' WHEN finished THEN 'final'
            ELSE 'preliminary' END AS status, issued, effective, performer
FROM waiting_result""",
            "DROP TABLE waiting_result",
            "CREATE TABLE fhir_resource (resource_key BIGINT, kind VARCHAR, delivery_no INTEGER, body VARCHAR)",
            "CREATE TABLE fhir_wanted (wanted_key BIGINT, resource_key BIGINT)",
        ),
    ),
    Migration(
        6,
        "that a FHIR request may not be kept is known as long as what came with it",
        ("ALTER TABLE request_line ADD COLUMN delivery_no INTEGER",),
    ),
    Migration(
        7,
        "what is compared of an identity is kept with it, and the next match compares all anew",
        (
            """
ALTER TABLE patient_record ALTER match_method
SET DATA TYPE ENUM('national_id', 'insurance_id', 'fuzzy', 'review', 'single', 'given')""",
            "DROP TABLE match_variant",
            """
CREATE TABLE match_variant (
  variant_no INTEGER, variant_id BIGINT, id_grade TINYINT, settled BOOLEAN, texts VARCHAR, numbers INTEGER,
  block_id UINTEGER, block_id_first UINTEGER, block_id_last UINTEGER, block_id_ends UINTEGER,
  block_sorted_date UINTEGER, block_date_family UINTEGER, block_date_ward UINTEGER, block_phone_given UINTEGER,
  block_phone_date UINTEGER, block_phone_family UINTEGER, block_bag UINTEGER, block_skeleton UINTEGER,
  block_name UINTEGER, block_insurance BIGINT[]
)""",
            "DELETE FROM match_record",
            "DELETE FROM match_edge",
            "DELETE FROM match_state",
        ),
    ),
    Migration(
        8,
        "which lines of an encounter could not be read is known, so that an older file may tell of them later",
        ("ALTER TABLE encounter ADD COLUMN unread STRUCT(line_no INTEGER, known_on DATE)[]",),
    ),
    Migration(
        9,
        "three columns of few words in patient_record are numbers with names, which cost less to write",
        (
            """
ALTER TABLE patient_record ALTER id_type SET DATA TYPE ENUM('cccd', 'cmnd', 'passport', 'other')""",
            "ALTER TABLE patient_record ALTER birth_precision SET DATA TYPE ENUM('day', 'month', 'year')",
            "ALTER TABLE patient_record ALTER sex SET DATA TYPE ENUM('male', 'female', 'unknown')",
        ),
    ),
    Migration(
        10,
        "what is known of a patient has the number of the identity that says the same; a night compares numbers",
        (
            "ALTER TABLE patient_identity ADD COLUMN identity_id BIGINT",
            "ALTER TABLE patient_identity ADD COLUMN filled SMALLINT",
            """
UPDATE patient_identity SET identity_id = CAST(md5_number_lower(concat_ws(
  chr(31), facility_id, patient_id, coalesce(national_id, ''), coalesce(insurance_id, ''), coalesce(full_name, ''),
  coalesce(CAST(birth_date AS VARCHAR), ''), coalesce(birth_precision, ''), coalesce(sex, ''), coalesce(phone, ''),
  coalesce(province, ''), coalesce(address, '')
)) >> 1 AS BIGINT),
filled = CAST(national_id IS NOT NULL AS SMALLINT) * 1 + CAST(insurance_id IS NOT NULL AS SMALLINT) * 2
  + CAST(full_name IS NOT NULL AS SMALLINT) * 4 + CAST(birth_date IS NOT NULL AS SMALLINT) * 8
  + CAST(birth_precision IS NOT NULL AS SMALLINT) * 16 + CAST(sex IS NOT NULL AS SMALLINT) * 32
  + CAST(phone IS NOT NULL AS SMALLINT) * 64 + CAST(province IS NOT NULL AS SMALLINT) * 128
  + CAST(address IS NOT NULL AS SMALLINT) * 256""",
        ),
    ),
    Migration(
        11,
        "patient_record is a view: what it tells of an identity is kept once, where it is compared",
        (
            """
CREATE TABLE match_person (
  patient_record_id BIGINT, person_id BIGINT,
  match_method ENUM('national_id', 'insurance_id', 'fuzzy', 'review', 'single', 'given'), match_probability DOUBLE
)""",
            """
INSERT INTO match_person SELECT patient_record_id, person_id, match_method, match_probability FROM patient_record""",
            """
UPDATE match_variant SET numbers = told.numbers FROM (
  SELECT variant_no, any_value(CAST(
    coalesce(year(birth_date), 0) * 131072 + coalesce(month(birth_date), 0) * 8192 + coalesce(day(birth_date), 0) * 256
    + CASE birth_precision WHEN 'day' THEN 1 WHEN 'month' THEN 2 WHEN 'year' THEN 3 ELSE 0 END * 64
    + CASE sex WHEN 'male' THEN 1 WHEN 'female' THEN 2 WHEN 'unknown' THEN 3 ELSE 0 END * 16
    + CASE id_type WHEN 'cccd' THEN 1 WHEN 'cmnd' THEN 2 WHEN 'passport' THEN 3 WHEN 'other' THEN 4 ELSE 0 END * 2
    + CAST(coalesce(newborn, false) AS INTEGER) AS INTEGER)) AS numbers
  FROM patient_record JOIN match_record USING (patient_record_id) GROUP BY variant_no
) AS told WHERE told.variant_no = match_variant.variant_no""",
            "DROP TABLE patient_record",
        ),
    ),
)
