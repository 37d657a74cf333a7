"""Records whose normalised identity is the same in every column are one variant: compared once, for all of them."""

from __future__ import annotations

import functools
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dedup.matching.names import skeleton
from dedup.warehouse import all_threads

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

__all__ = [
    "IDENTITY", "Coded", "Variants", "arrived_sql", "columns", "packed_sql", "read_variants", "variant_id_sql",
]  # fmt: skip

#: The columns that make a variant; of ``marked`` only the given name is kept.
IDENTITY = (
    "id_type", "id_number", "id_grade", "insurance_numbers", "name", "marked", "family_name", "middle_name",
    "given_name", "birth_date", "birth_precision", "sex", "phone", "province", "ward", "newborn",
)  # fmt: skip
#: The parts of the name and the grade follow from the others.
_HASHED = tuple(name for name in IDENTITY if name not in ("family_name", "middle_name", "given_name", "id_grade"))


def variant_id_sql() -> str:
    """``variant_id`` of a normalised record: 63 bits of the MD5 of its identity columns."""
    texts = ", chr(31), ".join(f"coalesce(CAST({name} AS VARCHAR), chr(30))" for name in _HASHED)
    return f"CAST(md5_number_lower(concat({texts})) >> 1 AS BIGINT)"


def arrived_sql() -> str:
    """SELECT of the variants of the records taken in (``normalised``, ``arrived``), each as one of those shows it."""
    return "SELECT * FROM normalised POSITIONAL JOIN (SELECT variant_no, is_shown FROM arrived) WHERE is_shown"


