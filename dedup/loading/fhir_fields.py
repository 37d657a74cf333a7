"""FHIR R4 resources → tables of text, one for each type, every resource parsed once.

Element names and code systems are those of HL7 FHIR R4 (4.0.1).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from dedup.quoting import literal
from dedup.settings import FhirSettings

__all__ = ["NO_ORDER", "TABLES", "empty", "extraction", "is_one_of"]

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

#: The status of a request that nobody is to carry out (R4: ``doNotPerform``), or that only thinks of an order. Another
#: intent is another request, based on that one; so it leaves the line of an order of the same number alone.
NO_ORDER = "no-order"
_THOUGHTS = "('proposal', 'plan', 'directive', 'option')"

_IDENTIFIERS = "identifier[*].{use,system,value,type.coding[*].code}"

# Per type: name → path. [*] makes a list, [0] takes the first, [?] the first that is still in use; {a,b} keeps what is
# in it together.
_FIELDS: dict[str, dict[str, str]] = {
    "ServiceRequest": {
        "status": "{status,intent,doNotPerform}",
        "identifier": _IDENTIFIERS,
        "codings": "code.coding[*].{system,code,display}",
        "code_text": "code.text",
        "subject": "subject.reference",
        "encounter": "encounter.reference",
        "requester": "requester.reference",
        "requester_name": "requester.display",
        "specimen": "specimen[0].reference",
        "location": "locationReference[0].reference",
        "authored": "authoredOn",
        "occurrence": "occurrenceDateTime",
        "reasons": "reasonCode[*].coding[*].code",
    },
    "Observation": {
        "status": "status",
        "subject": "subject.reference",
        "effective": "effectiveDateTime",
        "effective_start": "effectivePeriod.start",
        "issued": "issued",
        "quantity": "valueQuantity.value",
        "unit": "valueQuantity.unit",
        "string": "valueString",
        "concept": "valueCodeableConcept.text",
        "concept_name": "valueCodeableConcept.coding[0].display",
        "specimen": "specimen.reference",
        "performers": "performer[*].reference",
        "bases": "basedOn[*].reference",
        "members": "hasMember[*].reference",
        "flags": "interpretation[*].coding[*].code",
        "codes": "code.coding[*].code",
        "categories": "category[*].coding[*].code",
    },
    "DiagnosticReport": {
        "status": "status",
        "subject": "subject.reference",
        "effective": "effectiveDateTime",
        "effective_start": "effectivePeriod.start",
        "issued": "issued",
        "performers": "performer[*].reference",
        "bases": "basedOn[*].reference",
        "members": "result[*].reference",
    },
    "Specimen": {
        "kind": "type.text",
        "kind_name": "type.coding[0].display",
        "collected": "collection.collectedDateTime",
        "collected_start": "collection.collectedPeriod.start",
        "requests": "request[*].reference",
        "subject": "subject.reference",
    },
    "Patient": {
        "identifiers": _IDENTIFIERS,
        "name": "name[?].text",
        "family": "name[?].family",
        "givens": "name[?].given[*]",
        "gender": "gender",
        "birth": "birthDate",
        "phone": "telecom[*].{use,system,value}",
        "province": "address[?].state",
        "city": "address[?].city",
        "address": "address[?].text",
        "lines": "address[?].line[*]",
        "organization": "managingOrganization.reference",
    },
    "Encounter": {
        "class": "class.code",
        "provider": "serviceProvider.reference",
        "department": "location[0].location.display",
        "service": "serviceType.text",
    },
    "Organization": {
        "identifiers": _IDENTIFIERS,
        "kinds": "type[*].coding[*].code",
        "part_of": "partOf.reference",
    },
    "Location": {"organization": "managingOrganization.reference", "name": "name"},
}


# A name before marriage is one from before, too.
_IN_USE = "coalesce(x.use NOT IN ('old', 'maiden'), true)"
_IDENTIFIERS_IN_USE = f"""list_transform(list_filter({{0}}, lambda x: {_IN_USE}),
    lambda x: struct_pack(system := x.system, "value" := x."value", "type" := x."type"))"""


def _made(settings: FhirSettings) -> dict[tuple[str, str], str]:
    """Type and name → SQL that makes the field of what lies at its path."""
    own = f'x."value" IS NOT NULL AND {_IN_USE} AND NOT {is_one_of(settings.shared_id)}'
    return {
        ("ServiceRequest", "status"): f"""CASE WHEN {{0}}.intent IN {_THOUGHTS} OR {{0}}."doNotPerform" = 'true'
            THEN '{NO_ORDER}' ELSE {{0}}.status END""",
        ("ServiceRequest", "identifier"): f'list_filter({{0}}, lambda x: {own})[1]."value"',
        ("Patient", "identifiers"): _IDENTIFIERS_IN_USE,
        ("Patient", "phone"): f"""list_filter({{0}}, lambda x: {_IN_USE}
            AND coalesce(x.system IN ('phone', 'sms'), true))[1]."value\"""",
        ("Organization", "identifiers"): _IDENTIFIERS_IN_USE,
    }


