"""Reading: types, blanks, and every problem at once with its file and line."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedup.errors import ConfigError
from dedup.rules.parsing import seconds_of
from dedup.rules.reading import LIFETIME_SECONDS, read_catalogue

from .conftest import SMALL, Write


def problems(folder: Path, overlay: Path | None = None) -> list[tuple[str, int, str]]:
    with pytest.raises(ConfigError) as caught:
        read_catalogue(folder, overlay)
    return [(problem.file.name, problem.line, problem.message) for problem in caught.value.problems]


def broken(name: str, old: str, new: str) -> dict[str, str]:
    assert SMALL[name].count(old) == 1, f"{old!r} must stand once in {name}"
    return {name: SMALL[name].replace(old, new)}


def test_types_and_blanks(write: Write) -> None:
    catalogue = read_catalogue(write())
    assert catalogue.tests.schema["price_vnd"] == pl.Decimal(18, 3)
    assert catalogue.tests["price_vnd"].to_list() == [Decimal(10000), Decimal(10000), Decimal(30200), None]
    assert catalogue.panels["required"].to_list() == [True, True]
    assert catalogue.validity["valid_seconds"].to_list() == [86400, 45000, 129600, 0, LIFETIME_SECONDS]
    assert catalogue.validity["valid_to"].to_list()[1] == date(2025, 12, 31)
    assert catalogue.validity["setting"].to_list() == [None, None, None, "icu", None]
    assert catalogue.exemptions["max_age_days"].to_list() == [28, None]
    assert catalogue.validity["file_line"].to_list() == [2, 3, 4, 5, 6]
    assert catalogue.specimens["text"].to_list() == ["huyết thanh"]


def test_files_and_columns_that_may_be_missing(write: Write) -> None:
    tests = "test_id\nsodium\n"
    validity = "profile,test_id,valid_hours\np,sodium,24\n"
    catalogue = read_catalogue(
        write(tests=tests, validity=validity, codes=None, panels=None, exemptions=None, specimens=None)
    )
    assert catalogue.tests.row(0, named=True)["discipline"] is None
    assert catalogue.validity.row(0, named=True)["rule_id"] is None
    assert [len(frame) for frame in (catalogue.codes, catalogue.panels, catalogue.exemptions)] == [0, 0, 0]
    assert catalogue.exemptions.schema["valid_from"] == pl.Date


def test_byte_order_mark_and_windows_line_ends(write: Write) -> None:
    folder = write()
    plain = read_catalogue(folder).version
    for stem, text in SMALL.items():
        (folder / f"{stem}.csv").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert read_catalogue(folder).version == plain


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_what_a_spreadsheet_writes_instead_of_the_comma(write: Write, delimiter: str) -> None:
    plain = read_catalogue(write()).version
    other = {stem: text.replace(",", delimiter) for stem, text in SMALL.items()}
    assert read_catalogue(write("other", **other)).version == plain


def test_version_follows_the_content_only(write: Write) -> None:
    plain = read_catalogue(write()).version
    head, *rows = SMALL["validity"].splitlines()
    assert read_catalogue(write(validity="\n".join([head, *reversed(rows)]) + "\n")).version == plain
    assert read_catalogue(write(**broken("validity", ",36,", ",36.0,"))).version == plain
    assert read_catalogue(write(**broken("validity", ",36,", ",37,"))).version != plain
    assert read_catalogue(write(**broken("validity", "p.sodium,list,", "p.sodium,other,"))).version != plain


@pytest.mark.parametrize(
    ("name", "old", "new", "line", "says"),
    [
        (
            "tests",
            "list\nculture",
            "list\nsodium,,,,,,,,list\nculture",
            5,
            "stands here a second time; first in line 2",
        ),
        ("tests", "10000,list\npot", "1.000,list\npot", 2, "read two ways"),
        ("tests", "10000,list\npot", "-5,list\npot", 2, "no amount"),
        ("tests", ",culture,", ",cultures,", 5, "'cultures' is none of"),
        ("codes", "local,", "locale,", 4, "'locale' is none of"),
        ("codes", "2823-3,potassium", "2951-2,potassium", 3, "this code is mapped a second time; first in line 2"),
        ("codes", "NA,sodium", "NA,natrium", 4, "'natrium' is not in tests.csv"),
        ("codes", "local,NA", "local,", 4, "code is blank"),
        ("panels", "electrolytes,sodium,true", "electrolytes,electrolytes,true", 2, "is itself a panel"),
        ("panels", "electrolytes,potassium,true", "electrolytes,kalium,true", 3, "'kalium' is not in tests.csv"),
        ("panels", "potassium,true", "potassium,yes", 3, "neither true nor false"),
        ("panels", "electrolytes,potassium,true", "electrolytes,sodium,false", 3, "both required and not"),
        ("validity", "p,culture", "p,cultur", 6, "neither in tests.csv nor discipline:NAME nor *"),
        ("validity", "discipline:biochemistry", "discipline:", 2, "neither in tests.csv"),
        ("validity", ",12.5,", ",12h,", 3, "no number of hours"),
        ("validity", ",12.5,", ',"12,5",', 3, "no number of hours"),
        ("validity", ",12.5,", ",-1,", 3, "no number of hours"),
        ("validity", ",12.5,", ",٣,", 3, "no number of hours"),
        ("validity", ",12.5,", ",,", 3, "valid_hours is blank"),
        ("validity", ",12.5,", ",10000001,", 3, "no number of hours"),
        ("validity", "positive_only", "positive", 6, "'positive' is none of"),
        ("validity", ",icu,", ",ward,", 5, "'ward' is none of"),
        ("validity", "2025-12-31", "31.12.2025", 3, "no date"),
        ("validity", "2025-12-31", "2025-02-30", 3, "no day of the calendar"),
        ("validity", "2026-01-01,,", "2026-01-01,2025-06-30,", 4, "valid_from is after valid_to"),
        ("validity", "p,culture", ",culture", 6, "profile is blank"),
        ("validity", "p.sodium.icu,list,", "p.sodium.icu,list", 5, "9 cells where the header has 10"),
        ("exemptions", ",28,", ",28.5,", 2, "no whole number of days"),
        ("exemptions", "justified", "ignored", 3, "'ignored' is none of"),
        ("exemptions", "culture,justified,", "culture,justified,cult", 3, "'cult' is not in tests.csv"),
        ("exemptions", "neonate,review,,,,,,", "neonate,review,,,,,high,", 2, "'high' is none of"),
        ("specimens", "blood,own\n", "blood,own\nHUYẾT  THANH,urine,own\n", 3, "this text is mapped a second time"),
    ],
)
def test_every_kind_of_problem_is_named_with_file_and_line(
    write: Write, name: str, old: str, new: str, line: int, says: str
) -> None:
    found = problems(write(**broken(name, old, new)))
    assert [(file, at) for file, at, _ in found] == [(f"{name}.csv", line)]
    assert says in found[0][2]


def test_all_problems_at_once(write: Write) -> None:
    files = broken("tests", "10000,list\npot", "1.000,list\npot") | broken("validity", ",12.5,", ",12h,")
    assert [(file, line) for file, line, _ in problems(write(**files))] == [("tests.csv", 2), ("validity.csv", 3)]


def test_the_line_is_that_of_the_row_after_a_cell_with_line_breaks(write: Write) -> None:
    notes = broken("validity", "p.biochemistry,list,", 'p.biochemistry,list,"two\nlines"')["validity"]
    found = problems(write(validity=notes.replace(",12.5,", ",x,")))
    assert [(file, line) for file, line, _ in found] == [("validity.csv", 4)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("test_id,colour\nsodium,red\n", "unknown column 'colour'"),
        ("name_en\nSodium\n", "column 'test_id' is missing"),
        ("test_id,test_id\na,b\n", "appears twice"),
        ("", "column 'test_id' is missing"),
        ('test_id\n"sodium\n', "not valid CSV"),
    ],
)
def test_headers(write: Write, text: str, says: str) -> None:
    assert any(file == "tests.csv" and says in message for file, _, message in problems(write(tests=text)))


def test_other_encodings_and_missing_files(write: Write, tmp_path: Path) -> None:
    folder = write()
    (folder / "tests.csv").write_bytes(SMALL["tests"].encode("utf-16"))
    assert ("tests.csv", 1) in [(file, line) for file, line, _ in problems(folder)]
    (folder / "tests.csv").unlink()
    assert ("tests.csv", 1, "is missing") in problems(folder)
    assert problems(tmp_path / "nowhere") == [("nowhere", 1, "is no folder")]


@given(st.decimals(min_value=0, max_value=10**7, allow_nan=False, allow_infinity=False, places=6))
def test_seconds_are_exact(hours: Decimal) -> None:
    text = f"{hours:f}"
    whole, _, rest = text.partition(".")
    millionths = int(whole) * 10**6 + int((rest + "000000")[:6])
    assert seconds_of(text) == millionths * 3600 // 10**6


def test_codes_of_one_facility_do_not_clash_with_those_of_any(write: Write) -> None:
    codes = SMALL["codes"] + "local,NA,potassium,,79002,site\nlocal,NA,potassium,,,site\n"
    assert len(read_catalogue(write(codes=codes)).codes) == 5
