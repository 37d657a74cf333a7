"""Words, numbers and dates; babel is the oracle."""

from __future__ import annotations

import csv
import datetime
import decimal
import re
import string
from pathlib import Path

import pytest
from babel.dates import format_date
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from babel.numbers import format_currency, format_decimal, format_percent
from hypothesis import given
from hypothesis import strategies as st

import dedup.reporting
from dedup.errors import UsageError
from dedup.loading.reasons import REASONS, SKIPS
from dedup.reporting import numbers
from dedup.reporting.labels import LABELS
from dedup.reporting.words import Words, plain, read_catalogue
from dedup.schema import COVERAGES, ORDER_REASONS, SCOPES, SETTINGS, VERDICTS

ROOM = Path(dedup.reporting.__file__).parent
CATALOGUE = ROOM / "locale" / "vi.po"
METHODS = [("**.py", "python"), ("templates/**.html", "jinja2.ext:babel_extract")]


def used() -> set[str]:
    found = extract_from_dir(str(ROOM), METHODS, keywords={"mark": None, "words": None})
    return {message for _, _, message, _, _ in found if isinstance(message, str)}


def test_catalogue_holds_exactly_what_is_used() -> None:
    assert set(read_catalogue(CATALOGUE)) == used()


def test_catalogue_is_read_as_babel_reads_it() -> None:
    with CATALOGUE.open("rb") as handle:
        theirs = {entry.id: entry.string for entry in read_po(handle) if entry.id and entry.string}
    assert read_catalogue(CATALOGUE) == theirs


def test_places_to_fill_survive_translation() -> None:
    def places(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    for english, vietnamese in read_catalogue(CATALOGUE).items():
        assert places(english) == places(vietnamese), english


def test_unknown_language() -> None:
    with pytest.raises(UsageError):
        Words("fr")


def test_labels() -> None:
    assert Words("vi").label("avoidable") == "tránh được"
    assert Words("en").label("avoidable") == "avoidable"
    assert Words("vi").label("never heard of") == "never heard of"


@given(st.integers(-(10**15), 10**15), st.sampled_from(["vi", "en"]))
def test_numbers(value: int, lang: str) -> None:
    assert numbers.count(value, lang) == format_decimal(value, locale=lang)
    assert numbers.dong(decimal.Decimal(value), lang) == format_currency(value, "VND", locale=lang)


@given(st.floats(0, 1).map(lambda share: round(share, 4)), st.sampled_from(["vi", "en"]))
def test_percent(share: float, lang: str) -> None:
    theirs = format_percent(decimal.Decimal(f"{share * 100:.1f}") / 100, "#,##0.0%", locale=lang)
    assert numbers.percent(share, lang) == theirs


@given(st.dates(datetime.date(1900, 1, 1)))
def test_dates(day: datetime.date) -> None:
    assert numbers.date(day, "vi") == format_date(day, "dd/MM/y", locale="vi")
    assert re.sub("Sept", "Sep", format_date(day, "d MMM y", locale="en")) == numbers.date(day, "en")


def test_halves_of_a_dong_round_up() -> None:
    assert numbers.dong(decimal.Decimal("1234.5"), "en") == "₫1,235"


def test_plain_shows_what_would_deceive() -> None:
    assert plain("Bệnh viện Đa khoa") == "Bệnh viện Đa khoa"
    assert plain("a\u202egnp.exe") == "a⟨U+202E⟩gnp.exe"
    assert plain("\x1b[31mred\u2066\u200b") == "⟨U+001B⟩[31mred⟨U+2066⟩⟨U+200B⟩"


def test_shipped_reasons_and_disciplines_have_words() -> None:
    catalogue = ROOM.parent / "rules" / "catalogue"
    for name, column in (("exemptions.csv", "reason"), ("tests.csv", "discipline"), ("tests.csv", "class")):
        with (catalogue / name).open(encoding="utf-8-sig", newline="") as handle:
            codes = {row[column] for row in csv.DictReader(handle)} - {""}
        assert codes <= set(LABELS), (name, codes - set(LABELS))
    assert {*REASONS, *SKIPS} <= set(LABELS), {*REASONS, *SKIPS} - set(LABELS)
    assert {*VERDICTS, *SCOPES, *COVERAGES, *ORDER_REASONS, *SETTINGS} <= set(LABELS)
