"""The rules are documented in both languages: every column, word and reason; and the examples run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dedup.rules.cases import CASE_FILE, run_cases
from dedup.rules.layout import FILES
from dedup.rules.reading import Catalogue, read_catalogue

DOCS = Path(__file__).parents[2] / "docs"
LANGS = pytest.mark.parametrize("lang", ["en", "vi"])


def page(lang: str) -> str:
    return (DOCS / lang / "rules.md").read_text(encoding="utf-8")


def examples(lang: str) -> dict[str, str]:
    """The CSV examples of a page, by the first column of their header."""
    blocks = re.findall(r"^```csv\n(.*?)^```", page(lang), flags=re.MULTILINE | re.DOTALL)
    return {block.split(",", 1)[0]: block for block in blocks}


@LANGS
def test_every_column_word_and_reason(lang: str, shipped: Catalogue) -> None:
    words = {f"{name}.csv" for name in FILES}
    for file in (*FILES.values(), CASE_FILE):
        words |= set(file.columns)
    for file in FILES.values():
        words |= {word for kind in file.columns.values() if isinstance(kind, tuple) for word in kind}
    words -= {
        "clinical_change",
        "expired",
        "poor_specimen",
        "identity_doubt",
        "lab_level",
        "other",
    }  # in cli.md's world
    words |= set(shipped.exemptions["reason"]) | set(shipped.validity["profile"]) | set(shipped.tests["discipline"])
    assert {word for word in words if f"`{word}`" not in page(lang)} == set()


@LANGS
def test_the_examples_of_a_site_can_be_read(lang: str, tmp_path: Path) -> None:
    blocks = examples(lang)
    (tmp_path / "validity.csv").write_text(blocks["profile"], encoding="utf-8")
    (tmp_path / "exemptions.csv").write_text(blocks["reason"], encoding="utf-8")
    catalogue = read_catalogue(None, tmp_path)
    assert "site.hba1c" in set(catalogue.validity["rule_id"])
    assert "moh26.imaging" not in set(catalogue.validity["rule_id"])
    assert "site.setting_unknown" in set(catalogue.exemptions["rule_id"])


@LANGS
def test_the_cases_of_the_page_come_out(lang: str, tmp_path: Path, shipped: Catalogue) -> None:
    (tmp_path / "page.csv").write_text(examples(lang)["case"], encoding="utf-8")
    results = run_cases(tmp_path, shipped)
    assert len(results) == 3 and all(result.passed for result in results)
