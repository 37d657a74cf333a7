"""What is said about a text file's bytes, however they are cut into pieces."""

from __future__ import annotations

import base64
import json
import re
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedup.loading import counting, fhir, insurance_count, insurance_reading
from tests.loading.conftest import SAMPLES
from tests.loading.xml import SERVICE, envelope, record


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


@given(
    st.text(alphabet="aờđ😀\né", max_size=12).map(str.encode),
    st.lists(st.tuples(st.integers(0, 40), st.binary(max_size=1)), max_size=1),
    st.lists(st.integers(1, 5), min_size=60, max_size=60),
)
def test_broken_bytes_are_seen(text: bytes, damage: list[tuple[int, bytes]], sizes: list[int]) -> None:
    for place, byte in damage:
        text = text[:place] + byte + text[place + 1 :]
    counter, start = counting._Counter(ord(",")), 0
    for size in sizes:
        if start < len(text):
            counter.feed(text[start : start + size])
        start += size
    assert counter.done().utf8 == _is_text(text)


@pytest.mark.parametrize("window", [1, 13, 100, 1000])
def test_orders_are_counted_wherever_windows_end(monkeypatch: pytest.MonkeyPatch, window: int) -> None:
    sample = SAMPLES / "insurance.xml"
    assert b"<CHI_TIET_DVKT>" in sample.read_bytes()  # besides payloads in base64
    count = insurance_count.count_orders(sample)
    monkeypatch.setattr(insurance_count, "_WINDOW", window)
    assert insurance_count.count_orders(sample) == count == 4


@pytest.mark.parametrize("window", [1, 13, 100, 1000])
def test_resources_are_counted_wherever_windows_end(monkeypatch: pytest.MonkeyPatch, window: int) -> None:
    sample = SAMPLES / "resources.fhir.ndjson"
    types = [json.loads(line)["resourceType"] for line in sample.read_text(encoding="utf-8").splitlines()]
    monkeypatch.setattr(fhir, "_WINDOW", window)
    assert fhir._types(sample) == Counter(types)


@pytest.mark.parametrize("window", [7, 1 << 25])
@pytest.mark.parametrize("coded", [True, False])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", "<!---->"),
        ("", "<?x <!-- ?>"),
        ("", "<!-- <MA_NHOM>1</MA_NHOM> -->"),
        ("<MA_NHOM>1", "<MA_NHOM><!--n--> 0<?x?>1<!-- n -->"),
        ("<MA_NHOM>1<", "<MA_NHOM><![CDATA[1]]><!-- ]]> --><"),
        ("<TEN_DICH_VU>", "<TEN_DICH_VU><![CDATA[<!-- <? ]]>"),
        ("<TEN_DICH_VU>", "<TEN_DICH_VU><!-- <![CDATA[ -->"),
    ],
)
def test_comments_are_not_counted_and_hide_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, old: str, new: str, coded: bool, window: int
) -> None:
    text = envelope(record(services=[SERVICE, SERVICE | {"STT": "2"}], coded=False))
    text = text.replace(old or "<CHI_TIET_DVKT>", new + ("" if old else "<CHI_TIET_DVKT>"))
    if coded:
        text = re.sub("<NOIDUNGFILE>(.*?)</NOIDUNGFILE>", _coded, text)
    path = tmp_path / "a.xml"
    path.write_text(text, encoding="utf-8")
    monkeypatch.setattr(insurance_count, "_WINDOW", window)
    read = sum(len(part["orders"]) for part in insurance_reading.parts([(1, path)]))
    assert insurance_count.count_orders(path) == read == 2


def _coded(payload: re.Match[str]) -> str:
    coded = base64.b64encode(payload[1].encode()).decode()
    return f"<NOIDUNGFILE><!-- v -->{coded[:40]}<!-- v -->{coded[40:]}</NOIDUNGFILE>"


@pytest.mark.parametrize("mark", ["<!--", "<?", "<![CDATA[", "<![CDATA[]]><!--", "<!-- -->", "<![CDATA[<!--]]>"])
def test_marks_that_never_close_are_looked_at_once(tmp_path: Path, mark: str) -> None:
    path = tmp_path / "a.xml"
    path.write_text(f"<HOSO>{mark * 200_000}</HOSO><MA_NHOM>1</MA_NHOM>", encoding="utf-8")
    began = time.process_time()
    assert insurance_count.count_orders(path) == 1
    assert time.process_time() - began < 5
    path.write_text("<!-- <HOSO> -->", encoding="utf-8")
    assert insurance_count.count_orders(path) == 0
