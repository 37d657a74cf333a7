"""The HTML page: whole, self-contained, strict, and deaf to what stands in the data."""

from __future__ import annotations

import base64
import hashlib
import re

import lxml.html
import pytest

from dedup.reporting import each_hospital, figures, render_html
from dedup.warehouse import Warehouse, memory_warehouse

ATTACKS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><script>alert(2)</script>",
    "{{ 7 * 7 }}{% raw %}",
    "\u202egnp.exe",
    "javascript:alert(3)",
    "]]><svg/onload=alert(4)>",
]


def parsed(text: str) -> lxml.html.HtmlElement:
    return lxml.html.document_fromstring(text)


def test_repeats_at_the_same_hospital_only(warehouse: Warehouse) -> None:
    warehouse.con.execute("UPDATE flag SET scope = 'same_facility', prior_facility_id = facility_id")
    report = figures(warehouse)
    page = parsed(render_html(report, "vi"))
    assert report.tables["hospitals"].rows
    assert page.xpath("//section[@id='hospitals']//tbody/tr")


@pytest.mark.parametrize("lang", ["vi", "en"])
def test_every_section_and_figure_is_there(warehouse: Warehouse, lang: str) -> None:
    report = figures(warehouse)
    page = parsed(render_html(report, lang))
    assert page.get("lang") == lang
    for name, table in report.tables.items():
        (section,) = page.xpath(f"//section[@id='{name}']")
        assert len(section.xpath(".//table[contains(@class, 'data')]/tbody/tr")) == len(table.rows), name
    numbers = [item.text_content() for item in page.xpath("//dd[@class='n']")]
    assert numbers[0] == "3"
    assert numbers[1].replace("\N{NO-BREAK SPACE}", " ") == {"vi": "120.000 ₫", "en": "₫120,000"}[lang]


def test_policy_lets_in_exactly_its_own_style_and_script(warehouse: Warehouse) -> None:
    text = render_html(figures(warehouse), "en")
    page = parsed(text)
    (policy,) = page.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for tag, open_tag in (("style", "<style>"), ("script", "<script>")):
        body = text.split(open_tag)[1].split(f"</{tag}>")[0]
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert page.xpath("//@style") == []
    assert page.xpath("//@src | //link | //img | //iframe | //object | //form") == []
    assert {href[0] for href in page.xpath("//a/@href")} == {"#"}
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|eval\(|innerHTML", text)


@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks_are_text(warehouse: Warehouse, attack: str) -> None:
    con = warehouse.con
    con.execute("UPDATE facility SET name = ? WHERE facility_id = '00001'", [attack])
    con.execute("UPDATE test SET name_vi = $1, name_en = $1", [attack])
    con.execute("UPDATE line SET department = $1, ordered_by = $1", [attack])
    con.execute("UPDATE delivery SET source_name = ?", [attack])
    con.execute("UPDATE rule SET source = ?", [attack])
    clean = parsed(render_html(figures(warehouse), "vi"))
    assert len(clean.xpath("//script")) == 2
    assert clean.xpath("//@*[starts-with(name(), 'on')] | //img | //main//script") == []
    assert "\u202e" not in clean.text_content()
    shown = attack.replace("\u202e", "⟨U+202E⟩")
    for report in (figures(warehouse), *each_hospital(warehouse)):
        assert shown in parsed(render_html(report, "vi")).text_content()


def test_a_hospital_leaves_out_its_own_name(warehouse: Warehouse) -> None:
    page = parsed(render_html(next(each_hospital(warehouse)), "en"))
    heads = page.xpath("//table[@id='t-orders']//th/@data-c")
    assert "facility_id" not in heads and "prior_facility_id" in heads
    assert page.xpath("//section[@id='hospitals']") == []


def test_same_page_twice(warehouse: Warehouse) -> None:
    assert render_html(figures(warehouse), "vi") == render_html(figures(warehouse), "vi")


def test_no_patient_number(warehouse: Warehouse) -> None:
    text = render_html(figures(warehouse), "vi")
    assert "001090000001" not in text and "nguyen van a" not in text


def test_empty() -> None:
    with memory_warehouse() as empty:
        assert "Nothing to show under: Repeats by verdict, " in render_html(figures(empty), "en")


def test_orders_make_room_on_a_page_that_is_too_large(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = figures(warehouse)
    full = render_html(whole, "en")
    assert "not on this page" not in full
    most = len(full.encode()) - 1000
    monkeypatch.setattr("dedup.reporting.page._PAGE_BYTES", most)
    cut = render_html(whole, "en")
    assert most - 1500 < len(cut.encode()) <= most
    shown, held = (len(parsed(text).xpath("//table[@id='t-orders']//tr")) for text in (cut, full))
    assert 0 < shown < held
    assert f"{held - shown} more orders are not on this page" in cut
