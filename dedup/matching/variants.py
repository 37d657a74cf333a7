"""Records whose normalised identity is the same in every column are one variant: compared once, for all of them."""

from __future__ import annotations

import functools
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dedup.matching.names import skeleton
from dedup.schema import APART, BIRTH_PRECISIONS, ID_TYPES, KEPT_NUMBERS, KEPT_TEXTS, KEPT_WORDS, SEXES
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


#: How a normalised record tells what match_variant keeps of it, where it is not just the column.
_TOLD = {
    "marked_given": "split_part(marked, ' ', -1)",
    "insurance_numbers": "array_to_string(insurance_numbers, ' ')",
    "year": "year(birth_date)",
    "month": "month(birth_date)",
    "day": "day(birth_date)",
    "newborn": "CAST(newborn AS INTEGER)",
} | {
    name: " ".join([f"CASE {name}", *(f"WHEN '{word}' THEN {at}" for at, word in enumerate(words, 1)), "END"])
    for name, words in KEPT_WORDS.items()
}


def packed_sql() -> str:
    """What there is to compare of a normalised record, as match_variant keeps it: a night looks through the texts of
    all identities, and one column of them takes a third of the time of ten."""
    texts = f", chr({ord(APART)}), ".join(_TOLD.get(name, name) for name in KEPT_TEXTS)  # NULL adds nothing
    numbers = "0"
    for name, bits in KEPT_NUMBERS.items():
        numbers = f"(({numbers} << {bits}) | coalesce({_TOLD[name]}, 0))"
    return f"concat({texts}) AS texts, CAST({numbers} AS INTEGER) AS numbers"


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
    """The columns of KEPT_NUMBERS as they are compared: of a date of birth what is known, of a word whether it says
    anything."""
    found: dict[str, np.ndarray[Any, Any]] = {}
    for name, bits in reversed(KEPT_NUMBERS.items()):
        found[name] = (packed & ((1 << bits) - 1)).astype(np.int16 if name == "year" else np.int8)
        packed = packed >> bits
    month, day, precision = found["month"], found["day"], found.pop("birth_precision")
    to_day = (precision == _DAY) & ~((month == 1) & (day == 1))
    return found | {
        "month": np.where(to_day | (precision == _MONTH), month, 0),
        "day": np.where(to_day, day, 0),
        "sex": found["sex"] % (1 + SEXES.index("unknown")),
        "id_type": found["id_type"] % (1 + ID_TYPES.index("other")),
        "newborn": found["newborn"].astype(np.bool_),
    }


_DAY, _MONTH = (1 + BIRTH_PRECISIONS.index(name) for name in ("day", "month"))


def _taken_apart(texts: pa.ChunkedArray) -> dict[str, pa.ChunkedArray]:
    """The columns of KEPT_TEXTS out of the packed ones; the empty text for NULL."""
    import pyarrow as pa
    import pyarrow.compute as pc

    pieces = [pc.split_pattern(chunk, APART).flatten() for chunk in texts.chunks]
    return {
        name: pa.chunked_array([some.take(np.arange(at, len(some), len(KEPT_TEXTS))) for some in pieces], pa.string())
        for at, name in enumerate(KEPT_TEXTS)
    }


def _coded(column: pa.ChunkedArray, order: np.ndarray[Any, Any]) -> Coded:
    """Code a text column, and put it into this order."""
    import pyarrow.compute as pc

    coded = column.dictionary_encode().unify_dictionaries().combine_chunks()
    codes = np.asarray(coded.indices)[order]
    codes[codes == pc.index(coded.dictionary, "").as_py()] = -1
    return Coded(codes, coded.dictionary)
