"""FHIR R4 resources → canonical columns, as SQL.

``fhir_fields`` gives each resource type its table. ``joined`` builds ``fhir_order`` of them, one row a ServiceRequest
with everything its references lead to. Code systems are those of HL7 FHIR R4 (4.0.1).
"""

from __future__ import annotations

from collections.abc import Sequence

from dedup.loading.fhir_fields import TABLES, names
from dedup.quoting import literal
from dedup.schema import ORDER_REASONS
from dedup.settings import FhirSettings

__all__ = ["COLUMNS", "RESULTS", "joined"]


def _index(kind: str, more: str = "") -> str:
    """Each resource once a delivery, and once a folder (delivery_no NULL): two hash joins find any reference."""
    table = TABLES[kind]
    return f"""CREATE OR REPLACE TEMP TABLE {table}_at AS
        (SELECT DISTINCT ON (scope, key, delivery_no) delivery_no AS at, *{more} FROM {table} ORDER BY row_number DESC)
        UNION ALL
        (SELECT DISTINCT ON (scope, key) CAST(NULL AS INTEGER) AS at, *{more} FROM {table}
         ORDER BY delivery_no DESC, row_number DESC)"""


def _find(table: str, alias: str, owner: str, reference: str) -> str:
    """Two joins: ``{alias}1`` in the same delivery, ``{alias}2`` in the same folder."""
    on = f"scope = {owner}.scope AND {{}}.key = {reference}"
    near = on.format(f"{alias}1")
    far = on.format(f"{alias}2")
    return (
        f"LEFT JOIN {table}_at AS {alias}1 ON {alias}1.{near} AND {alias}1.at = {owner}.delivery_no\n"
        f"LEFT JOIN {table}_at AS {alias}2 ON {alias}2.{far} AND {alias}2.at IS NULL"
    )


def _of(alias: str, field: str) -> str:
    return f"CASE WHEN {alias}1.key IS NOT NULL THEN {alias}1.{field} ELSE {alias}2.{field} END"


def _home(alias: str) -> str:
    """The code of an organisation's hospital, whose departments may stand in another file; NULL when it is unknown."""
    return f"coalesce(CASE WHEN NOT {alias}1.torn THEN {alias}1.code END, {alias}2.code)"


# Observation → ServiceRequest: by basedOn, by the report it stands in, or as a member of such an observation.
_LINKS = [
    """CREATE OR REPLACE TEMP TABLE fhir_link AS
    SELECT DISTINCT scope, request, observation FROM (
        SELECT scope, b.base AS request, key AS observation
        FROM fhir_observation, unnest(bases) AS b(base)
        UNION ALL
        SELECT scope, b.base, m.member
        FROM fhir_report, unnest(bases) AS b(base), unnest(members) AS m(member)
    )""",
    """INSERT INTO fhir_link
    SELECT DISTINCT l.scope, l.request, m.member
    FROM fhir_link AS l JOIN fhir_observation AS o ON o.scope = l.scope AND o.key = l.observation,
         unnest(o.members) AS m(member)
    WHERE NOT EXISTS (FROM fhir_link AS k WHERE k.scope = l.scope AND k.request = l.request
                      AND k.observation = m.member)""",
]

_HEIGHT = 8  # a team in a department in a department …
_GRAVITY = "['N', 'NEG', 'A', 'L', 'H', 'POS', 'LL', 'HH', 'AA']"  # from mild to grave

_RESULTS = [
    f"""CREATE OR REPLACE TEMP TABLE fhir_result AS
    SELECT l.scope, l.request, count(*) AS results, max(o.delivery_no) AS delivery_no, min(o.subject) AS subject,
           bool_or(o.status IN ('amended', 'corrected')) AS corrected,
           bool_and(o.status IN ('final', 'amended', 'corrected')) AS finished,
           bool_and(o.status = 'cancelled') AS cancelled,
           max(o.issued) AS issued, min(coalesce(o.effective, o.effective_start)) AS effective,
           arg_min(coalesce(o.quantity, o.string, o.concept, o.concept_name), o.key)
               FILTER (coalesce(o.quantity, o.string, o.concept, o.concept_name) IS NOT NULL) AS "value",
           arg_min(o.unit, o.key) FILTER (o.quantity IS NOT NULL) AS unit,
           min(list_filter(o.performers, lambda p: contains(p, 'Organization/'))[1]) AS performer,
           min(o.specimen) AS specimen,
           list_extract({_GRAVITY}, CAST(max(list_max(list_transform(o.flags,
               lambda f: list_position({_GRAVITY}, upper(f))))) AS INTEGER)) AS flag
    FROM fhir_link AS l JOIN fhir_observation AS o ON o.scope = l.scope AND o.key = l.observation
    WHERE o.status IS DISTINCT FROM 'entered-in-error'
    GROUP BY ALL""",
    """CREATE OR REPLACE TEMP TABLE fhir_reported AS
    SELECT scope, b.base AS request, max(issued) AS issued,
           min(coalesce(effective, effective_start)) AS effective,
           bool_or(status IN ('amended', 'corrected', 'appended')) AS corrected,
           bool_or(status IN ('final', 'amended', 'corrected', 'appended')) AS finished,
           min(list_filter(performers, lambda p: contains(p, 'Organization/'))[1]) AS performer
    FROM fhir_report, unnest(bases) AS b(base)
    WHERE status IS DISTINCT FROM 'entered-in-error'
    GROUP BY ALL""",
    """CREATE OR REPLACE TEMP TABLE fhir_taken AS
    SELECT scope, r.request AS request, min(key) AS specimen
    FROM fhir_specimen, unnest(requests) AS r(request) GROUP BY ALL""",
]

