"""FHIR R4 resources → canonical columns, as SQL.

Each resource type has its table of text fields. ``JOINED`` builds ``fhir_order``, one row a ServiceRequest with
everything its references lead to. Element names and code systems are those of HL7 FHIR R4 (4.0.1).
"""

from __future__ import annotations

from dedup.schema import ORDER_REASONS

__all__ = ["COLUMNS", "JOINED", "TABLES", "extraction"]

#: Resource type → temporary table.
TABLES: dict[str, str] = {
    "ServiceRequest": "fhir_request",
    "Observation": "fhir_observation",
    "DiagnosticReport": "fhir_report",
    "Specimen": "fhir_specimen",
    "Patient": "fhir_patient",
    "Encounter": "fhir_encounter",
    "Organization": "fhir_organization",
    "Location": "fhir_location",
}

# Per type: name → JSON path. A name ending in s with [*] in its path is a list of texts; _json keeps the JSON.
_FIELDS: dict[str, dict[str, str]] = {
    "ServiceRequest": {
        "status": "$.status",
        "identifier": "$.identifier[0].value",
        "code_json": "$.code",
        "code_text": "$.code.text",
        "subject": "$.subject.reference",
        "encounter": "$.encounter.reference",
        "requester": "$.requester.reference",
        "requester_name": "$.requester.display",
        "specimen": "$.specimen[0].reference",
        "location": "$.locationReference[0].reference",
        "authored": "$.authoredOn",
        "occurrence": "$.occurrenceDateTime",
        "reasons": "$.reasonCode[*].coding[*].code",
    },
    "Observation": {
        "status": "$.status",
        "effective": "$.effectiveDateTime",
        "effective_start": "$.effectivePeriod.start",
        "issued": "$.issued",
        "quantity": "$.valueQuantity.value",
        "unit": "$.valueQuantity.unit",
        "string": "$.valueString",
        "concept": "$.valueCodeableConcept.text",
        "concept_name": "$.valueCodeableConcept.coding[0].display",
        "specimen": "$.specimen.reference",
        "performers": "$.performer[*].reference",
        "bases": "$.basedOn[*].reference",
        "members": "$.hasMember[*].reference",
        "flags": "$.interpretation[*].coding[*].code",
    },
    "DiagnosticReport": {
        "status": "$.status",
        "effective": "$.effectiveDateTime",
        "effective_start": "$.effectivePeriod.start",
        "issued": "$.issued",
        "performers": "$.performer[*].reference",
        "bases": "$.basedOn[*].reference",
        "members": "$.result[*].reference",
    },
    "Specimen": {
        "kind": "$.type.text",
        "kind_name": "$.type.coding[0].display",
        "collected": "$.collection.collectedDateTime",
        "collected_start": "$.collection.collectedPeriod.start",
        "requests": "$.request[*].reference",
    },
    "Patient": {
        "identifiers_json": "$.identifier",
        "name": "$.name[0].text",
        "family": "$.name[0].family",
        "givens": "$.name[0].given[*]",
        "gender": "$.gender",
        "birth": "$.birthDate",
        "phone": "$.telecom[0].value",
        "province": "$.address[0].state",
        "city": "$.address[0].city",
        "address": "$.address[0].text",
        "lines": "$.address[0].line[*]",
        "organization": "$.managingOrganization.reference",
    },
    "Encounter": {
        "class": "$.class.code",
        "provider": "$.serviceProvider.reference",
        "department": "$.location[0].location.display",
        "service": "$.serviceType.text",
    },
    "Organization": {
        "identifier": "$.identifier[0].value",
        "kinds": "$.type[*].coding[*].code",
        "part_of": "$.partOf.reference",
    },
    "Location": {"organization": "$.managingOrganization.reference", "name": "$.name"},
}


def extraction(kind: str, source: str | None, delivery_no: int, scope: str) -> str:
    """Fill the table of ``kind`` from ``source`` (body, url, resource_type); without one, an empty table's SELECT."""
    fields = ", ".join(f"{_field(name, path)} AS {name}" for name, path in _FIELDS[kind].items())
    shape = (
        f"SELECT CAST({delivery_no} AS INTEGER) AS delivery_no, '{scope}' AS scope, "
        "row_number() OVER () AS row_number, body ->> '$.id' AS id, "
        f"coalesce(CASE WHEN url LIKE 'urn:%' THEN url END, '{kind}/' || (body ->> '$.id')) AS key, {fields} FROM "
    )
    if source is None:
        return shape + "(SELECT CAST(NULL AS JSON) AS body, CAST(NULL AS VARCHAR) AS url) WHERE false"
    return f"INSERT INTO {TABLES[kind]} {shape} {source} WHERE resource_type = '{kind}'"


