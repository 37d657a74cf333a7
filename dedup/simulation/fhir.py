"""Order lines as FHIR R4 resources, one JSON text a resource.

How the canonical columns are carried:

* facility: Organization (identifier ``cskcb``), which Patient.managingOrganization and Encounter.serviceProvider name
* patient_id, national_id, insurance_id: Patient.identifier; name in HumanName.text; partial birthDate as FHIR has it
* order_id and line_no: ServiceRequest.identifier; a request is a single order, so each line becomes one of its own
  (see ``placer_numbers``), and ServiceRequest.requisition holds them together
* ordered_at: authoredOn; collected_at: Specimen.collection and Observation.effectiveDateTime; resulted_at: issued
* performed_by: ServiceRequest.performer and Observation.performer
* value: Observation (valueQuantity or valueString); a result without a value (panels, images): DiagnosticReport
* cancelled: ServiceRequest ``revoked``; rejected: Specimen ``unsatisfactory``
* department: Encounter.serviceType; price: an extension in đồng
"""

from __future__ import annotations

import polars as pl

from dedup.simulation.canonical import placer_numbers
from dedup.simulation.draw import Ints
from dedup.simulation.json_text import array, member, members, quoted
from dedup.simulation.world import World

__all__ = ["PRICE", "SYSTEMS", "resources"]

_BASE = "http://example.org/fhir"
#: What each identifier and code is of.
SYSTEMS = {
    "patient": f"{_BASE}/sid/patient",
    "national_id": f"{_BASE}/sid/cccd",
    "insurance_id": f"{_BASE}/sid/bhyt",
    "facility": f"{_BASE}/sid/cskcb",
    "order": f"{_BASE}/sid/order",
    "order_line": f"{_BASE}/sid/order-line",
    "order_reason": f"{_BASE}/CodeSystem/order-reason",
    "setting": f"{_BASE}/CodeSystem/setting",
    "vn-service": f"{_BASE}/CodeSystem/vn-service",
    "local": f"{_BASE}/CodeSystem/local",
    "loinc": "http://loinc.org",
}
PRICE = f"{_BASE}/StructureDefinition/price-vnd"
_V3 = "http://terminology.hl7.org/CodeSystem/v3"
_CLASS = {"outpatient": "AMB", "inpatient": "IMP", "emergency": "EMER", "icu": "ACUTE", "screening": "AMB"}


def _time(name: str) -> pl.Expr:
    return quoted(pl.col(name).str.slice(0, 16) + ":00+07:00")


def _type(name: str) -> pl.Expr:
    return pl.lit(f'"resourceType":"{name}"')


def _reference(kind: str, column: str) -> pl.Expr:
    return pl.lit('{"reference":"' + kind + "/") + pl.col(column) + pl.lit('"}')


def _identifier(system: str, value: pl.Expr) -> pl.Expr:
    return pl.lit('{"system":"' + SYSTEMS[system] + '","value":') + quoted(value) + pl.lit("}")


def _coding(system: pl.Expr, code: pl.Expr) -> pl.Expr:
    return pl.lit('{"system":') + quoted(system) + pl.lit(',"code":') + quoted(code) + pl.lit("}")


def _code() -> pl.Expr:
    code = pl.col("test_code")
    system = (
        pl.when(code.str.contains(r"^\d{2}\.\d{4}\.\d{4}$"))
        .then(pl.lit(SYSTEMS["vn-service"]))
        .when(code.str.contains(r"^\d{1,7}-\d$"))
        .then(pl.lit(SYSTEMS["loinc"]))
        .otherwise(pl.lit(SYSTEMS["local"]))
    )
    return members(member("coding", array(_coding(system, code))), member("text", "test_name"))


def _organizations(lines: pl.DataFrame) -> pl.Series:
    codes = pl.concat([lines["facility_id"], lines["performed_by"].drop_nulls().alias("facility_id")]).unique().sort()
    return codes.to_frame().select(
        json=members(
            _type("Organization"),
            member("id", "facility_id"),
            member("identifier", array(_identifier("facility", pl.col("facility_id")))),
        )
    )["json"]


def _patients(lines: pl.DataFrame) -> pl.Series:
    cards = pl.col("insurance_id").str.split(";")
    address = members(member("use", pl.lit('"home"')), member("text", "address"), member("state", "province"))
    telecom = pl.lit('{"system":"phone","value":') + quoted(pl.col("phone")) + pl.lit("}")
    return lines.unique("patient", keep="last", maintain_order=True).select(
        json=members(
            _type("Patient"),
            member("id", "patient"),
            member(
                "identifier",
                array(
                    _identifier("patient", pl.col("patient_id")),
                    _identifier("national_id", pl.col("national_id")),
                    _identifier("insurance_id", cards.list.get(0, null_on_oob=True)),
                    _identifier("insurance_id", cards.list.get(1, null_on_oob=True)),
                ),
            ),
            member("name", array(members(member("text", "full_name")))),
            member("telecom", array(telecom)),
            member("gender", "gender"),
            member("birthDate", "birth_date"),
            member("address", array(address)),
            member("managingOrganization", _reference("Organization", "facility_id")),
        )
    )["json"]


