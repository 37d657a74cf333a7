"""HL7 v2 fields → canonical columns, as SQL over one table of raw fields.

Field meanings are those of HL7 2.5.1, chapters 3 (PID, PV1), 4 (ORC, OBR) and 7 (OBX, SPM); statuses are tables 0119
(ORC-1), 0123 (OBR-25) and 0085 (OBX-11), flags table 0078, patient classes table 0004, identifier types table 0203.
"""

from __future__ import annotations

from dedup.schema import ABNORMAL_FLAGS, ORDER_REASONS

__all__ = ["COLUMNS", "FIELDS", "SOURCE", "STAND_INS"]

#: The raw fields of a row, in the order the splitter gives them.
FIELDS = (
    *("facility", "sent_at", "kind"),
    *("pid3", "pid5", "pid7", "pid8", "pid11", "pid13", "pid19", "pv2", "pv3", "pv19"),
    *("orc1", "orc2", "orc3", "orc5", "orc9", "orc12", "orc15", "orc16"),
    *("obr2", "obr3", "obr4", "obr6", "obr7", "obr15", "obr16", "obr22", "obr25", "obr31"),
    *("spm4", "spm17", "obx5", "obx6", "obx8", "obx11", "obx15", "obx19", "obx23", "place"),
)

#: What the splitter puts in place of the escape sequences for | ^ & ~ and backslash, until fields are taken apart.
STAND_INS = "\ue001\ue002\ue003\ue004\ue005"


def _part(field: str, number: int) -> str:
    """A component of the field's first repetition."""
    return f"split_part(split_part({field}, '~', 1), '^', {number})"


def _text(sql: str) -> str:
    """Text with what was escaped put back."""
    return f"translate({sql}, '{STAND_INS}', '|^&~\\')"


def _given(*sql: str) -> str:
    parts = ", ".join(f"nullif({one}, '')" for one in sql)
    return f"coalesce({parts})"


def _joined(field: str, between: str, *numbers: int) -> str:
    """Components in the given order, without the blank ones."""
    parts = ", ".join(f"nullif({_part(field, number)}, '')" for number in numbers)
    return f"concat_ws('{between}', {parts})"


def _time(column: str) -> str:
    """YYYYMMDDHHMM[SS[.S…]][±ZZZZ] as ISO 8601; what is neither stays as it is and is rejected later."""
    cuts = ("[1:4] || '-'", "[5:6] || '-'", "[7:8] || 'T'", "[9:10] || ':'", "[11:12]")
    day = " || ".join(f"{column}{cut}" for cut in cuts)
    rest = rf"regexp_replace({column}[13:], '^(\d\d)', ':\1')"
    return f"""CASE length({column}) WHEN 12 THEN {day} WHEN 14 THEN {day} || ':' || {column}[13:14]
        ELSE CASE WHEN regexp_matches({column}, '^\\d{{12}}') THEN {day} || {rest} ELSE {column} END END"""


def _identifier(kinds: str) -> str:
    """The PID-3 repetition whose type (component 5) or authority (component 4) is one of ``kinds``."""
    wanted = f"list_contains([{kinds}], upper(x[5])) OR list_contains([{kinds}], upper(split_part(x[4], '&', 1)))"
    return f"list_filter(identifiers, lambda x: {wanted})[1][1]"


_NATIONAL = "'NI', 'NN', 'NNVNM', 'CCCD', 'CMND', 'CC', 'PPN'"
_INSURANCE = "'HC', 'BHYT', 'NH', 'MB', 'SN', 'JHN'"
_OWN = "'MR', 'PI', 'PT', 'MRN'"

_BORN = r"""CASE WHEN regexp_full_match(pid7, '\d{8}.*') THEN pid7[1:4] || '-' || pid7[5:6] || '-' || pid7[7:8]
    WHEN regexp_full_match(pid7, '\d{6}') THEN pid7[1:4] || '-' || pid7[5:6] ELSE pid7 END"""

# Family, middle, given: the way a Vietnamese name is said.
_NAME = _joined("pid5", " ", 1, 3, 2)

_SERVICE = r"""CASE
    WHEN regexp_full_match(split_part(obr4, '^', 1), '\d{2}\.\d{4}\.\d{4}') THEN 1
    WHEN regexp_full_match(split_part(obr4, '^', 4), '\d{2}\.\d{4}\.\d{4}') THEN 4
    WHEN split_part(obr4, '^', 3) = 'LN' THEN 1 WHEN split_part(obr4, '^', 6) = 'LN' THEN 4
    WHEN split_part(obr4, '^', 1) <> '' THEN 1 ELSE 4 END"""

