"""The shipped catalogue: nothing to find, everything covered, and the facts that are easy to get wrong."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from dedup.rules.cases import read_cases
from dedup.rules.checking import check_catalogue
from dedup.rules.listing import catalogue_counts
from dedup.rules.reading import SHIPPED, Catalogue
from dedup.settings import RulesSettings

CASES = Path(__file__).parent / "cases"
PROFILES = {"moh-draft-2026-08", "conservative", "guideline"}


def codes(catalogue: Catalogue, system: str) -> dict[str, str]:
    rows = catalogue.codes.filter(catalogue.codes["code_system"] == system)
    return dict(rows.select("code", "test_id").iter_rows())


def test_no_finding(shipped: Catalogue) -> None:
    assert check_catalogue(shipped) == []


def test_counts(shipped: Catalogue) -> None:
    counts = catalogue_counts(shipped)
    assert counts["codes"] == {"loinc": 321, "vn-service": 1604}
    assert counts["panels"] == 25
    assert counts["profiles"].keys() == PROFILES
    assert RulesSettings().profile in PROFILES


@pytest.mark.parametrize(
    ("test", "services"),
    [
        ("cbc", "22.0119.1368 22.0120.1370 22.0121.1369 22.0122.1367"),
        ("d_dimer", "22.0023.1239 23.0054.1239 01.0299.1239"),
        ("blood_gas_arterial", "23.0103.1531 01.0286.1531 02.0621.1531"),
        ("hba1c", "23.0083.1523"),
        ("glucose_capillary", "01.0281.1510 03.0191.1510 23.0234.1510"),
        ("ferritin", "23.0063.1514 22.0116.1514"),
        ("hbsag", "24.0117.1646 24.0119.1649 24.0118.1649"),
        ("ct_head_without_contrast", "18.0149.0040 18.0165.0043 18.0178.0047"),
        ("ct_head_with_contrast", "18.0150.0041 18.0166.0042 18.0179.0046"),
    ],
)
def test_equivalent_codes_are_one_test(shipped: Catalogue, test: str, services: str) -> None:
    known = codes(shipped, "vn-service")
    assert {known[code] for code in services.split()} == {test}


def test_the_usual_codes_of_hiv_tests_are_known_to_be_sensitive(shipped: Catalogue) -> None:
    loinc, kind = codes(shipped, "loinc"), dict(shipped.tests.select("test_id", "class").iter_rows())
    usual = "7917-8 7918-6 29893-5 30361-0 31201-7 43009-0 49580-4 56888-1 68961-2 80387-4 20447-9 25836-8 9836-8"
    assert {kind[loinc[code]] for code in usual.split()} == {"sensitive"}


def test_what_must_not_be_one_test(shipped: Catalogue) -> None:
    loinc, services = codes(shipped, "loinc"), codes(shipped, "vn-service")
    apart = ["10839-9", "89579-7", "6598-7", "67151-1", "2744-1", "2746-6", "2345-7", "1558-6", "34714-6", "6301-6"]
    assert len({loinc[code] for code in apart}) == len(apart)
    antigens = ["22.0184.1391", "22.0185.1390", "22.0226.1377", "22.0229.1378", "22.0232.1381", "22.0235.1382"]
    assert len({services[code] for code in antigens}) == len(antigens)


def test_hiv_is_sensitive_and_never_reused(shipped: Catalogue) -> None:
    services = codes(shipped, "vn-service")
    classes = dict(shipped.tests.select("test_id", "class").iter_rows())
    hiv = {test for code, test in services.items() if "24.0169" <= code[:7] <= "24.0182"}
    assert hiv and {classes[test] for test in hiv} == {"sensitive"}
    rules = shipped.validity.filter(shipped.validity["test_id"].is_in(sorted(hiv)))
    assert set(rules["valid_hours"]) == {"0"}


def test_every_test_has_names_a_discipline_and_a_class(shipped: Catalogue) -> None:
    for name in ("name_vi", "discipline", "class", "source"):
        assert shipped.tests[name].null_count() == 0, name
    judged = shipped.tests.filter(shipped.tests["discipline"] != "procedure")
    assert judged["name_en"].null_count() == 0
    priced = shipped.tests.filter(shipped.tests["price_vnd"].is_not_null())
    assert (priced["price_vnd"] > 0).all()
    assert all("price:" in source for source in priced["source"])


def test_the_files_are_plain_utf8_and_end_with_a_line_break() -> None:
    for file in sorted(SHIPPED.glob("*.csv")):
        data = file.read_bytes()
        assert not data.startswith(b"\xef\xbb\xbf") and b"\r" not in data and data.endswith(b"\n"), file.name


def test_every_rule_has_a_case_that_is_flagged_and_one_that_is_not(shipped: Catalogue) -> None:
    hit: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    said = {row["rule_id"]: (row["verdict"], row["reason"]) for row in shipped.exemptions.iter_rows(named=True)}
    for case in read_cases(CASES):
        about, cells = case.cells["about"], case.cells
        answer = (cells["expected"], cells["reason"])
        held = answer == said[about] if about in said else cells["rule_id"] == about
        (hit if held else missed)[about] += 1
    never = set(shipped.validity.filter(shipped.validity["valid_seconds"] == 0)["rule_id"])
    rules = set(shipped.validity["rule_id"]) | set(said)
    assert rules - never - hit.keys() == set()
    assert rules - missed.keys() == set()


def loinc_check_digit(number: str) -> int:
    """The check digit of a LOINC number (Mod 10, as LOINC publishes it)."""
    digits = [int(digit) for digit in reversed(number)]
    doubled = [int(digit) for value in digits[::2] for digit in str(value * 2)]
    return -(sum(doubled) + sum(digits[1::2])) % 10


def test_codes_are_well_formed(shipped: Catalogue) -> None:
    for code in codes(shipped, "loinc"):
        number, _, digit = code.partition("-")
        assert loinc_check_digit(number) == int(digit), code
    for code in codes(shipped, "vn-service"):
        assert re.fullmatch(r"[0-9]{2}\.[0-9]{4}\.[0-9]{4}", code), code
