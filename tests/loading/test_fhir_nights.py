"""The same FHIR feed in one load, or split over nights in any order: the same lines, and never an HIV result."""

from __future__ import annotations

import datetime
import itertools
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.loading import forget
from dedup.schema import TABLES
from dedup.warehouse import Warehouse, memory_warehouse, start_run
from tests.loading.conftest import loading, rows, stored

Resource = dict[str, Any]
SENSITIVE = [("loinc", "75622-1", None)]
VALUE_OF_HIV = "geheim"


def reference(kind: str, key: str) -> Resource:
    return {"reference": f"{kind}/{key}"}


def organisation(key: str, code: str | None = None, above: str | None = None) -> Resource:
    made: Resource = {"resourceType": "Organization", "id": key}
    if code:
        made["identifier"] = [{"system": "urn:vn:macskcb", "value": code}]
    if above:
        made |= {"type": [{"coding": [{"code": "dept"}]}], "partOf": reference("Organization", above)}
    return made


def patient(number: int) -> Resource:
    return {
        "resourceType": "Patient",
        "id": f"p{number}",
        "identifier": [
            {"type": {"coding": [{"code": "MR"}]}, "value": f"BN{number}"},
            {"system": "urn:vn:cccd", "value": f"00118000001{number}"},
        ],
        "name": [{"text": f"Trần Văn Thử {number}"}],
        "birthDate": f"1980-05-1{number}",
        "managingOrganization": reference("Organization", "home"),
    }


def request(key: str, of: int, code: str = "2345-7", **more: Any) -> Resource:
    return {
        "resourceType": "ServiceRequest",
        "id": key,
        "status": "completed",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": reference("Patient", f"p{of}"),
        "authoredOn": f"2026-04-0{of}T08:00:00+07:00",
    } | more


