"""Whatever facilities write, matching does not fall over, and nobody is lost or counted twice."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dedup.warehouse import memory_warehouse
from tests.matching.conftest import add_records, run_match

_TEXT = st.one_of(
    st.none(),
    st.text(max_size=40),
    st.sampled_from(
        ["", " ", "'", "%", "\\1", "Nguyễn Thị", "thi", "van", "NGUYÔN", "Ñ", "cb", "李小龍", "a" * 300, "\x00", "🙂"]
    ),
)
_RECORD = st.fixed_dictionaries(
    {
        "national_id": st.one_of(_TEXT, st.from_regex(r"[0-9]{8,13}", fullmatch=True)),
        "insurance_id": st.one_of(_TEXT, st.from_regex(r"[A-Z]{2}[0-9]{10,15}(;[A-Z]{2}[0-9]{13})?", fullmatch=True)),
        "full_name": _TEXT,
        "birth_date": st.sampled_from(
            [None, "1980", "1980-03", "1980-03-04", "1980-01-01", "0001-01-01", "9999-12-31"]
        ),
        "sex": st.sampled_from([None, "male", "female", "unknown"]),
        "phone": st.one_of(_TEXT, st.from_regex(r"\+?[0-9]{7,12}", fullmatch=True)),
        "province": _TEXT,
        "address": st.one_of(_TEXT, st.just(",,,"), st.just("Phường , Quận ,")),
    }
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_RECORD, min_size=1, max_size=25))
def test_any_text(drawn: list[dict[str, Any]]) -> None:
    with memory_warehouse() as warehouse:
        add_records(warehouse, drawn)
        summary = run_match(warehouse)
        assert summary.records == len(drawn)
        rows = warehouse.con.execute(
            "SELECT count(*), count(DISTINCT patient_record_id), count(person_id) FROM patient_record"
        )
        assert rows.fetchone() == (len(drawn), len(drawn), len(drawn))
        named = warehouse.con.execute(
            "SELECT count(*) FROM patient_record WHERE person_id NOT IN (SELECT patient_record_id FROM patient_record)"
        )
        assert named.fetchone() == (0,)
