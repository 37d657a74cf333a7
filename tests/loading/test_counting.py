"""What is said about a text file's bytes, however they are cut into pieces."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedup.loading import counting, fhir, insurance_count
from tests.loading.conftest import SAMPLES


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
