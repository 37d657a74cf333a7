"""A site's folder: rows that replace, add and switch off, and what it must not do."""

from __future__ import annotations

import pytest

from dedup.errors import ConfigError
from dedup.rules.reading import read_catalogue

from .conftest import Write

VALIDITY = "profile,test_id,setting,valid_hours,condition,valid_from,rule_id,source\n"


def rules(catalogue) -> dict[str, str]:  # type: ignore[no-untyped-def]
    return dict(zip(catalogue.validity["rule_id"], catalogue.validity["valid_hours"], strict=True))


def test_a_row_replaces_the_row_with_its_key(write: Write) -> None:
    site = write("site", base={}, validity=VALIDITY + "p,sodium,,48,,2026-01-01,site.sodium,board\n")
    catalogue = read_catalogue(write(), site)
    assert rules(catalogue) == {
        "p.biochemistry": "24",
        "p.sodium.old": "12.5",
        "p.sodium.icu": "0",
        "p.culture": "lifetime",
        "site.sodium": "48",
    }
    changed = catalogue.validity.filter(catalogue.validity["origin"] == "site")
    assert changed["file_line"].to_list() == [2]
    assert catalogue.path("validity", "site") == site / "validity.csv"
    assert catalogue.version != read_catalogue(write()).version


def test_a_row_with_another_key_is_added(write: Write) -> None:
    site = write("site", base={}, validity=VALIDITY + "p,sodium,emergency,6,,,site.sodium,board\n")
    assert set(rules(read_catalogue(write(), site))) > {"p.sodium", "site.sodium"}


def test_empty_hours_switch_a_rule_off(write: Write) -> None:
    site = write("site", base={}, validity=VALIDITY + "p,sodium,icu,,,,,\n")
    assert "p.sodium.icu" not in rules(read_catalogue(write(), site))


def test_switching_off_what_is_not_there_is_an_error(write: Write) -> None:
    site = write("site", base={}, validity=VALIDITY + "p,sodium,emergency,,,,,\n")
    with pytest.raises(ConfigError) as caught:
        read_catalogue(write(), site)
    assert [(problem.file, problem.line) for problem in caught.value.problems] == [(site / "validity.csv", 2)]


def test_a_wrong_number_of_a_site_is_no_switch(write: Write) -> None:
    site = write("site", base={}, validity=VALIDITY + "p,sodium,icu,x,,,,\n")
    with pytest.raises(ConfigError, match="no number of hours") as caught:
        read_catalogue(write(), site)
    assert len(caught.value.problems) == 1


def test_panels_are_replaced_whole(write: Write) -> None:
    site = write("site", base={}, panels="test_id,component_id,required\nelectrolytes,sodium,true\n")
    assert read_catalogue(write(), site).panels["component_id"].to_list() == ["sodium"]


def test_tests_codes_exemptions_and_specimens_of_a_site(write: Write) -> None:
    site = write(
        "site",
        base={},
        tests="test_id,discipline,price_vnd,source\nsodium,biochemistry,12000,site\nour_test,biochemistry,,site\n",
        codes="code_system,code,test_id,facility_id\nlocal,NA,our_test,79001\nlocal,K,potassium,79001\n",
        exemptions="reason,verdict,rule_id,max_age_days\nneonate,justified,x.neonate,14\n",
        specimens="text,specimen\nhuyết thanh,urine\nserum,blood\n",
    )
    catalogue = read_catalogue(write(), site)
    tests = {row["test_id"]: row for row in catalogue.tests.iter_rows(named=True)}
    assert tests["sodium"]["price_vnd"] == 12000 and tests["sodium"]["class"] is None
    assert "our_test" in tests
    codes = {(row["code"], row["facility_id"]): row["test_id"] for row in catalogue.codes.iter_rows(named=True)}
    assert codes["NA", "79001"] == "our_test" and codes["K", "79001"] == "potassium"
    exemptions = {row["rule_id"]: row for row in catalogue.exemptions.iter_rows(named=True)}
    assert exemptions["x.neonate"]["verdict"] == "justified" and exemptions["x.neonate"]["max_age_days"] == 14
    assert dict(catalogue.specimens.select("text", "specimen").iter_rows()) == {
        "huyết thanh": "urine",
        "serum": "blood",
    }


def test_problems_of_a_site_name_its_file(write: Write) -> None:
    site = write("site", base={}, codes="code_system,code,test_id\nlocal,NA,nothing\n")
    with pytest.raises(ConfigError) as caught:
        read_catalogue(write(), site)
    assert [(problem.file, problem.line) for problem in caught.value.problems] == [(site / "codes.csv", 2)]


def test_an_overlay_of_the_shipped_catalogue(write: Write) -> None:
    site = write("site", base={}, validity=VALIDITY + "moh-draft-2026-08,hba1c,,2160,,,site.hba1c,hospital board\n")
    catalogue = read_catalogue(None, site)
    assert rules(catalogue)["site.hba1c"] == "2160" and "moh26.hba1c" not in rules(catalogue)
