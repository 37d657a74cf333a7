"""HL7 v2 messages: orders (ORM^O01, OML^O21) and results (ORU^R01), one or many in a file.

Plain or with MLLP framing, with or without batch headers, any separators, character sets by MSH-18. A row is an OBR. A
result carries the key of its order, so it supersedes the order's line: the placer's order number (else the filler's),
and the line of its test in that order (``hl7v2_lines``). An ORC that cancels an order without an OBR ends its lines.

``hl7v2_text`` makes messages all alike, ``hl7v2_cells`` takes them apart as columns, ``hl7v2_fields`` knows segments
and fields, ``hl7v2_sql`` the canonical columns.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dedup.loading.counting import count_starts
from dedup.loading.encodings import undeclared
from dedup.loading.landing import Landing
from dedup.warehouse import one_thread

if TYPE_CHECKING:
    import duckdb

    from dedup.loading.hl7v2_cells import Chunk
    from dedup.loading.hl7v2_text import Alike

__all__ = ["finish", "land", "recognise", "remember"]

_TOGETHER = 8  # of the pieces a file is read in so many are staged at once


def recognise(head: bytes) -> bool:
    """A message header, or the header of a batch or a file of batches."""
    text = head.lstrip(b"\xef\xbb\xbf\x0b\r\n \t")
    return re.match(rb"(MSH|BHS|FHS)[^A-Za-z0-9\s]", text) is not None and b"MSH" in head


def land(landing: Landing, path: Path) -> None:
    """Stage the file some thousand messages at a time; ``landing.counted`` becomes the number of OBR in it."""
    from dedup.loading.hl7v2_cancelled import find_cancelled, keep_cancelled
    from dedup.loading.hl7v2_fields import lost_results
    from dedup.loading.hl7v2_text import BEFORE, alike, breaks_off, chunks

    landing.in_parts = True
    landing.counted = count_starts(path, b"OBR", BEFORE)
    cut, codec = breaks_off(path), undeclared(path)
    number = messages = promised = lost = 0
    waiting: list[tuple[Any, bool]] = []
    with one_thread(landing.con):
        for data in chunks(path, all_but_last=cut):
            part = alike(data, codec)
            lost += 0 if landing.counted else lost_results(part.chunk)
            messages += int(part.chunk.named("MSH").sum())
            promised += _promised(part.chunk)
            cancelled = find_cancelled(part.chunk, part.undecoded)
            if cancelled is not None:
                keep_cancelled(landing, cancelled, number)
            orders = _orders(landing, part, number)
            number += len(orders)
            waiting.append((orders, part.escaped))
            if len(waiting) == _TOGETHER:
                _stage(landing, waiting)
        _stage(landing, waiting)
    landing.reject(
        [(one, "", "unreadable_file" if cut else "too_long") for one in range(number + 1, landing.counted + 1)]
    )
    if lost:
        landing.notes.append(
            f"Delivery {landing.delivery_no} has {lost} results (OBX) and no order (OBR) they belong to."
        )
    if cut or messages < promised:
        landing.fail("unreadable_file")


def finish(landings: Sequence[Landing]) -> list[str]:
    """Number the lines, end what was cancelled without an OBR; notes for the run log."""
    from dedup.loading.hl7v2_cancelled import apply_cancelled
    from dedup.loading.hl7v2_lines import number_lines

    if not landings:
        return []
    number_lines(landings)
    return [note for one in landings for note in one.notes] + apply_cancelled(landings)


def remember(con: duckdb.DuckDBPyConnection) -> list[str]:
    """End the lines that have another number now; part of the load's transaction."""
    from dedup.loading.hl7v2_lines import end_moved

    end_moved(con)
    return []


def _orders(landing: Landing, part: Alike, before: int) -> Any:
    """The orders of some messages as an Arrow table, ``before`` of the file's standing before them."""
    import numpy as np
    import pyarrow as pa

    from dedup.loading.hl7v2_fields import find_orders

    orders, refused = find_orders(part.chunk, part.undecoded)
    landing.reject([(before + 1 + int(row), "", reason) for reason, rows in refused.items() for row in rows])
    return orders.append_column("row_number", pa.array(np.arange(len(orders)) + before + 1))


def _stage(landing: Landing, waiting: list[tuple[Any, bool]]) -> None:
    """Stage what waits: planning the query costs as much as some thousand rows."""
    import pyarrow as pa

    from dedup.loading.hl7v2_sql import SOURCE, columns

    if not waiting:
        return
    landing.con.register("obr", pa.concat_tables([orders for orders, _ in waiting]))
    escaped = any(escaped for _, escaped in waiting)
    landing.insert(SOURCE, columns(escaped=escaped), row_number="row_number", in_order=True)
    landing.con.unregister("obr")
    waiting.clear()


def _promised(chunk: Chunk) -> int:
    """Messages that the trailers of batches (BTS-1) say there are."""
    import numpy as np

    trailers = chunk.segments(np.flatnonzero(chunk.named("BTS")))
    return sum(int(text) for text in chunk.texts(chunk.field(trailers, 1)) if re.fullmatch("[0-9]{1,9}", text))
