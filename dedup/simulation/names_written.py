"""Names as they get written: capitals, tones, parts missing or swapped, slips, and babies under their mother's name."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache

import numpy as np
import polars as pl

from dedup.simulation.draw import Bools, Draw, Ints
from dedup.simulation.persons import Persons
from dedup.simulation.rates import ErrorRates
from dedup.simulation.tables import names

__all__ = ["Habits", "plain", "written_names"]

_PLAIN, _NEW_TONE, _MISHEARD = 1, 2, 3  #: columns of the table of variants; 0 is the usual way
_TONES = "\u0300\u0301\u0303\u0309\u0323"
_BEGINNINGS = (("Ch", "Tr"), ("Tr", "Ch"), ("Gi", "D"), ("D", "Gi"), ("S", "X"), ("X", "S"), ("L", "N"), ("N", "L"))
_ENDINGS = (("ng", "n"), ("nh", "n"), ("n", "ng"), ("y", "i"), ("i", "y"))


@dataclass(frozen=True)
class Habits:
    """How the facility of each row writes names."""

    upper: Bools
    plain: Bools
    nfd: Bools
    new_tone: Bools


def plain(text: str) -> str:
    """Without diacritics: ``Đỗ`` becomes ``Do``."""
    bare = unicodedata.normalize("NFD", text.replace("đ", "d").replace("Đ", "D"))
    return "".join(letter for letter in bare if not unicodedata.combining(letter))


def _word_tone(word: str, new: bool) -> str:
    """The tone of an open oa, oe or uy on the second vowel (new: hoà) or on the first (hòa)."""
    bare = unicodedata.normalize("NFD", word)
    tone = next((letter for letter in bare if letter in _TONES), "")
    rest = "".join(letter for letter in bare if letter not in _TONES)
    if not tone or rest[-2:].lower() not in ("oa", "oe", "uy") or rest[:2].lower() == "qu":
        return word
    moved = rest + tone if new else rest[:-1] + tone + rest[-1]
    return unicodedata.normalize("NFC", moved)


def _tone(name: str, new: bool) -> str:
    return " ".join(_word_tone(word, new) for word in name.split(" "))


def _misheard(name: str, number: int) -> str:
    """One sound mistaken for its neighbour; which one depends on the name's number alone."""
    for old, other in _BEGINNINGS[number % 2 :]:
        if name.startswith(old) and len(name) > len(old):
            return other + name[len(old) :]
    for old, other in _ENDINGS:
        if name.endswith(old):
            return name[: -len(old)] + other
    return name


@cache
def _variants(part: str) -> list[pl.Series]:
    """A part's names in each way of writing; one entry more at the end for no name."""
    listed = [_tone(unicodedata.normalize("NFC", name), new=False) for name in getattr(names(), part)]
    ways = (
        listed,
        [plain(name) for name in listed],
        [_tone(name, new=True) for name in listed],
        [_misheard(name, number) for number, name in enumerate(listed)],
    )
    return [pl.Series([*way, ""]) for way in ways]


@cache
def _without_thi() -> Ints:
    """For each middle name the position of the same without Thị (the last: none)."""
    listed = names().middle
    position = {name: at for at, name in enumerate(listed)}
    none = len(listed)
    rest = [name.removeprefix("Thị").strip() if name.startswith("Thị") else name for name in listed]
    return np.array([position.get(name, none) if name else none for name in rest] + [none])


def _part(part: str, at: Ints, way: Ints) -> pl.Series:
    ways = pl.concat(_variants(part))
    return ways.gather(way * (len(getattr(names(), part)) + 1) + at)


def _pieces(persons: Persons, who: Ints, way: Ints, rates: ErrorRates, draw: Draw) -> pl.DataFrame:
    count = len(who)
    middle = np.where(persons.middle[who] < 0, len(names().middle), persons.middle[who])
    middle = np.where(draw.chance(rates.name_no_thi, count), _without_thi()[middle], middle)
    middle = np.where(draw.chance(rates.name_no_middle, count), len(names().middle), middle)
    misheard = draw.chance(rates.name_misheard, count)
    return pl.DataFrame(
        {
            "family": _part("family", persons.family[who], way),
            "middle": _part("middle", middle, way),
            "given": _part("given", persons.given[who], np.where(misheard, _MISHEARD, way)),
            "swapped": draw.chance(rates.name_swapped, count),
        }
    )


