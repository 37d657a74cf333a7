"""FHIR R4: bulk NDJSON and Bundles, references across files, results and statuses."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest

from dedup.loading import forget, load
from dedup.settings import FhirSettings, Settings
from dedup.warehouse import Warehouse, memory_warehouse, start_run
from tests.loading.conftest import SAMPLES, Loader, rejected, rows

AT = datetime.datetime
Resource = dict[str, Any]


def resources() -> list[Resource]:
    text = (SAMPLES / "resources.fhir.ndjson").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def ndjson(path: Path, *found: Resource) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in found), encoding="utf-8")
    return path


LINE = """SELECT l.facility_id, order_id, patient_id, code_system, test_code, specimen, ordered_at, collected_at,
    resulted_at, status, "value", unit, abnormal_flag, setting, department, ordered_by, encounter_id, national_id,
    insurance_id, full_name, birth_date, sex, phone, province
    FROM line AS l JOIN identity USING (identity_id) JOIN code USING (code_id) WHERE superseded_by IS NULL
    ORDER BY order_id"""

FIRST = (
    *("98001", "7001", "BN01", "vn-service", "23.0075.1494", "serum", AT(2026, 4, 1, 8), AT(2026, 4, 1, 8, 10)),
    *(AT(2026, 4, 1, 9), "final", "5.1", "mmol/L", "N", "outpatient", "K01", "bs9", "e1", "001180000011"),
    *("DN4010111111111", "LÊ THỊ MẪU", datetime.date(1980, 2, 28), "female", "0911111111", "Hà Nội"),
)


def test_one_file(loader: Loader, warehouse: Warehouse) -> None:
    loader(SAMPLES / "resources.fhir.ndjson")
    first, second = rows(warehouse, LINE)
    assert first == FIRST
    assert second[1:5] == ("r2", "BN01", "loinc", "4548-4")
    assert second[9] == "ordered"


def test_a_file_for_each_type(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    for kind in {one["resourceType"] for one in resources()}:
        ndjson(tmp_path / f"{kind}.ndjson", *(one for one in resources() if one["resourceType"] == kind))
    summary = loader(tmp_path)
    assert (len(summary.deliveries), summary.rows_read, summary.over_limit) == (6, 2, False)
    assert rows(warehouse, LINE)[0] == FIRST


def test_the_manifest_of_a_bulk_export_is_no_delivery(loader: Loader, tmp_path: Path) -> None:
    ndjson(tmp_path / "all.ndjson", *resources())
    files = [{"type": "Patient", "url": "https://fhir.example/all.ndjson"}]
    manifest = {"transactionTime": "2026-04-01T08:00:00+07:00", "request": "https://fhir.example/$export"}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest | {"output": files}, indent=2))
    summary = loader(tmp_path)
    assert ([one.source_name for one in summary.deliveries], summary.over_limit) == (["all.ndjson"], False)
    assert any("manifest" in note for note in summary.notes)


@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize("urn", [True, False])
def test_bundles(loader: Loader, warehouse: Warehouse, tmp_path: Path, lines: bool, urn: bool) -> None:
    text = json.dumps(resources(), ensure_ascii=False)
    entries = [{"fullUrl": f"https://x/{one['resourceType']}/{one['id']}", "resource": one} for one in json.loads(text)]
    if urn:
        for number, one in enumerate(resources()):
            text = text.replace(f'"{one["resourceType"]}/{one["id"]}"', f'"urn:uuid:{number}"')
        entries = [{"fullUrl": f"urn:uuid:{number}", "resource": one} for number, one in enumerate(json.loads(text))]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    path = tmp_path / "bundle.json"
    path.write_text(json.dumps(bundle, indent=None if lines else 1, ensure_ascii=False), encoding="utf-8")
    loader(path)
    found = rows(warehouse, LINE)[0]
    assert found[:15] == FIRST[:15]
    assert found[17:] == FIRST[17:]


def test_two_hospitals_with_the_same_ids_stay_apart(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    ndjson(tmp_path / "a" / "all.ndjson", *resources())
    other = json.loads(json.dumps(resources()).replace("98001", "98002").replace("BN01", "BN77"))
    ndjson(tmp_path / "b" / "people.ndjson", *other[:4])
    ndjson(tmp_path / "b" / "work.ndjson", *other[4:])
    loader(tmp_path)
    found = rows(
        warehouse,
        "SELECT facility_id, patient_id FROM line JOIN identity USING (identity_id, facility_id) ORDER BY ALL",
    )
    assert found == [("98001", "BN01"), ("98001", "BN01"), ("98002", "BN77"), ("98002", "BN77")]


def test_a_department_is_of_its_hospital(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    def department(key: str, above: str) -> Resource:
        kinds = [{"coding": [{"code": "dept"}]}]
        part_of = {"reference": f"Organization/{above}"}
        return {"resourceType": "Organization", "id": key, "type": kinds, "partOf": part_of}

    found = changed("Encounter", serviceProvider={"reference": "Organization/ward"})
    home = next(one["id"] for one in found if one["resourceType"] == "Organization")
    next(one for one in found if one["resourceType"] == "Observation")["performer"] = [
        {"reference": "Organization/bench"}
    ]
    circle = [department("bench", "bank"), department("bank", "bench")]
    loader(ndjson(tmp_path / "a.ndjson", *found, department("ward", "block"), department("block", home), *circle))
    query = "SELECT facility_id, performing_facility_id IN ('bench', 'bank') FROM line WHERE order_id = '7001'"
    assert rows(warehouse, query) == [("98001", True)]


def test_a_department_and_its_hospital_in_files_of_their_own(
    loader: Loader, warehouse: Warehouse, tmp_path: Path
) -> None:
    ward = {"resourceType": "Organization", "id": "ward", "type": [{"coding": [{"code": "dept"}]}]}
    found = changed("Encounter", serviceProvider={"reference": "Organization/ward"})
    ndjson(tmp_path / "hospitals.ndjson", *found[:1])
    ndjson(tmp_path / "work.ndjson", *found[1:], ward | {"partOf": {"reference": "Organization/bv1"}})
    summary = loader(tmp_path)
    assert rows(warehouse, "SELECT DISTINCT facility_id FROM line") == [("98001",)]
    assert not any("organisation" in note for note in summary.notes)


def changed(kind: str, **values: Any) -> list[Resource]:
    """The sample with the first resource of a kind changed."""
    found = resources()
    first = next(one for one in found if one["resourceType"] == kind)
    first.update(values)
    return found


@pytest.mark.parametrize(
    ("kind", "values", "status"),
    [
        ("ServiceRequest", {"status": "revoked"}, "cancelled"),
        ("ServiceRequest", {"status": "entered-in-error"}, "cancelled"),
        ("Observation", {"status": "preliminary"}, "preliminary"),
        ("Observation", {"status": "corrected"}, "corrected"),
        ("Observation", {"status": "amended"}, "corrected"),
        ("Observation", {"status": "cancelled"}, "cancelled"),
        ("Observation", {"status": "entered-in-error"}, "collected"),
    ],
)
def test_statuses(
    loader: Loader, warehouse: Warehouse, tmp_path: Path, kind: str, values: Resource, status: str
) -> None:
    loader(ndjson(tmp_path / "a.ndjson", *changed(kind, **values)))
    assert rows(warehouse, "SELECT status FROM line WHERE order_id = '7001'") == [(status,)]


@pytest.mark.parametrize("thought", [{"doNotPerform": True}, {"intent": "plan"}, {"intent": "proposal"}])
def test_what_nobody_ordered_is_no_line(
    loader: Loader, warehouse: Warehouse, tmp_path: Path, thought: Resource
) -> None:
    summary = loader(ndjson(tmp_path / "1.ndjson", *changed("ServiceRequest", **thought)))
    assert (summary.rows_read, summary.rows_loaded, summary.deliveries[0].skipped) == (2, 1, {"no_order": 1})
    loader(ndjson(tmp_path / "2.ndjson", *changed("ServiceRequest", intent="order", doNotPerform=False)[:-1]))
    assert rows(warehouse, LINE)[0] == FIRST
    loader(ndjson(tmp_path / "3.ndjson", *changed("ServiceRequest", **thought, id="r9")))
    assert rows(warehouse, LINE)[0] == FIRST


def identifier(value: str, *kinds: str, **more: str) -> Resource:
    return {"value": value, "type": {"coding": [{"code": kind} for kind in kinds]}, **more}


@pytest.mark.parametrize(
    ("identifiers", "number"),
    [
        ([identifier("G1", "ACSN")], "r1"),
        ([identifier("G1", "x", "ACSN"), identifier("F1", "FILL"), identifier("P1", "PLAC")], "F1"),
        ([identifier("G1", system="http://his.example/Accession-number"), {"value": "N1"}], "N1"),
        ([identifier("P0", "PLAC", use="old"), identifier("P1", "PLAC")], "P1"),
        ([{"system": "urn:x"}, identifier("P1", "own")], "P1"),
    ],
)
def test_the_number_of_an_order(
    loader: Loader, warehouse: Warehouse, tmp_path: Path, identifiers: list[Resource], number: str
) -> None:
    loader(ndjson(tmp_path / "a.ndjson", *changed("ServiceRequest", identifier=identifiers)))
    assert {row[1] for row in rows(warehouse, LINE)} == {number, "r2"}


def test_a_number_that_tests_share_is_told(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    found = changed("ServiceRequest", identifier=[{"value": "r2", "system": "urn:tube"}])
    assert any("1 numbers" in note for note in loader(ndjson(tmp_path / "1.ndjson", *found)).notes)
    told = loader(ndjson(tmp_path / "2.ndjson", *found, {}), fhir=FhirSettings(shared_id=("tube",))).notes
    assert not any("numbers" in note for note in told)
    assert {row[1] for row in rows(warehouse, LINE)} == {"r1", "r2"}


def test_of_a_patient_what_is_in_use_counts(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    people = changed(
        "Patient",
        identifier=[
            identifier("024123456", "NI", use="old"),
            identifier("OLD1", "MR", use="old"),
            identifier("BN09", "x", "MR"),
            identifier("001180000011", "NI", use="official"),
        ],
        name=[{"use": "maiden", "text": "LÊ THỊ CŨ"}, {"use": "official", "family": "LÊ", "given": ["THỊ", "MỚI"]}],
        telecom=[
            {"system": "email", "value": "mau@example.org"},
            {"system": "phone", "use": "old", "value": "0900000000"},
            {"system": "phone", "value": "0911111111"},
        ],
        address=[{"use": "old", "state": "Huế"}, {"use": "home", "city": "Hà Nội", "line": ["1 Phố Mẫu"]}],
    )
    loader(ndjson(tmp_path / "a.ndjson", *people))
    query = "SELECT DISTINCT patient_id, national_id, full_name, phone, province, address FROM identity"
    assert rows(warehouse, query) == [("BN09", "001180000011", "LÊ THỊ MỚI", "0911111111", "Hà Nội", "1 Phố Mẫu")]


def test_entries_without_a_resource(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    entries: list[Resource] = [{"resource": one} for one in resources()]
    entries += [{"request": {"method": "DELETE", "url": f"{kind}/x"}} for kind in ("Observation", "Practitioner")]
    entries += [{"response": {"status": "204"}}]
    path = tmp_path / "bundle.json"
    path.write_text(json.dumps({"resourceType": "Bundle", "type": "history", "entry": entries}))
    summary = loader(path)
    assert (rows(warehouse, LINE)[0], summary.over_limit) == (FIRST, False)
    assert any("1 requests or results were deleted" in note for note in summary.notes)


@pytest.mark.parametrize("indent", [1, "\t"])
def test_a_resource_over_many_lines(loader: Loader, warehouse: Warehouse, tmp_path: Path, indent: int | str) -> None:
    for number, one in enumerate(resources()):
        text = json.dumps(one, ensure_ascii=False, indent=indent).replace("\n", "\r\n" if indent == 1 else "\n")
        (tmp_path / f"{number}.json").write_bytes(text.encode("utf-8-sig" if number else "utf-8"))
    summary = loader(tmp_path)
    assert (rows(warehouse, LINE)[0], summary.over_limit) == (FIRST, False)


def test_a_request_inside_another_resource_is_rejected_as_such(
    loader: Loader, warehouse: Warehouse, tmp_path: Path
) -> None:
    inner = {"resourceType": "ServiceRequest", "id": "c1", "status": "active"}
    found = changed("Observation", contained=[inner])
    summary = loader(ndjson(tmp_path / "a.ndjson", *found))
    assert (summary.rows_read, summary.rows_loaded) == (3, 2)
    assert rejected(warehouse) == [(3, None, "nested_resource")]


def test_reports_and_members_lead_to_the_request(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    found = changed("Observation", basedOn=[], hasMember=[{"reference": "Observation/o2"}])
    del found[-1]["valueQuantity"]
    report = {
        "resourceType": "DiagnosticReport",
        "id": "d1",
        "status": "final",
        "basedOn": [{"reference": "ServiceRequest/r1"}],
        "result": [{"reference": "Observation/o1"}],
    }
    member = found[-1] | {
        "id": "o2",
        "hasMember": [],
        "valueString": "12",
        "interpretation": [{"coding": [{"code": "HH"}]}],
    }
    loader(ndjson(tmp_path / "a.ndjson", *found, report, member))
    found_lines = rows(warehouse, """SELECT status, "value", abnormal_flag FROM line WHERE order_id = '7001'""")
    assert found_lines == [("final", "12", "HH")]


def test_the_settings_say_which_identifiers_mean_what(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    people = changed(
        "Patient",
        identifier=[
            {"system": "https://his.example/so-dinh-danh", "value": "001180000011"},
            {"system": "urn:vn:bhyt", "value": "DN4010111111111"},
            {"system": "urn:x", "type": {"coding": [{"code": "ZZ"}]}, "value": "TE1010222222222"},
            {"system": "urn:vn:cccd", "value": "BN09"},
        ],
    )
    people[0]["identifier"].insert(0, {"system": "urn:vn:mst", "value": "0100000000"})
    chosen = FhirSettings(national_id=("SO-dinh-danh",), insurance_id=("bhyt", "ZZ"))
    loader(ndjson(tmp_path / "a.ndjson", *people), fhir=chosen)
    assert rows(warehouse, "SELECT DISTINCT facility_id, patient_id, national_id, insurance_id FROM identity") == [
        ("98001", "BN09", "001180000011", "DN4010111111111;TE1010222222222")
    ]


NIGHTS = """SELECT facility_id, order_id, line_no, code_id, test_name, specimen, ordered_at, collected_at, resulted_at,
    status, "value", unit, abnormal_flag, setting, department, ordered_by, encounter_id, identity_id
    FROM line WHERE superseded_by IS NULL ORDER BY order_id"""


@pytest.mark.parametrize("request_first", [True, False])
@pytest.mark.parametrize("status", ["final", "preliminary", "corrected"])
def test_a_result_of_another_night_finds_its_request(
    loader: Loader, warehouse: Warehouse, tmp_path: Path, request_first: bool, status: str
) -> None:
    found = changed("Observation", status=status, effectiveDateTime="2026-04-01T08:10:00+07:00")
    nights = [found[:-1], found[-1:]] if request_first else [found[-1:], found[:-1]]
    for night, contents in enumerate(nights):
        loader(ndjson(tmp_path / f"{night}.ndjson", *contents))
    with memory_warehouse() as once, start_run(once, "load") as run:
        load(once, run, [ndjson(tmp_path / "all" / "a.ndjson", *found)], Settings())
        assert rows(warehouse, NIGHTS) == rows(once, NIGHTS)
    assert rows(warehouse, "SELECT sum(rows_read), sum(rows_loaded) FROM delivery") == [(2, 2)]


def test_a_result_updates_the_line_and_what_came_before_is_kept(
    loader: Loader, warehouse: Warehouse, tmp_path: Path
) -> None:
    loader(ndjson(tmp_path / "1.ndjson", *resources()[:-1]))
    loader(ndjson(tmp_path / "2.ndjson", *changed("Observation", status="preliminary")[-1:]))
    summary = loader(ndjson(tmp_path / "3.ndjson", *changed("Observation", valueQuantity={"value": 6})[-1:]))
    assert (summary.rows_read, summary.rows_loaded) == (0, 0)
    assert rows(
        warehouse, """SELECT status, "value", superseded_by FROM line WHERE order_id = '7001' ORDER BY line_id"""
    ) == [("collected", None, 2), ("preliminary", "5.1", 3), ("final", "6", None)]
    assert any("1 results of earlier nights' requests" in note for note in summary.notes)


def test_a_request_sent_again_without_its_result_keeps_it(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    loader(ndjson(tmp_path / "1.ndjson", *resources()))
    loader(ndjson(tmp_path / "2.ndjson", *changed("ServiceRequest", priority="routine")[:-1]))
    assert rows(warehouse, LINE)[0] == FIRST


def test_a_result_is_never_given_to_somebody_else(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    loader(ndjson(tmp_path / "a" / "1.ndjson", *resources()[:-1]))
    other = changed("Observation", subject={"reference": "Patient/p2"})[-1:]
    loader(ndjson(tmp_path / "a" / "2.ndjson", *other))
    loader(ndjson(tmp_path / "b" / "2.ndjson", *resources()[-1:]))
    assert rows(warehouse, "SELECT DISTINCT resulted_at FROM line") == [(None,)]
    waiting = "SELECT count(*) FROM request_result ANTI JOIN request_line USING (request_key)"
    assert rows(warehouse, waiting) == [(2,)]


def test_retention_forgets_requests_and_waiting_results(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    loader(ndjson(tmp_path / "a" / "1.ndjson", *resources()))
    other = changed("Observation", subject={"reference": "Patient/p2"}, effectiveDateTime="2026-04-01T08:10:00+07:00")
    loader(ndjson(tmp_path / "b" / "1.ndjson", *other[-1:]))
    for day, left in ((datetime.date(2026, 1, 1), (2, 2)), (datetime.date(2027, 1, 1), (0, 0))):
        with start_run(warehouse, "vacuum") as run:
            forget(warehouse, run, day)
        counts = "(SELECT count(*) FROM request_line), (SELECT count(*) FROM request_result)"
        assert rows(warehouse, f"SELECT {counts}") == [left]


def test_what_leads_nowhere_is_counted(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    alone = [one for one in resources() if one["resourceType"] == "ServiceRequest"]
    summary = loader(ndjson(tmp_path / "a.ndjson", *alone))
    assert any("2 whose patient is not known yet" in note for note in summary.notes)
    assert summary.deliveries[0].skipped == {"waiting": 2}
    assert rejected(warehouse) == []


def test_an_encounter_or_an_organisation_that_is_not_there_is_counted(
    loader: Loader, warehouse: Warehouse, tmp_path: Path
) -> None:
    here = {"reference": "Organization/98009"}
    alone = [one for one in changed("Patient", managingOrganization=here) if one["resourceType"] != "Encounter"]
    summary = loader(ndjson(tmp_path / "a.ndjson", *alone[1:]))
    assert any(
        "2 service requests whose encounter is not known yet, 2 whose organisation is not" in note
        for note in summary.notes
    )
    assert rows(warehouse, "SELECT DISTINCT facility_id FROM line") == [("98009",)]


def test_an_unknown_hospital_has_no_line_until_it_is_known(
    loader: Loader, warehouse: Warehouse, tmp_path: Path
) -> None:
    assert loader(ndjson(tmp_path / "1.ndjson", *resources()[1:])).deliveries[0].skipped == {"waiting": 2}
    summary = loader(ndjson(tmp_path / "2.ndjson", *resources()[:1]))
    assert (summary.rows_read, summary.rows_loaded) == (0, 0)
    assert rows(warehouse, "SELECT DISTINCT facility_id FROM line") == [("98001",)]
    assert rows(warehouse, LINE)[0] == FIRST


@pytest.mark.parametrize("kinds", [("Patient",), ("Encounter", "Organization"), ("Patient", "Encounter")])
def test_what_was_missing_comes_with_the_request_sent_again(
    loader: Loader, warehouse: Warehouse, tmp_path: Path, kinds: tuple[str, ...]
) -> None:
    whole = changed("Patient", managingOrganization={"reference": "Organization/bv1"})
    whole[0]["id"] = whole[0]["identifier"][0]["value"]  # the reference names the hospital by its code
    text = json.dumps(whole, ensure_ascii=False).replace("Organization/bv1", "Organization/98001")
    whole = json.loads(text)
    keep = [one for one in whole if one["resourceType"] not in kinds]
    if "Patient" in kinds and "Encounter" in kinds:
        keep[1:1] = [one | {"class": {}} for one in whole if one["resourceType"] == "Encounter"]
    loader(ndjson(tmp_path / "1.ndjson", *keep))
    loader(ndjson(tmp_path / "2.ndjson", *whole))
    assert rows(warehouse, LINE)[0] == FIRST
    assert rows(warehouse, "SELECT patient_id, full_name FROM patient_identity") == [("BN01", "LÊ THỊ MẪU")]


@pytest.mark.parametrize("subject", ["Group/g1", "Device/BN01", "Location/1", "#p", "BN01", "Patient?identifier=x|1"])
def test_only_a_patient_is_one(loader: Loader, warehouse: Warehouse, tmp_path: Path, subject: str) -> None:
    loader(ndjson(tmp_path / "a.ndjson", *changed("ServiceRequest", subject={"reference": subject})))
    assert rejected(warehouse) == [(1, "patient_id", "missing_value")]


def test_broken_lines(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    path = ndjson(tmp_path / "a.ndjson", *resources())
    lines = path.read_bytes().splitlines(keepends=True)
    lines[5] = lines[5][:-40] + b"\n"
    path.write_bytes(b"".join(lines))
    summary = loader(path)
    assert (summary.rows_read, summary.rows_loaded, summary.over_limit) == (2, 1, True)


def test_cut_anywhere(loader: Loader, tmp_path: Path) -> None:
    data = (SAMPLES / "resources.fhir.ndjson").read_bytes()
    for cut in range(0, len(data), 211):
        (tmp_path / "a.ndjson").write_bytes(data[: len(data) - cut])
        loader(tmp_path / "a.ndjson")
