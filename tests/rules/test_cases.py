"""The cases: what the shipped catalogue must decide, and the runner's own manners."""

from __future__ import annotations

from pathlib import Path

import pytest

from dedup.errors import ConfigError
from dedup.rules.cases import read_cases, run_cases
from dedup.rules.reading import Catalogue, read_catalogue

from .conftest import Write

CASES = Path(__file__).parent / "cases"
HEAD = "case,profile,test,prior_age,expected,reason,rule_id\n"


def test_every_case_of_the_shipped_catalogue(shipped: Catalogue) -> None:
    results = run_cases(CASES, shipped)
    wrong = [
        f"{result.case.file.name}:{result.case.line} {result.case.cells['case']}: "
        f"expected {result.expected}, found {result.found}"
        for result in results
        if not result.passed
    ]
    assert not wrong, "\n".join(wrong[:20])
    assert len(results) > 1000


def folder(tmp_path: Path, text: str) -> Path:
    cases = tmp_path / "cases"
    cases.mkdir(exist_ok=True)
    (cases / "site.csv").write_text(text, encoding="utf-8")
    return cases


def test_a_site_runs_its_own_cases_on_its_own_rules(write: Write, tmp_path: Path) -> None:
    text = HEAD + "in time,p,potassium,24 h,avoidable,,p.biochemistry\nlate,p,potassium,24 h 1 min,none,,\n"
    results = run_cases(folder(tmp_path, text), read_catalogue(write()))
    assert [result.passed for result in results] == [True, True]
    assert results[0].found == ("avoidable", "valid_result", "p.biochemistry")


def test_a_wrong_expectation_fails(write: Write, tmp_path: Path) -> None:
    text = HEAD + "late,p,potassium,25 h,avoidable,,\nother rule,p,potassium,1 h,avoidable,,p.sodium\n"
    assert [result.passed for result in run_cases(folder(tmp_path, text), read_catalogue(write()))] == [False, False]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("x,p,natrium,1 h,none,,\n", "test 'natrium' is not in the catalogue"),
        ("x,q,potassium,1 h,none,,\n", "has no profile 'q'"),
        ("x,p,potassium,1 week,none,,\n", "no duration"),
        ("x,p,potassium,1 h,maybe,,\n", "'maybe' is none of"),
        ("x,p,potassium,,none,,\n", "prior_age is blank"),
    ],
)
def test_mistakes_in_a_case_are_named_with_file_and_line(write: Write, tmp_path: Path, row: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        run_cases(folder(tmp_path, HEAD + row), read_catalogue(write()))
    assert [(problem.file.name, problem.line) for problem in caught.value.problems] == [("site.csv", 2)]
    assert says in caught.value.problems[0].message


def test_an_empty_folder_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no \.csv file"):
        read_cases(tmp_path)
