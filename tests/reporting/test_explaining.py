"""The explanation of one line, in sentences and as a page."""

from __future__ import annotations

import copy
import datetime
from typing import Any

import lxml.html
import pytest

from dedup.reporting import explain_html, explain_text, numbers
from dedup.reporting.pair import pair_steps
from dedup.reporting.words import LANGUAGES, Words
from dedup.warehouse import Warehouse
from tests.reporting.conftest import at


def line(facility: str, order: str, hours: float, **more: Any) -> dict[str, Any]:
    values = {
        "facility_id": facility,
        "order_id": order,
        "line_no": 1,
        "test_id": "hba1c",
        "test_code": "23.0083.1523",
        "specimen": "blood",
        "performing_facility_id": facility,
        "ordered_at": at(hours),
        "collected_at": at(hours),
        "resulted_at": at(hours + 2),
        "status": "final",
        "abnormal_flag": None,
        "setting": "outpatient",
        "order_reason": None,
    }
    return values | more


def prior(of: dict[str, Any], failed: str | None, verdict: str | None = None, **more: Any) -> dict[str, Any]:
    values = {
        "line": of,
        "scope": "elsewhere",
        "target": "hba1c",
        "failed": failed,
        "verdict": verdict,
        "rule_id": "V001",
        "valid_hours": "100",
        "valid_until": of["collected_at"] + datetime.timedelta(hours=100),
    }
    return values | more


@pytest.fixture
def trace() -> dict[str, Any]:
    judged = {
        "scope": "elsewhere",
        "verdict": "avoidable",
        "reason": "valid_result",
        "coverage": "same",
        "prior": ("00001", "O1", 1),
        "prior_collected_at": at(0),
        "prior_resulted_at": at(2),
        "hours_since_prior": 24.0,
        "valid_until": at(100),
        "rule_id": "V001",
        "rule_source": "Draft circular",
        "rule_valid_hours": "100",
        "chain_avoidable": True,
        "match_method": "national_id",
        "match_probability": 1.0,
    }
    return {
        "line": line("00002", "O2", 24),
        "person_id": 1,
        "profile": "moh-draft-2026-08",
        "catalogue_version": "c1",
        "stale": False,
        "judgements": (judged,),
        "priors": (
            prior(line("00001", "O1", 0), None, "avoidable"),
            prior(line("00003", "O9", -500), "expired"),
            prior(line("00003", "O8", -400, test_id="glucose"), "other_test", target=None, valid_until=None),
        ),
    }


def test_sentences_in_english(warehouse: Warehouse, trace: dict[str, Any]) -> None:
    text = explain_text(warehouse, trace, [], "en")
    for sentence in (
        "00002 Bệnh viện Đa khoa Bình An, O2/1: HbA1c, ordered 3 Mar 2026 08:00, outpatient.",
        "Earlier result at another facility: avoidable (a valid result existed).",
        "collected 2 Mar 2026 08:00, result 2 Mar 2026 10:00, 24.0 hours before the order.",
        "Rule V001: valid for 100 hours from collection. Source: Draft circular.",
        "Both belong to one person: matched by national id, probability 100.0%.",
        "it would still have been avoidable.",
        "passes every test: avoidable.",
        "result expired (valid until ",
        "1 more: another test",
    ):
        assert sentence in text


def test_sentences_in_vietnamese(warehouse: Warehouse, trace: dict[str, Any]) -> None:
    text = explain_text(warehouse, trace, [], "vi")
    assert "Kết quả trước tại cơ sở khác: tránh được (đã có kết quả còn giá trị)." in text
    assert "Định lượng HbA1c" in text and "trước chỉ định 24,0 giờ" in text


def test_lines_without_a_flag(warehouse: Warehouse, trace: dict[str, Any]) -> None:
    bare = trace | {"judgements": ()}
    assert "no earlier line passes every test" in explain_text(warehouse, bare, [], "en")
    cancelled = bare | {"line": trace["line"] | {"status": "cancelled"}, "priors": ()}
    assert "it is not judged" in explain_text(warehouse, cancelled, [], "en")
    unknown = bare | {"line": trace["line"] | {"test_id": None}, "priors": ()}
    assert "never a repeat" in explain_text(warehouse, unknown, [], "en")
    assert "no other order line" in explain_text(warehouse, unknown, [], "en")