# Orders name the ward's or the laboratory's department; the facility is the hospital above it.
_HOMES = f"""CREATE OR REPLACE TEMP TABLE fhir_home_at AS
WITH RECURSIVE climb AS (
    SELECT o.at, o.scope, o.key, coalesce(o.identifier, o.id) AS code, o.part_of, o.kinds, 0 AS height
    FROM fhir_organization_at AS o
    UNION ALL
    SELECT c.at, c.scope, c.key, coalesce(o.identifier, o.id), o.part_of, o.kinds, c.height + 1
    FROM climb AS c
    JOIN fhir_organization_at AS o ON o.scope = c.scope AND o.at IS NOT DISTINCT FROM c.at
                                  AND o.key = c.part_of
    WHERE c.height < {_HEIGHT} AND list_has_any(c.kinds, ['dept', 'team'])
)
SELECT c.at, c.scope, c.key, arg_max(c.code, c.height) AS code,
       -- the organisation above stands in no file that has been looked at
       arg_max(coalesce(list_has_any(c.kinds, ['dept', 'team']) AND c.part_of IS NOT NULL AND c.height < {_HEIGHT},
                        false), c.height) AS torn
FROM climb AS c GROUP BY ALL"""

_PROVIDER = f"""coalesce({_of("encounter", "provider")},
    CASE WHEN contains(q.requester, 'Organization/') THEN q.requester END,
    {_of("place", "organization")}, {_of("patient", "organization")})"""

# National service code first, then LOINC, then whatever stands first.
_CODING = r"""coalesce(list_filter(l.codings, lambda x: regexp_full_match(x.code, '\d{2}\.\d{4}\.\d{4}'))[1],
    list_filter(l.codings, lambda x: x.system = 'http://loinc.org')[1], l.codings[1])"""

_PATIENT = ", ".join(
    f"{_of('patient', name)} AS patient_{name}"
    for name in ["id", "own", "national", "cards", *names("Patient")]
    if name not in ("identifiers", "organization")
)

_ORDER = f"""CREATE OR REPLACE TEMP TABLE fhir_order AS
WITH located AS (
    SELECT q.*, {_PROVIDER} AS provider, coalesce(r.results, 0) AS results,
           r.corrected, r.finished, r.cancelled, p.corrected AS report_corrected, p.finished AS report_finished,
           p.request IS NOT NULL AS reported, coalesce(r.issued, p.issued) AS issued,
           coalesce(r.effective, p.effective) AS effective, r."value", r.unit, r.flag,
           coalesce(r.performer, p.performer) AS performer,
           coalesce(q.specimen, r.specimen, t.specimen) AS taken,
           patient1.key IS NULL AND patient2.key IS NULL AS patient_missing,
           q.encounter IS NOT NULL AND encounter1.key IS NULL AND encounter2.key IS NULL AS encounter_missing,
           {_PATIENT},
           {_of("encounter", "class")} AS class, {_of("encounter", "id")} AS encounter_id,
           coalesce({_of("encounter", "department")}, {_of("encounter", "service")}, {_of("place", "name")})
               AS department
    FROM fhir_request AS q
    LEFT JOIN fhir_result AS r ON r.scope = q.scope AND r.request = q.key
    LEFT JOIN fhir_reported AS p ON p.scope = q.scope AND p.request = q.key
    LEFT JOIN fhir_taken AS t ON t.scope = q.scope AND t.request = q.key
    {_find("fhir_patient", "patient", "q", "q.subject")}
    {_find("fhir_encounter", "encounter", "q", "q.encounter")}
    {_find("fhir_location", "place", "q", "q.location")}
)
SELECT l.*, {_CODING} AS coding,
       -- An unknown hospital has no line, unless it is called by its code; an unknown laboratory is some other one.
       coalesce({_home("org")}, nullif(regexp_extract(l.provider, '^Organization/([0-9]{{5}})$', 1), '')) AS facility,
       coalesce({_home("lab")}, nullif(split_part(l.performer, '/', 2), '')) AS laboratory,
       l.provider IS NOT NULL AND coalesce(org1.torn, true) AND coalesce(org2.torn, true) AS organization_missing,
       coalesce({_of("tube", "kind")}, {_of("tube", "kind_name")}) AS tube,
       coalesce({_of("tube", "collected")}, {_of("tube", "collected_start")}) AS collected
FROM located AS l
{_find("fhir_home", "org", "l", "l.provider")}
{_find("fhir_home", "lab", "l", "l.performer")}
{_find("fhir_specimen", "tube", "l", "l.taken")}"""


