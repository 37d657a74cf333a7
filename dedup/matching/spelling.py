"""Names word by word: a million of them hold some thousand words, and each word is looked at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dedup.matching import names
from dedup.matching.legacy import is_legacy_sql
from dedup.matching.steps import in_steps

if TYPE_CHECKING:
    import duckdb

__all__ = ["SQL", "drop", "prepare"]

_SPELT = in_steps(
    "asked",
    {"lowered": names.lower_sql("text")},
    {"word": names.unbracketed_sql("lowered")},
    {"folded": names.fold_sql("word"), "spaced": names.spaced_sql("word")},
    {"marked": names.marked_sql("spaced")},
)
#: What is asked of every distinct full name, and of every distinct word of them (``asked``, with the column ``text``).
SQL = {
    "legacy": f"SELECT {is_legacy_sql('nfc_normalize(text)')} FROM asked",
    "decoded": f"SELECT decoded FROM {in_steps('asked', *names.decoding('text'))}",
    "spelt": f"SELECT folded, marked, {names.stripped_sql('marked')} FROM {_SPELT}",
    "skeleton": f"SELECT {names.skeleton_sql('text')} FROM asked",
    "folding": f"""
      SELECT folded, {names.newborn_sql("folded")} AS stand_in,
        CASE WHEN NOT {names.placeholder_sql("folded")} THEN {names.untitled_sql("folded")} END AS name
      FROM (SELECT DISTINCT folded FROM name_spelling)""",
}


class _Words(NamedTuple):
    """Texts as words."""

    each: Any  #: the distinct ones
    word: np.ndarray[Any, Any]  #: of each text in turn the number of every word
    start: np.ndarray[Any, Any]  #: where its words start


def prepare(con: duckdb.DuckDBPyConnection, source: str) -> None:
    """Register the names of ``source``: ``name_spelling`` (full_name → folded, marked, and whether
    some of its words lost their marks) and ``name_folding`` (folded → stand_in, name, skeleton); one row for each
    distinct full_name, and each distinct folded."""
    import pyarrow as pa
    import pyarrow.compute as pc

    (written,) = _columns(con, f"SELECT DISTINCT full_name FROM {source} WHERE full_name IS NOT NULL")
    words = _decoded(con, written, _split(written))
    folded, marked, stripped = _asked(con, words.each, "spelt")
    spelt = {
        "full_name": written,
        "folded": _rewritten(words, folded),
        "marked": _rewritten(words, marked),
        "half_marked": _any(words, stripped),
    }
    con.register("name_spelling", pa.table(spelt))
    folding = con.execute(SQL["folding"]).to_arrow_table()
    words = _split(folding["name"].combine_chunks())
    skeleton = pc.if_else(folding["name"].is_valid(), _rewritten(words, *_asked(con, words.each, "skeleton")), None)
    con.register("name_folding", folding.append_column("skeleton", skeleton))


def drop(con: duckdb.DuckDBPyConnection) -> None:
    """Drop what ``prepare`` made."""
    con.unregister("name_folding")
    con.unregister("name_spelling")


def _columns(con: duckdb.DuckDBPyConnection, sql: str) -> list[Any]:
    return [column.combine_chunks() for column in con.execute(sql).to_arrow_table().columns]


def _asked(con: duckdb.DuckDBPyConnection, texts: Any, name: str) -> list[Any]:
    """Of every text the columns that SQL of this name gives."""
    import pyarrow as pa

    con.register("asked", pa.table({"text": texts}))
    found = _columns(con, SQL[name])
    con.unregister("asked")
    return found


def _split(texts: Any) -> _Words:
    import pyarrow.compute as pc

    lists = pc.split_pattern(texts, " ")
    words = lists.flatten().dictionary_encode()
    return _Words(words.dictionary, words.indices.to_numpy(), lists.offsets.to_numpy())


def _any(words: _Words, true: Any) -> Any:
    """Of which texts one word or another is true."""
    true = true.to_numpy(zero_copy_only=False)
    first = words.start[:-1]
    return np.logical_or.reduceat(true[words.word], first) if true.any() else np.zeros(len(first), dtype=np.bool_)


def _decoded(con: duckdb.DuckDBPyConnection, texts: Any, words: _Words) -> _Words:
    """The words of ``texts``, of which those with a word from before Unicode are decoded as a whole."""
    import pyarrow.compute as pc

    old = _any(words, *_asked(con, words.each, "legacy"))
    if not old.any():
        return words
    return _split(pc.replace_with_mask(texts, old, *_asked(con, texts.filter(old), "decoded")))


def _rewritten(words: _Words, made: Any) -> Any:
    """Each text with what was ``made`` of its words; words that come to nothing are left out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    left = pc.not_equal(made, "").to_numpy(zero_copy_only=False)[words.word]
    starts = np.append(0, np.cumsum(left))[words.start].astype(np.int32)
    return pc.binary_join(pa.ListArray.from_arrays(starts, made.take(words.word[left])), " ")
