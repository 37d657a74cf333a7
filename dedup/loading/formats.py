"""The formats that can be loaded. A new one is one module and one line here.

A module has ``recognise(head)``, which looks at the first megabyte of the bytes (never at the name), and
``land(landing, path)``, which turns the file into canonical columns as text, or puts it by to be read with others.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from dedup.loading import canonical_csv, canonical_ndjson, canonical_parquet, fhir, hl7v2, insurance_xml, spreadsheet
from dedup.loading.landing import Landing

__all__ = ["FORMATS", "Format", "recognise"]

_HEAD = 1 << 20


class Format(Protocol):
    """What a format module offers."""

    def recognise(self, head: bytes) -> bool:
        """Whether a file that begins with ``head`` is of this format."""

    def land(self, landing: Landing, path: Path) -> None:
        """Stage the rows of the file, or set ``put_by`` for whoever reads many at once (``receiving``)."""

    # A module may also have ``finish(landings) -> notes``, called when all files of the run have landed, and
    # ``remember(con)``, called in the load's transaction when everything has been stored; it answers with notes.


#: Asked in this order.
FORMATS: dict[str, Format] = {
    "parquet": canonical_parquet,
    "insurance-xml": insurance_xml,
    "hl7v2": hl7v2,
    "fhir": fhir,
    "ndjson": canonical_ndjson,
    "csv": canonical_csv,
    "xlsx": spreadsheet,
}


def recognise(path: Path) -> str | None:
    """The name of the file's format; None when it is none of them."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    return next((name for name, module in FORMATS.items() if module.recognise(head)), None)