# A cancelled order is cancelled whatever else is said. W and D withdraw a wrong result, X says there will be none.
_STATUS = """CASE
    WHEN orc1 IN ('CA', 'OC', 'CR', 'DC', 'OD') OR orc5 = 'CA' OR obr25 = 'X' THEN 'cancelled'
    WHEN obx11 <> '' AND regexp_full_match(obx11, '[XDW]+') THEN 'cancelled'
    WHEN obr25 = 'C' OR contains(obx11, 'C') AND obr25 IN ('F', '') THEN 'corrected'
    WHEN obr25 = 'F' THEN 'final'
    WHEN obr25 IN ('P', 'R', 'A') THEN 'preliminary'
    WHEN obr25 = 'I' THEN 'collected'
    WHEN obr25 IN ('O', 'S') THEN 'ordered'
    WHEN obr25 <> '' THEN obr25
    WHEN kind <> 'ORU' OR obx11 = '' THEN CASE WHEN orc5 = 'IP' THEN 'collected' ELSE 'ordered' END
    WHEN regexp_matches(obx11, '[PRIS]') THEN 'preliminary'
    ELSE 'final' END"""

# The gravest flag of the results stands for the order; U, D, B, W and sensitivities say nothing here.
_GRAVE = ("AA", "HH", "LL", "POS", "H", "L", "A", "NEG", "N")
_FLAG = "CASE " + " ".join(f"WHEN list_contains(flags, '{flag}') THEN '{flag}'" for flag in _GRAVE) + " END"

# ORC-9 is the time of this message's event: the order's own only where the event is the order.
_ORDERED = _given(
    "obr6", "CASE WHEN orc1 IN ('NW', 'SN', 'XO', 'NA', 'OK') THEN orc9 END", "orc15", "orc9", "obr7", "sent_at"
)

SOURCE = f"""(
    SELECT *, {_SERVICE} AS service, {_STATUS} AS status,
           string_split(upper(replace(obx8, '^', '~')), '~') AS flags,
           list_transform(string_split(pid3, '~'), lambda x: string_split(x, '^')) AS identifiers,
           {_ORDERED} AS ordered, {_given(_part("spm17", 1), "obr7")} AS collected,
           {_given("obr22", "obx19", "sent_at")} AS resulted,
           lower({_given(_part("orc16", 1), _part("obr31", 1))}) AS wanted_because
    FROM obr
)"""

_REASONS = ", ".join(f"'{reason}'" for reason in ORDER_REASONS)
if set(_GRAVE) != set(ABNORMAL_FLAGS):
    raise AssertionError("every flag of the contract needs its place in the order of gravity")

#: Canonical column → expression over SOURCE.
COLUMNS: dict[str, str] = {
    "facility_id": _text(_part("facility", 1)),
    "order_id": _text(_given(_part("obr2", 1), _part("orc2", 1), _part("obr3", 1), _part("orc3", 1))),
    "line_no": "place",
    "patient_id": _text(_given(_identifier(_OWN), _part("pid3", 1))),
    "national_id": _given(_identifier(_NATIONAL), _part("pid19", 1)),
    "insurance_id": _identifier(_INSURANCE),
    "full_name": _text(_NAME),
    "birth_date": _BORN,
    "sex": "CASE upper(pid8) WHEN 'O' THEN 'unknown' WHEN 'A' THEN 'unknown' WHEN 'N' THEN 'unknown' ELSE pid8 END",
    "phone": _given(_part("pid13", 1), _part("pid13", 12)),
    "province": _text(_given(_part("pid11", 4), _part("pid11", 3))),
    "address": _text(_joined("pid11", ", ", 1, 2, 3)),
    "test_code": _text("split_part(obr4, '^', service)"),
    "code_system": "CASE WHEN split_part(obr4, '^', service + 2) = 'LN' THEN 'loinc' END",
    "test_name": _text("split_part(obr4, '^', service + 1)"),
    "specimen": _text(
        _given(_part("spm4", 2), _part("spm4", 1), "split_part(" + _part("obr15", 1) + ", '&', 2)", _part("obr15", 1))
    ),
    "performed_by": rf"""coalesce(nullif({_part("obx23", 10)}, ''),
        CASE WHEN regexp_full_match({_part("obx15", 1)}, '\w{{5}}') THEN {_part("obx15", 1)} END)""",
    "ordered_at": _time("ordered"),
    "collected_at": _time("collected"),
    "resulted_at": f"CASE WHEN status IN ('preliminary', 'final', 'corrected') THEN {_time('resulted')} END",
    "status": "status",
    "value": _text(_part("obx5", 1)),
    "unit": _text(_part("obx6", 1)),
    "abnormal_flag": _FLAG,
    "setting": """CASE upper(pv2) WHEN 'E' THEN 'emergency' WHEN 'I' THEN 'inpatient' WHEN 'O' THEN 'outpatient'
        WHEN 'R' THEN 'outpatient' ELSE 'unknown' END""",
    "department": _text(_part("pv3", 1)),
    "ordered_by": _text(_given(_part("obr16", 1), _part("orc12", 1))),
    "encounter_id": _text(_part("pv19", 1)),
    "order_reason": f"CASE WHEN wanted_because IN ({_REASONS}) THEN wanted_because END",
}
