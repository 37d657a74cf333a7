"""Receiving files: unpack, know again, decode, recognise, land. One delivery a file, archives one a member."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dedup.errors import DedupError
from dedup.loading.archives import ArchiveError, Member, is_archive, members
from dedup.loading.counting import sha256
from dedup.loading.encodings import decoded
from dedup.loading.fhir import is_manifest
from dedup.loading.finding import as_text
from dedup.loading.formats import FORMATS, recognise
from dedup.loading.insurance_apart import Readers
from dedup.loading.insurance_xml import read_together as read_xml
from dedup.loading.landing import Landing
from dedup.loading.mapped import choose, land_mapped
from dedup.loading.mapping import Mapping
from dedup.loading.outcomes import gave_nothing
from dedup.loading.register import is_register
from dedup.loading.summary import DeliverySummary
from dedup.loading.table_layout import read_together as read_tables
from dedup.settings import FhirSettings
from dedup.warehouse import Warehouse, bring_in, scratch
from dedup.workbook import is_locked

if TYPE_CHECKING:
    import duckdb

__all__ = ["Arrival", "Received", "handfuls", "receive"]

_HANDFUL = 1_000  # files
_HANDFUL_BYTES = 128 << 20  # where a second name is no copy, they take no room


@dataclass(frozen=True)
class Arrival:
    """A delivery of this run: what it is called, and how it landed."""

    source_name: str
    delivery_id: str
    format: str
    landing: Landing


@dataclass
class Received:
    """What came of the files."""

    arrivals: list[Arrival] = field(default_factory=list)
    repeated: list[DeliverySummary] = field(default_factory=list)  #: the same bytes a second time: only reported
    notes: list[str] = field(default_factory=list)  #: for the run log
    held: dict[Path, list[str]] = field(default_factory=dict)  #: file → the deliveries it is or, an archive, holds
    left: list[Path] = field(default_factory=list)  #: files that were gone or could not be read


def receive(
    warehouse: Warehouse,
    groups: Iterable[Sequence[Path]],
    mappings: Sequence[Mapping] = (),
    fhir: FhirSettings | None = None,
    *,
    readers: int = 1,
    waiting: bool = False,
) -> Received:
    """Land every file that is new, or of which nothing could be loaded before.

    ``groups``: the files, as ``handfuls`` gives them; the engine is confined: of all files it can reach those of the
    group that is being read, under plain names. ``readers``: how many processes may read, where a format is read so.
    ``waiting``: what is gone by now or cannot be read is left; otherwise it raises OSError or DedupError.
    """
    desk = _Desk(warehouse.con, mappings, fhir or FhirSettings(), waiting=waiting)
    with Readers(readers) as processes:
        for together in groups:
            # Readers see plain names: no quote, pattern or suffix of the real one can mean anything to them.
            with scratch(warehouse.confine()) as folder:
                first = len(desk.got.arrivals)
                for path in together:
                    desk.take(path, folder)
                landings = [one.landing for one in desk.got.arrivals[first:]]
                read_tables(landings)
                read_xml(landings, processes)
    desk.finish()
    return desk.got


def handfuls(paths: Iterable[Path], readers: int) -> Iterator[list[Path]]:
    """Files that are read together: many small ones, a large one for each reader, or an archive alone."""
    together: list[Path] = []
    size, alone = 0, False
    for path in paths:
        try:
            packed, its_size = is_archive(path), path.stat().st_size
        except OSError:  # told when its turn comes
            packed, its_size = False, 0
        full = len(together) == _HANDFUL or (size > _HANDFUL_BYTES and len(together) >= readers)
        if together and (packed or alone or full):
            yield together
            together, size = [], 0
        together.append(path)
        size += its_size
        alone = packed
    if together:
        yield together


class _Desk:
    """Gives out the delivery numbers, and knows what has been here before."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, mappings: Sequence[Mapping], fhir: FhirSettings, *, waiting: bool
    ) -> None:
        self.con = con
        self.fhir = fhir
        self.mappings = mappings
        self.waiting = waiting
        ids = con.execute("SELECT delivery_id FROM delivery").fetchall()
        self.known = {str(row[0]) for row in ids} - gave_nothing(con)
        last = con.execute("SELECT coalesce(max(delivery_no), 0) FROM delivery").fetchone()
        self.number = int(last[0]) if last else 0
        self.scopes: dict[Path, int] = {}
        self.got = Received()
        self.holds: list[str] = []  # the deliveries of the file that is being taken

    def take(self, path: Path, folder: Path) -> None:
        number, self.holds = self.number, []
        try:
            self._take(path, folder)
        except (OSError, DedupError):
            # Of a file that can be read something else is wrong: the disk is full.
            if not self.waiting or self.number > number or _can_be_read(path):
                raise
            self.got.left.append(path)
        else:
            self.got.held[path] = self.holds

    def _take(self, path: Path, folder: Path) -> None:
        name = as_text(path.name)
        packed = is_archive(path)
        place = path.resolve() if packed else path.resolve().parent
        self.scope = str(self.scopes.setdefault(place, len(self.scopes)))
        self.sender = hashlib.sha256(os.fsencode(path.resolve().parent)).hexdigest()
        if not packed:
            self._take_one(Member(path, name), folder)
            return
        try:
            found = members(path, name, folder)
        except ArchiveError as error:
            self._fail(path, name, folder, error.reason)
            return
        for member in found:
            self._take_one(member, folder)

    def _take_one(self, member: Member, folder: Path) -> None:
        if is_register(member.path):
            self.got.notes.append("A facility register among the inputs was passed over; name it with --facilities.")
            return
        if is_manifest(member.path):
            self.got.notes.append("The manifest of a FHIR bulk export was passed over.")
            return
        landing = self._open(member.path, member.name, folder)
        if landing is None:
            return
        mapping = choose(self.mappings, landing.path, folder)
        if mapping is not None:
            land_mapped(landing, mapping)
            self._close(landing, member.path, member.name, "mapped")
            return
        link, encoding, name = landing.path, "utf-8", recognise(landing.path)
        if name in _UNDECLARED:
            link, encoding = decoded(landing.path, folder)
            name = recognise(link)
        if name is None:
            landing.fail("encrypted_file" if is_locked(landing.path) else "unknown_format")
        else:
            FORMATS[name].land(landing, link)
        if encoding != "utf-8" and name is not None:
            self.got.notes.append(
                f"Delivery {landing.delivery_no} was decoded from {_ENCODINGS.get(encoding, encoding)}."
            )
        self._close(landing, member.path, member.name, name or "unknown")

    def finish(self) -> None:
        """Formats whose rows come together from several files."""
        for name, module in FORMATS.items():
            if hasattr(module, "finish"):
                self.got.notes += module.finish([one.landing for one in self.got.arrivals if one.format == name])
        sheets = sum(one.landing.sheets_left for one in self.got.arrivals)
        if sheets:
            self.got.notes.append(f"Only the first sheet of a workbook is read: {sheets} further ones were not.")

    def _fail(self, path: Path, name: str, folder: Path, reason: str) -> None:
        landing = self._open(path, name, folder)
        if landing is not None:
            landing.fail(reason)
            self._close(landing, path, name, "archive")

    def _open(self, path: Path, name: str, folder: Path) -> Landing | None:
        """A landing for new bytes, None for known ones."""
        self.delivery_id = sha256(path)
        self.holds.append(self.delivery_id)
        if self.delivery_id in self.known:
            self.got.repeated.append(DeliverySummary(self.delivery_id, name, "", repeated=True))
            return None
        link = folder / f"delivery{self.number + 1}"
        bring_in(path, link)
        self.number += 1
        self.known.add(self.delivery_id)
        return Landing(self.con, link, self.number, sender=self.sender, scope=self.scope, fhir=self.fhir)

    def _close(self, landing: Landing, path: Path, name: str, format_name: str) -> None:
        self.got.arrivals.append(Arrival(name, self.delivery_id, format_name, landing))


def _can_be_read(path: Path) -> bool:
    try:
        sha256(path)
    except OSError:
        return False
    return True


_ENCODINGS = {"font": "TCVN3 or VNI"}
_UNDECLARED = (None, "csv")  # the other formats say themselves which encoding they are in
