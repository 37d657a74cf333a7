"""FHIR R4 resources → canonical columns, as SQL.

``fhir_fields`` gives each resource type its table, ``fhir_said`` what results say of each request. ``joined`` builds
``fhir_order`` of them, one row a ServiceRequest with everything its references lead to, and ``late``, one row a
request of an earlier night of which there is news. Code systems are those of HL7 FHIR R4 (4.0.1).
"""

from __future__ import annotations

from collections.abc import Mapping

from dedup.loading.fhir_fields import NO_ORDER, TABLES, is_one_of
from dedup.loading.fhir_keys import is_sensitive
from dedup.loading.fhir_memory import HEIGHT
from dedup.schema import ORDER_REASONS
from dedup.settings import FhirSettings

__all__ = ["COLUMNS", "WORKED", "joined"]


def _index(kind: str, columns: Mapping[str, str], near: str = "versions > 1") -> str:
    """Each resource once a folder (at NULL), and once a delivery where ``near``: two hash joins find any reference.

    What stands in one delivery only is found in its folder just as well.
    """
    table = TABLES[kind]
    chosen = f"scope, key, {', '.join(f'{sql} AS {name}' for name, sql in columns.items())} FROM {table} WHERE rowid IN"
    return f"""CREATE OR REPLACE TEMP TABLE {table}_at AS
        WITH version AS MATERIALIZED (
            SELECT scope, key, delivery_no, arg_max(rowid, row_number) AS place FROM {table} GROUP BY ALL
        ), latest AS MATERIALIZED (
            SELECT scope, key, arg_max(place, delivery_no) AS place, count(*) AS versions FROM version GROUP BY ALL
        )
        SELECT CAST(NULL AS INTEGER) AS at, {chosen} (SELECT place FROM latest)
        UNION ALL
        SELECT delivery_no AS at, {chosen}
            (SELECT v.place FROM version AS v JOIN latest USING (scope, key) WHERE {near})"""


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


# Orders name the ward's or the laboratory's department; the facility is the hospital above it.
_TORN = f"coalesce(list_has_any(c.kinds, ['dept', 'team']), false) AND c.part_of IS NOT NULL AND c.height < {HEIGHT}"
_HOMES = f"""CREATE OR REPLACE TEMP TABLE fhir_home_at AS
WITH RECURSIVE climb AS (
    SELECT o.at, o.scope, o.key, o.code, o.part_of, o.kinds, 0 AS height
    FROM fhir_organization_at AS o
    UNION ALL
    SELECT c.at, c.scope, c.key, o.code, o.part_of, o.kinds, c.height + 1
    FROM climb AS c
    JOIN fhir_organization_at AS o ON o.scope = c.scope AND o.at IS NOT DISTINCT FROM c.at
                                  AND o.key = c.part_of
    WHERE c.height < {HEIGHT} AND list_has_any(c.kinds, ['dept', 'team'])
)
SELECT c.at, c.scope, c.key, arg_max(c.code, c.height) AS code, arg_max({_TORN}, c.height) AS torn,
       -- the organisation above, which stands in no file that has been looked at
       arg_max_null(CASE WHEN {_TORN} THEN c.part_of END, c.height) AS above
FROM climb AS c GROUP BY ALL"""

_PROVIDER = f"""coalesce({_of("encounter", "provider")},
    CASE WHEN contains(q.requester, 'Organization/') THEN q.requester END,
    {_of("place", "organization")}, {_of("patient", "organization")})"""

# National service code first, then LOINC, then whatever stands first.
_CODING = r"""coalesce(list_filter(l.codings, lambda x: regexp_full_match(x.code, '\d{2}\.\d{4}\.\d{4}'))[1],
    list_filter(l.codings, lambda x: x.system = 'http://loinc.org')[1], l.codings[1])"""

_PATIENT: dict[str, str] = {
    "full_name": "coalesce(name, concat_ws(' ', family, array_to_string(givens, ' ')))",
    "birth_date": "birth",
    "sex": "CASE WHEN gender = 'other' THEN 'unknown' ELSE gender END",
    "phone": "phone",
    "province": "coalesce(province, city)",
    "address": "coalesce(address, array_to_string(lines, ', '))",
}
_PATIENT_ID = ("patient_id", "national_id", "insurance_id")
_OF_PATIENT = ", ".join(f"{_of('patient', name)} AS {name}" for name in (*_PATIENT_ID, *_PATIENT))

