"""Every format has a docstring, a sample that loads whole, and a chapter in both languages; so has every reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dedup.loading.formats import FORMATS, recognise
from dedup.loading.reasons import REASONS
from tests.loading.conftest import SAMPLES, Loader

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_explains_itself(name: str) -> None:
    assert (FORMATS[name].__doc__ or "").strip()
    for lang in ("en", "vi"):
        assert f"\n## `{name}`\n" in (ROOT / "docs" / lang / "formats.md").read_text(encoding="utf-8")


def test_every_format_has_a_sample_and_every_sample_loads(loader: Loader) -> None:
    files = sorted(SAMPLES.iterdir())
    assert {recognise(path) for path in files} == set(FORMATS)
    for path in files:
        summary = loader(path)
        assert summary.rows_read > 0, path
        assert summary.rows_rejected == 0, path


@pytest.mark.parametrize("lang", ["en", "vi"])
def test_every_reason_is_documented(lang: str) -> None:
    text = (ROOT / "docs" / lang / "formats.md").read_text(encoding="utf-8")
    assert re.findall(r"^\* `(\w+)`: ", text, flags=re.MULTILINE) == list(REASONS)


def test_every_reason_in_the_code_is_known() -> None:
    used = set()
    for path in (ROOT / "dedup" / "loading").glob("*.py"):
        if path.name != "reasons.py":
            used |= set(
                re.findall(
                    r'"((?:bad|unknown|missing|ambiguous|unreadable|too|ragged|open|forbidden)_\w+)"', path.read_text()
                )
            )
    assert used - {"missing_docs"} <= set(REASONS) | {"unknown_columns"}
