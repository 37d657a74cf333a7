"""How a facility writes a patient's identity: numbers, birth date, sex, phone and home, with the usual mistakes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from dedup.simulation.draw import Bools, Draw, Ints
from dedup.simulation.facilities import Facilities
from dedup.simulation.households import CHILD
from dedup.simulation.names_written import Habits, plain, written_names
from dedup.simulation.persons import PHONE_PREFIXES, Persons
from dedup.simulation.rates import ErrorRates
from dedup.simulation.tables import places

__all__ = ["identities"]

_DAY = 1440
_PLACEHOLDER_IDS = ("000000000000", "123456789", "111111111111", "không có", "0", "999999999999")
_PLACEHOLDER_PHONES = ("0900000000", "0123456789", "0000000000", "không rõ")


@dataclass(frozen=True)
class _Rows:
    """What is being written: one entry a row."""

    persons: Persons
    facilities: Facilities
    who: Ints
    facility: Ints
    record: Ints
    age: Ints  #: years at the time of writing
    baby: Bools  #: at most 28 days old
    rates: ErrorRates
    other: Ints  #: another member of the household; the person where there is none

    def __len__(self) -> int:
        return len(self.who)

    def parent(self) -> Ints:
        """The mother, else the father, else -1."""
        mother, father = self.persons.home.mother[self.who], self.persons.home.father[self.who]
        return np.where(mother >= 0, mother, father)


def _text(numbers: Ints, digits: int) -> pl.Series:
    """Numbers with leading zeros; null where there is none (0 or less)."""
    frame = pl.DataFrame({"n": numbers})
    text = pl.col("n").cast(pl.String).str.zfill(digits)
    return frame.select(text=pl.when(pl.col("n") > 0).then(text))["text"]


def _mistyped(numbers: Ints, digits: int, share: float, draw: Draw) -> Ints:
    """In some numbers one digit becomes another."""
    count = len(numbers)
    place = 10 ** draw.below(digits, count)
    old = numbers // place % 10
    new = (old + draw.between(1, 9, count)) % 10
    wrong = numbers + (new - old) * place
    return np.where((numbers > 0) & draw.chance(share, count), wrong, numbers)


def _put(text: pl.Series, where: Bools, other: pl.Series) -> pl.Series:
    return other.zip_with(pl.Series(where), text)


def _choice(options: tuple[str, ...], draw: Draw, count: int) -> pl.Series:
    return pl.Series(list(options)).gather(draw.below(len(options), count))


def _national_ids(rows: _Rows, draw: Draw) -> pl.Series:
    count, rates, persons = len(rows), rows.rates, rows.persons
    child = (rows.age < 14) & ~rows.baby
    absent = np.select([rows.baby, child], [rates.no_id_newborn, rates.no_id_child], rates.no_id_adult)
    absent_now = draw.chance(absent, count)
    parent = rows.parent()
    borrows = draw.chance(
        np.select([rows.baby, child], [rates.mother_id_on_newborn, rates.parent_id_on_child], 0.0), count
    )
    borrows &= parent >= 0
    holder = np.where(borrows, parent, rows.who)
    holder = np.where(~rows.baby & draw.chance(rates.relative_id, count), rows.other, holder)
    number = np.where(absent_now & ~borrows, 0, persons.cccd[holder])
    number = _mistyped(number, 6, rates.id_typo, draw)
    text = _text(number, 12)
    old = (number > 0) & (persons.cmnd[holder] > 0) & draw.chance(rates.old_cmnd, count)
    text = _put(text, old, _text(persons.cmnd[holder], 9))
    lost = (number > 0) & ~old & draw.chance(rates.id_lost_zero, count)
    text = _put(text, lost, text.str.strip_chars_start("0"))
    passport = (number > 0) & draw.chance(rates.passport, count)
    text = _put(text, passport, "X" + _text(1 + rows.who % 9_999_999, 7))
    return _put(text, draw.chance(rates.id_placeholder, count), _choice(_PLACEHOLDER_IDS, draw, count))


def _card_kinds(rows: _Rows, draw: Draw) -> pl.Series:
    """Group of the insured and benefit level, e.g. HT3; the household group for most."""
    age = rows.age
    kind = np.select(
        [age < 6, age < 22, age >= 60],
        [0, 1, np.where(rows.who % 3 > 0, 2, 3)],
        np.where(rows.who % 5 < 2, 4, np.where(rows.who % 5 == 2, 5, 3)),
    )
    return pl.Series(["TE1", "HS4", "HT3", "GD4", "DN4", "CN3"]).gather(kind)


def _insurance_ids(rows: _Rows, draw: Draw) -> pl.Series:
    """Whole cards of 15 characters; babies have temporary TE1 cards, a new one at every facility."""
    count, rates, place = len(rows), rows.rates, places()
    province = place.commune_province[rows.persons.commune[rows.who]]
    code = pl.Series(place.new_code).gather(province)
    number = np.where(draw.chance(rates.no_card, count), 0, rows.persons.card[rows.who])
    number = _mistyped(number, 8, rates.card_typo, draw)
    temporary = 9_700_000_000 + (rows.record * 61_803_399 + 7) % 100_000_000
    number = np.where(rows.baby, np.where(draw.chance(rates.temporary_card, count), temporary, 0), number)
    kinds = _card_kinds(rows, draw)
    card = kinds + code + _text(number, 10)
    second = draw.chance(rates.two_cards, count) & ~rows.baby
    return _put(card, second, card + ";" + "CN3" + code + _text(number, 10))


def _swapped(day: Ints, month: Ints, hit: Bools) -> tuple[Ints, Ints]:
    hit = hit & (day <= 12)
    return np.where(hit, month, day), np.where(hit, day, month)


def _birth_dates(rows: _Rows, draw: Draw) -> pl.Series:
    """YYYY-MM-DD, YYYY-MM or YYYY; slips never make a date that does not exist."""
    count, rates, persons = len(rows), rows.rates, rows.persons
    date = persons.home.birth[rows.who].astype("datetime64[D]")
    months = date.astype("datetime64[M]")
    month = months.astype(np.int64) % 12 + 1
    day = (date - months).astype(np.int64) + 1
    year = persons.year[rows.who]
    slip, kind = draw.chance(rates.birth_typo, count), draw.below(4, count)
    year = year + np.where(slip & (kind == 0), 1, 0) - np.where(slip & (kind == 1), 10, 0)
    day = np.where(slip & (kind >= 2), np.where(day > 1, day - 1, day + 1), day)
    day, month = _swapped(day, month, draw.chance(rates.birth_swapped, count) & ~rows.baby)
    day = np.where((month == 2) & (day == 29) & slip, 28, day)
    new_year = draw.chance(rates.birth_first_january, count) & (rows.age > 40)
    day, month = np.where(new_year, 1, day), np.where(new_year, 1, month)
    bare = draw.chance(np.where(persons.year[rows.who] < 1970, rates.birth_year_only_old, rates.birth_year_only), count)
    frame = pl.DataFrame(
        {
            "y": year, "m": month, "d": day,
            "year_only": bare & ~rows.baby,
            "month_only": draw.chance(rates.birth_month_only, count),
            "none": draw.chance(rates.birth_missing, count),
        }
    )  # fmt: skip
    y = pl.col("y").cast(pl.String)
    m, d = (pl.col(name).cast(pl.String).str.zfill(2) for name in ("m", "d"))
    exact = pl.when("month_only").then(y + "-" + m).otherwise(y + "-" + m + "-" + d)
    known = pl.when("year_only").then(y).otherwise(exact)
    return frame.select(text=pl.when(~pl.col("none")).then(known))["text"]


def _sexes(rows: _Rows, draw: Draw) -> pl.Series:
    count = len(rows)
    sex = rows.persons.home.sex[rows.who] ^ draw.chance(rows.rates.sex_wrong, count)
    sex = np.where(draw.chance(rows.rates.sex_missing, count), 2, sex)
    return pl.Series(["male", "female", "unknown"]).gather(sex)


def _phones(rows: _Rows, draw: Draw) -> pl.Series:
    """Nine digits after the zero; children and others without a phone give that of somebody at home."""
    count, rates, persons = len(rows), rows.rates, rows.persons
    number = persons.phone[rows.who]
    parent = rows.parent()
    at_home = np.where(parent >= 0, persons.phone[parent], persons.phone[rows.other])
    lends = (number == 0) | draw.chance(rates.relative_phone, count)
    number = np.where(lends & (at_home > 0), at_home, number)
    changed = (number > 0) & draw.chance(rates.phone_changed, count)
    prefix = np.array(PHONE_PREFIXES)[draw.below(len(PHONE_PREFIXES), count)]
    number = np.where(changed, prefix * 10_000_000 + draw.below(10_000_000, count), number)
    number = _mistyped(number, 7, rates.phone_typo, draw)
    number = np.where(draw.chance(rates.no_phone, count), 0, number)
    text = _text(number, 10)
    decorated = draw.chance(rates.phone_decorated, count)
    dotted = text.str.slice(0, 4) + "." + text.str.slice(4, 3) + "." + text.str.slice(7)
    abroad = "+84" + text.str.slice(1)
    text = _put(text, decorated, _put(dotted, rows.who % 2 == 0, abroad))
    return _put(text, draw.chance(rates.phone_placeholder, count), _choice(_PLACEHOLDER_PHONES, draw, count))


def _homes(rows: _Rows, draw: Draw) -> tuple[pl.Series, pl.Series, pl.Series]:
    """Province, its code, and address, in the words of before or after July 2025."""
    count, rates, place = len(rows), rows.rates, places()
    elsewhere = draw.below(len(place.district), count)
    commune = np.where(draw.chance(rates.moved, count), elsewhere, rows.persons.commune[rows.who])
    province = place.commune_province[commune]
    new = rows.facilities.writes_new_places[rows.facility] ^ draw.chance(rates.other_places, count)
    bare = rows.facilities.writes_plain[rows.facility].astype(np.int64)
    after, before = new.astype(np.int64), len(place.old_name)
    names = pl.Series([*place.old_name, *place.new_name]).gather(province + after * before)
    codes = pl.Series([f"{prefix:03d}"[1:] for prefix in place.prefix.tolist()] + place.new_code)
    code = codes.gather(province + after * before)
    wards = [f"{ward}, {district}" for ward, district in zip(place.old_ward, place.district, strict=True)]
    wards += place.new_ward
    listed = pl.Series(wards + [plain(ward) for ward in wards])
    size = len(place.district)
    number = pl.Series(1 + rows.persons.home.household[rows.who] * 7919 % 399).cast(pl.String)
    ward = listed.gather(commune + after * size + bare * 2 * size)
    address = "Số " + number + ", " + ward
    address = _put(address, bare == 1, "So " + number + ", " + ward)
    nowhere = draw.chance(rates.no_province, count)
    absent = pl.repeat(None, count, dtype=pl.String, eager=True)
    no_address = draw.chance(rates.no_address, count) | ~rows.facilities.sends_address[rows.facility]
    return _put(names, nowhere, absent), _put(code, nowhere, absent), _put(address, no_address, absent)


def _others_at_home(persons: Persons, who: Ints) -> Ints:
    """The next member of the household, else the one before, else the person."""
    household, last = persons.home.household, len(persons) - 1
    after, before = np.minimum(who + 1, last), np.maximum(who - 1, 0)
    partner = np.where(household[after] == household[who], after, before)
    return np.where(household[partner] == household[who], partner, who)


def _rows(
    persons: Persons, facilities: Facilities, person: Ints, facility: Ints, of_record: Ints, written_at: Ints,
    rates: ErrorRates,
) -> _Rows:  # fmt: skip
    who = person[of_record]
    days_old = written_at // _DAY - persons.home.birth[who]
    return _Rows(
        persons=persons,
        facilities=facilities,
        who=who,
        facility=facility[of_record],
        record=of_record,
        age=np.maximum(days_old, 0) * 4 // 1461,
        baby=(days_old <= 28) & (persons.home.role[who] == CHILD),
        rates=rates,
        other=_others_at_home(persons, who),
    )


def identities(
    persons: Persons,
    facilities: Facilities,
    person: Ints,
    facility: Ints,
    of_record: Ints,
    written_at: Ints,
    seed: int,
    rates: ErrorRates,
) -> pl.DataFrame:
    """One row a writing: the identity columns of CONTRACT §2.1 as text (null: left empty), and province_code.

    Args:
        person, facility: of each record.
        of_record, written_at: record and time (minutes since 1970-01-01) of each writing.
    """
    rows = _rows(persons, facilities, person, facility, of_record, written_at, rates)
    draw = Draw(seed, "identities")
    habits = Habits(
        upper=facilities.writes_upper[rows.facility],
        plain=facilities.writes_plain[rows.facility],
        nfd=facilities.writes_nfd[rows.facility],
        new_tone=facilities.writes_new_tone[rows.facility],
    )
    province, code, address = _homes(rows, draw)
    return pl.DataFrame(
        {
            "national_id": _national_ids(rows, draw),
            "insurance_id": _insurance_ids(rows, draw),
            "full_name": written_names(persons, rows.who, rows.baby, habits, rates, draw),
            "birth_date": _birth_dates(rows, draw),
            "sex": _sexes(rows, draw),
            "phone": _phones(rows, draw),
            "province": province,
            "province_code": code,
            "address": address,
        }
    )
