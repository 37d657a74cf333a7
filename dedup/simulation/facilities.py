"""The hospitals and clinics of the world, their register, and the habits of their systems."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

from dedup.simulation.draw import Bools, Draw, Floats, Ints
from dedup.simulation.tables import places

__all__ = ["REGISTER", "TIERS", "Facilities", "default_facilities", "make_facilities", "register"]

TIERS = ("central", "provincial", "district", "commune", "private")
REGISTER = (
    "facility_id", "name", "tier", "province", "lab_level", "iso15189",
    "level_from", "level_to", "connected_since",
    "electronic_records", "insurance_connected", "electronic_payment", "alias_of",
)  # fmt: skip

_KIND = {
    "central": "Bệnh viện Trung ương",
    "provincial": "Bệnh viện Đa khoa tỉnh",
    "district": "Trung tâm Y tế",
    "commune": "Trạm Y tế",
    "private": "Phòng khám Đa khoa",
}
#: Invented places; a number is added where they run out.
_PLACE = (
    "Sen Vàng", "Suối Mơ", "Đồi Thông", "Hoa Sữa", "Mây Trắng", "Bến Xuân", "Trăng Non", "Sông Lam Ngọc",
    "Núi Biếc", "Cầu Vồng", "Nắng Mai", "Gió Lành", "Rừng Xanh", "Hồ Thu", "Lúa Chín", "Cát Vàng",
    "Bình Minh Mới", "Hương Tràm", "Phượng Đỏ", "Tre Làng", "Sao Khuê", "Vườn Mận", "Thác Bạc", "Đảo Yến",
)  # fmt: skip
_PULL = {"central": 6.0, "provincial": 4.0, "district": 2.5, "commune": 0.7, "private": 1.2}


@dataclass(frozen=True)
class Facilities:
    """One entry a facility in every list; positions are the facility numbers used all over the world."""

    code: list[str]
    name: list[str]
    tier: Ints  #: position in TIERS
    province: Ints  #: position in the provinces before 2025
    level: Ints  #: 0 to 5; -1 unknown
    level_to: list[date | None]  #: the last day of the level; nothing follows it
    raised_on: list[date | None]  #: from this day on the level is one higher
    iso15189: Bools
    connected_since: list[date | None]
    electronic_records: Bools
    insurance_connected: Bools
    electronic_payment: Bools
    alias: list[str]  #: a code from before the merger, used in the first weeks; blank: none
    pull: Floats  #: how many patients it draws
    format: list[str]
    codes: list[str]  #: national, loinc, local: the codes its system sends
    price_factor: Floats
    writes_upper: Bools  #: names in capitals
    writes_plain: Bools  #: names without diacritics
    writes_nfd: Bools  #: decomposed Unicode
    writes_new_tone: Bools  #: hoà rather than hòa
    writes_new_places: Bools  #: communes and provinces as of July 2025
    sends_collection: Bools
    sends_specimen: Bools
    sends_address: Bools
    sends_test_name: Bools
    sends_encounter: Bools

    def __len__(self) -> int:
        return len(self.code)


def default_facilities(persons: int) -> int:
    """How many facilities a world of that many persons has: 16 for 2,000, 350 for a million, at most 1,500."""
    return max(8, min(1500, round(0.35 * math.sqrt(persons))))


def _tiers(count: int, provinces: int) -> Ints:
    central = max(1, count // 15)
    rest = count - central - provinces
    others = np.array([2, 2, 4, 3, 2, 4])[np.arange(rest) % 6]  # district and private before commune
    return np.concatenate([np.zeros(central, np.int64), np.ones(provinces, np.int64), others.astype(np.int64)])


def _codes(province: Ints) -> list[str]:
    """Five digits with prefixes that no province ever had, so that no real facility is meant."""
    taken = {f"{prefix:03d}"[1:] for prefix in places().prefix.tolist()}
    free = [f"{number:02d}" for number in range(1, 99) if f"{number:02d}" not in taken]
    rank: dict[int, int] = {}
    serial: dict[str, int] = {}
    codes = []
    for home in province.tolist():
        prefix = free[rank.setdefault(home, len(rank)) % len(free)]
        serial[prefix] = serial.get(prefix, 0) + 1
        codes.append(f"{prefix}{serial[prefix]:03d}")
    return codes


def _names(tier: Ints) -> list[str]:
    result = []
    for number, kind in enumerate(tier.tolist()):
        again = number // len(_PLACE)
        result.append(f"{_KIND[TIERS[kind]]} {_PLACE[number % len(_PLACE)]}{f' {again + 1}' if again else ''}")
    return result


def _levels(tier: Ints, draw: Draw) -> Ints:
    lowest, highest = np.array([4, 3, 2, 0, 2]), np.array([5, 4, 3, 1, 3])
    level = lowest[tier] + draw.below(highest[tier] - lowest[tier] + 1, len(tier))
    unknown = draw.chance(np.array([0.0, 0.1, 0.3, 0.5, 0.35])[tier], len(tier))
    return np.where(unknown, -1, level)


def _formats(formats: Sequence[str], count: int) -> list[str]:
    """The first format for four of five facilities, the others in turn for the fifth."""
    others = list(formats[1:]) or [formats[0]]
    fifth = range(count - 5, -1, -5)
    return [others[fifth.index(at) % len(others)] if at in fifth else formats[0] for at in range(count)]


def _codings(formats: Sequence[str], tier: Ints) -> list[str]:
    """National codes everywhere, but LOINC at one provincial hospital and local codes at a few small facilities."""
    codes = ["national"] * len(formats)
    free = [at for at in range(len(formats)) if formats[at] != "xml" and tier[at] >= 2]
    for rank, at in enumerate(free):
        if rank % 7 == 1:
            codes[at] = "local"
    provincial = [at for at in range(len(formats)) if formats[at] != "xml" and tier[at] == 1]
    if provincial:
        codes[provincial[-1]] = "loinc"
    return codes


def _first(mask: Bools) -> int:
    return int(np.argmax(mask)) if mask.any() else 0


def make_facilities(
    count: int, seed: int, formats: Sequence[str], start: date, days: int, plain: bool = False
) -> Facilities:
    """The facilities of a world; ``plain``: national codes and all columns everywhere, so that formats agree."""
    draw = Draw(seed, "facilities")
    place = places()
    order = np.argsort(draw.uniform(len(place.weight)) / place.weight, kind="stable")
    provinces = order[: max(1, min(len(order), count // 4))]
    tier = _tiers(count, len(provinces))
    province = provinces[np.arange(count) % len(provinces)]
    level = _levels(tier, draw)
    lapsing = _first((tier == 2) & (level > 0))
    rising = _first((tier == 4) & (level > 0))
    level[[lapsing, rising]] = np.maximum(level[[lapsing, rising]], 2)
    aliased = _first((tier == 2) & (np.arange(count) != lapsing))
    connected = [start - timedelta(days=int(ago)) for ago in draw.between(-days // 2, 700, count)]
    office = Draw(seed, "facilities", "office")
    kinds = _formats(formats, count)
    codes = _codes(province)
    return Facilities(
        code=codes,
        name=_names(tier),
        tier=tier,
        province=province,
        level=level,
        level_to=[start + timedelta(days=days // 3) if at == lapsing else None for at in range(count)],
        raised_on=[start + timedelta(days=days // 2) if at == rising else None for at in range(count)],
        iso15189=draw.chance(np.array([0.9, 0.3, 0.03, 0.0, 0.2])[tier], count),
        connected_since=[
            None if unknown else day for unknown, day in zip(draw.chance(0.2, count).tolist(), connected, strict=True)
        ],
        electronic_records=office.chance(np.array([0.8, 0.4, 0.1, 0.02, 0.15])[tier], count),
        insurance_connected=office.chance(np.array([1.0, 1.0, 1.0, 0.97, 0.85])[tier], count),
        electronic_payment=office.chance(0.71, count),
        alias=[f"99{at % 1000:03d}" if at == aliased and not plain else "" for at in range(count)],
        pull=np.array([_PULL[TIERS[kind]] for kind in tier.tolist()]) * (0.6 + 0.8 * draw.uniform(count)),
        format=kinds,
        codes=["national"] * count if plain else _codings(kinds, tier),
        price_factor=np.where(tier == 4, 1.0 + 0.2 * draw.uniform(count), 0.97 + 0.05 * draw.uniform(count)),
        writes_upper=draw.chance(0.5, count),
        writes_plain=draw.chance(0.08, count),
        writes_nfd=draw.chance(0.06, count),
        writes_new_tone=draw.chance(0.5, count),
        writes_new_places=draw.chance(0.6, count),
        sends_collection=plain | draw.chance(0.8, count),
        sends_specimen=draw.chance(0.35, count) & (not plain),
        sends_address=draw.chance(0.6, count) | plain,
        sends_test_name=draw.chance(0.5, count) | plain,
        sends_encounter=draw.chance(0.5, count) | plain,
    )


def _word(holds: Any) -> str:
    return "true" if holds else "false"


def _row(facilities: Facilities, at: int, level: int, since: date | None, until: date | None) -> dict[str, str]:
    connected = facilities.connected_since[at]
    return {
        "facility_id": facilities.code[at],
        "name": facilities.name[at],
        "tier": TIERS[facilities.tier[at]],
        "province": places().new_name[facilities.province[at]],
        "lab_level": "" if level < 0 else str(level),
        "iso15189": _word(facilities.iso15189[at]),
        "level_from": since.isoformat() if since else "",
        "level_to": until.isoformat() if until else "",
        "connected_since": connected.isoformat() if connected else "",
        "electronic_records": _word(facilities.electronic_records[at]),
        "insurance_connected": _word(facilities.insurance_connected[at]),
        "electronic_payment": _word(facilities.electronic_payment[at]),
        "alias_of": "",
    }


def register(facilities: Facilities) -> pl.DataFrame:
    """The register of CONTRACT §2.2, with what the roll-out report asks besides.

    A row for each period of a level, and one for each old code.
    """
    rows = []
    for at in range(len(facilities)):
        level, raised = int(facilities.level[at]), facilities.raised_on[at]
        if raised is not None:
            rows.append(_row(facilities, at, level, None, raised - timedelta(days=1)))
            rows.append(_row(facilities, at, level + 1, raised, None))
        else:
            rows.append(_row(facilities, at, level, None, facilities.level_to[at]))
        if facilities.alias[at]:
            rows.append(dict.fromkeys(REGISTER, "") | {
                "facility_id": facilities.alias[at], "alias_of": facilities.code[at],
            })  # fmt: skip
    frame = pl.DataFrame(rows, schema=dict.fromkeys(REGISTER, pl.String)).sort("facility_id", "level_from")
    return frame.with_columns(pl.all().replace("", None))
