"""HL7 v2 cells → canonical columns, as SQL over one table.

Statuses are those of HL7 2.5.1: tables 0119 (ORC-1), 0038 (ORC-5), 0123 (OBR-25) and 0085 (OBX-11, as bits); patient
classes table 0004.
"""

from __future__ import annotations

from dedup.loading.hl7v2_fields import CANCELLED, CANCELLING, CARDS, CORRECTED, NO_RESULT, UNFINISHED
from dedup.loading.hl7v2_text import STAND_INS
from dedup.schema import ORDER_REASONS

__all__ = ["SOURCE", "columns"]


# A cancelled order is cancelled whatever else is said. W and D withdraw a wrong result, X says there will be none.
_STATUS = f"""CASE
    WHEN control IN {CANCELLING} OR order_status IN {CANCELLED} OR result_status = 'X' THEN 'cancelled'
    WHEN states = {NO_RESULT} THEN 'cancelled'
    WHEN result_status = 'C' OR states & {CORRECTED} > 0 AND result_status IN ('F', '') THEN 'corrected'
    WHEN result_status = 'F' THEN 'final'
    WHEN result_status IN ('P', 'R', 'A') THEN 'preliminary'
    WHEN result_status = 'I' THEN 'collected'
    WHEN result_status IN ('O', 'S') THEN 'ordered'
    WHEN result_status <> '' THEN result_status
    WHEN NOT is_result OR states = 0 THEN CASE WHEN order_status = 'IP' THEN 'collected' ELSE 'ordered' END
    WHEN states & {UNFINISHED} > 0 THEN 'preliminary'
    ELSE 'final' END"""

SOURCE = f"(SELECT *, {_STATUS} AS status FROM obr WHERE good)"

_REASONS = ", ".join(f"'{reason}'" for reason in ORDER_REASONS)


def _joined(between: str, *names: str) -> str:
    """Texts in the given order, without the blank ones."""
    parts = ", ".join(f"nullif({name}, '')" for name in names)
    return f"concat_ws('{between}', {parts})"


#: Canonical column → expression over SOURCE.
_COLUMNS: dict[str, str] = {
    "facility_id": "facility_id",
    "order_id": "order_id",
    "line_no": "place",
    "patient_id": "patient_id",
    "national_id": "national_id",
    "insurance_id": _joined(";", *(f"card{place}" for place in range(1, CARDS + 1))),
    "full_name": _joined(" ", "name1", "name3", "name2"),  # family, middle, given: the way a Vietnamese name is said
    "birth_date": "birth_date",
    "sex": "CASE WHEN sex IN ('O', 'A', 'N', 'o', 'a', 'n') THEN 'unknown' ELSE sex END",
    "phone": "phone",
    "province": "coalesce(nullif(address4, ''), address3)",
    "address": _joined(", ", "address1", "address2", "address3"),
    "test_code": "test_code",
    "code_system": "CASE WHEN test_system = 'LN' THEN 'loinc' END",
    "test_name": "test_name",
    "specimen": "specimen",
    "performed_by": r"""coalesce(nullif(laboratory, ''),
        CASE WHEN producer <> '' AND regexp_full_match(producer, '\d{5}') THEN producer END)""",
    "ordered_at": "ordered_at",
    "collected_at": "collected_at",
    "resulted_at": "CASE WHEN status IN ('preliminary', 'final', 'corrected') THEN resulted_at END",
    "status": "status",
    "value": '"value"',
    "unit": "unit",
    "abnormal_flag": "flag",
    "setting": """CASE WHEN class IN ('O', 'R', 'o', 'r') THEN 'outpatient' WHEN class IN ('I', 'i') THEN 'inpatient'
        WHEN class IN ('E', 'e') THEN 'emergency' ELSE 'unknown' END""",
    "department": "department",
    "ordered_by": "ordered_by",
    "encounter_id": "visit",
    "order_reason": f"""CASE WHEN order_reason <> '' AND lower(order_reason) IN ({_REASONS})
        THEN lower(order_reason) END""",
    "price_vnd": "CASE WHEN amount <> '' AND upper(currency) IN ('', 'VND') THEN amount END",
}


def columns(*, escaped: bool) -> dict[str, str]:
    """Canonical column → expression over SOURCE; ``escaped``: there are stand-ins to turn back."""
    if not escaped:
        return _COLUMNS
    return {name: f"translate(CAST({sql} AS VARCHAR), '{STAND_INS}', '|^&~\\')" for name, sql in _COLUMNS.items()}