_ENCOUNTER = {
    "id": "id",
    "provider": "provider",
    "department": "coalesce(department, service)",
    "setting": """CASE upper(class) WHEN 'EMER' THEN 'emergency' WHEN 'IMP' THEN 'inpatient'
        WHEN 'ACUTE' THEN 'inpatient' WHEN 'NONAC' THEN 'inpatient' WHEN 'SS' THEN 'inpatient'
        WHEN 'AMB' THEN 'outpatient' WHEN 'VR' THEN 'outpatient' WHEN 'HH' THEN 'outpatient' ELSE 'unknown' END""",
}
_SPECIMEN = {"kind": "coalesce(kind, kind_name)", "collected": "coalesce(collected, collected_start)"}
_PLACE = {name: name for name in ("organization", "name")}

_UNKNOWN = "{0}1.key IS NULL AND {0}2.key IS NULL"


def _unknown_home(alias: str) -> str:
    return f"coalesce({alias}1.torn, true) AND coalesce({alias}2.torn, true)"


# Where and on what the laboratory worked (an unknown laboratory is some other one), and what has not come yet.
_WORKED = f"""coalesce({_home("lab")}, nullif(split_part(l.performer, '/', 2), '')) AS laboratory,
       {_of("tube", "kind")} AS tube, {_of("tube", "collected")} AS collected,
       l.taken IS NOT NULL AND {_UNKNOWN.format("tube")} AS specimen_missing,
       l.performer IS NOT NULL AND {_unknown_home("lab")} AS laboratory_missing,
       CASE WHEN specimen_missing OR laboratory_missing OR {{}} THEN list_filter([{{}},
           CASE WHEN specimen_missing THEN l.taken END,
           CASE WHEN laboratory_missing THEN coalesce(lab2.above, lab1.above, l.performer) END
       ], lambda x: contains(x, '/') OR starts_with(x, 'urn:')) END AS wants"""
_MISSING = "patient_missing OR encounter_missing OR location_missing OR organization_missing"
_REFERRED = """CASE WHEN patient_missing THEN l.subject END, CASE WHEN encounter_missing THEN l.encounter END,
    CASE WHEN location_missing THEN l.location END,
    CASE WHEN organization_missing THEN coalesce(org2.above, org1.above, l.provider) END"""
_WORKPLACES = f"""{_find("fhir_home", "lab", "l", "l.performer")}
{_find("fhir_specimen", "tube", "l", "l.taken")}"""

_STATUS = f"""CASE
    WHEN status IN ('revoked', 'entered-in-error', '{NO_ORDER}') OR cancelled THEN 'cancelled'
    WHEN corrected OR (report_corrected AND results > 0) THEN 'corrected'
    WHEN finished OR report_finished THEN 'final'
    WHEN results > 0 OR reported THEN 'preliminary'
    WHEN collected IS NOT NULL THEN 'collected'
    ELSE 'ordered' END"""

_REASONS = ", ".join(f"'{reason}'" for reason in ORDER_REASONS)

#: Canonical column → expression over what a request's references lead to.
COLUMNS: dict[str, str] = {
    "facility_id": "facility",
    "order_id": "coalesce(identifier, id)",
    # A group, a device or a place may be examined too: it is no patient.
    "patient_id": "coalesce(patient_id, nullif(regexp_extract(subject, '^Patient/(.*)$', 1), ''))",
    **{name: name for name in (*_PATIENT_ID[1:], *_PATIENT)},
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
    "setting": "setting",
    "department": "department",
    "ordered_by": "coalesce(nullif(split_part(requester, '/', 2), ''), requester_name)",
    "encounter_id": "encounter_id",
    "order_reason": f"list_filter(reasons, lambda r: lower(r) IN ({_REASONS}))[1]",
}
_CANONICAL = ", ".join(f'{sql} AS "{name}"' for name, sql in COLUMNS.items())

