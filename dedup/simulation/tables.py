"""The small tables the world is made from (``data/``; README.md there names their sources)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

from dedup.simulation.draw import Floats, Ints

__all__ = ["PROFILES", "LabTests", "Names", "Places", "lab_tests", "names", "places"]

_DATA = Path(__file__).parent / "data"

#: What brings somebody to a laboratory; the columns of tests.csv hold each test's chance in each.
PROFILES = (
    "general", "diabetes", "heart", "kidney", "liver", "thyroid",
    "tumour", "infection", "antenatal", "screening", "surgery", "newborn",
)  # fmt: skip


def _read(name: str) -> pl.DataFrame:
    return pl.read_csv(_DATA / name, infer_schema=False).fill_null("")


@dataclass(frozen=True)
class Names:
    """Family, middle and given names with their weights; by sex (0 male, 1 female) where they have one."""

    family: list[str]
    middle: list[str]
    given: list[str]
    family_weight: Floats
    middle_weight: tuple[Floats, Floats]  #: zero where the name is not of that sex
    given_weight: tuple[Floats, Floats]
    thi: int  #: position of the middle name Thị
    van: int  #: position of Văn


@dataclass(frozen=True)
class Places:
    """Provinces before July 2025 (63) and some of their communes, with the names of today."""

    prefix: Ints  #: CCCD prefix, for each province
    old_name: list[str]
    new_name: list[str]
    new_code: list[str]
    weight: Floats  #: number of wards, standing for the number of people
    commune_province: Ints  #: position of the province, for each commune
    district: list[str]
    old_ward: list[str]
    new_ward: list[str]


@dataclass(frozen=True)
class LabTests:
    """The tests that are ordered in the world; every list has one entry a test."""

    code: list[str]
    other_codes: list[list[tuple[str, int]]]  #: other codes of the same test, with their prices in đồng
    loinc: list[str]
    name: list[str]
    unit: list[str]
    kind: list[str]  #: number, quality, panel, group, image
    specimen: list[str]
    decimals: Ints
    low: Floats
    high: Floats
    mean: Floats
    spread: Floats
    minutes: Floats  #: median minutes from collection to result
    price: Ints  #: đồng
    chance: Floats  #: (profile, test)

    def where(self, *codes: str) -> Ints:
        """Positions of some codes."""
        return np.array([self.code.index(code) for code in codes], dtype=np.int64)


def _weights(frame: pl.DataFrame, part: str, entries: list[str], sex: str) -> Floats:
    chosen = frame.filter((pl.col("part") == part) & (pl.col("sex") == sex))
    known = dict(zip(chosen["name"].to_list(), chosen["weight"].cast(pl.Float64).to_list(), strict=True))
    return np.array([known.get(entry, 0.0) for entry in entries])


@cache
def names() -> Names:
    """The name lists."""
    frame = _read("names.csv")
    lists = {
        part: frame.filter(pl.col("part") == part)["name"].unique(maintain_order=True).to_list()
        for part in ("family", "middle", "given")
    }
    return Names(
        **lists,
        family_weight=_weights(frame, "family", lists["family"], ""),
        middle_weight=(
            _weights(frame, "middle", lists["middle"], "male"),
            _weights(frame, "middle", lists["middle"], "female"),
        ),
        given_weight=(
            _weights(frame, "given", lists["given"], "male"),
            _weights(frame, "given", lists["given"], "female"),
        ),
        thi=lists["middle"].index("Thị"),
        van=lists["middle"].index("Văn"),
    )


@cache
def places() -> Places:
    """The provinces and communes."""
    provinces, communes = _read("provinces.csv"), _read("communes.csv")
    position = {prefix: at for at, prefix in enumerate(provinces["cccd_prefix"].to_list())}
    return Places(
        prefix=provinces["cccd_prefix"].cast(pl.Int64).to_numpy(),
        old_name=provinces["old_name"].to_list(),
        new_name=provinces["new_name"].to_list(),
        new_code=provinces["new_code"].to_list(),
        weight=provinces["wards"].cast(pl.Float64).to_numpy(),
        commune_province=np.array([position[prefix] for prefix in communes["cccd_prefix"]], dtype=np.int64),
        district=communes["old_district"].to_list(),
        old_ward=communes["old_ward"].to_list(),
        new_ward=communes["new_ward"].to_list(),
    )


def _floats(frame: pl.DataFrame, column: str) -> Floats:
    return frame[column].cast(pl.Float64, strict=False).fill_null(0.0).to_numpy()


def _codes(text: str) -> list[tuple[str, int]]:
    return [(code, int(price)) for code, price in (pair.split("=") for pair in text.split(";") if pair)]


@cache
def lab_tests() -> LabTests:
    """The tests."""
    frame = _read("tests.csv")
    return LabTests(
        code=frame["service_code"].to_list(),
        other_codes=[_codes(text) for text in frame["other_codes"]],
        loinc=frame["loinc"].to_list(),
        name=frame["name"].to_list(),
        unit=frame["unit"].to_list(),
        kind=frame["kind"].to_list(),
        specimen=frame["specimen"].to_list(),
        decimals=frame["decimals"].cast(pl.Int64).to_numpy(),
        low=_floats(frame, "low"),
        high=_floats(frame, "high"),
        mean=_floats(frame, "mean"),
        spread=_floats(frame, "spread"),
        minutes=_floats(frame, "minutes"),
        price=frame["price_vnd"].cast(pl.Int64).to_numpy(),
        chance=np.stack([_floats(frame, profile) for profile in PROFILES]),
    )
