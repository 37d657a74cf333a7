"""HL7 v2 segments → one row an OBR, with the cells that mean something.

Field meanings are those of HL7 2.5.1, chapters 3 (PID, PV1), 4 (ORC, OBR) and 7 (OBX, SPM); result statuses are table
0085, flags table 0078, identifier types table 0203. ``hl7v2_sql`` makes canonical columns of the cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dedup.loading.hl7v2_cells import Cells, Chunk, Ints, Mask, Rows, Segments, Words, first_given, word
from dedup.schema import ABNORMAL_FLAGS

__all__ = ["CANCELLED", "CANCELLING", "CARDS", "CORRECTED", "NO_RESULT", "UNFINISHED", "find_orders", "lost_results"]

CANCELLING = ("CA", "OC", "CR", "DC", "OD", "DR", "RP", "RQ", "RU")  # ORC-1: cancelled, discontinued, replaced
CANCELLED = ("CA", "DC", "RP")  # ORC-5, the same
CARDS = 4  # of a patient's insurance cards so many are read
_REPETITIONS = 32  # of an identifier field so many are looked at

_TYPES = ("ORM", "OML", "ORU")
#: ORC-1 of messages that tell of the order itself, so that ORC-9 is its own time.
_NEW_ORDERS = ("NW", "SN", "XO", "NA", "OK")
_NATIONAL = ("NI", "NN", "NNVNM", "CCCD", "CMND", "CC", "PPN")
_INSURANCE = ("HC", "BHYT", "NH", "MB", "SN", "JHN")
_OWN = ("MR", "PI", "PT", "MRN")

#: From mild to grave; U, D, B, W and sensitivities say nothing here.
_GRAVITY = ("N", "NEG", "A", "L", "H", "POS", "LL", "HH", "AA")
if set(_GRAVITY) != set(ABNORMAL_FLAGS):
    raise AssertionError("every flag of the contract needs its place in the order of gravity")

#: OBX-11 by its first letter: no result any more, corrected, not final yet, any other.
NO_RESULT, CORRECTED, UNFINISHED, OTHER = 1, 2, 4, 8
_STATES = np.full(256, OTHER, np.uint8)
for _letters, _state in (("XDW", NO_RESULT), ("C", CORRECTED), ("PRIS", UNFINISHED)):
    _STATES[[ord(letter) for letter in _letters]] = _state


@dataclass(frozen=True)
class _Found:
    """For every OBR its message's number and the segments that belong to it; -1: none."""

    message: Ints
    msh: Segments
    pid: Segments
    pv1: Segments
    orc: Segments
    obr: Segments
    spm: Segments
    obx: Segments  # the first one
    results: Segments  # every OBX that belongs to an order,
    owners: Ints  # and to which


def find_orders(chunk: Chunk, undecoded: Sequence[int] = ()) -> tuple[Any, dict[str, Rows]]:
    """The OBR of whole messages in their order, a table of text cells; and the refused ones by reason.

    ``undecoded``: messages with bytes that are no text, by their numbers from 1.
    """
    import pyarrow as pa

    found = _segments(chunk)
    kind = chunk.field(found.msh, 8)
    kinds = chunk.words(Cells(kind.start, np.minimum(kind.end, kind.start + 3)))
    cells = _patient(chunk, found) | _order(chunk, found) | _result(chunk, found)
    columns = {name: chunk.column(one) for name, one in cells.items()}
    columns |= _times(chunk, found) | _results(chunk, found)
    columns["is_result"] = pa.array(kinds == word("ORU"))
    columns["place"] = pa.array(_places(chunk, found.message, cells["order_id"]))
    supported, unread = np.isin(kinds, _words(*_TYPES)), np.isin(found.message, undecoded)
    columns["good"] = pa.array(supported & ~unread)
    refused = {"unsupported_message": ~supported, "bad_encoding": supported & unread}
    return pa.table(columns), {reason: np.flatnonzero(rows) for reason, rows in refused.items()}


def lost_results(chunk: Chunk) -> int:
    """How many OBX stand in messages of orders and results: for files where no OBR is."""
    starts = chunk.named("MSH")
    kind = chunk.field(chunk.segments(np.flatnonzero(starts)), 8)
    kinds = chunk.words(Cells(kind.start, np.minimum(kind.end, kind.start + 3)))
    supported = np.append(np.False_, np.isin(kinds, _words(*_TYPES)))
    return int(supported[np.cumsum(starts)[chunk.named("OBX")]].sum())