def _field(name: str, path: str) -> str:
    if name.endswith("_json"):
        return f"json_extract(body, '{path}')"
    if "[*]" in path:
        return f"json_extract_string(body, '{path}')"
    return f"body ->> '{path}'"


def _key(reference: str) -> str:
    """``Type/id`` of a reference in any of its forms; urn:uuid stays as it is."""
    last = rf"regexp_extract({reference}, '([A-Za-z]+/[A-Za-z0-9.-]+)(/_history/[^/]+)?$', 1)"
    return f"CASE WHEN {reference} LIKE 'urn:%' THEN {reference} ELSE {last} END"


def _index(kind: str) -> str:
    """Each resource once a delivery, and once a folder (delivery_no NULL): two hash joins find any reference."""
    table = TABLES[kind]
    return f"""CREATE OR REPLACE TEMP TABLE {table}_at AS
        (SELECT DISTINCT ON (scope, key, delivery_no) delivery_no AS at, * FROM {table} ORDER BY row_number DESC)
        UNION ALL
        (SELECT DISTINCT ON (scope, key) CAST(NULL AS INTEGER) AS at, * FROM {table}
         ORDER BY delivery_no DESC, row_number DESC)"""


def _find(table: str, alias: str, owner: str, reference: str) -> str:
    """Two joins: ``{alias}1`` in the same delivery, ``{alias}2`` in the same folder."""
    on = f"scope = {owner}.scope AND {{}}.key = {_key(reference)}"
    near = on.format(f"{alias}1")
    far = on.format(f"{alias}2")
    return (
        f"LEFT JOIN {table}_at AS {alias}1 ON {alias}1.{near} AND {alias}1.at = {owner}.delivery_no\n"
        f"LEFT JOIN {table}_at AS {alias}2 ON {alias}2.{far} AND {alias}2.at IS NULL"
    )


def _of(alias: str, field: str) -> str:
    return f"CASE WHEN {alias}1.key IS NOT NULL THEN {alias}1.{field} ELSE {alias}2.{field} END"


# Observation → ServiceRequest: by basedOn, by the report it stands in, or as a member of such an observation.
_LINKS = [
    f"""CREATE OR REPLACE TEMP TABLE fhir_link AS
    SELECT DISTINCT scope, request, observation FROM (
        SELECT scope, {_key("b.base")} AS request, key AS observation
        FROM fhir_observation, unnest(bases) AS b(base)
        UNION ALL
        SELECT scope, {_key("b.base")}, {_key("m.member")}
        FROM fhir_report, unnest(bases) AS b(base), unnest(members) AS m(member)
    )""",
    f"""INSERT INTO fhir_link
    SELECT DISTINCT l.scope, l.request, {_key("m.member")}
    FROM fhir_link AS l JOIN fhir_observation AS o ON o.scope = l.scope AND o.key = l.observation,
         unnest(o.members) AS m(member)
    WHERE NOT EXISTS (FROM fhir_link AS k WHERE k.scope = l.scope AND k.request = l.request
                      AND k.observation = {_key("m.member")})""",
]

_HEIGHT = 8  # a team in a department in a department …
_GRAVITY = "['N', 'NEG', 'A', 'L', 'H', 'POS', 'LL', 'HH', 'AA']"  # from mild to grave

