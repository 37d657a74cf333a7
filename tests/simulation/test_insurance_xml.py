"""The insurance XML of a world: parses, is sent again when results come, and withdraws one claim."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from lxml import etree

from dedup.simulation import SimulationSummary


class Encounter:
    def __init__(self, record: etree._Element) -> None:
        self.parts: dict[str, etree._Element] = {}
        self.inline = False
        for filed in record.iter("FILEHOSO"):
            content = filed.find("NOIDUNGFILE")
            assert content is not None
            self.inline = len(content) > 0
            root = content[0] if self.inline else etree.fromstring(base64.b64decode(content.text or ""))
            self.parts[filed.findtext("LOAIHOSO") or ""] = root

    def stay(self, tag: str) -> str:
        return self.parts["XML1"].findtext(tag) or ""

    def services(self, tag: str) -> list[str]:
        return [one.text or "" for one in self.parts["XML3"].iter(tag)]


@pytest.fixture(scope="module")
def filed(written: SimulationSummary) -> dict[Path, list[Encounter]]:
    files = sorted((written.out / "input").glob("*.xml"))
    return {path: [Encounter(record) for record in etree.parse(path).iter("HOSO")] for path in files}


def test_envelopes_count_their_records(filed: dict[Path, list[Encounter]]) -> None:
    for path, encounters in filed.items():
        root = etree.parse(path).getroot()
        assert root.tag == "GIAMDINHHS"
        assert root.findtext(".//SOLUONGHOSO") == str(len(encounters))
        assert {one.stay("MA_CSKCB") for one in encounters} == {root.findtext(".//MACSKCB")} == {path.name[:5]}


def test_payloads_come_inline_and_in_base64(filed: dict[Path, list[Encounter]]) -> None:
    assert {one.inline for encounters in filed.values() for one in encounters} == {True, False}


def test_lines_are_numbered_and_dated(filed: dict[Path, list[Encounter]]) -> None:
    for encounters in filed.values():
        for one in encounters:
            assert one.services("STT") == [str(n + 1) for n in range(len(one.services("STT")))]
            assert all(len(text) == 12 and text.isdigit() for text in one.services("NGAY_YL"))
            assert set(one.services("MA_NHOM")) <= {"1", "2"}


def test_results_that_come_later_are_sent_again(filed: dict[Path, list[Encounter]]) -> None:
    seen: dict[tuple[str, str], int] = {}
    grown = 0
    for encounters in filed.values():
        for one in encounters:
            key = (one.stay("MA_CSKCB"), one.stay("MA_LK"))
            results = sum(1 for text in one.services("NGAY_KQ") if text)
            grown += key in seen and results > seen[key]
            seen[key] = results
    assert grown > 0


def test_one_claim_is_withdrawn(filed: dict[Path, list[Encounter]]) -> None:
    sent = [(one.stay("MA_DOITUONG_KCB"), one.stay("MA_LK")) for found in filed.values() for one in found]
    withdrawn = [number for kind, number in sent if kind == "8"]
    assert len(withdrawn) == 1


def test_send_outs_and_what_was_not_completed_are_marked(filed: dict[Path, list[Encounter]]) -> None:
    codes = [code for found in filed.values() for one in found for code in one.services("MA_DICH_VU")]
    assert any(code.endswith("_TB") for code in codes)
    assert any(".K." in code for code in codes)