#: The columns that results and specimens tell, of requests of the night and of earlier ones.
WORKED = ("specimen", "performed_by", "collected_at", "resulted_at", "status", "value", "unit", "abnormal_flag")

_ORDER = f"""CREATE OR REPLACE TEMP TABLE fhir_order AS
WITH located AS (
    SELECT q.*, {_PROVIDER} AS provider, coalesce(k.results, 0) AS results, k.corrected, k.finished, k.cancelled,
           coalesce(k.reported, false) AS reported, k.report_corrected, k.report_finished, k.issued, k.effective,
           k."value", k.unit, k.flag, k.performer, coalesce(q.specimen, k.specimen) AS taken,
           coalesce(k.withdrawn, 0) AS withdrawn,
           {_UNKNOWN.format("patient")} AS patient_missing,
           q.encounter IS NOT NULL AND {_UNKNOWN.format("encounter")} AS encounter_missing,
           q.location IS NOT NULL AND {_UNKNOWN.format("place")} AS location_missing,
           {_OF_PATIENT}, {_of("encounter", "setting")} AS setting, {_of("encounter", "id")} AS encounter_id,
           coalesce({_of("encounter", "department")}, {_of("place", "name")}) AS department
    FROM fhir_request AS q
    LEFT JOIN fhir_known AS k ON k.scope = q.scope AND k.request = q.key
    {_find("fhir_patient", "patient", "q", "q.subject")}
    {_find("fhir_encounter", "encounter", "q", "q.encounter")}
    {_find("fhir_location", "place", "q", "q.location")}
), found AS (
    SELECT l.*, {_CODING} AS coding,
           -- An unknown hospital has no line, unless it is called by its code.
           coalesce({_home("org")}, nullif(regexp_extract(l.provider, '^Organization/([0-9]{{5}})$', 1), ''))
               AS facility,
           {is_sensitive("list_append(list_transform(l.codings, lambda x: x.code), l.code_text)")} AS sensitive,
           l.provider IS NOT NULL AND {_unknown_home("org")} AS organization_missing,
           {_WORKED.format(_MISSING, _REFERRED)}
    FROM located AS l
    {_find("fhir_home", "org", "l", "l.provider")}
    {_WORKPLACES}
)
SELECT delivery_no, scope, key, subject, row_number, results, withdrawn, patient_missing, encounter_missing,
       organization_missing, sensitive, wants, {_CANONICAL}
FROM found"""

# The requests that are not of the night, and what it says of them.
_LATE = f"""CREATE OR REPLACE TEMP TABLE late AS
SELECT l.*, CAST(NULL AS VARCHAR) AS status, {_WORKED.format("false", "CAST(NULL AS VARCHAR)")}
FROM (SELECT k.* EXCLUDE (specimen), n.request_key, n.known, n.subject, coalesce(n.specimen, k.specimen) AS taken
      FROM night_named AS n JOIN fhir_known AS k USING (scope, request) WHERE NOT n.here) AS l
{_WORKPLACES}"""


def joined(settings: FhirSettings) -> list[str]:
    """Statements that end in the temporary tables ``fhir_order`` and ``late``; they need ``fhir_known``."""
    own, national, insurance, facility = (
        is_one_of(listed)
        for listed in (settings.patient_id, settings.national_id, settings.insurance_id, settings.facility_id)
    )
    cards = f"list_transform(list_filter(identifiers, lambda x: {insurance}), lambda x: x.value)"
    patient = {
        "patient_id": f"coalesce({_first(own)}, {_first(f'NOT {national} AND NOT {insurance}')}, id)",
        "national_id": _first(national),
        "insurance_id": f"nullif(array_to_string({cards}, ';'), '')",
        "organization": "organization",
    }
    code = f"coalesce({_first(facility)}, identifiers[1].value, id)"
    return [
        _index("Patient", patient | _PATIENT),
        _index("Organization", {"code": code, "part_of": "part_of", "kinds": "kinds"}, near="true"),
        *(_index(*one) for one in (("Encounter", _ENCOUNTER), ("Location", _PLACE), ("Specimen", _SPECIMEN))),
        _HOMES,
        _ORDER,
        _LATE,
    ]


def _first(wanted: str) -> str:
    return f"list_filter(identifiers, lambda x: {wanted})[1].value"
