"""Which rows can win, found day by day, agrees with what judging resolves; and both with the contract's order."""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.rules.reach import unreachable_validity, winners
from dedup.rules.reading import Catalogue, read_catalogue
from dedup.rules.resolving import resolve

TESTS = "test_id,discipline\na,x\nb,x\nc,y\n"
DAYS = st.sampled_from([None, "2025-01-01", "2025-06-30", "2025-07-01", "2026-01-01"])
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c", "discipline:x", "discipline:y", "discipline:z", "*"]),
        st.sampled_from([None, "outpatient", "icu"]),
        DAYS,
        DAYS,
    ).filter(lambda row: row[2] is None or row[3] is None or row[2] <= row[3]),
    min_size=1,
    max_size=10,
)


def catalogue_of(rows: list[tuple[str, str | None, str | None, str | None]], ids: list[int]) -> Catalogue:
    lines = [
        f"p,{target},{setting or ''},{at + 1},{since or ''},{until or ''},r{name:02}"
        for at, ((target, setting, since, until), name) in enumerate(zip(rows, ids, strict=False))
    ]
    text = "\n".join(["profile,test_id,setting,valid_hours,valid_from,valid_to,rule_id", *lines, ""])
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "tests.csv").write_text(TESTS)
        (Path(folder) / "validity.csv").write_text(text)
        return read_catalogue(Path(folder))


@settings(max_examples=200, deadline=None)
@given(rows=ROWS, ids=st.permutations(range(10)))
def test_reachable_rows_are_those_that_judging_uses(
    rows: list[tuple[str, str | None, str | None, str | None]], ids: list[int]
) -> None:
    catalogue = catalogue_of(rows, ids)
    book = resolve(catalogue, "p")
    used = {book.validity[at]["rule_id"] for at in set(book.tables["d_rule"]["rule"].to_pylist()) if at >= 0}
    dead = {row["rule_id"] for row, _ in unreachable_validity(catalogue)}
    assert used == set(catalogue.validity["rule_id"]) - dead
    assert used == {row["rule_id"] for row in winners(catalogue.tests.to_dicts(), catalogue.validity.to_dicts())}


def test_the_order_of_the_contract() -> None:
    rows = [("*", "icu", None, None), ("discipline:x", None, None, None), ("a", None, None, None)]
    rows += [("a", None, "2025-01-01", "2025-12-31"), ("a", "icu", None, None), ("a", "icu", None, None)]
    catalogue = catalogue_of(rows, [9, 8, 7, 6, 5, 4])
    dead = {row["rule_id"]: why for row, why in unreachable_validity(catalogue)}
    assert dead == {"r05": "more specific or later rows always win"}
    assert catalogue.validity["valid_from"].to_list()[3] == date(2025, 1, 1)
