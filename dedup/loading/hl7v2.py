"""HL7 v2 messages: orders (ORM^O01, OML^O21) and results (ORU^R01), one or many in a file.

Plain or with MLLP framing, with or without batch headers, any separators, character sets by MSH-18. A row is an OBR. A
result carries the key of its order, so it supersedes the order's line: the placer's order number (else the filler's),
and the place among the OBR of that number in the message.

``hl7v2_text`` makes messages all alike, ``hl7v2_cells`` takes them apart as columns, ``hl7v2_fields`` knows segments
and fields, ``hl7v2_sql`` the canonical columns.
"""

from __future__ import annotations

import re
from pathlib import Path

from dedup.loading.counting import count_starts
from dedup.loading.landing import Landing
from dedup.warehouse import one_thread

__all__ = ["land", "recognise"]


def recognise(head: bytes) -> bool:
    """A message header, or the header of a batch or a file of batches."""
    text = head.lstrip(b"\xef\xbb\xbf\x0b\r\n \t")
    return re.match(rb"(MSH|BHS|FHS)[^A-Za-z0-9\s]", text) is not None and b"MSH" in head


def land(landing: Landing, path: Path) -> None:
    """Stage the file some thousand messages at a time; ``landing.counted`` becomes the number of OBR in it."""
    import numpy as np
    import pyarrow as pa

    from dedup.loading.hl7v2_fields import find_orders
    from dedup.loading.hl7v2_sql import SOURCE, columns
    from dedup.loading.hl7v2_text import BEFORE, alike, chunks

    landing.in_parts = True
    landing.counted = count_starts(path, b"OBR", BEFORE)
    number = 0
    with one_thread(landing.con):
        for data in chunks(path):
            chunk, escaped = alike(data)
            if not chunk.named("OBR").any():
                continue
            orders, supported = find_orders(chunk)
            numbers = np.arange(number + 1, number + 1 + len(supported))
            landing.con.register("obr", orders.append_column("row_number", pa.array(numbers)))
            landing.insert(SOURCE, columns(escaped=escaped), row_number="row_number", in_order=True)
            landing.con.unregister("obr")
            landing.reject([(int(one), "", "unsupported_message") for one in numbers[~supported]])
            number += len(numbers)
    landing.reject([(one, "", "too_long") for one in range(number + 1, landing.counted + 1)])