@dataclass(frozen=True)
class Coded:
    """A text column as codes into its distinct values; -1 is NULL."""

    codes: np.ndarray[Any, np.dtype[np.int32]]
    values: pa.Array

    @functools.cached_property
    def lengths(self) -> np.ndarray[Any, np.dtype[np.int32]]:
        """How many characters each value has."""
        import pyarrow.compute as pc

        return np.asarray(pc.utf8_length(self.values).to_numpy())

    @functools.cached_property
    def sounds(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The same number for values that sound alike."""
        return np.unique([skeleton(text) for text in self.values.to_pylist()], return_inverse=True)[1]

    @functools.cached_property
    def tones(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """A number for each value's diacritics, without its letters (who hears Sơn for Xơn still hears the vowel), and
        behind them one for NULL."""
        texts = [unicodedata.normalize("NFD", text) for text in self.values.to_pylist()]
        marks = ["".join(sign for sign in text if unicodedata.combining(sign)) for text in texts]
        return np.append(np.unique(marks, return_inverse=True)[1], -1)


@dataclass(frozen=True)
class Variants:
    """The variants being matched, one position each, in columns (NumPy arrays of the same length)."""

    number: np.ndarray[Any, np.dtype[np.int32]]  #: variant_no
    variant_id: np.ndarray[Any, np.dtype[np.int64]]  #: ascending: the order of positions is that of content
    text: dict[str, Coded]
    year: np.ndarray[Any, np.dtype[np.int16]]  #: 0 when unknown; so month and day, also for a bare 1 January
    month: np.ndarray[Any, np.dtype[np.int8]]
    day: np.ndarray[Any, np.dtype[np.int8]]
    sex: np.ndarray[Any, np.dtype[np.int8]]  #: 0 unknown, 1 male, 2 female
    id_type: np.ndarray[Any, np.dtype[np.int8]]  #: 0 none or other, 1 CCCD, 2 CMND, 3 passport
    id_grade: np.ndarray[Any, np.dtype[np.int8]]
    newborn: np.ndarray[Any, np.dtype[np.bool_]]

    def __len__(self) -> int:
        return len(self.variant_id)

    def positions(self, numbers: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.intp]]:
        """Where the variants with these numbers stand here; -1: not here. As wide as an index is: others are widened
        each time they are used, which takes longer than the using."""
        where = np.full(int(max(self.number.max(initial=0), numbers.max(initial=0))) + 1, -1, dtype=np.int32)
        where[self.number] = np.arange(len(self), dtype=np.int32)
        return np.asarray(where[numbers.astype(np.intp)].astype(np.intp))


#: The texts to compare, in SQL where they are not just the column.
_TEXTS = {name: name for name in ("id_number", "name", "family_name", "middle_name", "given_name", "phone", "province",
                                  "ward")} | {
    "marked_given": "marked_given", "insurance_numbers": "array_to_string(insurance_numbers, ' ')",
}  # fmt: skip
_KNOWN = (
    "birth_precision IN ('day', 'month')"
    " AND NOT (birth_precision = 'day' AND month(birth_date) = 1 AND day(birth_date) = 1)"
)
#: The numbers to compare: SQL, type, and how many bits hold them.
_NUMBERS = {
    "year": ("coalesce(year(birth_date), 0)", np.int16, 15),
    "month": (f"CASE WHEN {_KNOWN} THEN month(birth_date) ELSE 0 END", np.int8, 4),
    "day": (f"CASE WHEN {_KNOWN} AND birth_precision = 'day' THEN day(birth_date) ELSE 0 END", np.int8, 5),
    "sex": ("CASE sex WHEN 'male' THEN 1 WHEN 'female' THEN 2 ELSE 0 END", np.int8, 2),
    "id_type": ("CASE id_type WHEN 'cccd' THEN 1 WHEN 'cmnd' THEN 2 WHEN 'passport' THEN 3 ELSE 0 END", np.int8, 2),
    "newborn": ("CAST(newborn AS TINYINT)", np.bool_, 1),
}
_APART = "\x1f"  #: stands in no text


def packed_sql() -> str:
    """What there is to compare of a normalised record, as match_variant keeps it: a night looks through the texts of
    all identities, and one column of them takes a third of the time of ten."""
    texts = f", chr({ord(_APART)}), ".join(_TEXTS.values())  # NULL adds nothing
    numbers = "0"
    for sql, _, bits in _NUMBERS.values():
        numbers = f"(({numbers} << {bits}) | {sql})"
    return f"concat({texts}) AS texts, {numbers} AS numbers"


def columns(con: duckdb.DuckDBPyConnection, sql: str) -> dict[str, np.ndarray[Any, Any]]:
    """The columns ``sql`` gives, none of which holds a NULL."""
    with all_threads(con):
        found = con.execute(sql).fetchnumpy()
    return {name: np.asarray(values) for name, values in found.items()}


def read_variants(con: duckdb.DuckDBPyConnection, wanted: str = "") -> Variants:
    """The variants of match_variant (all, or those ``wanted``), in the order of variant_id."""
    with all_threads(con):
        table = con.execute(
            f"SELECT variant_no, variant_id, id_grade, texts, numbers FROM match_variant {wanted}"
        ).to_arrow_table()
    variant_id = table["variant_id"].to_numpy()
    order = np.argsort(variant_id)  # of codes and numbers: the engine would move the texts
    return Variants(
        number=table["variant_no"].to_numpy()[order],
        variant_id=variant_id[order],
        id_grade=table["id_grade"].to_numpy()[order],
        text={name: _coded(column, order) for name, column in _taken_apart(table["texts"]).items()},
        **_numbers(table["numbers"].to_numpy()[order]),
    )


def _numbers(packed: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
    found: dict[str, np.ndarray[Any, Any]] = {}
    below = 0
    for name, (_, kind, bits) in reversed(_NUMBERS.items()):
        found[name] = ((packed >> below) & ((1 << bits) - 1)).astype(kind)
        below += bits
    return found


def _taken_apart(texts: pa.ChunkedArray) -> dict[str, pa.ChunkedArray]:
    """The columns of _TEXTS out of the packed ones; the empty text for NULL."""
    import pyarrow as pa
    import pyarrow.compute as pc

    pieces = [pc.split_pattern(chunk, _APART).flatten() for chunk in texts.chunks]
    return {
        name: pa.chunked_array([some.take(np.arange(at, len(some), len(_TEXTS))) for some in pieces], pa.string())
        for at, name in enumerate(_TEXTS)
    }


def _coded(column: pa.ChunkedArray, order: np.ndarray[Any, Any]) -> Coded:
    """Code a text column, and put it into this order."""
    import pyarrow.compute as pc

    coded = column.dictionary_encode().unify_dictionaries().combine_chunks()
    codes = np.asarray(coded.indices)[order]
    codes[codes == pc.index(coded.dictionary, "").as_py()] = -1
    return Coded(codes, coded.dictionary)
