"""The tables the rooms share: names, columns, types, keys, and who writes them.

Rooms never import each other; they meet here. A table has exactly one writing room. Timestamps are local time
(Asia/Ho_Chi_Minh) without an offset; money is đồng as DECIMAL(18,3).
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = [
    "ABNORMAL_FLAGS",
    "BIRTH_PRECISIONS",
    "CANONICAL",
    "CODE_SYSTEMS",
    "COVERAGES",
    "ID_TYPES",
    "MATCH_METHODS",
    "ORDER_REASONS",
    "PUBLIC_TABLES",
    "RESULTED",
    "SCHEMA_VERSION",
    "SCOPES",
    "SETTINGS",
    "SEXES",
    "STATUSES",
    "TABLES",
    "TIME_ZONE",
    "VERDICTS",
    "VIEWS",
    "Table",
]

SCHEMA_VERSION = 11
TIME_ZONE = "Asia/Ho_Chi_Minh"
MONEY = "DECIMAL(18,3)"

STATUSES = ("ordered", "collected", "preliminary", "final", "corrected", "cancelled", "rejected")
RESULTED = ("final", "corrected")
SETTINGS = ("outpatient", "inpatient", "emergency", "icu", "screening", "unknown")
SEXES = ("male", "female", "unknown")
BIRTH_PRECISIONS = ("day", "month", "year")
ID_TYPES = ("cccd", "cmnd", "passport", "other")
CODE_SYSTEMS = ("vn-service", "loinc", "local")
ABNORMAL_FLAGS = ("N", "L", "H", "LL", "HH", "A", "AA", "POS", "NEG")
ORDER_REASONS = ("clinical_change", "expired", "poor_specimen", "identity_doubt", "lab_level", "other")
SCOPES = ("elsewhere", "same_facility")
#: How a record joined its person; ``given``: rules are tried on persons somebody else found.
MATCH_METHODS = ("national_id", "insurance_id", "fuzzy", "review", "single", "given")
#: From the strongest to the weakest.
VERDICTS = ("avoidable", "review", "justified", "unrecognised", "pending")
COVERAGES = ("same", "panel", "components", "partial")

#: Canonical input columns in the contract's order; True marks those that must be there and filled.
CANONICAL: dict[str, bool] = {
    "facility_id": True,
    "order_id": True,
    "line_no": False,
    "patient_id": True,
    "national_id": False,
    "insurance_id": False,
    "full_name": False,
    "birth_date": False,
    "sex": False,
    "phone": False,
    "province": False,
    "address": False,
    "test_code": True,
    "code_system": False,
    "test_name": False,
    "specimen": False,
    "performed_by": False,
    "ordered_at": True,
    "collected_at": False,
    "resulted_at": False,
    "status": True,
    "value": False,
    "unit": False,
    "abnormal_flag": False,
    "setting": False,
    "department": False,
    "ordered_by": False,
    "encounter_id": False,
    "order_reason": False,
    "price_vnd": False,
}


@dataclass(frozen=True)
class Table:
    """One table: its columns with DuckDB types, its key, the room that writes it, and what it holds."""

    name: str
    room: str
    about: str
    columns: dict[str, str]
    key: tuple[str, ...] = field(default=())

    def ddl(self) -> str:
        """The CREATE TABLE statement."""
        rows = [f'"{name}" {kind}' for name, kind in self.columns.items()]
        return f'CREATE TABLE IF NOT EXISTS "{self.name}" (\n  ' + ",\n  ".join(rows) + "\n)"


_IDENTITY = {
    "national_id": "VARCHAR",
    "insurance_id": "VARCHAR",
    "full_name": "VARCHAR",
    "birth_date": "DATE",
    "birth_precision": "VARCHAR",  # day, month, year; blank when birth_date is
    "sex": "VARCHAR",
    "phone": "VARCHAR",
    "province": "VARCHAR",
    "address": "VARCHAR",
}

_TABLES = (
    Table(
        "run",
        "warehouse",
        "What each run did.",
        {
            "run_id": "INTEGER",
            "command": "VARCHAR",
            "started_at": "TIMESTAMP",
            "ended_at": "TIMESTAMP",
            "outcome": "VARCHAR",  # running, done, failed, interrupted
            "program_version": "VARCHAR",
            "catalogue_version": "VARCHAR",
            "model_version": "VARCHAR",
            "profile": "VARCHAR",
            "counts": "JSON",  # stage → name → count
            "seconds": "JSON",  # stage → seconds
            "notes": "JSON",  # stage → sentences; never a patient's value
        },
        ("run_id",),
    ),
    Table(
        "delivery",
        "loading",
        "One file from one source, known by the SHA-256 of its bytes.",
        {
            "delivery_id": "VARCHAR",
            "delivery_no": "INTEGER",  # order of arrival
            "source_name": "VARCHAR",
            "format": "VARCHAR",
            "run_id": "INTEGER",
            "received_at": "TIMESTAMP",
            "rows_read": "BIGINT",
            "rows_loaded": "BIGINT",
            "rows_rejected": "BIGINT",
            "rows_duplicate": "BIGINT",
            "rows_skipped": "BIGINT",
            "skipped": "JSON",  # reason → count: sensitive, withdrawn, outdated, waiting
            "unknown_columns": "VARCHAR[]",
        },
        ("delivery_id",),
    ),
    Table(
        "rejected_row",
        "loading",
        "A row that did not load: where it stands and why, never what it says.",
        {"delivery_id": "VARCHAR", "row_number": "BIGINT", "column_name": "VARCHAR", "reason": "VARCHAR"},
    ),
    Table(
        "facility",
        "loading",
        "The facility register, one row for each period of a lab level.",
        {
            "facility_id": "VARCHAR",
            "name": "VARCHAR",
            "tier": "VARCHAR",
            "province": "VARCHAR",
            "lab_level": "INTEGER",
            "iso15189": "BOOLEAN",
            "level_from": "DATE",
            "level_to": "DATE",
            "connected_since": "DATE",
            "accredited_tests": "VARCHAR[]",  # tests ISO 15189 is limited to; NULL: to none in particular
            "electronic_records": "BOOLEAN",
            "insurance_connected": "BOOLEAN",
            "electronic_payment": "BOOLEAN",
            "registered": "BOOLEAN",  # false: found in the data, not in a register
        },
    ),
    Table(
        "facility_alias",
        "loading",
        "Old facility codes and the code each one stands for today.",
        {"alias": "VARCHAR", "facility_id": "VARCHAR"},
        ("alias",),
    ),
    Table(
        "encounter",
        "loading",
        "The newest version known of each encounter that is sent whole, withdrawn ones too. Private.",
        {
            "facility_id": "VARCHAR",
            "order_id": "VARCHAR",
            "filed_on": "DATE",  # NULL: the source did not say
            "delivery_no": "INTEGER",
            "withdrawn": "BOOLEAN",
            # Lines that came with it and could not be read, and the date of the newest version that tells of each.
            "unread": "STRUCT(line_no INTEGER, known_on DATE)[]",
        },
        ("facility_id", "order_id"),
    ),
    Table(
        "request_line",
        "loading",
        "The order line each FHIR ServiceRequest became, for results of a later night. Private.",
        {
            "request_key": "BIGINT",
            "facility_id": "VARCHAR",  # NULL: it may not be kept, nor what is said of it
            "order_id": "VARCHAR",
            "specimen": "VARCHAR",  # the reference, when the request itself names one
            "delivery_no": "INTEGER",  # the last that brought the request
        },
        ("request_key",),
    ),
    Table(
        "request_result",
        "loading",
        "What FHIR observations, reports and specimens say of a ServiceRequest, which may come later. Private.",
        {
            "request_key": "BIGINT",
            "source_key": "BIGINT",  # which of them; 0: several, of a file of an older schema
            "delivery_no": "INTEGER",
            "kind": "VARCHAR",
            "status": "VARCHAR",
            "issued": "VARCHAR",
            "effective": "VARCHAR",
            "value": "VARCHAR",
            "unit": "VARCHAR",
            "performer": "VARCHAR",
            "specimen": "VARCHAR",
            "flag": "VARCHAR",
        },
        ("request_key", "source_key"),
    ),
    Table(
        "fhir_resource",
        "loading",
        "FHIR resources that requests of a later night may refer to, and those that wait for one. Private.",
        {
            "resource_key": "BIGINT",
            "kind": "VARCHAR",
            "delivery_no": "INTEGER",  # the last that sent it or referred to it
            "body": "VARCHAR",  # what the reader takes of it, as JSON
        },
        ("resource_key",),
    ),
    Table(
        "fhir_wanted",
        "loading",
        "What each waiting FHIR resource refers to and has not come. Private.",
        {"wanted_key": "BIGINT", "resource_key": "BIGINT"},
        ("wanted_key", "resource_key"),
    ),
    Table(
        "code",
        "loading",
        "Every test code met in the data, numbered.",
        {"code_id": "INTEGER", "code_system": "VARCHAR", "test_code": "VARCHAR", "facility_id": "VARCHAR"},
        ("code_id",),
    ),
    Table(
        "line",
        "loading",
        "Order lines as stored: the current version of each key and, behind it, the superseded ones.",
        {
            "line_id": "BIGINT",  # order of arrival
            "facility_id": "VARCHAR",
            "order_id": "VARCHAR",
            "line_no": "INTEGER",
            "order_key": "BIGINT",  # facility_id and order_id as one number, so that a night finds what it replaces
            "patient_record_id": "BIGINT",
            "identity_id": "BIGINT",
            "code_id": "INTEGER",
            "test_name": "VARCHAR",
            "specimen": "VARCHAR",
            "performing_facility_id": "VARCHAR",  # performed_by, else facility_id
            "ordered_at": "TIMESTAMP",
            "collected_at": "TIMESTAMP",
            "resulted_at": "TIMESTAMP",
            "status": "VARCHAR",
            "value": "VARCHAR",
            "unit": "VARCHAR",
            "abnormal_flag": "VARCHAR",
            "setting": "VARCHAR",
            "department": "VARCHAR",
            "ordered_by": "VARCHAR",
            "encounter_id": "VARCHAR",
            "order_reason": "VARCHAR",
            "price_vnd": MONEY,
            "delivery_no": "INTEGER",
            "superseded_by": "INTEGER",  # delivery_no that replaced or withdrew it; NULL: current
        },
        ("line_id",),
    ),
    Table(
        "identity",
        "loading",
        "Every distinct way a facility has written a patient's identity.",
        {"identity_id": "BIGINT", "patient_record_id": "BIGINT", "facility_id": "VARCHAR", "patient_id": "VARCHAR"}
        | _IDENTITY,
        ("identity_id",),
    ),
    Table(
        "patient_identity",
        "loading",
        "A patient as one facility knows them now: per column the value of the latest order that has one.",
        {
            "patient_record_id": "BIGINT",
            "facility_id": "VARCHAR",
            "patient_id": "VARCHAR",
            "first_ordered_at": "TIMESTAMP",
        }
        | _IDENTITY
        | {
            "identity_id": "BIGINT",  # the number of an identity that says just this
            "filled": "SMALLINT",  # bit by bit, which columns of an identity are (dedup/loading/keys.py)
        },
        ("patient_record_id",),
    ),
    Table(
        "todo",
        "warehouse",
        "Patient records a later stage still has to look at: load fills, match and flag empty.",
        {
            "stage": "VARCHAR",
            "patient_record_id": "BIGINT",
            "since": "TIMESTAMP",  # nothing before it is judged otherwise; NULL: all may be, infinity: nothing is
        },
    ),
)

_FLAG_COLUMNS = {
    "facility_id": "VARCHAR",
    "order_id": "VARCHAR",
    "line_no": "INTEGER",
    "scope": "VARCHAR",
    "verdict": "VARCHAR",
    "reason": "VARCHAR",
    "person_id": "BIGINT",
    "test_id": "VARCHAR",
    "ordered_at": "TIMESTAMP",
    "prior_facility_id": "VARCHAR",
    "prior_order_id": "VARCHAR",
    "prior_line_no": "INTEGER",
    "prior_test_id": "VARCHAR",
    "prior_collected_at": "TIMESTAMP",
    "prior_resulted_at": "TIMESTAMP",
    "hours_since_prior": "DOUBLE",
    "valid_until": "TIMESTAMP",  # NULL: valid for a lifetime
    "rule_id": "VARCHAR",
    "coverage": "VARCHAR",
    "match_method": "VARCHAR",
    "match_probability": "DOUBLE",
    "price_vnd": MONEY,
    "avoidable_vnd": MONEY,
    "chain_avoidable": "BOOLEAN",
    "run_id": "INTEGER",
    "verdict_if_recognised": "VARCHAR",  # private: the verdict were every laboratory recognised
}

_MATCHED = (
    Table(
        "match_person",
        "matching",
        "The person each patient record is, and how it is held there. Private: patient_record shows it.",
        {
            "patient_record_id": "BIGINT",
            "person_id": "BIGINT",
            # no VARCHAR, as packing the words of a column costs more than all else that is done to it
            "match_method": f"ENUM{MATCH_METHODS}",
            "match_probability": "DOUBLE",
        },
        ("patient_record_id",),
    ),
    Table(
        "person_change",
        "matching",
        "Merges, splits and renamings of persons, with the reason.",
        {
            "run_id": "INTEGER",
            "patient_record_id": "BIGINT",
            "old_person_id": "BIGINT",
            "new_person_id": "BIGINT",
            "reason": "VARCHAR",  # merge, split, rename
        },
    ),
    Table(
        "match_variant",
        "matching",
        "Every distinct normalised identity: what there is to compare, and its blocking keys. Private.",
        {
            "variant_no": "INTEGER",  # order of arrival
            "variant_id": "BIGINT",  # 63 bits of the MD5 of the identity: the same in every warehouse
            "id_grade": "TINYINT",  # 0 no evidence, 1 plausible, 2 trusted
            "settled": "BOOLEAN",  # has a trusted CCCD
            "texts": "VARCHAR",  # KEPT_TEXTS, one behind the other
            "numbers": "INTEGER",  # KEPT_NUMBERS, bits beside bits
            # hashes of the blocking keys of dedup/matching/blocking.py; NULL meets nobody
            "block_id": "UINTEGER",
            "block_id_first": "UINTEGER",
            "block_id_last": "UINTEGER",
            "block_id_ends": "UINTEGER",
            "block_sorted_date": "UINTEGER",
            "block_date_family": "UINTEGER",
            "block_date_ward": "UINTEGER",
            "block_phone_given": "UINTEGER",
            "block_phone_date": "UINTEGER",
            "block_phone_family": "UINTEGER",
            "block_bag": "UINTEGER",
            "block_skeleton": "UINTEGER",
            "block_name": "UINTEGER",
            "block_insurance": "BIGINT[]",  # no hash: the numbers
        },
        ("variant_no",),
    ),
    Table(
        "match_record",
        "matching",
        "Which identity each patient record has. Private.",
        {"patient_record_id": "BIGINT", "variant_no": "INTEGER"},
        ("patient_record_id",),
    ),
    Table(
        "match_edge",
        "matching",
        "Pairs of identities that are, or may be, one person. Private.",
        {
            "variant_a": "INTEGER",
            "variant_b": "INTEGER",
            "method": "TINYINT",  # 0 national_id, 1 insurance_id, 2 fuzzy, 3 review
            "guard": "TINYINT",  # which guard refused it; -1 none
            "bits": "DOUBLE",  # log2 odds
        },
        ("variant_a", "variant_b"),
    ),
    Table(
        "match_decision",
        "matching",
        "What a human decided about two patient records; binds from then on. Private.",
        {
            "record_a": "BIGINT",
            "record_b": "BIGINT",
            "same_person": "BOOLEAN",
            "decided_by": "VARCHAR",
            "run_id": "INTEGER",
        },
        ("record_a", "record_b"),
    ),
    Table(
        "match_model",
        "matching",
        "The scorecard learnt from this warehouse; empty: the shipped one serves. Private.",
        {"version": "VARCHAR", "scorecard": "VARCHAR", "run_id": "INTEGER"},
        ("version",),
    ),
    Table(
        "match_state",
        "matching",
        "One row: what all edges were made with. Private.",
        {"made_with": "VARCHAR"},
    ),
    Table(
        "test",
        "rules",
        "The tests of the catalogue the flags were made with.",
        {
            "test_id": "VARCHAR",
            "name_vi": "VARCHAR",
            "name_en": "VARCHAR",
            "discipline": "VARCHAR",
            "specimen": "VARCHAR",
            "class": "VARCHAR",
            "price_vnd": MONEY,
        },
        ("test_id",),
    ),
    Table(
        "rule",
        "rules",
        "The validity and exemption rules of the profile the flags were made with.",
        {
            "rule_id": "VARCHAR",
            "kind": "VARCHAR",  # validity, exemption
            "test_id": "VARCHAR",  # or discipline:NAME, class:NAME or *
            "setting": "VARCHAR",
            "valid_hours": "VARCHAR",
            "condition": "VARCHAR",
            "verdict": "VARCHAR",
            "reason": "VARCHAR",
            "valid_from": "DATE",
            "valid_to": "DATE",
            "source": "VARCHAR",
            "note": "VARCHAR",
        },
    ),
    Table(
        "code_test",
        "rules",
        "What each code of the data means under that catalogue.",
        {"code_id": "INTEGER", "test_id": "VARCHAR"},
        ("code_id",),
    ),
    Table(
        "flag",
        "rules",
        "A judged order line that has at least one covering prior: scope, verdict, reason, evidence.",
        _FLAG_COLUMNS,
        ("facility_id", "order_id", "line_no", "scope"),
    ),
    Table(
        "flag_history",
        "rules",
        "Flags that no longer hold, with the run that ended them: what was said on the nights between, and why.",
        _FLAG_COLUMNS | {"until_run_id": "INTEGER"},
    ),
    Table(
        "flag_state",
        "rules",
        "One row: the rules, profile and recognition policy all flags were made with.",
        {
            "catalogue_version": "VARCHAR",
            "profile": "VARCHAR",
            "recognition": "VARCHAR",
            "facility_version": "VARCHAR",
            "run_id": "INTEGER",
        },
    ),
)

TABLES: dict[str, Table] = {table.name: table for table in _TABLES + _MATCHED}

#: What ``texts`` of match_variant is made of: blank where there is none, APART between two.
KEPT_TEXTS = ("id_number", "name", "family_name", "middle_name", "given_name", "phone", "province", "ward",
              "marked_given", "insurance_numbers")  # fmt: skip
APART = "\x1f"  #: stands in no text
#: What ``numbers`` of match_variant is made of, from its highest bits down, and how many bits each has; 0: unknown.
KEPT_NUMBERS = {"year": 12, "month": 4, "day": 5, "birth_precision": 2, "sex": 2, "id_type": 3, "newborn": 1}
#: The words that some of them number from 1 on.
KEPT_WORDS = {"birth_precision": BIRTH_PRECISIONS, "sex": SEXES, "id_type": ID_TYPES}


def kept_text(name: str) -> str:
    """SQL: one of KEPT_TEXTS, taken out of ``texts``."""
    return f"nullif(string_split(texts, chr({ord(APART)}))[{KEPT_TEXTS.index(name) + 1}], '')"


def kept_number(name: str) -> str:
    """SQL: one of KEPT_NUMBERS, taken out of ``numbers``."""
    below = sum(list(KEPT_NUMBERS.values())[list(KEPT_NUMBERS).index(name) + 1 :])
    return f"((numbers >> {below}) & {(1 << KEPT_NUMBERS[name]) - 1})"


def kept_word(name: str) -> str:
    """SQL: one of KEPT_WORDS, taken out of ``numbers``, as an ENUM."""
    return f"CAST({list(KEPT_WORDS[name])}[{kept_number(name)}] AS ENUM{KEPT_WORDS[name]})"


#: The normalised identity as patient_record shows it.
_BORN = ", ".join(kept_number(name) for name in ("year", "month", "day"))
NORMALISED: dict[str, str] = {
    "id_type": kept_word("id_type"),  # blank when there is no number
    "id_number": kept_text("id_number"),
    "id_trusted": "id_grade = 2",  # fits the record's own sex and birth year
    "insurance_numbers": f"string_split({kept_text('insurance_numbers')}, ' ')",  # ten digits; no temporary child card
    "name": kept_text("name"),  # folded: lower case, no diacritics, single spaces
    "family_name": kept_text("family_name"),
    "middle_name": kept_text("middle_name"),
    "given_name": kept_text("given_name"),
    "birth_date": f"CASE WHEN {kept_number('year')} > 0 THEN make_date({_BORN}) END",
    "birth_precision": kept_word("birth_precision"),
    "sex": kept_word("sex"),
    "phone": kept_text("phone"),
    "province": kept_text("province"),
    "ward": kept_text("ward"),
    "newborn": f"{kept_number('newborn')} = 1",
}

VIEWS: dict[str, str] = {
    # A patient as one facility knows them, the person they are, and the normalised identity.
    "patient_record": f"""
