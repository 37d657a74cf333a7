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
    "IDENTITY", "Coded", "Variants", "arrived_sql", "columns", "packed_sql", "read_arrived", "read_stored",
    "variant_id_sql",
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
    "year": ("coalesce(year(birth_date), 0)", "SMALLINT", 15),
    "month": (f"CASE WHEN {_KNOWN} THEN month(birth_date) ELSE 0 END", "TINYINT", 4),
    "day": (f"CASE WHEN {_KNOWN} AND birth_precision = 'day' THEN day(birth_date) ELSE 0 END", "TINYINT", 5),
    "sex": ("CASE sex WHEN 'male' THEN 1 WHEN 'female' THEN 2 ELSE 0 END", "TINYINT", 2),
    "id_type": ("CASE id_type WHEN 'cccd' THEN 1 WHEN 'cmnd' THEN 2 WHEN 'passport' THEN 3 ELSE 0 END", "TINYINT", 2),
    "newborn": ("CAST(newborn AS TINYINT)", "BOOLEAN", 1),
}
_APART = "chr(31)"  #: stands in no text


def packed_sql() -> str:
    """What there is to compare of a normalised record, as match_variant keeps it: a night looks through the texts of
    all identities, and one column of them takes a third of the time of ten."""
    texts = f", {_APART}, ".join(_TEXTS.values())  # NULL adds nothing
    numbers = "0"
    for sql, _, bits in _NUMBERS.values():
        numbers = f"(({numbers} << {bits}) | {sql})"
    return f"concat({texts}) AS texts, {numbers} AS numbers"


def _unpacked_sql() -> str:
    texts = [f"nullif(text[{at}], '') AS {name}" for at, name in enumerate(_TEXTS, 1)]
    numbers, below = [], 0
    for name, (_, kind, bits) in reversed(_NUMBERS.items()):
        numbers.append(f"CAST((numbers >> {below}) & {(1 << bits) - 1} AS {kind}) AS {name}")
        below += bits
    return ", ".join(texts + numbers)


_PARTS = ("family_name", "middle_name", "given_name")


def columns(con: duckdb.DuckDBPyConnection, sql: str) -> dict[str, np.ndarray[Any, Any]]:
    """The columns ``sql`` gives, none of which holds a NULL."""
    with all_threads(con):
        found = con.execute(sql).fetchnumpy()
    return {name: np.asarray(values) for name, values in found.items()}


def read_arrived(con: duckdb.DuckDBPyConnection, wanted: str = "") -> Variants:
    """The variants of the records taken in (all, or those ``wanted``), in the order of variant_id."""
    compared = [f"{sql} AS {name}" for name, sql in _TEXTS.items()]
    compared += [f"CAST({sql} AS {kind}) AS {name}" for name, (sql, kind, _) in _NUMBERS.items()]
    return _read(con, f"SELECT variant_no, variant_id, id_grade, {', '.join(compared)} FROM ({arrived_sql()}) {wanted}")


def read_stored(con: duckdb.DuckDBPyConnection, wanted: str = "") -> Variants:
    """The variants of match_variant (all, or those ``wanted``), in the order of variant_id."""
    source = f"SELECT *, string_split(texts, {_APART}) AS text FROM match_variant {wanted}"
    return _read(con, f"SELECT variant_no, variant_id, id_grade, {_unpacked_sql()} FROM ({source})")


def _read(con: duckdb.DuckDBPyConnection, sql: str) -> Variants:
    with all_threads(con):
        table = con.execute(sql).to_arrow_table()
    order = np.argsort(table["variant_id"].to_numpy())  # of codes and numbers: the engine would move the texts
    text = {name: code(table[name], order) for name in _TEXTS if name not in _PARTS}
    return Variants(
        text=text | _parts(table, order, text["name"]),
        number=table["variant_no"].to_numpy()[order],
        **{name: table[name].to_numpy()[order] for name in ("variant_id", "id_grade", *_NUMBERS)},
    )


def _parts(table: pa.Table, order: np.ndarray[Any, Any], name: Coded) -> dict[str, Coded]:
    """The parts of the names, which follow from the names: taken from one row of each."""
    named = name.codes >= 0
    shown = np.empty(len(name.values), dtype=np.int64)
    shown[name.codes[named]] = order[named]
    parts = {}
    for part in _PARTS:
        coded = code(table[part].take(shown), np.arange(len(shown)))
        parts[part] = Coded(np.append(coded.codes, np.int32(-1))[name.codes], coded.values)
    return parts


def code(column: Any, order: np.ndarray[Any, Any]) -> Coded:
    """Code an Arrow text column, and put it into this order."""
    coded = column.combine_chunks().dictionary_encode()
    if hasattr(coded, "combine_chunks"):
        coded = coded.combine_chunks()
    return Coded(coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)[order], coded.dictionary)
