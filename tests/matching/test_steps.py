"""Later steps see what earlier ones named, beside all there was."""

from __future__ import annotations

import duckdb

from dedup.matching.steps import in_steps


def test_in_steps() -> None:
    stepped = in_steps("(SELECT 2 AS x)", {"double": "2 * x", "square": "x * x"}, {"both": "double + 10 * square"})
    with duckdb.connect() as con:
        assert con.execute(f"FROM {stepped}").fetchall() == [(2, 4, 4, 44)]
    assert in_steps("kept") == "kept"
