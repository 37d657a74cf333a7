"""Insurance XML fields → canonical columns, as SQL over the tables of a part (``insurance_reading``).

Field names are those of the annexes of decisions 130/QĐ-BYT, 4750/QĐ-BYT and 3176/QĐ-BYT; those that only
4210/QĐ-BYT has are marked.
"""

from __future__ import annotations

__all__ = ["COLUMNS", "FOREIGN", "ORDERS", "RESULTS", "SOURCE", "STAYS"]

STAYS = (
    "MA_LK",
    "MA_CSKCB",
    "MA_BN",
    "HO_TEN",
    "SO_CCCD",
    "MA_THE_BHYT",
    "MA_THE",  # 4210
    "NGAY_SINH",
    "GIOI_TINH",
    "DIEN_THOAI",
    "MATINH_CU_TRU",
    "DIA_CHI",
    "MA_DOITUONG_KCB",
    "MA_LYDO_VVIEN",  # 4210
    "MA_LOAI_KCB",
    "NGAY_VAO",
)

ORDERS = (
    "MA_LK",
    "STT",
    "MA_DICH_VU",
    "TEN_DICH_VU",
    "MA_NHOM",
    "THANH_TIEN_BH",
    "THANH_TIEN_BV",
    "THANH_TIEN",  # 4210
    "DON_GIA_BH",
    "DON_GIA_BV",
    "DON_GIA",  # 4210
    "MA_KHOA",
    "MA_BAC_SI",
    "NGAY_YL",
    "NGAY_TH_YL",
    "NGAY_KQ",
)

RESULTS = ("MA_DICH_VU", "NGAY_KQ", "GIA_TRI", "DON_VI_DO", "KET_LUAN")

#: Encounters of another facility than the envelope's. A facility may have several codes.
FOREIGN = """
SELECT stay, delivery_no, encounter_no FROM read_stays
LEFT JOIN facility_alias AS own ON own.alias = MA_CSKCB
LEFT JOIN facility_alias AS envelope ON envelope.alias = "ENVELOPE"
WHERE MA_CSKCB <> '' AND "ENVELOPE" <> ''
  AND coalesce(own.facility_id, MA_CSKCB) <> coalesce(envelope.facility_id, "ENVELOPE")"""

#: One row an order, with its stay and its first result: by service and result time, else by service alone.
SOURCE = """(
    SELECT o.*, s.* EXCLUDE (stay, MA_LK), coalesce(timed.result, untimed.result) AS result
    FROM read_orders AS o
    JOIN read_stays AS s USING (stay)
    ANTI JOIN foreign_stay USING (stay)
    LEFT JOIN (
        SELECT stay, MA_DICH_VU, NGAY_KQ, arg_min({'value': GIA_TRI, 'unit': DON_VI_DO, 'said': KET_LUAN},
                                                  result_no) AS result
        FROM read_results GROUP BY ALL
    ) AS timed ON timed.stay = o.stay AND timed.MA_DICH_VU = o.MA_DICH_VU AND timed.NGAY_KQ = o.NGAY_KQ
    LEFT JOIN (
        SELECT stay, MA_DICH_VU, arg_min({'value': GIA_TRI, 'unit': DON_VI_DO, 'said': KET_LUAN}, result_no) AS result
        FROM read_results GROUP BY ALL
    ) AS untimed ON untimed.stay = o.stay AND untimed.MA_DICH_VU = o.MA_DICH_VU
)"""


def _time(field: str) -> str:
    """yyyyMMddHHmm, with or without seconds, as ISO 8601; what is neither stays as it is and is rejected later."""
    minutes = rf"regexp_replace({field}, '^(\d{{4}})(\d\d)(\d\d)(\d\d)(\d\d)$', '\1-\2-\3T\4:\5')"
    seconds = rf"regexp_replace({field}, '^(\d{{4}})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$', '\1-\2-\3T\4:\5:\6')"
    text = f"CASE length({field}) WHEN 14 THEN {seconds} ELSE {minutes} END"
    return f"CASE WHEN ltrim({field}, '0') <> '' THEN {text} END"


def _first_given(*fields: str) -> str:
    return f"coalesce({', '.join(fields)})"


def _amount(*fields: str) -> str:
    """The first amount that is not zero, else zero where one was given.

    The annexes write amounts with a decimal point and two or three decimals, so 500.000 is five hundred đồng here;
    a fourth decimal keeps the common parser from finding it ambiguous.
    """
    plain = {
        f: rf"CASE WHEN regexp_full_match({f}, '\d+\.\d{{3}}') THEN {f} || '0' ELSE nullif({f}, '') END" for f in fields
    }
    paid = [f"CASE WHEN NOT regexp_full_match({f}, '[0.]*') THEN {sql} END" for f, sql in plain.items()]
    return f"coalesce({', '.join([*paid, *plain.values()])})"


