"""Rule cases: small stories in CSV that say what a catalogue must decide, and the runner that asks it.

A case is one row: a patient was tested before (``prior_test``, ``prior_age`` ago) and is ordered ``test`` now;
``expected`` is the verdict, or ``none`` when the line must get no flag. Durations are written ``59 d``, ``12 h``,
``30 min`` or ``40 y``. What a row leaves blank is ordinary: the same test, done at another hospital, final at once,
an adult out-patient, every laboratory recognised.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dedup.errors import ConfigError, Problem
from dedup.rules.layout import File
from dedup.rules.parsing import read_rows
from dedup.schema import ABNORMAL_FLAGS, ORDER_REASONS, SCOPES, SETTINGS, STATUSES, VERDICTS

if TYPE_CHECKING:
    from dedup.rules.reading import Catalogue

__all__ = ["CASE_FILE", "Case", "CaseResult", "read_cases", "run_cases"]

Row = dict[str, Any]

#: The columns of a file of cases.
CASE_FILE = File(
    "cases",
    {
        "case": "text",
        "about": "text",  # the rule_id the case is there for
        "profile": "text",
        "test": "text",
        "prior_test": "text",  # blank: the same; several earlier tests with +
        "prior_age": "duration",  # from the prior's collection to the order
        "resulted_after": "duration",  # from collection to result; blank: at once
        "prior_status": STATUSES,
        "prior_flag": ABNORMAL_FLAGS,
        "specimen": "text",
        "prior_specimen": "text",
        "where": SCOPES,
        "setting": SETTINGS,
        "patient_age": "duration",
        "order_reason": ORDER_REASONS,
        "same_encounter": "boolean",  # true: one stay or visit at one hospital
        "ordered_on": "date",
        "lab_level": "level",
        "prior_lab_level": "level",
        "expected": (*VERDICTS, "none"),
        "reason": "text",
        "rule_id": "text",
        "why": "text",
    },
    filled=("case", "profile", "test", "prior_age", "expected"),
    key=("case",),
    required=True,
)

#: The code system under which a case names a test by its id.
TEST_ID = "test_id"
#: When a case does not say.
ORDERED_ON = date(2026, 10, 1)
PATIENT_AGE = timedelta(days=40 * 365)


@dataclass(frozen=True, eq=False)
class Case:
    """One case and where it stands."""

    file: Path
    line: int
    cells: Row

    @property
    def by_level(self) -> bool:
        """Whether recognition goes by the level of the laboratories."""
        return self.cells["lab_level"] is not None or self.cells["prior_lab_level"] is not None


@dataclass(frozen=True)
class CaseResult:
    """What a case expects and what the catalogue decides: verdict, reason and rule_id (None: not asked for)."""

    case: Case
    expected: tuple[str | None, ...]
    found: tuple[str | None, ...]

    @property
    def passed(self) -> bool:
        """Whether all that the case asks for was found."""
        pairs = zip(self.expected, self.found, strict=True)
        return all(wanted is None or wanted == got for wanted, got in pairs)


def read_cases(folder: Path) -> list[Case]:
    """All cases in the CSV files of ``folder``; ConfigError with every problem found."""
    files = sorted(folder.glob("*.csv"))
    if not files:
        raise ConfigError([Problem(folder, 1, "holds no .csv file with cases")])
    cases: list[Case] = []
    problems: list[Problem] = []
    for file in files:
        rows, wrong = read_rows(file, CASE_FILE)
        problems += wrong
        cases += [Case(file, row.line, row.cells) for row in rows]
    if problems:
        raise ConfigError(problems)
    return cases


def run_cases(folder: Path, catalogue: Catalogue) -> list[CaseResult]:
    """Judge every case of ``folder`` with ``catalogue``, each as a person of its own; in the order of the files.

    Raises ConfigError when a case names a test or a profile that the catalogue does not have.
    """
    cases = read_cases(folder)
    _refuse_unknown(cases, catalogue)
    found: dict[Case, tuple[str | None, ...]] = {}
    groups = sorted({(case.cells["profile"], case.by_level) for case in cases})
    for profile, by_level in groups:
        mine = [case for case in cases if (case.cells["profile"], case.by_level) == (profile, by_level)]
        found |= dict(zip(mine, _judge(mine, catalogue, profile, by_level), strict=True))
    wanted = ("expected", "reason", "rule_id")
    return [CaseResult(case, tuple(case.cells[name] for name in wanted), found[case]) for case in cases]


def _refuse_unknown(cases: Sequence[Case], catalogue: Catalogue) -> None:
    tests, profiles = set(catalogue.tests["test_id"]), set(catalogue.validity["profile"])
    problems = [
        Problem(case.file, case.line, f"test {test!r} is not in the catalogue")
        for case in cases
        for test in {case.cells["test"], *_priors(case)} - tests
    ]
    problems += [
        Problem(case.file, case.line, f"the catalogue has no profile {case.cells['profile']!r}")
        for case in cases
        if case.cells["profile"] not in profiles
    ]
    if problems:
        raise ConfigError(problems)


def _priors(case: Case) -> list[str]:
    named = case.cells["prior_test"] or case.cells["test"]
    return [name.strip() for name in named.split("+")]


def _judge(
    cases: Sequence[Case], catalogue: Catalogue, profile: str, by_level: bool
) -> Iterator[tuple[str | None, ...]]:
    """(verdict, reason, rule_id) of each case's order, (none, None, None) without a flag."""
    import polars as pl

    from dedup.rules.trying import judge_lines

    lines = [line for at, case in enumerate(cases) for line in _lines(at, case)]
    register = [row for at, case in enumerate(cases) for row in _facilities(at, case)]
    flags = judge_lines(
        _by_test_id(catalogue),
        profile,
        pl.DataFrame(lines, infer_schema_length=None),
        pl.DataFrame(register, infer_schema_length=None) if by_level else None,
    )
    columns = ("order_id", "scope", "verdict", "reason", "rule_id")
    found = {(order, scope): tuple(said) for order, scope, *said in flags.select(columns).iter_rows()}
    for at, case in enumerate(cases):
        yield found.get((_order_id(at), case.cells["where"] or "elsewhere"), ("none", None, None))


