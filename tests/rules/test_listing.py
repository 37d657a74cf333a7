"""Listing: what is in force, for whom, and how it is said."""

from __future__ import annotations

import csv
import io
from datetime import date

import pytest

from dedup.errors import UsageError
from dedup.rules.listing import COLUMNS, catalogue_counts, is_unsourced, list_rules
from dedup.rules.printing import WORDS, rules_csv, rules_html, say_validity
from dedup.rules.reading import Catalogue, read_catalogue

from .conftest import SMALL, Write


def ids(rules) -> list[str]:  # type: ignore[no-untyped-def]
    return [rule.rule_id for rule in rules]


def test_the_most_specific_rules_come_first(write: Write) -> None:
    rules = list_rules(read_catalogue(write()), "p")
    assert ids(rules) == [
        "p.culture",
        "p.sodium.old",
        "p.sodium",
        "p.sodium.icu",
        "p.biochemistry",
        "x.culture",
        "x.neonate",
    ]


def test_filters(write: Write) -> None:
    catalogue = read_catalogue(write())
    assert ids(list_rules(catalogue, "p", test="potassium")) == ["p.biochemistry", "x.neonate"]
    assert ids(list_rules(catalogue, "p", test="culture")) == ["p.culture", "x.culture", "x.neonate"]
    assert ids(list_rules(catalogue, "p", test="sodium", kind="validity", on=date(2025, 5, 1))) == [
        "p.sodium.old",
        "p.sodium.icu",
    ]
    assert ids(list_rules(catalogue, "p", discipline="microbiology", kind="validity")) == ["p.culture"]
    assert "p.sodium.icu" not in ids(list_rules(catalogue, "p", setting="outpatient"))
    assert "p.sodium.icu" in ids(list_rules(catalogue, "p", setting="icu"))


def test_rules_that_never_win_are_not_listed(write: Write) -> None:
    rows = SMALL["validity"] + "p,discipline:chemistry,,24,,,,p.none,list,\n"
    assert "p.none" not in ids(list_rules(read_catalogue(write(validity=rows)), "p"))


def test_unsourced(write: Write) -> None:
    rows = SMALL["validity"].replace("p.sodium.icu,list", "p.sodium.icu,unsourced: our own")
    catalogue = read_catalogue(write(validity=rows))
    assert ids(list_rules(catalogue, "p", unsourced=True)) == ["p.sodium.icu"]
    assert is_unsourced(None) and not is_unsourced("RCPath")
    assert catalogue_counts(catalogue)["profiles"] == {"p": {"rules": 5, "sourced": 4}}


@pytest.mark.parametrize("wrong", [{"profile": "q"}, {"test": "natrium"}, {"discipline": "chemistry"}])
def test_names_the_catalogue_does_not_know(write: Write, wrong: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        list_rules(read_catalogue(write()), **({"profile": "p"} | wrong))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("hours", "vi", "en"),
    [
        ("0", "không dùng lại", "never reused"),
        ("1", "1 giờ", "1 hour"),
        ("12.5", "12.5 giờ", "12.5 hours"),
        ("24", "24 giờ", "24 hours"),
        ("36", "36 giờ", "36 hours"),
        ("48", "2 ngày", "2 days"),
        ("1440", "60 ngày", "60 days"),
        ("240000", "10000 ngày", "10000 days"),
        ("lifetime", "suốt đời", "a lifetime"),
        (None, "", ""),
    ],
)
def test_hours_in_words(hours: str | None, vi: str, en: str) -> None:
    assert (say_validity(hours, "vi"), say_validity(hours, "en")) == (vi, en)


def test_csv_has_every_column_and_no_formula(write: Write) -> None:
    rows = SMALL["validity"].replace("p.sodium.icu,list,", "p.sodium.icu,list,=1+1")
    text = rules_csv(list_rules(read_catalogue(write(validity=rows)), "p"))
    lines = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert tuple(lines[0]) == COLUMNS and len(lines) == 7
    assert {line["rule_id"]: line["note"] for line in lines}["p.sodium.icu"] == "'=1+1"


@pytest.mark.parametrize("lang", ["vi", "en"])
def test_the_page_stands_alone_and_escapes(write: Write, lang: str) -> None:
    rows = SMALL["validity"].replace("p.sodium.icu,list,", "p.sodium.icu,unsourced,<script>alert(1)</script>")
    catalogue = read_catalogue(write(validity=rows))
    page = rules_html(list_rules(catalogue, "p"), profile="p", version=catalogue.version, lang=lang)  # type: ignore[arg-type]
    assert f'<html lang="{lang}">' in page and "<script" not in page and "&lt;script&gt;" in page
    assert "src=" not in page and "href=" not in page
    assert WORDS[lang]["unsourced"] in page and "Regenstrief" in page and catalogue.version in page


def test_both_languages_say_the_same_things() -> None:
    assert WORDS["vi"].keys() == WORDS["en"].keys()


def test_the_shipped_page_holds_every_rule(shipped: Catalogue) -> None:
    rules = list_rules(shipped, "guideline")
    page = rules_html(rules, profile="guideline", version=shipped.version)
    assert all(f"<code>{rule.rule_id}</code>" in page for rule in rules)