def _encounters(lines: pl.DataFrame) -> pl.Series:
    kind = pl.col("setting").replace_strict(_CLASS, return_dtype=pl.String)
    return lines.unique("encounter", keep="first", maintain_order=True).select(
        json=members(
            _type("Encounter"),
            member("id", "encounter"),
            member("identifier", array(_identifier("order", pl.col("order_id")))),
            member("status", pl.lit('"finished"')),
            member("class", _coding(pl.lit(f"{_V3}-ActCode"), kind)),
            member(
                "type", array(members(member("coding", array(_coding(pl.lit(SYSTEMS["setting"]), pl.col("setting"))))))
            ),
            member("serviceType", members(member("text", "department"))),
            member("subject", _reference("Patient", "patient")),
            member("period", members(member("start", _time("ordered_at")))),
            member("serviceProvider", _reference("Organization", "facility_id")),
        )
    )["json"]


def _specimens(lines: pl.DataFrame) -> pl.Series:
    return lines.filter(pl.col("collected_at").is_not_null()).select(
        json=members(
            _type("Specimen"),
            member("id", "line"),
            member(
                "status",
                quoted(
                    pl.when(pl.col("status") == "rejected")
                    .then(pl.lit("unsatisfactory"))
                    .otherwise(pl.lit("available"))
                ),
            ),
            member("type", pl.lit('{"text":') + quoted(pl.col("specimen")) + pl.lit("}")),
            member("subject", _reference("Patient", "patient")),
            member("collection", members(member("collectedDateTime", _time("collected_at")))),
        )
    )["json"]


def _requests(lines: pl.DataFrame) -> pl.Series:
    status = (
        pl.when(pl.col("status") == "cancelled")
        .then(pl.lit("revoked"))
        .when(pl.col("status").is_in(["final", "corrected"]))
        .then(pl.lit("completed"))
        .otherwise(pl.lit("active"))
    )
    reason = members(member("coding", array(_coding(pl.lit(SYSTEMS["order_reason"]), pl.col("order_reason")))))
    price = pl.lit('{"url":"' + PRICE + '","valueDecimal":') + pl.col("price_vnd") + pl.lit("}")
    return lines.select(
        json=members(
            _type("ServiceRequest"),
            member("id", "line"),
            member("extension", array(price)),
            member(
                "identifier", array(_identifier("order_line", placer_numbers(pl.col("order_id"), pl.col("line_no"))))
            ),
            member("requisition", _identifier("order", pl.col("order_id"))),
            member("status", quoted(status)),
            member("intent", pl.lit('"order"')),
            member("code", _code()),
            member("subject", _reference("Patient", "patient")),
            member("encounter", _reference("Encounter", "encounter")),
            member("authoredOn", _time("ordered_at")),
            member("requester", members(member("display", "ordered_by"))),
            member("performer", array(_reference("Organization", "performed_by"))),
            member("reasonCode", array(pl.when(pl.col("order_reason").is_not_null()).then(reason))),
            member(
                "specimen", array(pl.when(pl.col("collected_at").is_not_null()).then(_reference("Specimen", "line")))
            ),
        )
    )["json"]


def _results(lines: pl.DataFrame, kind: str) -> pl.Series:
    number = pl.col("value").str.contains(r"^\d+(\.\d+)?$")
    quantity = members(member("value", pl.col("value")), member("unit", "unit"))
    flag = members(
        member("coding", array(_coding(pl.lit(f"{_V3}-ObservationInterpretation"), pl.col("abnormal_flag"))))
    )
    parts = [
        _type(kind),
        member("id", "line"),
        member("basedOn", array(_reference("ServiceRequest", "line"))),
        member("status", "status"),
        member("code", _code()),
        member("subject", _reference("Patient", "patient")),
        member("encounter", _reference("Encounter", "encounter")),
        member("effectiveDateTime", _time("collected_at")),
        member("issued", _time("resulted_at")),
        member("performer", array(_reference("Organization", "performed_by"))),
    ]
    chosen = pl.col("value").is_null()
    if kind == "Observation":
        chosen = ~chosen
        parts += [
            member("valueQuantity", pl.when(number).then(quantity)),
            member("valueString", pl.when(~number).then(quoted(pl.col("value")))),
            member("interpretation", array(pl.when(pl.col("abnormal_flag").is_not_null()).then(flag))),
        ]
    resulted = lines.filter(pl.col("resulted_at").is_not_null() & chosen)
    return resulted.select(json=members(*parts))["json"]


def resources(world: World, facility: int, lines: Ints, frame: pl.DataFrame) -> dict[str, pl.Series]:
    """Resource type → its resources as JSON, for some lines and their canonical columns."""
    writing = world.records.act_writing[world.orders.act[lines]]
    marked = frame.with_columns(
        patient=pl.col("facility_id") + "-" + pl.col("patient_id"),
        encounter=pl.col("facility_id") + "-" + pl.col("order_id"),
        line=pl.col("facility_id") + "-" + pl.col("order_id") + "-" + pl.col("line_no"),
        gender=world.identity["sex"][writing],
    )
    return {
        "Organization": _organizations(marked),
        "Patient": _patients(marked),
        "Encounter": _encounters(marked),
        "Specimen": _specimens(marked),
        "ServiceRequest": _requests(marked),
        "Observation": _results(marked, "Observation"),
        "DiagnosticReport": _results(marked, "DiagnosticReport"),
    }