def _assembled(pieces: pl.DataFrame) -> pl.Series:
    usual = pl.concat_str("family", "middle", "given", separator=" ")
    swapped = pl.concat_str("given", "family", "middle", separator=" ")
    text = pl.when("swapped").then(swapped).otherwise(usual).str.replace("  ", " ", literal=True)
    return pieces.select(name=text.str.strip_chars())["name"]


def _slips(name: pl.Series, share: float, draw: Draw) -> pl.Series:
    """In some names one letter is left out, doubled, or replaced."""
    count = len(name)
    letters = pl.Series(list("abcdeghiklmnopqrstuvxy")).gather(draw.below(22, count))
    frame = pl.DataFrame(
        {"name": name, "hit": draw.chance(share, count), "kind": draw.below(3, count),
         "u": draw.uniform(count), "letter": letters}
    )  # fmt: skip
    text = pl.col("name")
    length = text.str.len_chars().cast(pl.Int64)
    at = (pl.col("u") * (length - 1).clip(lower_bound=0)).floor().cast(pl.Int64) + 1
    head, here, tail = text.str.slice(0, at), text.str.slice(at, 1), text.str.slice(at + 1)
    slipped = (
        pl.when(pl.col("kind") == 0)
        .then(head + tail)
        .when(pl.col("kind") == 1)
        .then(head + here + here + tail)
        .otherwise(head + pl.col("letter") + tail)
    )
    return frame.select(name=pl.when(pl.col("hit") & (length > 3)).then(slipped).otherwise(text))["name"]


_BABY = ("CB ", "con bà ", "Con bà ", "", "Bé sơ sinh con bà ", "CB ", "Khoa Sơ sinh")


def _babies(persons: Persons, who: Ints, baby: Bools, rates: ErrorRates, draw: Draw) -> tuple[Ints, Ints, pl.Series]:
    """Under whose name a baby goes, the position in _BABY (-1: its own name), and a suffix for twins."""
    count = len(who)
    mother, father = persons.home.mother[who], persons.home.father[who]
    hidden = baby & (mother >= 0) & draw.chance(rates.newborn_under_parent, count)
    way = np.where(hidden, draw.pick([5, 3, 1, 1.5, 1, 1, 0.4], count), -1)
    by_father = hidden & (way == 3) & (father >= 0) & draw.chance(0.3, count)
    named = np.where(by_father, father, np.where(hidden, mother, who))
    twin = hidden & persons.home.twin[who] & draw.chance(0.6, count)
    second = np.concatenate([[0], np.diff(persons.home.birth)])[who] == 0
    suffix = pl.Series(["", " 1", " 2"]).gather(np.where(twin, 1 + second, 0))
    return named, way, suffix


def written_names(persons: Persons, who: Ints, baby: Bools, habits: Habits, rates: ErrorRates, draw: Draw) -> pl.Series:
    """The full name in each row as the facility has it."""
    count = len(who)
    named, baby_way, suffix = _babies(persons, who, baby, rates, draw)
    bare = habits.plain | draw.chance(rates.name_plain, count)
    new_tone = habits.new_tone ^ draw.chance(rates.name_other_tone, count)
    way = np.where(bare, _PLAIN, np.where(new_tone, _NEW_TONE, 0))
    name = _slips(_assembled(_pieces(persons, named, way, rates, draw)), rates.name_typo, draw)
    beginnings = pl.Series([*_BABY, *(plain(text) for text in _BABY), ""])
    prefix = beginnings.gather(np.where(baby_way < 0, 2 * len(_BABY), baby_way + np.where(bare, len(_BABY), 0)))
    frame = pl.DataFrame(
        {
            "name": name,
            "ward": baby_way == len(_BABY) - 1,
            "prefix": prefix,
            "suffix": suffix,
            "upper": habits.upper ^ draw.chance(rates.name_upper, count),
            "nfd": habits.nfd & ~bare,
            "spaces": draw.chance(rates.name_spaces, count),
            "unknown": draw.chance(rates.name_unknown, count),
        }
    )  # fmt: skip
    shown = pl.when("ward").then(pl.lit("")).otherwise("name")
    text = pl.col("prefix") + shown + pl.col("suffix")
    text = pl.when("unknown").then(pl.lit("không rõ")).otherwise(text)
    text = pl.when("upper").then(text.str.to_uppercase()).otherwise(text)
    text = pl.when("spaces").then(text.str.replace(" ", "  ", literal=True)).otherwise(text)
    return frame.select(name=pl.when("nfd").then(text.str.normalize("NFD")).otherwise(text))["name"]
