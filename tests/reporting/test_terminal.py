"""What stands on the terminal, in both languages, and in JSON."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from dedup.reporting import figures, render_json, render_table
from dedup.warehouse import Warehouse, memory_warehouse


def printed(warehouse: Warehouse, lang: str, width: int = 120) -> str:
    out = io.StringIO()
    render_table(figures(warehouse), lang, Console(file=out, width=width))
    return out.getvalue()


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("en", ["Order lines: 10; persons: 4; price together: ₫290,000", "30.0%", "₫120,000", "₫70,000", "HbA1c"]),
        ("vi", ["Số chỉ định: 10; số người bệnh: 4", "30,0%", "120.000\N{NO-BREAK SPACE}₫", "Định lượng HbA1c"]),
    ],
)
def test_says_the_main_things(warehouse: Warehouse, lang: str, words: list[str]) -> None:
    text = printed(warehouse, lang)
    for word in [*words, "00002 Bệnh viện Đa khoa Bình An", "moh-draft-2026-08", "00001.csv", "V001"]:
        assert word in text


def test_narrow_terminal(warehouse: Warehouse) -> None:
    assert max(len(line) for line in printed(warehouse, "vi", 80).splitlines()) <= 80


def test_markup_and_escapes_are_text(warehouse: Warehouse) -> None:
    warehouse.con.execute("UPDATE facility SET name = '[red]x[/red]\x1b[31m' WHERE facility_id = '00002'")
    text = printed(warehouse, "en", 200)
    assert "[red]x[/red]⟨U+001B⟩[31m" in text
    assert "\x1b" not in text


def test_nothing_flagged_yet() -> None:
    with memory_warehouse() as empty:
        assert "dedup flag" in printed(empty, "en")


def test_json(warehouse: Warehouse) -> None:
    report = json.loads(render_json(figures(warehouse)))
    assert report["scopes"]["elsewhere"]["verdicts"]["avoidable"] == 3
    assert report["scopes"]["elsewhere"]["avoidable_vnd"] == 120000
    assert report["basis"]["profile"] == "moh-draft-2026-08"
    assert report["tables"]["tests"][0]["test_id"] == "hba1c"
    assert report["first_at"] == "2026-03-02 08:00:00"


@pytest.mark.parametrize("width", [80, 100, 120])
@pytest.mark.parametrize("lang", ["vi", "en"])
def test_numbers_are_never_cut(warehouse: Warehouse, lang: str, width: int) -> None:
    warehouse.con.execute("UPDATE test SET name_vi = repeat('Định lượng ', 9), name_en = repeat('Measurement ', 9)")
    warehouse.con.execute("UPDATE flag SET avoidable_vnd = avoidable_vnd * 10000 WHERE avoidable_vnd > 0")
    lines = printed(warehouse, lang, width).splitlines()
    assert max(map(len, lines)) <= width
    assert not any("…" in line for line in lines)
    for money in ("1,000,000,000", "1,200,000,000", "500,000,000"):
        shown = f"₫{money}" if lang == "en" else f"{money.replace(',', '.')}\N{NO-BREAK SPACE}₫"
        assert any(shown in line for line in lines), money