def is_one_of(listed: Sequence[str]) -> str:
    """SQL over x, an identifier: a code of its type is one of those in capitals, its system has one of the others."""
    types = ", ".join(literal(one) for one in listed if one.isupper())
    systems = [f"contains(lower(x.system), {literal(one.lower())})" for one in listed if not one.isupper()]
    given = "list_transform(x.type.coding, lambda y: upper(y.code))"
    # Most identifiers have no type: CASE spares them the lists.
    coded = f"CASE WHEN x.type.coding IS NULL THEN false ELSE list_has_any({given}, CAST([{types}] AS VARCHAR[])) END"
    return f"coalesce({' OR '.join([coded, *systems])}, false)"


def empty(kind: str) -> str:
    """The empty table of a type, as a SELECT."""
    nothing = "(SELECT CAST(NULL AS JSON) AS body, CAST(NULL AS VARCHAR) AS url) WHERE false"
    return _select(kind, nothing, 0, "", FhirSettings())


def extraction(kind: str, source: str, delivery_no: int, scope: str, settings: FhirSettings) -> str:
    """Fill the table of a type from ``source`` (body, url, resource_type)."""
    return f"INSERT INTO {TABLES[kind]} " + _select(
        kind, f"{source} WHERE resource_type = '{kind}'", delivery_no, scope, settings
    )


def _select(kind: str, source: str, delivery_no: int, scope: str, settings: FhirSettings) -> str:
    made = _made(settings)
    fields = ", ".join(
        f'{made.get((kind, name), "{0}").replace("{0}", _field(path))} AS "{name}"'
        for name, path in _FIELDS[kind].items()
    )
    shape = json.dumps(_shape(["id", *_FIELDS[kind].values()]))
    return (
        f"SELECT CAST({delivery_no} AS INTEGER) AS delivery_no, '{scope}' AS scope, row_number() OVER () AS row_number,"
        f" r.id AS id, coalesce(CASE WHEN url LIKE 'urn:%' THEN url END, '{kind}/' || r.id) AS key, {fields} "
        f"FROM (SELECT json_transform(body, '{shape}') AS r, url FROM {source})"
    )


def _shape(paths: Sequence[str]) -> Any:
    """The structure all paths lie in, the way DuckDB wants it described."""
    if paths == [""]:
        return "VARCHAR"
    shape: dict[str, Any] = {}
    below: dict[str, list[str]] = {}
    lists = set()
    for path in paths:
        for one in _alternatives(path):
            name, _, rest = one.partition(".")
            element = re.sub(r"\[.\]", "", name)
            below.setdefault(element, []).extend([rest, "use"] if name.endswith("[?]") else [rest])
            lists |= {element} if element != name else set()
    for element, rests in below.items():
        inner = _shape([rest for rest in dict.fromkeys(rests) if rest] or [""])
        shape[element] = [inner] if element in lists else inner
    return shape


def _alternatives(path: str) -> list[str]:
    before, brace, inside = path.partition("{")
    return [before + one for one in inside.rstrip("}").split(",")] if brace else [path]


def _field(path: str, source: str = "r", depth: int = 0) -> str:
    """The SQL that takes what lies at ``path`` out of the structure; references become ``Type/id``."""
    name, _, rest = path.partition(".")
    if not path or name.startswith("{"):
        return _key(source) if path == "" and source.endswith('"reference"') else source
    element = re.sub(r"\[.\]", "", name)
    value = f'{source}."{element}"'
    if name.endswith("[0]"):
        value += "[1]"
    elif name.endswith("[?]"):
        value = f"coalesce(list_filter({value}, lambda x: {_IN_USE})[1], {value}[1])"
    if not name.endswith("[*]"):
        return _field(rest, value, depth)
    inner = _field(rest, f"x{depth}", depth + 1)
    if inner == f"x{depth}":
        return value
    listed = f"list_transform({value}, lambda x{depth}: {inner})"
    return f"flatten({listed})" if "[*]" in rest and "{" not in rest else listed


def _key(reference: str) -> str:
    """``Type/id`` of a reference in any of its forms; urn:uuid stays as it is."""
    last = rf"regexp_extract({reference}, '([A-Za-z]+/[A-Za-z0-9.-]+)(/_history/[^/]+)?$', 1)"
    plain = f"NOT contains({reference}, ':') AND NOT contains({reference}, '/_')"
    return f"CASE WHEN {plain} OR {reference} LIKE 'urn:%' THEN {reference} ELSE {last} END"