_BIRTH = r"""CASE
    WHEN NOT regexp_full_match(NGAY_SINH, '\d{4}|\d{8}|\d{12}') THEN NGAY_SINH
    WHEN length(NGAY_SINH) = 4 OR NGAY_SINH[5:6] = '00' THEN NGAY_SINH[1:4]
    WHEN NGAY_SINH[7:8] = '00' THEN NGAY_SINH[1:4] || '-' || NGAY_SINH[5:6]
    ELSE NGAY_SINH[1:4] || '-' || NGAY_SINH[5:6] || '-' || NGAY_SINH[7:8] END"""

# When a stay began as an emergency and became inpatient, emergency wins: the exemption protects acute care, and the
# file does not say which orders came before admission.
_SETTING = """CASE
    WHEN ltrim(MA_DOITUONG_KCB, '0') = '2' OR ltrim(MA_LYDO_VVIEN, '0') = '2' THEN 'emergency'
    WHEN ltrim(MA_LOAI_KCB, '0') IN ('3', '4', '9') THEN 'inpatient'
    WHEN ltrim(MA_LOAI_KCB, '0') IN ('15', '16') THEN 'screening'
    WHEN ltrim(MA_LOAI_KCB, '0') = '' THEN 'unknown'
    ELSE 'outpatient' END"""

_ORDERED = _first_given(_time("NGAY_YL"), _time("NGAY_TH_YL"), _time("NGAY_KQ"), _time("NGAY_VAO"))

_STATUS = f"""CASE
    WHEN MA_DICH_VU ILIKE '%\\_TB' ESCAPE '\\' THEN 'cancelled'
    WHEN {_time("NGAY_KQ")} IS NOT NULL THEN 'final'
    WHEN {_time("NGAY_TH_YL")} IS NOT NULL THEN 'collected'
    ELSE 'ordered' END"""

# Only words that say nothing else; a number is never read as positive or negative.
_SAID = "trim(lower(nfc_normalize(coalesce(nullif(result.value, ''), result.said))), ' .()')"
_POSITIVE = f"""CASE WHEN {_SAID} IN ('dương tính', 'duong tinh', 'positive', 'pos', '+') THEN 'POS'
    WHEN {_SAID} IN ('âm tính', 'am tinh', 'negative', 'neg', '-') THEN 'NEG' END"""

#: Canonical column → expression over SOURCE.
COLUMNS: dict[str, str] = {
    "facility_id": "coalesce(nullif(MA_CSKCB, ''), ENVELOPE)",
    "order_id": "MA_LK",
    "line_no": "coalesce(nullif(STT, ''), CAST(place AS VARCHAR))",
    "patient_id": "MA_BN",
    "national_id": "SO_CCCD",
    "insurance_id": "coalesce(nullif(MA_THE_BHYT, ''), MA_THE)",
    "full_name": "HO_TEN",
    "birth_date": _BIRTH,
    "sex": "GIOI_TINH",
    "phone": "DIEN_THOAI",
    "province": "MATINH_CU_TRU",
    "address": "DIA_CHI",
    # XX.YYYY.ZZZZ, without what is appended: .K.WWWWW (performed elsewhere), _TB, _GT, _TT
    "test_code": r"""coalesce(nullif(regexp_extract(MA_DICH_VU, '^\d{2}\.\d{4}\.\d{4}'), ''),
        regexp_replace(MA_DICH_VU, '_(TB|GT|TT)$', '', 'i'))""",
    "test_name": "TEN_DICH_VU",
    "performed_by": r"nullif(regexp_extract(MA_DICH_VU, '\.K\.(\w{5})', 1, 'i'), '')",
    "ordered_at": _ORDERED,
    "collected_at": _time("NGAY_TH_YL"),
    "resulted_at": _time("NGAY_KQ"),
    "status": _STATUS,
    "value": "coalesce(nullif(result.value, ''), result.said)",
    "unit": "result.unit",
    "abnormal_flag": _POSITIVE,
    "setting": _SETTING,
    "department": "MA_KHOA",
    "ordered_by": "MA_BAC_SI",
    "encounter_id": "MA_LK",
    "price_vnd": _amount("THANH_TIEN_BH", "THANH_TIEN_BV", "THANH_TIEN", "DON_GIA_BH", "DON_GIA_BV", "DON_GIA"),
}
