"""What was said on a night stays known: who first said it, and who ended it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dedup import pipeline
from dedup.settings import LoadingSettings, Settings, WarehouseSettings
from dedup.warehouse import open_warehouse

HEADER = (
    "facility_id,order_id,patient_id,national_id,birth_date,sex,test_code,ordered_at,collected_at,resulted_at,status"
)


def line(
    facility: str, order: str, day: int, status: str = "final", *, id_end: int = 1, month: int = 3, year: int = 1990
) -> str:
    at, born = f"2026-{month:02}-{day:02}T08", f"{year}-05-01"
    number = f"0010{born[2:4]}{id_end:06}"
    return f"{facility},{order},p,{number},{born},male,23.0083.1523,{at}:00,{at}:10,{at}:50,{status}"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(warehouse=WarehouseSettings(path=tmp_path / "w.duckdb"))


def night(settings: Settings, *lines: str) -> pipeline.RunSummary:
    folder = settings.warehouse.path.parent
    file = folder / f"{len(list(folder.glob('*.csv'))):03}.csv"
    file.write_text("\n".join([HEADER, *lines]) + "\n")
    return pipeline.run([file], settings)


def said(settings: Settings, table: str, *columns: str) -> list[tuple[object, ...]]:
    with open_warehouse(settings.warehouse.path, read_only=True) as warehouse:
        return warehouse.con.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY ALL").fetchall()


def test_a_flag_keeps_the_run_that_first_said_it(settings: Settings) -> None:
    night(settings, line("A", "1", 1), line("B", "2", 5))
    night(settings, line("C", "3", 9))
    assert said(settings, "flag", "order_id", "prior_order_id", "run_id") == [("2", "1", 1), ("3", "2", 2)]
    assert said(settings, "flag_history", "order_id") == []


def test_without_a_register_the_run_says_that_every_laboratory_is_recognised(
    settings: Settings, tmp_path: Path
) -> None:
    (said_so,) = night(settings, line("A", "1", 1)).notes["flag"]
    assert "every laboratory" in said_so
    register = tmp_path / "register"
    register.write_text("facility_id,lab_level\nA,2\n")
    known = settings.model_copy(update={"loading": LoadingSettings(facilities=register)})
    assert not any("every laboratory" in note for note in night(known, line("B", "2", 5)).notes["flag"])


def test_a_flag_that_no_longer_holds_is_history(settings: Settings) -> None:
    night(settings, line("A", "1", 1), line("B", "2", 5))
    night(settings, line("A", "1", 1, "cancelled"))
    assert said(settings, "flag", "order_id") == []
    history = said(settings, "flag_history", "order_id", "verdict", "prior_order_id", "run_id", "until_run_id")
    assert history == [("2", "avoidable", "1", 1, 2)]


def test_rebuilding_everything_under_the_same_rules_changes_nothing(settings: Settings) -> None:
    night(settings, line("A", "1", 1), line("B", "2", 5))
    before = said(settings, "flag", "*")
    pipeline.flag(settings, everything=True)
    assert said(settings, "flag", "*") == before
    assert said(settings, "flag_history", "order_id") == []


def test_who_left_a_person_takes_no_flag_along(settings: Settings) -> None:
    night(settings, line("A", "1", 1), line("B", "2", 5), line("C", "3", 9))
    night(settings, line("C", "3", 9, id_end=2, year=1961))
    assert said(settings, "person_change", "reason") == [("split",)]
    assert said(settings, "flag", "order_id", "prior_order_id") == [("2", "1")]
    night(settings, line("C", "4", 10, id_end=2, year=1961))
    assert said(settings, "flag", "order_id", "prior_order_id", "scope") == [
        ("2", "1", "elsewhere"), ("4", "3", "same_facility"),
    ]  # fmt: skip


def test_a_night_reads_no_further_back_than_a_rule_reaches(settings: Settings) -> None:
    night(settings, *(line("AB"[month % 2], str(month), 1, month=month) for month in range(1, 7)))
    before = said(settings, "flag", "order_id", "run_id")
    done = night(settings, line("C", "7", 20, month=6))
    assert done.counts["flag"]["lines"] == 3  # of May, of the first of June, and tonight's
    assert said(settings, "flag", "order_id", "run_id") == [*before, ("7", 2)]


def test_a_late_line_is_judged_against_all_it_bears_on(settings: Settings) -> None:
    night(settings, *(line(f"A{month}", str(month), 1, month=month) for month in range(2, 7)))
    night(settings, line("C", "0", 20, month=1))
    priors = [("2", "0"), ("3", "2"), ("4", "3"), ("5", "4"), ("6", "5")]
    assert said(settings, "flag", "order_id", "prior_order_id") == priors


def test_another_birth_date_makes_every_order_of_the_patient_be_judged(settings: Settings) -> None:
    night(settings, line("A", "1", 1), line("A", "2", 5, month=4))
    done = night(settings, line("A", "3", 1, month=12))
    assert done.counts["flag"]["lines"] == 1
    done = night(settings, line("A", "4", 2, month=12, year=1991))
    assert done.counts["flag"]["lines"] == 4


def held_anew(settings: Settings) -> None:
    """As matching tells it: the same persons, held together by another method."""
    with open_warehouse(settings.warehouse.path) as warehouse, warehouse.transaction() as con:
        con.execute("UPDATE match_person SET match_method = 'fuzzy', match_probability = 0.99")
        con.execute("INSERT INTO todo SELECT 'flag', patient_record_id, 'infinity' FROM patient_record")


def test_a_flag_says_how_its_person_is_held_now(settings: Settings) -> None:
    night(settings, line("A", "1", 1), line("B", "2", 5))
    held_anew(settings)
    assert pipeline.flag(settings).counts["flag"]["lines"] == 0  # nobody is judged for it
    assert said(settings, "flag", "order_id", "match_method", "match_probability", "run_id") == [
        ("2", "fuzzy", 0.99, 2)
    ]
    history = said(settings, "flag_history", "order_id", "match_method", "run_id", "until_run_id")
    assert history == [("2", "national_id", 1, 2)]


def test_who_has_two_records_at_a_facility_is_judged_to_say_which_a_flag_means(settings: Settings) -> None:
    night(settings, line("A", "1", 1), line("B", "2", 5), line("B", "3", 9).replace(",p,", ",q,"))
    held_anew(settings)
    assert pipeline.flag(settings).counts["flag"]["lines"] == 3
    assert said(settings, "flag", "order_id", "prior_order_id", "match_method", "match_probability", "scope") == [
        ("2", "1", "fuzzy", 0.99, "elsewhere"),
        ("3", "1", "fuzzy", 0.99, "elsewhere"),
        ("3", "2", "fuzzy", 0.99, "same_facility"),
    ]


def test_who_is_held_anew_and_has_a_new_order_is_told_both(settings: Settings) -> None:
    night(settings, line("A", "1", 1), line("B", "2", 5), line("A", "4", 1, month=6), line("A", "5", 2, month=6))
    held_anew(settings)
    with open_warehouse(settings.warehouse.path) as warehouse:
        warehouse.con.execute("INSERT INTO todo SELECT 'flag', patient_record_id, '2026-06-02' FROM patient_record")
    assert pipeline.flag(settings).counts["flag"]["lines"] == 2
    assert said(settings, "flag", "order_id", "match_method", "run_id") == [("2", "fuzzy", 2), ("5", "same_record", 1)]


def test_who_has_no_flag_is_not_judged_for_being_held_by_another_method(settings: Settings) -> None:
    night(settings, line("A", "1", 1), line("B", "2", 5, month=6))
    held_anew(settings)
    assert pipeline.flag(settings).counts["flag"]["lines"] == 0
    assert said(settings, "todo", "*") == []
    night(settings, line("B", "3", 6, month=6))
    assert said(settings, "flag", "order_id", "match_method") == [("3", "same_record")]
