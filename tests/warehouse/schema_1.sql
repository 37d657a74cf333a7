-- The tables of version 1, as they were; never edited.
CREATE TABLE "run" (
  "run_id" INTEGER,
  "command" VARCHAR,
  "started_at" TIMESTAMP,
  "ended_at" TIMESTAMP,
  "outcome" VARCHAR,
  "program_version" VARCHAR,
  "catalogue_version" VARCHAR,
  "model_version" VARCHAR,
  "profile" VARCHAR,
  "counts" JSON,
  "seconds" JSON,
  "notes" JSON
);
CREATE TABLE "delivery" (
  "delivery_id" VARCHAR,
  "delivery_no" INTEGER,
  "source_name" VARCHAR,
  "format" VARCHAR,
  "run_id" INTEGER,
  "received_at" TIMESTAMP,
  "rows_read" BIGINT,
  "rows_loaded" BIGINT,
  "rows_rejected" BIGINT,
  "rows_duplicate" BIGINT,
  "rows_skipped" BIGINT,
  "skipped" JSON,
  "unknown_columns" VARCHAR[]
);
CREATE TABLE "rejected_row" (
  "delivery_id" VARCHAR,
  "row_number" BIGINT,
  "column_name" VARCHAR,
  "reason" VARCHAR
);
CREATE TABLE "facility" (
  "facility_id" VARCHAR,
  "name" VARCHAR,
  "tier" VARCHAR,
  "province" VARCHAR,
  "lab_level" INTEGER,
  "iso15189" BOOLEAN,
  "level_from" DATE,
  "level_to" DATE,
  "connected_since" DATE,
  "accredited_tests" VARCHAR[],
  "electronic_records" BOOLEAN,
  "insurance_connected" BOOLEAN,
  "electronic_payment" BOOLEAN,
  "registered" BOOLEAN
);
CREATE TABLE "facility_alias" (
  "alias" VARCHAR,
  "facility_id" VARCHAR
);
CREATE TABLE "encounter" (
  "facility_id" VARCHAR,
  "order_id" VARCHAR,
  "filed_on" DATE,
  "delivery_no" INTEGER,
  "withdrawn" BOOLEAN
);
CREATE TABLE "code" (
  "code_id" INTEGER,
  "code_system" VARCHAR,
  "test_code" VARCHAR,
  "facility_id" VARCHAR
);
CREATE TABLE "line" (
  "line_id" BIGINT,
  "facility_id" VARCHAR,
  "order_id" VARCHAR,
  "line_no" INTEGER,
  "order_key" BIGINT,
  "patient_record_id" BIGINT,
  "identity_id" BIGINT,
  "code_id" INTEGER,
  "test_name" VARCHAR,
  "specimen" VARCHAR,
  "performing_facility_id" VARCHAR,
  "ordered_at" TIMESTAMP,
  "collected_at" TIMESTAMP,
  "resulted_at" TIMESTAMP,
  "status" VARCHAR,
  "value" VARCHAR,
  "unit" VARCHAR,
  "abnormal_flag" VARCHAR,
  "setting" VARCHAR,
  "department" VARCHAR,
  "ordered_by" VARCHAR,
  "encounter_id" VARCHAR,
  "order_reason" VARCHAR,
  "price_vnd" DECIMAL(18,3),
  "delivery_no" INTEGER,
  "superseded_by" INTEGER
);
CREATE TABLE "identity" (
  "identity_id" BIGINT,
  "patient_record_id" BIGINT,
  "facility_id" VARCHAR,
  "patient_id" VARCHAR,
  "national_id" VARCHAR,
  "insurance_id" VARCHAR,
  "full_name" VARCHAR,
  "birth_date" DATE,
  "birth_precision" VARCHAR,
  "sex" VARCHAR,
  "phone" VARCHAR,
  "province" VARCHAR,
  "address" VARCHAR
);
CREATE TABLE "patient_identity" (
  "patient_record_id" BIGINT,
  "facility_id" VARCHAR,
  "patient_id" VARCHAR,
  "first_ordered_at" TIMESTAMP,
  "national_id" VARCHAR,
  "insurance_id" VARCHAR,
  "full_name" VARCHAR,
  "birth_date" DATE,
  "birth_precision" VARCHAR,
  "sex" VARCHAR,
  "phone" VARCHAR,
  "province" VARCHAR,
  "address" VARCHAR
);
CREATE TABLE "todo" (
  "stage" VARCHAR,
  "patient_record_id" BIGINT
);
CREATE TABLE "patient_record" (
  "patient_record_id" BIGINT,
  "facility_id" VARCHAR,
  "patient_id" VARCHAR,
  "person_id" BIGINT,
  "match_method" VARCHAR,
  "match_probability" DOUBLE,
  "id_type" VARCHAR,
  "id_number" VARCHAR,
  "id_trusted" BOOLEAN,
  "insurance_numbers" VARCHAR[],
  "name" VARCHAR,
  "family_name" VARCHAR,
  "middle_name" VARCHAR,
  "given_name" VARCHAR,
  "birth_date" DATE,
  "birth_precision" VARCHAR,
  "sex" VARCHAR,
  "phone" VARCHAR,
  "province" VARCHAR,
  "ward" VARCHAR,
  "newborn" BOOLEAN
);
CREATE TABLE "person_change" (
  "run_id" INTEGER,
  "patient_record_id" BIGINT,
  "old_person_id" BIGINT,
  "new_person_id" BIGINT,
  "reason" VARCHAR
);
CREATE TABLE "match_variant" (
  "variant_no" INTEGER,
  "variant_id" BIGINT,
  "id_type" VARCHAR,
  "id_number" VARCHAR,
  "id_grade" TINYINT,
  "settled" BOOLEAN,
  "insurance_numbers" VARCHAR[],
  "name" VARCHAR,
  "marked" VARCHAR,
  "family_name" VARCHAR,
  "middle_name" VARCHAR,
  "given_name" VARCHAR,
  "birth_date" DATE,
  "birth_precision" VARCHAR,
  "sex" VARCHAR,
  "phone" VARCHAR,
  "province" VARCHAR,
  "ward" VARCHAR,
  "newborn" BOOLEAN,
  "block_id" UINTEGER,
  "block_id_first" UINTEGER,
  "block_id_last" UINTEGER,
  "block_id_ends" UINTEGER,
  "block_sorted_date" UINTEGER,
  "block_date_family" UINTEGER,
  "block_date_ward" UINTEGER,
  "block_phone_given" UINTEGER,
  "block_phone_date" UINTEGER,
  "block_phone_family" UINTEGER,
  "block_bag" UINTEGER,
  "block_skeleton" UINTEGER,
  "block_name" UINTEGER
);
CREATE TABLE "match_record" (
  "patient_record_id" BIGINT,
  "variant_no" INTEGER
);
CREATE TABLE "match_edge" (
  "variant_a" INTEGER,
  "variant_b" INTEGER,
  "method" TINYINT,
  "guard" TINYINT,
  "bits" DOUBLE
);
CREATE TABLE "match_decision" (
  "record_a" BIGINT,
  "record_b" BIGINT,
  "same_person" BOOLEAN,
  "decided_by" VARCHAR,
  "run_id" INTEGER
);
CREATE TABLE "match_model" (
  "version" VARCHAR,
  "scorecard" VARCHAR,
  "run_id" INTEGER
);
CREATE TABLE "match_state" (
  "made_with" VARCHAR
);
CREATE TABLE "test" (
  "test_id" VARCHAR,
  "name_vi" VARCHAR,
  "name_en" VARCHAR,
  "discipline" VARCHAR,
  "specimen" VARCHAR,
  "class" VARCHAR,
  "price_vnd" DECIMAL(18,3)
);
CREATE TABLE "rule" (
  "rule_id" VARCHAR,
  "kind" VARCHAR,
  "test_id" VARCHAR,
  "setting" VARCHAR,
  "valid_hours" VARCHAR,
  "condition" VARCHAR,
  "verdict" VARCHAR,
  "reason" VARCHAR,
  "valid_from" DATE,
  "valid_to" DATE,
  "source" VARCHAR,
  "note" VARCHAR
);
CREATE TABLE "code_test" (
  "code_id" INTEGER,
  "test_id" VARCHAR
);
CREATE TABLE "flag" (
  "facility_id" VARCHAR,
  "order_id" VARCHAR,
  "line_no" INTEGER,
  "scope" VARCHAR,
  "verdict" VARCHAR,
  "reason" VARCHAR,
  "person_id" BIGINT,
  "test_id" VARCHAR,
  "ordered_at" TIMESTAMP,
  "prior_facility_id" VARCHAR,
  "prior_order_id" VARCHAR,
  "prior_line_no" INTEGER,
  "prior_test_id" VARCHAR,
  "prior_collected_at" TIMESTAMP,
  "prior_resulted_at" TIMESTAMP,
  "hours_since_prior" DOUBLE,
  "valid_until" TIMESTAMP,
  "rule_id" VARCHAR,
  "coverage" VARCHAR,
  "match_method" VARCHAR,
  "match_probability" DOUBLE,
  "price_vnd" DECIMAL(18,3),
  "avoidable_vnd" DECIMAL(18,3),
  "chain_avoidable" BOOLEAN,
  "run_id" INTEGER,
  "verdict_if_recognised" VARCHAR
);
CREATE TABLE "flag_state" (
  "catalogue_version" VARCHAR,
  "profile" VARCHAR,
  "recognition" VARCHAR,
  "facility_version" VARCHAR,
  "run_id" INTEGER
);
CREATE OR REPLACE VIEW order_line AS
SELECT l.facility_id, l.order_id, l.line_no, l.patient_record_id, p.person_id, t.test_id,
       c.code_system, c.test_code, l.specimen, l.performing_facility_id,
       l.ordered_at, l.collected_at, l.resulted_at, l.status, l.abnormal_flag, l.setting,
       l.department, l.ordered_by, l.encounter_id, l.order_reason, l.price_vnd, d.delivery_id
FROM line AS l
JOIN delivery AS d ON d.delivery_no = l.delivery_no
JOIN code AS c ON c.code_id = l.code_id
LEFT JOIN code_test AS t ON t.code_id = l.code_id
LEFT JOIN patient_record AS p ON p.patient_record_id = l.patient_record_id
WHERE l.superseded_by IS NULL;
CREATE TABLE schema_version (version INTEGER);
INSERT INTO schema_version VALUES (1);