def _segments(chunk: Chunk) -> _Found:
    number = np.arange(len(chunk))
    at = {name: chunk.named(name) for name in ("MSH", "PID", "PV1", "ORC", "OBR", "SPM", "OBX")}
    last = {name: np.maximum.accumulate(np.where(here, number, -1)) for name, here in at.items() if here.any()}
    none = np.full(len(chunk), -1)
    msh, obr = last.get("MSH", none), np.flatnonzero(at["OBR"])
    pid = _after(last.get("PID", none), msh)
    pv1 = _after(last.get("PV1", none), np.maximum(msh, pid))
    before = np.append(-1, obr[:-1])  # the OBR before; an ORC in front of it is not ours
    order = np.cumsum(at["OBR"]) - 1
    order = np.where(last.get("OBR", none) > msh, order, -1)
    results = np.flatnonzero(at["OBX"] & (order >= 0))
    return _Found(
        message=np.cumsum(at["MSH"], dtype=np.int64)[obr],
        msh=chunk.segments(msh[obr]),
        pid=chunk.segments(pid[obr]),
        pv1=chunk.segments(pv1[obr]),
        orc=chunk.segments(_after(last.get("ORC", none)[obr], np.maximum(msh[obr], before))),
        obr=chunk.segments(obr),
        spm=chunk.segments(_first(np.flatnonzero(at["SPM"] & (order >= 0)), order, len(obr))),
        obx=chunk.segments(_first(results, order, len(obr))),
        results=chunk.segments(results),
        owners=order[results],
    )


def _after(segments: Rows, others: Rows) -> Rows:
    return np.where(segments > others, segments, -1)


def _first(segments: Rows, order: Ints, count: int) -> Rows:
    """The first of these segments in each order."""
    first = np.full(count, -1)
    first[order[segments][::-1]] = segments[::-1]
    return first


def _words(*words: str) -> Words:
    return np.array([word(one) for one in words], np.uint64)


def _patient(chunk: Chunk, found: _Found) -> dict[str, Cells]:
    """PID and PV1."""
    name, address, phone = (chunk.place(found.pid, field) for field in (5, 11, 13))
    own, national, cards = _identifiers(chunk, found.pid)
    return {
        "patient_id": first_given(own, chunk.component(found.pid, 3, 1)),
        "national_id": first_given(national, chunk.component(found.pid, 19, 1)),
        **_numbered("card", cards),
        **_numbered("name", chunk.components(name, 1, 2, 3)),
        "sex": chunk.field(found.pid, 8),
        "phone": first_given(*chunk.components(phone, 1, 12)),
        **_numbered("address", chunk.components(address, 1, 2, 3, 4)),
        "class": chunk.field(found.pv1, 2),
        "department": chunk.component(found.pv1, 3, 1),
        "visit": chunk.component(found.pv1, 19, 1),
    }


def _numbered(name: str, cells: list[Cells]) -> dict[str, Cells]:
    return {f"{name}{place}": one for place, one in enumerate(cells, 1)}


def _identifiers(chunk: Chunk, pid: Segments) -> tuple[Cells, Cells, list[Cells]]:
    """PID-3: the facility's own number, the national id, and the insurance cards, by type or assigning authority."""
    blank = Cells(pid.end, pid.end)
    own, national, cards = blank, blank, [blank] * CARDS
    for place in chunk.repetitions(pid, 3, _REPETITIONS):
        text, assigner, code = chunk.components(place, 1, 4, 5)
        kind, authority = chunk.capitals(code), chunk.capitals(chunk.subcomponents(assigner, 1)[0])

        def of(words: tuple[str, ...], text: Cells = text, kind: Words = kind, authority: Words = authority) -> Cells:
            known = _words(*words)
            return text.where(np.isin(kind, known) | np.isin(authority, known))

        own, national = first_given(own, of(_OWN)), first_given(national, of(_NATIONAL))
        card = of(_INSURANCE)
        for slot, known in enumerate(cards):
            if not card.given.any():
                break
            cards[slot], card = first_given(known, card), card.where(known.given)
    return own, national, cards


def _order(chunk: Chunk, found: _Found) -> dict[str, Cells]:
    """MSH-4, ORC and OBR."""
    orc, obr = found.orc, found.obr
    numbers = (chunk.component(segments, field, 1) for field in (2, 3) for segments in (obr, orc))
    amount, currency = chunk.subcomponents(chunk.component(obr, 23, 1), 1, 2)
    return {
        "facility_id": chunk.component(found.msh, 3, 1),
        "order_id": first_given(*numbers),
        **_service(chunk, obr),
        "ordered_by": first_given(chunk.component(obr, 16, 1), chunk.component(orc, 12, 1)),
        "order_reason": first_given(chunk.component(orc, 16, 1), chunk.component(obr, 31, 1)),
        "control": chunk.field(orc, 1),
        "order_status": chunk.field(orc, 5),
        "result_status": chunk.field(obr, 25),
        "amount": amount,
        "currency": currency,
    }


def _service(chunk: Chunk, obr: Segments) -> dict[str, Cells]:
    """OBR-4: the national service code if one of its two is, else LOINC, else the first."""
    parts = chunk.components(chunk.place(obr, 4), 1, 2, 3, 4, 5, 6)
    first, second = parts[:3], parts[3:]
    loinc = word("LN")
    ours = [_is_national(chunk, one[0]) for one in (first, second)]
    coded = [chunk.words(one[2]) == loinc for one in (first, second)]
    take_first = np.select([*ours, *coded], [np.True_, np.False_, np.True_, np.False_], first[0].given)
    return {
        name: first_given(one.where(take_first), other.where(~take_first))
        for name, one, other in zip(("test_code", "test_name", "test_system"), first, second, strict=True)
    }