def observation(key: str, of: int, base: str | None, value: str = "5", **more: Any) -> Resource:
    made: Resource = {
        "resourceType": "Observation",
        "id": key,
        "status": "final",
        "category": [{"coding": [{"code": "laboratory"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "2345-7"}]},
        "subject": reference("Patient", f"p{of}"),
        "effectiveDateTime": f"2026-04-0{of}T09:{len(key):02}:00+07:00",
        "issued": f"2026-04-0{of}T10:{len(key):02}:00+07:00",
        "valueString": value,
    }
    return made | ({"basedOn": [reference("ServiceRequest", base)]} if base else {}) | more


def report(key: str, of: int, base: str, **more: Any) -> Resource:
    return {
        "resourceType": "DiagnosticReport",
        "id": key,
        "status": "final",
        "subject": reference("Patient", f"p{of}"),
        "basedOn": [reference("ServiceRequest", base)],
    } | more


def encounter(key: str, provider: str, of: int) -> Resource:
    return {
        "resourceType": "Encounter",
        "id": key,
        "class": {"code": "EMER"},
        "subject": reference("Patient", f"p{of}"),
        "serviceProvider": reference("Organization", provider),
        "serviceType": {"text": "Khoa"},
    }


def specimen(key: str, of: int, **more: Any) -> Resource:
    return {
        "resourceType": "Specimen",
        "id": key,
        "subject": reference("Patient", f"p{of}"),
        "type": {"text": "serum"},
        "collection": {"collectedDateTime": f"2026-04-0{of}T08:30:00+07:00"},
    } | more


HIV = {"code": {"coding": [{"system": "http://loinc.org", "code": "75622-1"}]}}
PERFORMERS = [reference("Practitioner", "x"), reference("Organization", "bench")]
FEED: list[Resource] = [
    *(organisation("home", "98001"), organisation("ward", above="block"), organisation("block", above="home")),
    *(organisation("lab", "98002"), organisation("bench", above="lab"), organisation("other", "98003")),
    *(patient(1), patient(2), patient(3)),
    *(encounter("e1", "ward", 1), encounter("e2", "home", 2)),
    {
        "resourceType": "Location",
        "id": "room",
        "name": "Phòng",
        "managingOrganization": reference("Organization", "ward"),
    },
    # by the encounter; with a specimen of its own, and a laboratory in another hospital
    request("r1", 1, encounter=reference("Encounter", "e1"), specimen=[reference("Specimen", "s1")]),
    specimen("s1", 1),
    observation("o1", 1, "r1", performer=PERFORMERS, interpretation=[{"coding": [{"code": "N"}]}]),
    # the requester is another hospital, but the encounter comes first; the specimen names the request
    request("r2", 2, encounter=reference("Encounter", "e2"), requester=reference("Organization", "other")),
    specimen("s2", 2, request=[reference("ServiceRequest", "r2")]),
    # two results: one that is grave, one that is not finished
    observation("o2", 2, "r2", status="preliminary", interpretation=[{"coding": [{"code": "HH"}]}]),
    observation("o22", 2, "r2", "6"),
    # by the room; a report that lists a panel, and only the panel its member
    request("r3", 3, locationReference=[reference("Location", "room")]),
    report("d3", 3, "r3", result=[reference("Observation", "panel")]),
    {
        **observation("panel", 3, None, hasMember=[reference("Observation", "member")]),
        "valueString": None,
        "specimen": reference("Specimen", "s3"),
    },
    observation("member", 3, None, "7", interpretation=[{"coding": [{"code": "H"}]}]),
    specimen("s3", 3),
    # by the patient; nothing but a report
    request("r4", 2, status="active"),
    report("d4", 2, "r4", status="corrected", issued="2026-04-02T12:00:00+07:00"),
    # a plan of the same number as an order, and a word not to do what was done
    request("plan", 1, intent="plan", identifier=[{"value": "r1"}], encounter=reference("Encounter", "e1")),
    request("not", 2, doNotPerform=True, identifier=[{"value": "r2"}], encounter=reference("Encounter", "e2")),
    # not to be kept
    request("h1", 1, "75622-1", encounter=reference("Encounter", "e1")),
    observation("h1", 1, "h1", VALUE_OF_HIV, **HIV),
    request("h2", 3, "75622-1"),
    report("h2", 3, "h2", result=[reference("Observation", "h2")]),
    observation("h2", 3, None, VALUE_OF_HIV, **HIV),
]


def put(place: str, resources: list[Resource]) -> Path:
    """One more file of NDJSON."""
    path = Path(place) / f"{len(list(Path(place).iterdir()))}.ndjson"
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in resources), encoding="utf-8")
    return path


def told(nights: list[list[Resource]]) -> dict[str, object]:
    """What a warehouse says after the nights, each of which brings one file."""
    with tempfile.TemporaryDirectory() as place, memory_warehouse() as warehouse:
        for night in nights:
            loading(warehouse, put(place, night), sensitive=SENSITIVE)
            no_secret(warehouse)
        # A report may wait for a result for ever: of a test that may not be kept nothing is.
        still = "SELECT kind, body FROM fhir_wanted JOIN fhir_resource USING (resource_key)"
        assert all(kind == "DiagnosticReport" and '"h2"' in str(body) for kind, body in rows(warehouse, still))
        kept = {str(kind) for (kind,) in rows(warehouse, "SELECT DISTINCT kind FROM fhir_resource")}
        assert kept - {"DiagnosticReport"} == {"Encounter", "Location", "Organization", "Patient", "Specimen"}
        return {
            "lines": stored(warehouse),
            "identities": rows(warehouse, "FROM patient_identity ORDER BY ALL"),
            "read": rows(warehouse, "SELECT sum(rows_read), sum(rows_rejected) FROM delivery"),
        }


def no_secret(warehouse: Warehouse) -> None:
    for name in TABLES:
        assert rows(warehouse, f"SELECT 1 FROM {name} AS t WHERE contains(CAST(t AS VARCHAR), '{VALUE_OF_HIV}')") == []


WHOLE = told([FEED])


