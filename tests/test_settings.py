"""dedup.toml: all errors at once, each with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from dedup.errors import ConfigError
from dedup.settings import Settings, read_settings


def written(folder: Path, text: str) -> Path:
    path = folder / "dedup.toml"
    path.write_text(text, encoding="utf-8")
    return path


def lines(path: Path) -> list[int]:
    with pytest.raises(ConfigError) as caught:
        read_settings(path)
    assert caught.value.exit_code == 5
    assert {problem.file for problem in caught.value.problems} == {path}
    return [problem.line for problem in caught.value.problems]


def test_no_file_means_the_defaults() -> None:
    assert read_settings(None) == Settings()


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    assert read_settings(written(tmp_path, "")).rules.profile == Settings().rules.profile


def test_every_error_is_told_with_its_line(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        '[warehouse]\nthreads = 0\nmemory_limit = "a lot"\n\n[matching]\nmatch_probability = 1.5\n\n'
        '[rule]\na = 1\n\n[report]\nlang = "fr"\n',
    )
    assert lines(path) == [2, 3, 6, 8, 12]


@pytest.mark.parametrize(
    ("section", "line"),
    [
        ("warehouse", "threads = true"),
        ("warehouse", 'threads = "2"'),
        ("warehouse", "keep_days = 800000"),
        ("inbox", "silent_days = 9999999999"),
        ("loading", 'sensitive_legal_basis = " "'),  # no basis, and the results are HIV's
        ("matching", 'match_probability = "0.9"'),
    ],
)
def test_what_is_of_another_kind_or_cannot_be_meant_is_an_error(tmp_path: Path, section: str, line: str) -> None:
    assert lines(written(tmp_path, f"[{section}]\n{line}\n")) == [2]


def test_review_does_not_begin_above_matching(tmp_path: Path) -> None:
    assert lines(written(tmp_path, "[matching]\nmatch_probability = 0.3\nreview_probability = 0.6\n")) == [1]
    assert lines(written(tmp_path, "[matching]\nmatch_probability = 0.4\n")) == [1]


def test_an_unknown_key_is_an_error(tmp_path: Path) -> None:
    assert lines(written(tmp_path, '[rules]\nprofil = "guideline"\n')) == [2]


def test_broken_toml_names_the_line(tmp_path: Path) -> None:
    assert lines(written(tmp_path, '[rules]\nprofile = "guideline\n')) == [2]


@pytest.mark.parametrize("name", ["missing.toml", "."])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    assert lines(tmp_path / name) == [1]


def test_a_file_in_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "dedup.toml"
    path.write_bytes("# Bệnh viện\n".encode("utf-16"))
    assert lines(path) == [1]


def test_paths_are_meant_from_where_the_file_stands(tmp_path: Path) -> None:
    text = '[warehouse]\npath = "w.duckdb"\n[rules]\ncatalogue = "/rules"\n'
    settings = read_settings(written(tmp_path, text))
    assert settings.warehouse.path == tmp_path / "w.duckdb"
    assert settings.rules.catalogue == Path("/rules")
