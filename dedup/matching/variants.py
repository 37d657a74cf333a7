"""Records whose normalised identity is the same in every column are one variant: compared once, for all of them."""

from __future__ import annotations

import functools
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dedup.matching.names import skeleton

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

__all__ = ["IDENTITY", "Coded", "Variants", "arrived_sql", "columns", "read_variants", "stored_sql", "variant_id_sql"]

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


def stored_sql(wanted: str = "") -> str:
    """SELECT of the variants of match_variant (all, or those ``wanted``: joins of match_record), each as patient_record
    has it of one of its records."""
    return f"""
      SELECT v.variant_no, v.variant_id, v.id_grade, v.settled, v.marked_given, p.*
      FROM (SELECT variant_no, min(patient_record_id) AS patient_record_id FROM match_record {wanted}
            GROUP BY variant_no)
      JOIN match_variant AS v USING (variant_no) JOIN patient_record AS p USING (patient_record_id)"""


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

_PARTS = ("family_name", "middle_name", "given_name")


def columns(con: duckdb.DuckDBPyConnection, sql: str) -> dict[str, np.ndarray[Any, Any]]:
    """The columns ``sql`` gives, none of which holds a NULL."""
    return {name: np.asarray(values) for name, values in con.execute(sql).fetchnumpy().items()}


def read_variants(con: duckdb.DuckDBPyConnection, source: str) -> Variants:
    """The variants that ``source`` (arrived_sql, stored_sql) gives, in the order of variant_id."""
    texts = ", ".join(f"{sql} AS {name}" for name, sql in _TEXTS.items())
    known = (
        "birth_precision IN ('day', 'month')"
        " AND NOT (birth_precision = 'day' AND month(birth_date) = 1 AND day(birth_date) = 1)"
    )
    table = con.execute(f"""
      SELECT variant_no AS number, variant_id, {texts},
        CAST(coalesce(year(birth_date), 0) AS SMALLINT) AS year,
        CAST(CASE WHEN {known} THEN month(birth_date) ELSE 0 END AS TINYINT) AS month,
        CAST(CASE WHEN {known} AND birth_precision = 'day' THEN day(birth_date) ELSE 0 END AS TINYINT) AS day,
        CAST(CASE sex WHEN 'male' THEN 1 WHEN 'female' THEN 2 ELSE 0 END AS TINYINT) AS sex,
        CAST(CASE id_type WHEN 'cccd' THEN 1 WHEN 'cmnd' THEN 2 WHEN 'passport' THEN 3 ELSE 0 END AS TINYINT)
          AS id_type,
        id_grade, newborn
      FROM ({source})""").to_arrow_table()
    numbers = ("number", "variant_id", "year", "month", "day", "sex", "id_type", "id_grade", "newborn")
    order = np.argsort(table["variant_id"].to_numpy())  # of codes and numbers: the engine would move the texts
    text = {name: code(table[name], order) for name in _TEXTS if name not in _PARTS}
    return Variants(
        text=text | _parts(table, order, text["name"]),
        **{name: table[name].to_numpy()[order] for name in numbers},
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