def test_one_load_knows_everything() -> None:
    lines = rows_by_order(WHOLE)
    assert set(lines) == {("98001", "r1"), ("98001", "r2"), ("98001", "r3"), ("98001", "r4")}
    assert lines["98001", "r1"][8:10] == ("serum", "98002")
    assert [line[13:17] for line in lines.values()] == [
        ("final", "5", None, "N"), ("preliminary", lines["98001", "r2"][14], None, "HH"),
        ("final", "7", None, "H"), ("final", None, None, None),
    ]  # fmt: skip


def rows_by_order(found: dict[str, object]) -> dict[tuple[str, str], Any]:
    lines: Any = found["lines"]
    return {(line[0], line[1]): line for line in lines}


KINDS = sorted({one["resourceType"] for one in FEED})


@settings(max_examples=2, deadline=None)
@given(order=st.permutations(KINDS))
def test_a_type_each_night_in_any_order(order: list[str]) -> None:
    assert told([[one for one in FEED if one["resourceType"] == kind] for kind in order]) == WHOLE


@settings(max_examples=6, deadline=None)
@given(order=st.permutations(FEED), cuts=st.sets(st.integers(1, len(FEED) - 1), max_size=4))
def test_resources_in_any_order_on_any_nights(order: list[Resource], cuts: set[int]) -> None:
    edges = [0, *sorted(cuts), len(order)]
    assert told([order[start:end] for start, end in itertools.pairwise(edges)]) == WHOLE


def test_archives_of_one_folder_know_each_other() -> None:
    people = [one for one in FEED if one["resourceType"] in ("Patient", "Organization", "Observation")]
    nights = [people, [one for one in FEED if one not in people]]
    for together in (True, False):
        with tempfile.TemporaryDirectory() as place, memory_warehouse() as warehouse:
            paths = []
            for number, night in enumerate(nights):
                paths.append(Path(place) / f"{number}.zip")
                with zipfile.ZipFile(paths[-1], "w") as archive:
                    archive.writestr("a.ndjson", "\n".join(json.dumps(one, ensure_ascii=False) for one in night))
            for arrived in [paths] if together else [[path] for path in paths]:
                loading(warehouse, *arrived, sensitive=SENSITIVE)
            assert stored(warehouse) == WHOLE["lines"]


def test_retention_forgets_what_nobody_named_since() -> None:
    with tempfile.TemporaryDirectory() as place, memory_warehouse() as warehouse:
        open_feed = [one for one in FEED if one["resourceType"] != "Patient"]
        loading(warehouse, put(place, open_feed), sensitive=SENSITIVE)
        kinds = "SELECT DISTINCT kind FROM fhir_resource WHERE kind IN ('ServiceRequest', 'Specimen', 'Organization')"
        for day, left in (
            (datetime.date(2026, 1, 1), 3),
            (datetime.date(2026, 5, 1), 1),
            (datetime.date(2999, 1, 1), 0),
        ):
            with start_run(warehouse, "vacuum") as run:
                forget(warehouse, run, day)
            assert len(rows(warehouse, kinds)) == left
        for name in ("fhir_resource", "fhir_wanted", "request_result", "request_line"):
            assert rows(warehouse, f"FROM {name}") == []


def test_what_waited_and_turns_out_to_be_wrong_is_told() -> None:
    """It was counted as waiting on its own night; when its hospital comes, the row is wrong, not lost."""
    wrong = request("r9", 1, authoredOn="2026-13-45", requester=reference("Organization", "other"))
    with tempfile.TemporaryDirectory() as place, memory_warehouse() as warehouse:
        for night in ([wrong], [patient(1), organisation("other", "98003")]):
            loading(warehouse, put(place, night), sensitive=SENSITIVE)
        assert rows(warehouse, "SELECT rows_skipped, rows_rejected FROM delivery ORDER BY delivery_no") == [
            (1, 0),
            (0, 0),
        ]
        assert rows(warehouse, "SELECT row_number, column_name, reason FROM rejected_row") == [
            (0, "ordered_at", "bad_timestamp")
        ]


