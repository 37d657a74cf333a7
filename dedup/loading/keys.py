"""How records and identities are numbered: by content, so that the order of arrival never matters."""

from __future__ import annotations

__all__ = ["IDENTITY", "filled", "identity_id", "order_key", "patient_record_id"]

#: The identity columns of an order line, as stored.
IDENTITY = (
    "national_id",
    "insurance_id",
    "full_name",
    "birth_date",
    "birth_precision",
    "sex",
    "phone",
    "province",
    "address",
)


def patient_record_id(facility_id: str, patient_id: str) -> str:
    """SQL for the number of a patient record: the first 63 bits of an MD5."""
    return f"CAST(md5_number_lower(concat({facility_id}, chr(31), {patient_id})) >> 1 AS BIGINT)"


def order_key(facility_id: str, order_id: str) -> str:
    """SQL for the number under which the lines of an order are found again; equal numbers still compare the keys."""
    return f"CAST(md5_number_lower(concat({facility_id}, chr(31), {order_id})) >> 1 AS BIGINT)"


def identity_id(facility_id: str, patient_id: str) -> str:
    """SQL for the number of one way of writing a patient's identity; needs the columns of IDENTITY by name."""
    cells = ", ".join(f"coalesce(CAST({name} AS VARCHAR), '')" for name in IDENTITY)
    return f"CAST(md5_number_lower(concat_ws(chr(31), {facility_id}, {patient_id}, {cells})) >> 1 AS BIGINT)"


def filled() -> str:
    """SQL for a number that says bit by bit which columns of IDENTITY are filled, the first in the lowest bit."""
    return " + ".join(f"CAST({name} IS NOT NULL AS SMALLINT) * {1 << at}" for at, name in enumerate(IDENTITY))
