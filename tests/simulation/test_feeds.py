"""A plain world says the same in FHIR, HL7 v2 and CSV: read here by plain code, column by column."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dedup.simulation import simulate
from dedup.simulation.fhir import PRICE, SYSTEMS

Row = dict[str, str | None]
#: Every column all formats carry.
COLUMNS = (
    "facility_id", "order_id", "line_no", "patient_id", "national_id", "insurance_id", "full_name", "birth_date", "sex",
    "phone", "province", "address", "test_code", "performed_by", "ordered_at", "collected_at", "resulted_at", "status",
    "value", "unit", "setting", "department", "ordered_by", "price_vnd",
)  # fmt: skip


def _world(tmp_path_factory: pytest.TempPathFactory, name: str) -> Path:
    out = tmp_path_factory.mktemp("feeds") / name
    simulate(500, 9, out, formats=(name,), plain=True, days=28, file_days=14)
    return out / "input"


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    frames = [pl.read_csv(path, infer_schema=False) for path in _world(tmp_path_factory, "csv").iterdir()]
    rows = (
        pl.concat(frames, how="diagonal").select(COLUMNS).with_columns(pl.col("status").replace("corrected", "final"))
    )
    return _sorted(rows.to_dicts())


def _sorted(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row["facility_id"] or "", row["order_id"] or "", int(row["line_no"] or 0)))


def _assert_same(rows: list[Row], expected: list[Row]) -> None:
    assert len(rows) == len(expected) > 500
    for mine, theirs in zip(_sorted(rows), expected, strict=True):
        assert mine == theirs


# FHIR


def _identifier(resource: dict[str, Any], system: str) -> list[str]:
    return [one["value"] for one in resource["identifier"] if one["system"] == SYSTEMS[system]]


def _time(text: str | None) -> str | None:
    return text[:16] if text else None


def _fhir_rows(resources: list[dict[str, Any]]) -> Iterator[Row]:
    known = {f"{one['resourceType']}/{one['id']}": one for one in resources}
    results = {one["basedOn"][0]["reference"]: one for one in resources if "basedOn" in one}
    settings = {"AMB": "outpatient", "IMP": "inpatient", "EMER": "emergency"}
    for request in (one for one in resources if one["resourceType"] == "ServiceRequest"):
        patient, encounter = known[request["subject"]["reference"]], known[request["encounter"]["reference"]]
        result = results.get(f"ServiceRequest/{request['id']}", {})
        specimen = known[request["specimen"][0]["reference"]] if "specimen" in request else {}
        quantity = result.get("valueQuantity", {})
        collected = specimen.get("collection", {}).get("collectedDateTime")
        status = {"revoked": "cancelled", "completed": "final"}.get(request["status"])
        address = patient.get("address", [{}])[0]
        yield {
            "facility_id": _identifier(known[encounter["serviceProvider"]["reference"]], "facility")[0],
            "order_id": request["requisition"]["value"],
            "line_no": str(int(_identifier(request, "order_line")[0][-3:])),
            "patient_id": _identifier(patient, "patient")[0],
            "national_id": next(iter(_identifier(patient, "national_id")), None),
            "insurance_id": ";".join(_identifier(patient, "insurance_id")) or None,
            "full_name": patient["name"][0]["text"],
            "birth_date": patient.get("birthDate"),
            "sex": patient["gender"],
            "phone": patient["telecom"][0]["value"] if "telecom" in patient else None,
            "province": address.get("state"),
            "address": address.get("text"),
            "test_code": request["code"]["coding"][0]["code"],
            "performed_by": request["performer"][0]["reference"].split("/")[1] if "performer" in request else None,
            "ordered_at": _time(request["authoredOn"]),
            "collected_at": _time(collected),
            "resulted_at": _time(result.get("issued")),
            "status": status or ("collected" if collected else "ordered"),
            "value": _number(quantity["value"]) if quantity else result.get("valueString"),
            "unit": quantity.get("unit"),
            "setting": settings[encounter["class"]["code"]],
            "department": encounter["serviceType"]["text"],
            "ordered_by": request["requester"]["display"],
            "price_vnd": next(str(one["valueDecimal"]) for one in request["extension"] if one["url"] == PRICE),
        }


def _number(value: Any) -> str:
    return str(value)


def _parse(text: str) -> Any:
    return json.loads(text, parse_float=str, parse_int=str)


def test_fhir_ndjson_says_what_the_csv_says(tmp_path_factory: pytest.TempPathFactory, expected: list[Row]) -> None:
    folder = _world(tmp_path_factory, "fhir")
    resources = []
    for path in folder.iterdir():
        found = [_parse(line) for line in path.read_text(encoding="utf-8").splitlines()]
        assert {one["resourceType"] for one in found} == {path.name.split(".")[1]}
        resources += found
    _assert_same(list(_fhir_rows(resources)), expected)


def test_fhir_bundles_say_what_the_csv_says(tmp_path_factory: pytest.TempPathFactory, expected: list[Row]) -> None:
    rows: list[Row] = []
    for path in _world(tmp_path_factory, "fhir-bundle").iterdir():
        bundle = _parse(path.read_text(encoding="utf-8"))
        rows += _fhir_rows([entry["resource"] for entry in bundle["entry"]])  # each Bundle stands alone
    _assert_same(rows, expected)


# HL7 v2


def _field(segments: dict[str, list[str]], name: str, number: int, component: int = 1) -> str | None:
    fields = segments.get(name, [])
    parts = fields[number].split("^") if number < len(fields) else []
    text = parts[component - 1] if component <= len(parts) else ""
    for escape, letter in (("\\F\\", "|"), ("\\S\\", "^"), ("\\T\\", "&"), ("\\R\\", "~"), ("\\E\\", "\\")):
        text = text.replace(escape, letter)
    return text or None


def _minute(text: str | None) -> str | None:
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}T{text[8:10]}:{text[10:]}" if text else None


def _day(text: str | None) -> str | None:
    return "-".join(part for part in (text[:4], text[4:6], text[6:]) if part) if text else None


def _hl7_rows(text: str) -> Iterator[tuple[str, Row]]:
    """The kind of each message and its orders."""
    for message in text.split("MSH|")[1:]:
        head: dict[str, list[str]] = {}
        orders: list[dict[str, list[str]]] = []
        for segment in ("MSH|" + message).strip("\r").split("\r"):
            fields = segment.split("|")
            if fields[0] == "ORC":
                orders.append(dict(head))
            (orders[-1] if orders else head)[fields[0]] = fields
        for one in orders:
            yield head["MSH"][8], _hl7_row(one)


def _hl7_row(one: dict[str, list[str]]) -> Row:
    ids: dict[str, list[str]] = {}
    for repetition in one["PID"][3].split("~"):
        parts = repetition.split("^")
        ids.setdefault(parts[4], []).append(parts[0])
    facility, performer = one["MSH"][3], _field(one, "OBR", 3, 2)
    collected = _minute(_field(one, "OBR", 7))
    open_ = "collected" if collected else "ordered"
    return {
        "facility_id": facility,
        "order_id": _field(one, "ORC", 4),
        "line_no": _field(one, "OBR", 1),
        "patient_id": ids["MR"][0],
        "national_id": next(iter(ids.get("NI", [])), None),
        "insurance_id": ";".join(ids.get("HC", [])) or None,
        "full_name": _field(one, "PID", 5),
        "birth_date": _day(_field(one, "PID", 7)),
        "sex": {"M": "male", "F": "female", "U": "unknown"}[one["PID"][8]],
        "phone": _field(one, "PID", 13),
        "province": _field(one, "PID", 11, 4),
        "address": _field(one, "PID", 11, 1),
        "test_code": _field(one, "OBR", 4),
        "performed_by": None if performer == facility else performer,
        "ordered_at": _minute(_field(one, "OBR", 6)),
        "collected_at": collected,
        "resulted_at": _minute(_field(one, "OBR", 22)),
        "status": {"F": "final", "X": "cancelled"}.get(_field(one, "OBR", 25) or "", open_),
        "value": _field(one, "OBX", 5),
        "unit": _field(one, "OBX", 6),
        "setting": {"O": "outpatient", "I": "inpatient", "E": "emergency"}[one["PV1"][2]],
        "department": _field(one, "PV1", 3),
        "ordered_by": _field(one, "OBR", 16),
        "price_vnd": (_field(one, "OBR", 23) or "").removesuffix("&VND"),
    }


def test_hl7_says_what_the_csv_says(tmp_path_factory: pytest.TempPathFactory, expected: list[Row]) -> None:
    rows: dict[tuple[str | None, ...], Row] = {}
    kinds = set()
    for path in _world(tmp_path_factory, "hl7").iterdir():
        for kind, row in _hl7_rows(path.read_bytes().decode()):
            kinds.add(kind)
            rows[row["facility_id"], row["order_id"], row["line_no"]] = row  # results come after their order
    assert kinds == {"ORM^O01", "ORU^R01"}
    _assert_same(list(rows.values()), expected)
