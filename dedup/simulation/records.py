"""Patient records: a person as one facility knows them, and how each record was written down."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from dedup.simulation.draw import Bools, Draw, Ints
from dedup.simulation.facilities import Facilities, default_facilities, make_facilities
from dedup.simulation.households import day_number
from dedup.simulation.identities import identities
from dedup.simulation.persons import Persons, make_persons
from dedup.simulation.rates import ErrorRates
from dedup.simulation.visits import DAY, Acts, make_acts

__all__ = ["Records", "make_records", "patient_ids", "ranks", "records"]


@dataclass(frozen=True)
class Records:
    """One entry a record in the first four lists, one a writing in the next two, one an act in the last."""

    person: Ints
    facility: Ints
    first_at: Ints  #: minutes since 1970-01-01
    number: Ints  #: rank in the facility by the first act, from 1
    of_record: Ints  #: the record of each writing
    written_at: Ints  #: the first act that used it
    act_writing: Ints  #: which writing each act carries


def _first(groups: Ints, values: Ints, count: int) -> Ints:
    result = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(result, groups, values)
    return result


def ranks(group: Ints, by: Ints) -> Ints:
    """Rank from 1 inside each group by a value (ties: by position)."""
    order = np.lexsort((by, group))
    ordered = group[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(order) else order
    rank = np.empty(len(group), dtype=np.int64)
    rank[order] = 1 + np.arange(len(group)) - np.repeat(starts, np.diff(np.append(starts, len(group))))
    return rank


def make_records(acts: Acts, facilities: int, seed: int, rates: ErrorRates, middle: int) -> Records:
    """The records the acts need; ``middle`` is the minute after which a second writing is used."""
    draw = Draw(seed, "records")
    encounters = int(acts.encounter.max(initial=-1)) + 1
    copy = draw.chance(rates.duplicate_record, encounters).astype(np.int64)[acts.encounter]
    key = (acts.person * facilities + acts.facility) * 2 + copy
    found, of_act = np.unique(key, return_inverse=True)
    first_at = _first(of_act, acts.at, len(found))
    rewritten = draw.chance(rates.second_writing, len(found))
    version = of_act * 2 + (rewritten[of_act] & (acts.at >= middle))
    writings, act_writing = np.unique(version, return_inverse=True)
    facility = found // 2 % facilities
    return Records(
        person=found // 2 // facilities,
        facility=facility,
        first_at=first_at,
        number=ranks(facility, first_at),
        of_record=writings // 2,
        written_at=_first(act_writing, acts.at, len(writings)),
        act_writing=act_writing,
    )


def patient_ids(facility: Ints, number: Ints, year: int) -> pl.Series:
    """The facility's own patient numbers, each facility in its own way; some have leading zeros."""
    frame = pl.DataFrame({"facility": facility, "number": number})
    digits = pl.col("number").cast(pl.String)
    text = (
        pl.when(pl.col("facility") % 4 == 0)
        .then("BN" + digits.str.zfill(6))
        .when(pl.col("facility") % 4 == 1)
        .then(pl.lit(f"{year % 100:02d}") + digits.str.zfill(6))
        .when(pl.col("facility") % 4 == 2)
        .then(digits.str.zfill(8))
        .otherwise(digits)
    )
    return frame.select(patient_id=text)["patient_id"]


def _newest(held: Records) -> Ints:
    """The last writing of each record."""
    last = np.zeros(len(held.person), dtype=np.int64)
    last[held.of_record] = np.arange(len(held.of_record))  # writings stand in order of time
    return last


def _typed(text: pl.DataFrame) -> pl.DataFrame:
    """Birth date and sex as loading leaves them."""
    birth = pl.col("birth_date")
    length = birth.str.len_chars()
    full = birth + pl.when(length == 4).then(pl.lit("-01-01")).when(length == 7).then(pl.lit("-01")).otherwise(
        pl.lit("")
    )
    precision = pl.when(length == 10).then(pl.lit("day")).when(length == 7).then(pl.lit("month"))
    return text.with_columns(
        birth_date=full.str.to_date("%Y-%m-%d", strict=False),
        birth_precision=precision.when(length == 4).then(pl.lit("year")),
    )


def records(
    persons: int,
    seed: int,
    rates: ErrorRates | None = None,
    *,
    start: date = date(2026, 1, 1),
    days: int = 90,
    facilities: int | None = None,
) -> pl.DataFrame:
    """What patient_identity knows of patients, and ``true_person``, for measuring the matching: about 1.1 records a
    person.

    The same records as :func:`dedup.simulation.simulate` gives for that seed, without orders. Rows are sorted by
    facility_id and patient_id. A million persons take about ten seconds.
    """
    rates = rates or ErrorRates()
    where = make_facilities(facilities or default_facilities(persons), seed, ("csv",), start, days)
    people = make_persons(persons, seed, where, start, days)
    acts = make_acts(people, where, seed, start, days)
    held = make_records(acts, len(where), seed, rates, (day_number(start) + days // 2) * DAY)
    return record_frame(people, where, held, seed, rates, start)


def record_frame(
    people: Persons, where: Facilities, held: Records, seed: int, rates: ErrorRates, start: date
) -> pl.DataFrame:
    """The newest writing of each record, typed."""
    import duckdb

    newest: Ints | Bools = _newest(held)
    text = identities(people, where, held.person, held.facility, held.of_record, held.written_at, seed, rates)[newest]
    frame = pl.DataFrame(
        {
            "facility_id": pl.Series(where.code).gather(held.facility),
            "patient_id": patient_ids(held.facility, held.number, start.year),
            "first_ordered_at": pl.Series(held.first_at * 60_000_000).cast(pl.Datetime("us")),
        }
    ).hstack(_typed(text))
    frame = frame.with_columns(true_person=pl.Series(held.person))
    with duckdb.connect() as con:
        con.register("made", frame.to_arrow())
        return con.sql(_KEYED).pl()


_KEYED = """
SELECT CAST(md5_number_lower(concat(facility_id, chr(31), patient_id)) >> 1 AS BIGINT) AS patient_record_id,
       facility_id, patient_id, first_ordered_at, national_id, insurance_id, full_name, birth_date,
       birth_precision, sex, phone, province, address, true_person
FROM made ORDER BY facility_id, patient_id
"""