def _is_national(chunk: Chunk, cells: Cells) -> Mask:
    (national,) = chunk.like(cells, "99.9999.9999")
    national &= cells.end - cells.start == 12
    return national


def _result(chunk: Chunk, found: _Found) -> dict[str, Cells]:
    """What the first OBX and the specimen say."""
    code, name = chunk.components(chunk.place(found.spm, 4), 1, 2)
    source = chunk.component(found.obr, 15, 1)
    return {
        "specimen": first_given(name, code, *chunk.subcomponents(source, 2), source),
        "laboratory": chunk.component(found.obx, 23, 10),
        "producer": chunk.component(found.obx, 15, 1),
        "value": chunk.component(found.obx, 5, 1),
        "unit": chunk.component(found.obx, 6, 1),
    }


def _times(chunk: Chunk, found: _Found) -> dict[str, Any]:
    """Times and the date of birth as ISO 8601; what is neither stays as it is and is rejected later."""
    sent, event = chunk.field(found.msh, 6), chunk.field(found.orc, 9)
    asked, taken = chunk.field(found.obr, 6), chunk.field(found.obr, 7)
    # ORC-9 is the time of this message's event: the order's own only where the event is the order.
    new = np.isin(chunk.words(chunk.field(found.orc, 1)), _words(*_NEW_ORDERS))
    ordered = first_given(asked, event.where(new), chunk.field(found.orc, 15), event, taken, sent)
    collected = first_given(chunk.component(found.spm, 17, 1), taken)
    resulted = first_given(chunk.field(found.obr, 22), chunk.field(found.obx, 19), sent)
    born = chunk.field(found.pid, 7)
    day, month = chunk.like(born, "9" * 8, "9" * 6)
    month &= born.end - born.start == 6
    return {
        "ordered_at": _time(chunk, ordered),
        "collected_at": _time(chunk, collected),
        "resulted_at": _time(chunk, resulted),
        "birth_date": chunk.rewritten(
            Cells(born.start, np.where(day, born.start + 8, born.end)), [(day, "abcd-ef-gh"), (month, "abcd-ef")]
        ),
    }


def _time(chunk: Chunk, cells: Cells) -> Any:
    """YYYYMMDDHHMM[SS[.S…]][±ZZZZ]"""
    seconds, minutes = chunk.like(cells, "9" * 14, "9" * 12)
    minutes &= ~seconds
    return chunk.rewritten(cells, [(minutes, "abcd-ef-ghTij:kl"), (seconds, "abcd-ef-ghTij:kl:mn")])


def _results(chunk: Chunk, found: _Found) -> dict[str, Any]:
    """Over all results of an order: their statuses as bits, and the gravest flag."""
    import pyarrow as pa

    states = np.zeros(len(found.message), np.uint8)
    gravest = np.zeros(len(found.message), np.int8)
    if len(found.owners):
        begins = np.flatnonzero(np.diff(found.owners, prepend=-1))
        owners = found.owners[begins]
        status = chunk.field(found.results, 11)
        first = chunk.words(Cells(status.start, np.minimum(status.end, status.start + 1)))
        states[owners] = np.bitwise_or.reduceat(np.where(status.given, _STATES[first], 0).astype(np.uint8), begins)
        gravest[owners] = np.maximum.reduceat(_gravity(chunk, chunk.field(found.results, 8)), begins)
    flags = pa.array([None, *_GRAVITY], pa.string())
    return {
        "states": pa.array(states),
        "flag": pa.DictionaryArray.from_arrays(pa.array(gravest), flags).cast(pa.string()),
    }


def _gravity(chunk: Chunk, flags: Cells) -> npt.NDArray[np.int8]:
    """The place of each OBX-8 in the order of gravity; 0: says nothing."""
    found = np.zeros(len(flags.start), np.int8)
    words = chunk.capitals(flags)
    for place, flag in enumerate(_GRAVITY, 1):
        found[words == word(flag)] = place
    rows = np.flatnonzero((found == 0) & (flags.end - flags.start > 1))
    places = {flag: place for place, flag in enumerate(_GRAVITY, 1)}
    for row, text in zip(rows.tolist(), chunk.texts(flags.at(rows)), strict=True):
        found[row] = max(places.get(one, 0) for one in text.upper().replace("^", "~").split("~"))
    return found


def _places(chunk: Chunk, message: Ints, order_id: Cells) -> Ints:
    """The place of each OBR among those of its number in its message, from 1."""
    import pyarrow as pa

    places = np.ones(len(message), np.int64)
    again = message[1:] == message[:-1]
    rows = np.flatnonzero(np.append(again, False) | np.append(False, again))
    if len(rows):
        codes = chunk.column(order_id.at(rows)).cast(pa.string()).dictionary_encode().indices.to_numpy()
        key = message[rows] * (len(rows) + 1) + codes
        by_key = np.argsort(key, kind="stable")
        begins = np.diff(key[by_key], prepend=-1) != 0
        run = np.arange(len(rows))
        places[rows[by_key]] = run - np.maximum.accumulate(np.where(begins, run, 0)) + 1
    return places
