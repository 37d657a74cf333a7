"""Loading small invented deliveries into a warehouse in memory."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import pytest

from dedup.loading import LoadSummary, load
from dedup.settings import FhirSettings, LoadingSettings, Settings
from dedup.warehouse import Warehouse, memory_warehouse, start_run

SAMPLES = Path(__file__).parents[2] / "data" / "samples" / "formats"

#: A whole order line; tests change what they are about.
ORDER = {
    "facility_id": "01001",
    "order_id": "A1",
    "line_no": "1",
    "patient_id": "P1",
    "full_name": "Trần Văn Thử",
    "birth_date": "1980-05-17",
    "sex": "male",
    "test_code": "23.0075.1494",
    "ordered_at": "2026-03-02T08:30",
    "collected_at": "2026-03-02T08:45",
    "resulted_at": "2026-03-02T09:30",
    "status": "final",
    "price_vnd": "22400",
}

Loader = Callable[..., LoadSummary]


@pytest.fixture
def warehouse() -> Iterable[Warehouse]:
    with memory_warehouse() as made:
        yield made


def loading(
    warehouse: Warehouse,
    *paths: Path,
    sensitive: Iterable[tuple[str, str, str | None]] = (),
    fhir: FhirSettings | None = None,
    **settings: object,
) -> LoadSummary:
    """Load paths; further keyword arguments are loading settings."""
    with start_run(warehouse, "load") as run:
        chosen = Settings(loading=LoadingSettings(**settings), fhir=fhir or FhirSettings())  # type: ignore[arg-type]
        summary = load(warehouse, run, paths, chosen, sensitive)
    check_counts(warehouse, summary)
    return summary


@pytest.fixture
def loader(warehouse: Warehouse) -> Loader:
    """``loading`` into ``warehouse``."""
    return partial(loading, warehouse)


def check_counts(warehouse: Warehouse, summary: LoadSummary) -> None:
    """Every row of every delivery is accounted for, in the summary and in the tables."""
    for one in summary.deliveries:
        if one.repeated:
            continue
        assert one.rows_read == one.rows_loaded + one.rows_rejected + one.rows_duplicate + one.rows_skipped, one
        assert one.rows_read == one.rows_counted, one
        (rejected,) = rows(
            warehouse,
            f"SELECT count(*) FROM rejected_row WHERE row_number > 0 AND delivery_id = '{one.delivery_id}'",
        )
        assert rejected == (one.rows_rejected,), one
        (stored,) = rows(
            warehouse,
            f"SELECT count(*) FROM line JOIN delivery USING (delivery_no) WHERE delivery_id = '{one.delivery_id}'",
        )
        # News of an earlier night's line is one more version of it, but no row of the file.
        assert stored == (one.rows_loaded,) or (one.format in ("fhir", "hl7v2") and stored > (one.rows_loaded,)), one


def rows(warehouse: Warehouse, sql: str) -> list[tuple[object, ...]]:
    return warehouse.con.execute(sql).fetchall()


def order(**changes: object) -> dict[str, str]:
    """ORDER with some cells changed; None leaves the column out of this row (blank)."""
    return ORDER | {name: "" if value is None else str(value) for name, value in changes.items()}


def as_csv(*orders: dict[str, str], delimiter: str = ",") -> str:
    names = list(dict.fromkeys(name for one in orders for name in one))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, delimiter=delimiter, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(orders)
    return text.getvalue()


def write_csv(path: Path, *orders: dict[str, str], delimiter: str = ",") -> Path:
    path.write_text(as_csv(*orders, delimiter=delimiter), encoding="utf-8")
    return path


def stored(warehouse: Warehouse) -> list[tuple[object, ...]]:
    """Current lines without the numbering that depends on arrival."""
    return rows(
        warehouse,
        """
        SELECT l.facility_id, order_id, line_no, patient_record_id, identity_id, code_system, test_code, test_name,
               specimen, performing_facility_id, ordered_at, collected_at, resulted_at, status, "value", unit,
               abnormal_flag, setting, department, ordered_by, encounter_id, order_reason, price_vnd
        FROM line AS l JOIN code USING (code_id) WHERE superseded_by IS NULL ORDER BY ALL
        """,
    )


def rejected(warehouse: Warehouse) -> list[tuple[object, ...]]:
    return rows(warehouse, "SELECT row_number, column_name, reason FROM rejected_row ORDER BY ALL")