CREATE OR REPLACE VIEW patient_record AS
SELECT p.patient_record_id, i.facility_id, i.patient_id, p.person_id, p.match_method, p.match_probability,
       {", ".join(f"{sql} AS {name}" for name, sql in NORMALISED.items())}
FROM match_person AS p
LEFT JOIN patient_identity AS i ON i.patient_record_id = p.patient_record_id
LEFT JOIN match_record AS r ON r.patient_record_id = p.patient_record_id
LEFT JOIN match_variant AS v ON v.variant_no = r.variant_no
""",
    "order_line": """
CREATE OR REPLACE VIEW order_line AS
SELECT l.facility_id, l.order_id, l.line_no, l.patient_record_id, p.person_id, t.test_id,
       c.code_system, c.test_code, l.specimen, l.performing_facility_id,
       l.ordered_at, l.collected_at, l.resulted_at, l.status, l.abnormal_flag, l.setting,
       l.department, l.ordered_by, l.encounter_id, l.order_reason, l.price_vnd, d.delivery_id
FROM line AS l
JOIN delivery AS d ON d.delivery_no = l.delivery_no
JOIN code AS c ON c.code_id = l.code_id
LEFT JOIN code_test AS t ON t.code_id = l.code_id
LEFT JOIN match_person AS p ON p.patient_record_id = l.patient_record_id
WHERE l.superseded_by IS NULL
""",
}

#: What other tools may rely on; everything else is private.
PUBLIC_TABLES = ("order_line", "patient_record", "flag", "delivery", "rejected_row", "run", "person_change")