#: Statements that make ``fhir_result``, what observations say of each request.
RESULTS = [*_LINKS, *_RESULTS]


def joined(settings: FhirSettings) -> list[str]:
    """Statements that end in the temporary table ``fhir_order``; they need ``fhir_result``."""
    own, national, insurance, facility = (
        _is_one_of(listed)
        for listed in (settings.patient_id, settings.national_id, settings.insurance_id, settings.facility_id)
    )
    patient = f""",
        coalesce({_first(own)}, {_first(f"NOT {national} AND NOT {insurance}")}) AS own, {_first(national)} AS national,
        nullif(array_to_string(list_transform(list_filter(identifiers, lambda x: {insurance}), lambda x: x.value), ';'),
               '') AS cards"""
    organization = f", coalesce({_first(facility)}, identifiers[1].value) AS identifier"
    return [
        _index("Patient", patient),
        _index("Organization", organization),
        *(_index(kind) for kind in ("Encounter", "Location", "Specimen")),
        _HOMES,
        _ORDER,
    ]


def _is_one_of(listed: Sequence[str]) -> str:
    """SQL over x, an identifier: its type code is one of those in capitals, or its system has one of the others."""
    types = [f"upper(x.type.coding[1].code) = {literal(one)}" for one in listed if one.isupper()]
    systems = [f"contains(lower(x.system), {literal(one.lower())})" for one in listed if not one.isupper()]
    return f"coalesce({' OR '.join([*types, *systems, 'false'])}, false)"


def _first(wanted: str) -> str:
    return f"list_filter(identifiers, lambda x: {wanted})[1].value"


_STATUS = """CASE
    WHEN status IN ('revoked', 'entered-in-error') OR cancelled THEN 'cancelled'
    WHEN corrected OR (report_corrected AND results > 0) THEN 'corrected'
    WHEN finished OR report_finished THEN 'final'
    WHEN results > 0 OR reported THEN 'preliminary'
    WHEN collected IS NOT NULL THEN 'collected'
    ELSE 'ordered' END"""

_REASONS = ", ".join(f"'{reason}'" for reason in ORDER_REASONS)

#: Canonical column → expression over fhir_order.
COLUMNS: dict[str, str] = {
    "facility_id": "facility",
    "order_id": "coalesce(identifier, id)",
    # A group, a device or a place may be examined too: it is no patient.
    "patient_id": "coalesce(patient_own, patient_id, nullif(regexp_extract(subject, '^Patient/(.*)$', 1), ''))",
    "national_id": "patient_national",
    "insurance_id": "patient_cards",
    "full_name": "coalesce(patient_name, concat_ws(' ', patient_family, array_to_string(patient_givens, ' ')))",
    "birth_date": "patient_birth",
    "sex": "CASE WHEN patient_gender = 'other' THEN 'unknown' ELSE patient_gender END",
    "phone": "patient_phone",
    "province": "coalesce(patient_province, patient_city)",
    "address": "coalesce(patient_address, array_to_string(patient_lines, ', '))",
    "test_code": "coalesce(coding.code, code_text)",
    "code_system": "CASE WHEN coding.system = 'http://loinc.org' THEN 'loinc' END",
    "test_name": "coalesce(code_text, coding.display)",
    "specimen": "tube",
    "performed_by": "laboratory",
    "ordered_at": "coalesce(authored, occurrence)",
    "collected_at": "coalesce(collected, effective)",
    "resulted_at": "CASE WHEN results > 0 OR reported THEN issued END",
    "status": _STATUS,
    "value": '"value"',
    "unit": "unit",
    "abnormal_flag": "flag",
    "setting": """CASE upper(class) WHEN 'EMER' THEN 'emergency' WHEN 'IMP' THEN 'inpatient'
        WHEN 'ACUTE' THEN 'inpatient' WHEN 'NONAC' THEN 'inpatient' WHEN 'SS' THEN 'inpatient'
        WHEN 'AMB' THEN 'outpatient' WHEN 'VR' THEN 'outpatient' WHEN 'HH' THEN 'outpatient' ELSE 'unknown' END""",
    "department": "department",
    "ordered_by": "coalesce(nullif(split_part(requester, '/', 2), ''), requester_name)",
    "encounter_id": "encounter_id",
    "order_reason": f"list_filter(reasons, lambda r: lower(r) IN ({_REASONS}))[1]",
}