def _by_test_id(catalogue: Catalogue) -> Catalogue:
    """The catalogue with every test_id as a code of its own: cases name tests, not codes."""
    import polars as pl

    tests = catalogue.tests.select(pl.lit(TEST_ID).alias("code_system"), pl.col("test_id").alias("code"), "test_id")
    return replace(catalogue, codes=pl.concat([catalogue.codes, tests], how="diagonal"))


def _order_id(at: int) -> str:
    return f"{at}-order"


def _lines(at: int, case: Case) -> Iterator[Row]:
    """The order line of a case and its earlier tests, as one person's."""
    cells = case.cells
    ordered = _ordered_at(case)
    collected = ordered - cells["prior_age"]
    here, there = f"{at}-here", f"{at}-here" if cells["where"] == "same_facility" else f"{at}-there"
    stay = f"{at}-stay" if cells["same_encounter"] else None
    shared = {"person": str(at), "birth_date": _birth(case), "code_system": TEST_ID, "encounter_id": stay}
    yield shared | {
        "facility_id": here,
        "order_id": _order_id(at),
        "test_code": cells["test"],
        "specimen": cells["specimen"],
        "ordered_at": ordered,
        "status": "ordered",
        "setting": cells["setting"] or "outpatient",
        "order_reason": cells["order_reason"],
    }
    for number, test in enumerate(_priors(case)):
        yield shared | {
            "facility_id": there,
            "order_id": f"{at}-prior-{number}",
            "test_code": test,
            "specimen": cells["prior_specimen"],
            "ordered_at": collected,
            "collected_at": collected,
            "resulted_at": collected + (cells["resulted_after"] or timedelta()),
            "status": cells["prior_status"] or "final",
            "abnormal_flag": cells["prior_flag"],
            "setting": "outpatient",
        }


def _ordered_at(case: Case) -> datetime:
    return datetime.combine(case.cells["ordered_on"] or ORDERED_ON, time(10))


def _birth(case: Case) -> date:
    return (_ordered_at(case) - (case.cells["patient_age"] or PATIENT_AGE)).date()


def _facilities(at: int, case: Case) -> Iterator[Row]:
    for name, column in (("here", "lab_level"), ("there", "prior_lab_level")):
        yield {"facility_id": f"{at}-{name}", "lab_level": case.cells[column]}
