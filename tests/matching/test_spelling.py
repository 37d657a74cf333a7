"""Names read word by word come to the same as names read whole."""

from __future__ import annotations

import duckdb
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.matching import names, spelling

_WORDS = st.sampled_from(
    ["Nguyễn", "VĂN", "hòa", "thúy", "H'Hen", "Đức-Anh", "c", "K", "ng", "bà", "BN", "con", "\u0300", "e\u0302\u0301",
     "NguyÔn", "V¨n", "Huøng", "ÑIEÄP", "Ngoïc", "\tLê", "x.", "-", "", "Æ"]
) | st.text("aeoyuáạêđnghckqtrsxz'À", max_size=6)  # fmt: skip


@settings(deadline=None, max_examples=15)
@given(st.lists(st.lists(_WORDS, max_size=6).map(" ".join), max_size=8))
def test_word_by_word_is_as_whole(written: list[str]) -> None:
    decoded = names.decoded_sql(names.composed_sql("full_name"))
    with duckdb.connect() as con:
        con.register("written", pa.table({"full_name": pa.array([*written, None], pa.string())}))
        spelling.prepare(con, "written")
        wrong = con.execute(f"""
          WITH whole AS (
            SELECT full_name, folded, marked, {decoded} AS decoded FROM name_spelling),
          spelt AS (
            SELECT *, {names.fold_sql("decoded")} AS f, {names.marked_sql(names.spaced_sql("decoded"))} AS m FROM whole)
          SELECT folded, f, marked, m FROM spelt WHERE folded <> f OR marked <> m
          UNION ALL SELECT name, skeleton, {names.skeleton_sql("name")}, NULL FROM name_folding
          WHERE skeleton IS DISTINCT FROM {names.skeleton_sql("name")}""").fetchall()
        spelled = con.execute("SELECT count(*) FROM name_spelling").fetchall()
    assert wrong == []
    assert spelled == [(len(set(written)),)]
