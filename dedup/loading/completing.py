"""Messages tell what is new: what a later one leaves out stays as an earlier one said.

An order, its result and every change of status are messages of their own (HL7 v2), or come on different nights (FHIR).
So the rows of one order line are read one after the other, the stored line first, and each becomes what is known by
then: an order's own fields stay until they are said anew; a result stays until another one or a cancellation comes; a
message without a result never takes one away. A line counts as ordered when it was first said to be.

Only rows of the same patient and test complete each other: order numbers are used again. Orders in ``retold`` have rows
that say all there is of their results: what the stored line says of them counts no more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

__all__ = ["complete"]

_KEPT = (
    "test_name",
    "specimen",
    "collected_at",
    "department",
    "ordered_by",
    "encounter_id",
    "order_reason",
    "price_vnd",
)
#: What the laboratory's resources tell, and what is known of it before they do.
_VOID = dict.fromkeys(("specimen", "collected_at", "resulted_at", "value", "unit", "abnormal_flag"), "NULL") | {
    "performing_facility_id": "facility_id",
    "status": "'ordered'",
}
_OPEN = "status IN ('ordered', 'collected')"
_SAID = '"value" IS NOT NULL OR unit IS NOT NULL OR abnormal_flag IS NOT NULL'
_READ = (*_KEPT, "ordered_at", "status", "setting", "performing_facility_id", "resulted_at", "value", "unit",
         "abnormal_flag")  # fmt: skip


def complete(con: duckdb.DuckDBPyConnection) -> None:
    """Fill in the rows of ``wave`` that belong to a ``suspect`` order."""
    read = ", ".join(f'"{name}"' for name in _READ)
    key = "facility_id, order_id, line_no, patient_record_id, code_id"
    void = ", ".join(f'CASE WHEN void THEN {nothing} ELSE "{name}" END AS "{name}"' for name, nothing in _VOID.items())
    source = f"SELECT {key}, delivery_no, {read}, {{}} WHERE order_key IN (SELECT order_key FROM suspect)"
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE completed AS
        WITH message AS (
            {source.format("row_id, row_number, false AS void FROM wave")}
            UNION ALL
            {source.format("NULL, NULL, order_key IN (FROM retold) FROM line")} AND superseded_by IS NULL
        ), counted AS (
            -- A cancellation ends what was known of results.
            SELECT * REPLACE ({void}), count(*) FILTER (status = 'cancelled') OVER so_far AS cancellations FROM message
            WINDOW so_far AS (PARTITION BY {key} ORDER BY row_id IS NOT NULL, delivery_no, row_number)
        )
        SELECT row_id, {", ".join(f'{sql} AS "{name}"' for name, sql in _completed().items())}
        FROM counted
        WINDOW so_far AS (PARTITION BY {key} ORDER BY row_id IS NOT NULL, delivery_no, row_number),
               since AS (PARTITION BY {key}, cancellations ORDER BY row_id IS NOT NULL, delivery_no, row_number)
        QUALIFY row_id IS NOT NULL
        """
    )
    changed = ", ".join(f'"{name}" = c."{name}"' for name in _READ)
    con.execute(f"UPDATE wave SET {changed} FROM completed AS c WHERE wave.row_id = c.row_id")
    con.execute("DROP TABLE temp.completed")


def _completed() -> dict[str, str]:
    """Column → what is known of it by now."""
    result = f"last_value(CASE WHEN {_SAID} THEN {{'value': \"value\", 'unit': unit, 'flag': abnormal_flag}} END"
    known = f"CASE WHEN status <> 'cancelled' THEN {result} IGNORE NULLS) OVER since"
    return {
        **{name: f"last_value({name} IGNORE NULLS) OVER so_far" for name in _KEPT},
        "ordered_at": "min(ordered_at) OVER so_far",
        "status": f"""coalesce(last_value(CASE WHEN NOT {_OPEN} THEN status END IGNORE NULLS) OVER so_far,
            min(status) OVER so_far)""",  # collected stands before ordered
        "setting": "coalesce(last_value(nullif(setting, 'unknown') IGNORE NULLS) OVER so_far, 'unknown')",
        "performing_facility_id": "coalesce(last_value(nullif(performing_facility_id, facility_id) IGNORE NULLS) "
        "OVER so_far, facility_id)",
        "resulted_at": "CASE WHEN status <> 'cancelled' THEN last_value(resulted_at IGNORE NULLS) OVER since END",
        "value": f"({known} END).value",
        "unit": f"({known} END).unit",
        "abnormal_flag": f"({known} END).flag",
    }