def test_levels_of_the_laboratories(warehouse: Warehouse, trace: dict[str, Any]) -> None:
    con = warehouse.con
    con.execute("UPDATE facility SET registered = true, level_to = DATE '2026-03-02' WHERE facility_id = '00001'")
    con.execute("UPDATE facility SET registered = true WHERE facility_id = '00002'")
    told = "Laboratories on that day: the earlier result's {}, the orderer's level 2. Recognised from level 2 on, or"
    assert told.format("without a level") in explain_text(warehouse, trace, [], "en")  # lapsed the day before
    con.execute("UPDATE facility SET level_to = NULL, iso15189 = true, accredited_tests = ['glucose', 'hba1c']")
    assert told.format("level 3 and ISO 15189") in explain_text(warehouse, trace, [], "en").replace(
        "level 2 and ISO 15189", "level 2"
    )
    con.execute("UPDATE facility SET accredited_tests = ['glucose']")
    assert told.format("level 3") in explain_text(warehouse, trace, [], "en")
    con.execute("UPDATE flag_state SET recognition = 'all'")
    assert "Laboratories" not in explain_text(warehouse, trace, [], "en")


def test_components_that_fare_alike_are_one_sentence(warehouse: Warehouse, trace: dict[str, Any]) -> None:
    other = line("00003", "O9", -500, test_id="panel")
    priors = tuple(prior(other, "expired", target=target) for target in ("glucose", "creatinine"))
    text = explain_text(warehouse, trace | {"priors": priors, "judgements": ()}, [], "en")
    assert text.count("O9/1") == 1
    assert "for the component Glucose, creatinine: result expired" in text


def test_many_priors_are_counted(warehouse: Warehouse, trace: dict[str, Any]) -> None:
    many = trace | {"priors": tuple(prior(line("00003", f"X{n}", -n), "expired") for n in range(100, 160))}
    assert "and 20 more" in explain_text(warehouse, many, [], "en")


@pytest.mark.parametrize("lang", ["vi", "en"])
def test_page(warehouse: Warehouse, trace: dict[str, Any], lang: str) -> None:
    page = lxml.html.document_fromstring(explain_html(warehouse, trace, [], lang))
    assert page.get("lang") == lang
    assert len(page.xpath("//svg//rect")) == 2
    assert page.xpath("//script | //@style | //@src") == []


def test_attacks_are_text(warehouse: Warehouse, trace: dict[str, Any]) -> None:
    attack = "<script>alert(1)</script>\u202e{0}"
    hostile = copy.deepcopy(trace)
    hostile["line"]["order_id"] = attack
    hostile["judgements"][0]["rule_source"] = attack
    hostile["priors"][0]["line"]["order_id"] = attack
    page = explain_html(warehouse, hostile, [], "en")
    assert "<script" not in page and "\u202e" not in page
    assert "\u202e" not in explain_text(warehouse, hostile, [], "en")


PAIR = {
    "first": ("00001", "7"),
    "second": ("00002", "9"),
    "steps": (
        {"field": "prior", "level": "", "bits": -18.0, "total": -18.0},
        {"field": "name_rarity", "level": "to_14_bits", "bits": 12.5, "total": -5.5},
        {"field": "birth_date", "level": "equal", "bits": 12.0, "total": 6.5},
        {"field": "place", "level": "province_differs", "bits": -4.0, "total": 2.5},
    ),
    "bits": 2.5,
    "probability": 0.85,
    "method": "review",
    "guard": "namesakes",
    "human_decision": None,
    "same_person": True,
    "model_version": "shipped-1",
}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_waterfall_of_a_pair(warehouse: Warehouse, trace: dict[str, Any], lang: str) -> None:
    page = lxml.html.document_fromstring(explain_html(warehouse, trace, [PAIR], lang))
    bars = page.xpath("//section[last() - 1]//li/svg/rect")
    # From -18 to +6.5 bits, each bar from the sum before to the sum after.
    assert [float(bar.get("x").rstrip("%")) for bar in bars] == pytest.approx([0, 0, 51.02, 83.67], abs=0.1)
    assert [bar.get("class") for bar in bars] == ["weak", "strong", "strong", "weak"]
    told = explain_text(warehouse, trace, [PAIR], lang)
    assert {"en": "maybe namesakes", "vi": "trùng tên"}[lang] in told
    assert numbers.decimals(-5.5, lang) in told


def test_every_field_and_level_has_words() -> None:
    from dedup.matching.comparing import FIELDS

    for name, levels in FIELDS.items():
        for level in levels[1:]:
            step = {"field": name, "level": level, "bits": 1.0, "total": 1.0}
            assert "_" not in pair_steps({"steps": [step]}, Words("vi"))[0][0]
