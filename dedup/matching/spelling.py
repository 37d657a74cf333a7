"""Names word by word: a million of them hold some thousand words, and each word is looked at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dedup.matching import names
from dedup.matching.legacy import is_legacy_sql

if TYPE_CHECKING:
    import duckdb

__all__ = ["SQL", "drop", "prepare"]

_WORD = names.unbracketed_sql(names.lower_sql("text"))
#: What is asked of every distinct full name, and of every distinct word of them.
SQL = {
    "legacy": is_legacy_sql("nfc_normalize(text)"),
    "decoded": names.decoded_sql("text"),
    "folded": names.fold_sql(_WORD),
    "marked": names.marked_sql(_WORD),
    "stripped": names.stripped_sql(names.marked_sql(_WORD)),
    "skeleton": names.skeleton_sql("text"),
    "folding": f"""
      SELECT folded, {names.newborn_sql("folded")} AS stand_in,
        CASE WHEN NOT {names.placeholder_sql("folded")} THEN {names.untitled_sql("folded")} END AS name
      FROM (SELECT DISTINCT folded FROM name_spelling)""",
}

#: Distinct words, and of each text in turn the number of every word, and where its words start.
_Words = tuple[Any, "np.ndarray[Any, Any]", "np.ndarray[Any, Any]"]


def prepare(con: duckdb.DuckDBPyConnection, source: str) -> None:
    """Register the names of ``source``: ``name_spelling`` (full_name → folded, marked, and whether
    some of its words lost their marks) and ``name_folding`` (folded → stand_in, name, skeleton); one row for each
    distinct full_name, and each distinct folded."""
    import pyarrow as pa
    import pyarrow.compute as pc

    (written,) = _columns(con, f"SELECT DISTINCT full_name FROM {source} WHERE full_name IS NOT NULL")
    words = _decoded(con, written, _split(written))
    folded, marked = _rewritten(con, words, "folded", "marked")
    spelt = {"full_name": written, "folded": folded, "marked": marked, "half_marked": _any(con, words, "stripped")}
    con.register("name_spelling", pa.table(spelt))
    folding = con.execute(SQL["folding"]).to_arrow_table()
    (skeleton,) = _rewritten(con, _split(folding["name"].combine_chunks()), "skeleton")
    skeleton = pc.if_else(folding["name"].is_valid(), skeleton, None)
    con.register("name_folding", folding.append_column("skeleton", skeleton))


def drop(con: duckdb.DuckDBPyConnection) -> None:
    """Drop what ``prepare`` made."""
    con.unregister("name_folding")
    con.unregister("name_spelling")


def _columns(con: duckdb.DuckDBPyConnection, sql: str) -> list[Any]:
    return [column.combine_chunks() for column in con.execute(sql).to_arrow_table().columns]


def _asked(con: duckdb.DuckDBPyConnection, texts: Any, *names: str) -> list[Any]:
    """Of every text what SQL of these names gives."""
    import pyarrow as pa

    con.register("asked", pa.table({"text": texts}))
    found = _columns(con, f"SELECT {', '.join(SQL[name] for name in names)} FROM asked")
    con.unregister("asked")
    return found


def _split(texts: Any) -> _Words:
    import pyarrow.compute as pc

    lists = pc.split_pattern(texts, " ")
    words = lists.flatten().dictionary_encode()
    return words.dictionary, words.indices.to_numpy(), lists.offsets.to_numpy()


def _any(con: duckdb.DuckDBPyConnection, words: _Words, name: str) -> Any:
    """Of which texts SQL of this name is true of a word."""
    each, word, start = words
    (found,) = (column.to_numpy(zero_copy_only=False) for column in _asked(con, each, name))
    return np.logical_or.reduceat(found[word], start[:-1]) if found.any() else np.zeros(len(start) - 1, dtype=np.bool_)


def _decoded(con: duckdb.DuckDBPyConnection, texts: Any, words: _Words) -> _Words:
    """The words of ``texts``, of which those with a word from before Unicode are decoded as a whole."""
    import pyarrow.compute as pc

    old = _any(con, words, "legacy")
    if not old.any():
        return words
    return _split(pc.replace_with_mask(texts, old, _asked(con, texts.filter(old), "decoded")[0]))


def _rewritten(con: duckdb.DuckDBPyConnection, words: _Words, *names: str) -> list[Any]:
    """Each text with what SQL of these names makes of its words; words that come to nothing are left out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    each, word, start = words
    found = []
    for made in _asked(con, each, *names):
        left = pc.not_equal(made, "").to_numpy(zero_copy_only=False)[word]
        starts = np.append(0, np.cumsum(left))[start].astype(np.int32)
        found.append(pc.binary_join(pa.ListArray.from_arrays(starts, made.take(word[left])), " "))
    return found
