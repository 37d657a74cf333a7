"""The glossary pages say what the reports say."""

from __future__ import annotations

from pathlib import Path

import pytest

from dedup.reporting.glossary import GLOSSARY
from dedup.reporting.words import Words

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("lang", ["vi", "en"])
def test_same_words_in_the_documents(lang: str) -> None:
    words = Words(lang)
    pages = (DOCS / lang / "glossary.md").read_text(encoding="utf-8").split("\n\n")[2:]
    assert [page.strip() for page in pages] == [f"**{words(term)}**: {words(meaning)}" for term, meaning in GLOSSARY]
