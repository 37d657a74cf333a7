"""What a load did, in numbers that add up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["DeliverySummary", "LoadSummary"]


@dataclass(frozen=True)
class DeliverySummary:
    """One file. ``rows_read = rows_loaded + rows_rejected + rows_duplicate + rows_skipped``."""

    delivery_id: str
    source_name: str
    format: str
    rows_read: int = 0
    rows_loaded: int = 0
    rows_rejected: int = 0
    rows_duplicate: int = 0
    rows_skipped: int = 0
    rows_counted: int = 0  #: counted in the file by other means; the same as rows_read
    skipped: dict[str, int] = field(default_factory=dict)  #: reason → count
    unknown_columns: tuple[str, ...] = ()
    failed: bool = False  #: not readable to its end, or no known format
    repeated: bool = False  #: the same bytes were loaded before: nothing happened

    def over_limit(self, max_rejected_share: float) -> bool:
        """Whether more of it was rejected than allowed."""
        return self.failed or self.rows_rejected > max_rejected_share * self.rows_read


@dataclass(frozen=True)
class LoadSummary:
    """All deliveries of a run, in the order they were loaded."""

    deliveries: tuple[DeliverySummary, ...] = ()
    over_limit: bool = False  #: some delivery had more rows rejected than ``max_rejected_share``
    notes: tuple[str, ...] = ()
    held: Mapping[Path, Sequence[str]] = field(default_factory=dict)  #: file → the deliveries it is or holds
    left: tuple[Path, ...] = ()  #: files of an inbox that were gone or could not be read

    def bad(self, max_rejected_share: float) -> list[DeliverySummary]:
        """Those read tonight of which more was rejected than allowed."""
        return [one for one in self.deliveries if not one.repeated and one.over_limit(max_rejected_share)]

    @property
    def rows_read(self) -> int:
        return sum(one.rows_read for one in self.deliveries)

    @property
    def rows_loaded(self) -> int:
        return sum(one.rows_loaded for one in self.deliveries)

    @property
    def rows_rejected(self) -> int:
        return sum(one.rows_rejected for one in self.deliveries)

    @property
    def rows_duplicate(self) -> int:
        return sum(one.rows_duplicate for one in self.deliveries)

    @property
    def rows_skipped(self) -> int:
        return sum(one.rows_skipped for one in self.deliveries)