_RESULTS = [
    f"""CREATE OR REPLACE TEMP TABLE fhir_result AS
    SELECT l.scope, l.request, count(*) AS results,
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
    f"""CREATE OR REPLACE TEMP TABLE fhir_reported AS
    SELECT scope, {_key("b.base")} AS request, max(issued) AS issued,
           min(coalesce(effective, effective_start)) AS effective,
           bool_or(status IN ('amended', 'corrected', 'appended')) AS corrected,
           bool_or(status IN ('final', 'amended', 'corrected', 'appended')) AS finished,
           min(list_filter(performers, lambda p: contains(p, 'Organization/'))[1]) AS performer
    FROM fhir_report, unnest(bases) AS b(base)
    WHERE status IS DISTINCT FROM 'entered-in-error'
    GROUP BY ALL""",
    f"""CREATE OR REPLACE TEMP TABLE fhir_taken AS
    SELECT scope, {_key("r.request")} AS request, min(key) AS specimen
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
                                  AND o.key = {_key("c.part_of")}
    WHERE c.height < {_HEIGHT} AND list_has_any(c.kinds, ['dept', 'team'])
)
SELECT c.at, c.scope, c.key, arg_max(c.code, c.height) AS code FROM climb AS c GROUP BY ALL"""

_PROVIDER = f"""coalesce({_of("encounter", "provider")},
    CASE WHEN contains(q.requester, 'Organization/') THEN q.requester END,
    {_of("place", "organization")}, {_of("patient", "organization")})"""

_PATIENT = ", ".join(f"{_of('patient', name)} AS patient_{name}" for name in ["id", *_FIELDS["Patient"]])

_ORDER = f"""CREATE OR REPLACE TEMP TABLE fhir_order AS
WITH located AS (
    SELECT q.*, {_PROVIDER} AS provider, coalesce(r.results, 0) AS results,
           r.corrected, r.finished, r.cancelled, p.corrected AS report_corrected, p.finished AS report_finished,
           p.request IS NOT NULL AS reported, coalesce(r.issued, p.issued) AS issued,
           coalesce(r.effective, p.effective) AS effective, r."value", r.unit, r.flag,
           coalesce(r.performer, p.performer) AS performer,
           coalesce(q.specimen, r.specimen, t.specimen) AS taken,
           patient1.key IS NULL AND patient2.key IS NULL AS patient_missing,
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
SELECT l.*, coalesce({_of("org", "code")}, nullif(split_part({_key("l.provider")}, '/', 2), '')) AS facility,
       coalesce({_of("lab", "code")}, nullif(split_part({_key("l.performer")}, '/', 2), '')) AS laboratory,
       coalesce({_of("tube", "kind")}, {_of("tube", "kind_name")}) AS tube,
       coalesce({_of("tube", "collected")}, {_of("tube", "collected_start")}) AS collected
FROM located AS l
{_find("fhir_home", "org", "l", "l.provider")}
{_find("fhir_home", "lab", "l", "l.performer")}
{_find("fhir_specimen", "tube", "l", "l.taken")}"""

#: Statements that end in the temporary table ``fhir_order``.
JOINED: tuple[str, ...] = (
    *_LINKS,
    *_RESULTS,
    *(_index(kind) for kind in ("Patient", "Encounter", "Location", "Organization", "Specimen")),
    _HOMES,
    _ORDER,
)


def _identified(wanted: str) -> str:
    """The first identifier whose type code or system is ``wanted`` (SQL over x, an identifier as JSON)."""
    items = "CAST(patient_identifiers_json AS JSON[])"
    return f"list_filter({items}, lambda x: {wanted})[1] ->> '$.value'"


def _codes(*codes: str) -> str:
    listed = ", ".join(f"'{code}'" for code in codes)
    return f"coalesce(upper(x ->> '$.type.coding[0].code') IN ({listed}), false)"


_SYSTEM = "lower(coalesce(x ->> '$.system', ''))"
# Vietnamese identifiers by the words in their system, or by type code (HL7 table 0203).
_IS_NATIONAL = f"({_codes('NI', 'NNVNM', 'PPN')} OR regexp_matches({_SYSTEM}, 'cccd|cmnd|citizen|national'))"
_IS_INSURANCE = f"({_codes('HC', 'SN', 'MB')} OR regexp_matches({_SYSTEM}, 'bhyt|bhxh|insurance'))"
_IS_OWN = f"({_codes('MR', 'PI', 'MRT')})"

_CODINGS = "CAST(coalesce(json_extract(code_json, '$.coding'), '[]') AS JSON[])"
_NATIONAL = rf"list_filter({_CODINGS}, lambda x: regexp_full_match(x ->> '$.code', '\d{{2}}\.\d{{4}}\.\d{{4}}'))"
_LOINC = f"list_filter({_CODINGS}, lambda x: (x ->> '$.system') = 'http://loinc.org')"
#: National service code first, then LOINC, then whatever stands first.
_CODING = f"coalesce({_NATIONAL}[1], {_LOINC}[1], {_CODINGS}[1])"

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
    "patient_id": f"""coalesce({_identified(_IS_OWN)},
        {_identified(f"NOT {_IS_NATIONAL} AND NOT {_IS_INSURANCE}")}, patient_id,
        nullif(split_part({_key("subject")}, '/', 2), ''))""",
    "national_id": _identified(_IS_NATIONAL),
    "insurance_id": _identified(_IS_INSURANCE),
    "full_name": "coalesce(patient_name, concat_ws(' ', patient_family, array_to_string(patient_givens, ' ')))",
    "birth_date": "patient_birth",
    "sex": "CASE WHEN patient_gender = 'other' THEN 'unknown' ELSE patient_gender END",
    "phone": "patient_phone",
    "province": "coalesce(patient_province, patient_city)",
    "address": "coalesce(patient_address, array_to_string(patient_lines, ', '))",
    "test_code": f"coalesce({_CODING} ->> '$.code', code_text)",
    "code_system": f"CASE WHEN ({_CODING} ->> '$.system') = 'http://loinc.org' THEN 'loinc' END",
    "test_name": f"coalesce(code_text, {_CODING} ->> '$.display')",
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
    "ordered_by": f"coalesce(nullif(split_part({_key('requester')}, '/', 2), ''), requester_name)",
    "encounter_id": "encounter_id",
    "order_reason": f"list_filter(reasons, lambda r: lower(r) IN ({_REASONS}))[1]",
}
