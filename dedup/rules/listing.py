"""The rules in force, for people to read: which rows of a catalogue hold for a profile, and for one test."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from dedup.errors import UsageError
from dedup.rules.reach import unreachable_exemptions, unreachable_validity, winners
from dedup.rules.reading import Catalogue

__all__ = ["COLUMNS", "ListedRule", "catalogue_counts", "is_unsourced", "list_rules"]

Row = dict[str, Any]
#: How a source says that nothing public backs a row.
UNSOURCED = "unsourced"


@dataclass(frozen=True)
class ListedRule:
    """One rule. A blank cell of the catalogue is None, meaning any."""

    kind: str  #: validity, exemption
    rule_id: str | None
    target: str  #: test_id, discipline:NAME, class:NAME or *
    name_vi: str | None
    name_en: str | None
    setting: str | None
    valid_hours: str | None  #: of a validity: as written
    condition: str | None  #: positive_only, normal_only; of an exemption: prior_flag
    verdict: str | None
    reason: str | None
    order_reason: str | None
    max_age_days: int | None
    same_encounter: bool | None
    valid_from: date | None
    valid_to: date | None
    source: str | None
    note: str | None
    origin: str  #: catalogue, site


COLUMNS = tuple(field.name for field in fields(ListedRule))


def is_unsourced(source: str | None) -> bool:
    """True when a row names no source, or says that no public one backs it."""
    return source is None or source.lower().startswith(UNSOURCED)


def list_rules(
    catalogue: Catalogue,
    profile: str,
    *,
    test: str | None = None,
    discipline: str | None = None,
    setting: str | None = None,
    kind: str | None = None,
    on: date | None = None,
    unsourced: bool = False,
) -> list[ListedRule]:
    """The rules of ``profile`` that can hold, the most specific first.

    ``test`` keeps what can hold for that test, general rows that nothing more specific beats included;
    ``discipline`` keeps what bears on that discipline; ``setting`` keeps
    rows for it and for any; ``on`` keeps rows in force that day; ``unsourced`` keeps rows no public source backs.
    Raises UsageError when the profile, test or discipline is not in the catalogue.
    """
    tests = {row["test_id"]: row for row in catalogue.tests.iter_rows(named=True)}
    _refuse_unknown(catalogue, profile, test, discipline, tests)
    dead = {_place(name, row) for name, row in _dead(catalogue)}
    if test is not None:
        dead |= {_place("validity", row) for row in _beaten(catalogue, profile, tests[test])}
    rules = [
        _listed(name, row, tests)
        for name in ("validity", "exemptions")
        if kind in (None, _KINDS[name])
        for row in getattr(catalogue, name).iter_rows(named=True)
        if row["profile"] in (None, profile)
        and _place(name, row) not in dead
        and (setting is None or row["setting"] in (None, setting))
        and (on is None or (row["valid_from"] or date.min) <= on <= (row["valid_to"] or date.max))
        and _bears_on(row, tests.get(test or ""), discipline, tests)
        and (not unsourced or is_unsourced(row["source"]))
    ]
    return sorted(rules, key=_order)


def catalogue_counts(catalogue: Catalogue) -> dict[str, Any]:
    """How much a catalogue holds, and how much of it a public source backs.

    Keys: ``version``, ``tests``, ``codes`` (by code system), ``panels``, ``exemptions`` and ``profiles``, each profile
    with ``rules`` and ``sourced`` (rows with a public source); ``exemptions_sourced``.
    """
    systems = catalogue.codes["code_system"].to_list()
    profiles: dict[str, dict[str, int]] = {}
    for row in catalogue.validity.iter_rows(named=True):
        counts = profiles.setdefault(row["profile"], {"rules": 0, "sourced": 0})
        counts["rules"] += 1
        counts["sourced"] += not is_unsourced(row["source"])
    return {
        "version": catalogue.version,
        "tests": catalogue.tests.height,
        "codes": {name: systems.count(name) for name in sorted(set(systems))},
        "panels": catalogue.panels["test_id"].n_unique(),
        "exemptions": catalogue.exemptions.height,
        "exemptions_sourced": sum(not is_unsourced(source) for source in catalogue.exemptions["source"]),
        "profiles": dict(sorted(profiles.items())),
    }


_KINDS = {"validity": "validity", "exemptions": "exemption"}


def _refuse_unknown(
    catalogue: Catalogue, profile: str, test: str | None, discipline: str | None, tests: dict[str, Row]
) -> None:
    profiles = sorted(set(catalogue.validity["profile"]))
    disciplines = sorted({row["discipline"] for row in tests.values() if row["discipline"]})
    if profile not in profiles:
        raise UsageError(f"no profile {profile!r}; the catalogue has {', '.join(profiles)}")
    if test is not None and test not in tests:
        raise UsageError(f"no test {test!r} in the catalogue")
    if discipline is not None and discipline not in disciplines:
        raise UsageError(f"no discipline {discipline!r}; the catalogue has {', '.join(disciplines)}")


def _place(name: str, row: Row) -> tuple[str, int, str]:
    return name, row["file_line"], row["origin"]


def _beaten(catalogue: Catalogue, profile: str, test: Row) -> list[Row]:
    """Validity rows of the profile that never win for this test."""
    rows = [row for row in catalogue.validity.iter_rows(named=True) if row["profile"] == profile]
    winning = {id(row) for row in winners([test], rows)}
    return [row for row in rows if id(row) not in winning]


def _dead(catalogue: Catalogue) -> list[tuple[str, Row]]:
    return [("validity", row) for row, _ in unreachable_validity(catalogue)] + [
        ("exemptions", row) for row, _ in unreachable_exemptions(catalogue)
    ]


def _bears_on(row: Row, test: Row | None, discipline: str | None, tests: dict[str, Row]) -> bool:
    """Whether a row can hold for the test and for some test of the discipline asked for."""
    target = row["test_id"]
    about = target.removeprefix("discipline:") if target and target.startswith("discipline:") else row.get("discipline")
    named = target if target in tests else None
    if test is not None:
        return named in (None, test["test_id"]) and about in (None, test["discipline"]) and _class_fits(row, test)
    if discipline is not None:
        return about in (None, discipline) and (named is None or tests[named]["discipline"] == discipline)
    return True


def _class_fits(row: Row, test: Row) -> bool:
    return row.get("class") in (None, test["class"])


def _target(row: Row) -> str:
    if row["test_id"] is not None:
        return str(row["test_id"])
    for name in ("discipline", "class"):
        if row.get(name) is not None:
            return f"{name}:{row[name]}"
    return "*"


def _listed(name: str, row: Row, tests: dict[str, Row]) -> ListedRule:
    test = tests.get(row["test_id"] or "", {})
    taken: dict[str, Any] = {column: row.get(column) for column in COLUMNS}
    taken |= {"kind": _KINDS[name], "target": _target(row)}
    taken |= {"name_vi": test.get("name_vi"), "name_en": test.get("name_en")}
    taken["condition"] = row["condition"] if name == "validity" else row["prior_flag"]
    return ListedRule(**taken)


def _order(rule: ListedRule) -> tuple[Any, ...]:
    """Validity before exemptions, tests before classes and disciplines before ``*``, then by the alphabet."""
    breadth = (
        3 if rule.target == "*" else 2 if rule.target.startswith("discipline:") else 1 if ":" in rule.target else 0
    )
    since = rule.valid_from or date.min
    return (rule.kind != "validity", breadth, rule.target, rule.setting or "", since, rule.rule_id or "")