WRONG = {"status": "entered-in-error"}
BLOOD = specimen("s5", 1, request=[reference("ServiceRequest", "r5")])
MISTAKEN: list[tuple[list[Resource], list[Resource]]] = [
    # the only result, its line left with nothing
    ([observation("o5", 1, "r5")], [observation("o5", 1, "r5", **WRONG)]),
    # the request comes again with it
    ([observation("o5", 1, "r5"), BLOOD], [observation("o5", 1, "r5", **WRONG), request("r5", 1)]),
    # one of two
    ([observation("o5", 1, "r5"), observation("o55", 1, "r5", "9")], [observation("o5", 1, "r5", **WRONG)]),
    # the report, but not the result
    ([observation("o5", 1, "r5", status="preliminary"), report("d5", 1, "r5")], [report("d5", 1, "r5", **WRONG)]),
    # another result in its stead
    ([observation("o5", 1, "r5"), BLOOD], [observation("o5", 1, "r5", **WRONG), observation("o6", 1, "r5", "4")]),
]


@pytest.mark.parametrize(("first", "then"), MISTAKEN)
def test_a_result_that_was_an_error_is_taken_back_on_any_night(first: list[Resource], then: list[Resource]) -> None:
    start = [organisation("home", "98001"), patient(1), request("r5", 1), *first]
    right = [observation("o7", 1, "r5", "3", status="corrected")]
    for nights in ([start, then], [start, then, right], [start, [organisation("x")], then, right]):
        latest = {(one["resourceType"], one["id"]): one for night in nights for one in night}
        found = told_lines(nights)
        assert found == told_lines([list(latest.values())])
        assert [line[13] for line in found] != ["cancelled"]


def told_lines(nights: list[list[Resource]]) -> list[Any]:
    with tempfile.TemporaryDirectory() as place, memory_warehouse() as warehouse:
        for night in nights:
            loading(warehouse, put(place, night))
        return stored(warehouse)


def test_requests_of_one_number_and_two_patients_are_two() -> None:
    """Hospitals that number alike and share a folder are told apart as far as their patients are."""
    files = [
        [organisation(home, code), patient(of), request("r1", of, requester=reference("Organization", home))]
        for home, code, of in (("a", "98001", 1), ("b", "98002", 2))
    ]
    with tempfile.TemporaryDirectory() as place, memory_warehouse() as warehouse:
        for night in (files, [[observation("o1", 1, "r1")]], [[observation("o2", 2, "r1", "6")]]):
            loading(warehouse, *[put(place, file) for file in night])
        assert [(line[0], line[14]) for line in stored(warehouse)] == [("98001", "5"), ("98002", "6")]


def test_a_request_that_becomes_another_hospitals_is_told() -> None:
    """It may be news of where it was made; or two hospitals that number alike share a folder."""
    hospitals = [
        [organisation("home", code), patient(1), request("r1", 1, requester=reference("Organization", "home"))]
        for code in ("98001", "98002")
    ]
    with tempfile.TemporaryDirectory() as place, memory_warehouse() as warehouse:
        notes = []
        for night in hospitals:
            summary = loading(warehouse, put(place, night))
            notes.append([note for note in summary.notes if "share a folder" in note])
        assert [len(found) for found in notes] == [0, 1]
        assert "1 requests" in notes[1][0]
        assert [line[0] for line in stored(warehouse)] == ["98002"]


@pytest.mark.parametrize("intent", ["order", "proposal"])
def test_retention_does_not_forget_that_a_recent_request_may_not_be_kept(intent: str) -> None:
    nights = [[organisation("home", "98001"), patient(1), request("h1", 1, "75622-1", intent=intent)]]
    nights += [[observation("o1", 1, "h1", VALUE_OF_HIV, code={"text": "own code"})]]
    with tempfile.TemporaryDirectory() as place, memory_warehouse() as warehouse:
        for night in nights:
            loading(warehouse, put(place, night), sensitive=SENSITIVE)
            no_secret(warehouse)
            with start_run(warehouse, "vacuum") as run:
                forget(warehouse, run, datetime.date(2026, 1, 1))
