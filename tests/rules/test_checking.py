"""Checking: for each check a catalogue broken in just that way is caught, with file and line."""

from __future__ import annotations

import pytest

from dedup.errors import ConfigError
from dedup.rules.checking import CHECKS, check_catalogue, check_folder
from dedup.rules.reading import read_catalogue

from .conftest import SMALL, Write

#: check → catalogues broken for it: (file, text to find, text instead, line of the finding, what it says)
MUTATIONS: dict[str, list[tuple[str, str, str, int, str]]] = {
    "overlaps": [
        ("validity", ",2025-12-31,", ",,", 4, "dates overlap with rule p.sodium.old in line 3"),
        ("validity", ",2025-12-31,", ",2026-01-01,", 4, "dates overlap with rule p.sodium.old in line 3"),
    ],
    "ambiguous": [
        ("validity", ",12.5,,,2025-12-31,", ",12.5,,2026-01-01,2026-12-31,", 3, "with rule p.sodium in line 4"),
        ("exemptions", "neonate,review,,,,,,28", "other,review,,,culture,,,", 2, "ambiguous with rule x.culture"),
    ],
    "unreachable": [
        ("validity", "discipline:biochemistry", "discipline:chemistry", 2, "no test has the discipline 'chemistry'"),
        ("validity", "discipline:biochemistry,,", "discipline:microbiology,,", 2, "more specific or later rows"),
        ("exemptions", "culture,justified,,,culture", "culture,justified,sodium,,culture", 3, "no test has this"),
        ("exemptions", ",28,,,", ",28,,guideline,", 2, "validity.csv has no profile 'guideline'"),
    ],
    "panels": [("panels", "sodium,true\nelectrolytes,potassium,true", "sodium,false", 2, "no required component")],
    "rule_ids": [
        ("validity", "p.sodium.icu", "p.sodium", 5, "rule_id 'p.sodium' is also in validity.csv line 4"),
        ("validity", "p.culture", "", 6, "has no rule_id"),
        ("exemptions", "x.neonate", "p.culture", 2, "rule_id 'p.culture' is also in validity.csv line 6"),
    ],
    "sources": [
        ("tests", "30200,list", "30200,", 4, "has no source"),
        ("codes", "potassium,,,LOINC", "potassium,,,", 3, "has no source"),
        ("validity", "p.culture,list", "p.culture,", 6, "has no source"),
        ("exemptions", "x.neonate,list", "x.neonate,", 2, "has no source"),
        ("specimens", "blood,own", "blood,", 2, "has no source"),
    ],
    "slugs": [
        ("tests", "list\nculture,", "list\nUrea,,,biochemistry,,,,,list\nculture,", 5, "not in lower case"),
        ("tests", "list\nculture,", "list\nurea,,,,,,,,list\nculture,", 5, "has no discipline"),
    ],
}


def test_the_small_catalogue_has_no_finding(write: Write) -> None:
    assert check_catalogue(read_catalogue(write())) == []


def test_every_check_has_a_mutation_and_says_what_it_does() -> None:
    assert MUTATIONS.keys() == CHECKS.keys()
    assert all(check.__doc__ for check in CHECKS.values())


@pytest.mark.parametrize(
    ("check", "name", "old", "new", "line", "says"),
    [(check, *mutation) for check, mutations in MUTATIONS.items() for mutation in mutations],
)
def test_a_broken_catalogue_is_caught_with_file_and_line(
    write: Write, check: str, name: str, old: str, new: str, line: int, says: str
) -> None:
    assert SMALL[name].count(old) == 1
    catalogue = read_catalogue(write(**{name: SMALL[name].replace(old, new)}))
    found = check_catalogue(catalogue)
    assert {(problem.file.name, problem.line) for problem in found} == {(f"{name}.csv", line)}
    assert any(says in problem.message for problem in CHECKS[check](catalogue))


def test_overlaps_are_found_among_rows_that_are_not_neighbours(write: Write) -> None:
    dated = "p,potassium,,24,,2020-01-01,,k.1,list,\np,potassium,,24,,2021-01-01,2021-12-31,k.2,list,\n"
    rows = SMALL["validity"] + dated + "p,potassium,,24,,2023-01-01,,k.3,list,\n"
    found = check_catalogue(read_catalogue(write(validity=rows)))
    assert [(problem.line, "k.1" in problem.message) for problem in found] == [(8, True), (9, True)]


def test_rows_of_two_profiles_never_meet(write: Write) -> None:
    rows = SMALL["validity"] + "q,sodium,,24,,,,q.sodium,list,\n"
    assert check_catalogue(read_catalogue(write(validity=rows))) == []


def test_a_general_row_is_reachable_as_long_as_one_test_on_one_day_needs_it(write: Write) -> None:
    own = "p,potassium,,24,,,,p.k,list,\np,electrolytes,,24,,,,p.e,list,\n"
    rows = SMALL["validity"].replace("p,sodium,,12.5,,,2025-12-31", "p,sodium,,12.5,,,2025-12-30") + own
    assert check_catalogue(read_catalogue(write(validity=rows))) == [], "31 December 2025 is left to the discipline"
    found = check_catalogue(read_catalogue(write(validity=SMALL["validity"] + own)))
    assert [(problem.file.name, problem.line) for problem in found] == [("validity.csv", 2)]


def test_a_finding_in_a_site_folder_names_the_site(write: Write) -> None:
    site = write("site", base={}, validity="profile,test_id,valid_hours,rule_id\np,potassium,6,site.k\n")
    found = check_catalogue(read_catalogue(write(), site))
    assert [(problem.file, problem.line) for problem in found] == [(site / "validity.csv", 2)]


def test_what_cannot_be_meant_and_what_is_doubtful_are_told_at_once(write: Write) -> None:
    broken = {
        "codes": SMALL["codes"].replace("2823-3,potassium", "2951-2,potassium"),  # a code mapped twice
        "panels": SMALL["panels"].replace("potassium,true", "kalium,true"),  # an unknown test
        "validity": SMALL["validity"].replace(",2025-12-31,", ",,"),  # dates that overlap
    }
    with pytest.raises(ConfigError) as caught:
        check_folder(write(**broken), None)
    found = [(problem.file.name, problem.line) for problem in caught.value.problems]
    assert found == [("codes.csv", 3), ("panels.csv", 3), ("validity.csv", 4)]


def test_a_faulty_row_makes_no_other_row_doubtful(write: Write) -> None:
    tests = SMALL["tests"].replace(",culture,,list", ",cultures,,list")
    panels = SMALL["panels"].replace("sodium,true\nelectrolytes,potassium,true", "sodium,maybe")
    with pytest.raises(ConfigError) as caught:
        check_folder(write(tests=tests, panels=panels), None)
    found = [(problem.file.name, problem.line) for problem in caught.value.problems]
    assert found == [("panels.csv", 2), ("tests.csv", 5)]


def test_a_sound_catalogue_is_returned(write: Write) -> None:
    folder = write()
    assert check_folder(folder, None).version == read_catalogue(folder).version
