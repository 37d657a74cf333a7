"""What our own codes are called, in English; the catalogues translate them."""

from __future__ import annotations

from dedup.reporting.tables import mark

__all__ = ["LABELS"]

LABELS: dict[str, str] = {
    # verdicts
    "avoidable": mark("avoidable"),
    "review": mark("to review"),
    "justified": mark("justified"),
    "unrecognised": mark("not recognised"),
    "pending": mark("no result yet"),
    # scopes
    "elsewhere": mark("at another facility"),
    "same_facility": mark("at the same facility"),
    # reasons of flags and orders
    "clinical_change": mark("clinical change"),
    "expired": mark("result expired"),
    "poor_specimen": mark("poor specimen or image"),
    "identity_doubt": mark("doubt about identity"),
    "lab_level": mark("level of the laboratory"),
    "other": mark("other reason"),
    "none_recorded": mark("none recorded"),
    "specimen_unknown": mark("specimen unknown"),
    "partial_panel": mark("only part of the panel covered"),
    "lab_not_recognised": mark("laboratory not recognised"),
    "no_result_yet": mark("no result yet"),
    "valid_result": mark("a valid result existed"),
    # coverage
    "same": mark("the same test"),
    "panel": mark("a panel that contains the test"),
    "components": mark("all components of the panel"),
    "partial": mark("some components of the panel"),
    # settings
    "": mark("any"),
    "outpatient": mark("outpatient"),
    "inpatient": mark("inpatient"),
    "emergency": mark("emergency"),
    "icu": mark("intensive care"),
    "screening": mark("screening"),
    "unknown": mark("unknown"),
    # conditions
    "positive_only": mark("positive results only"),
    "normal_only": mark("normal results only"),
    # tiers
    "central": mark("central"),
    "provincial": mark("provincial"),
    "district": mark("district"),
    "commune": mark("commune"),
    "private": mark("private"),
    # age of the earlier result, part of the validity
    "under_6_h": mark("under 6 hours"),
    "6_to_12_h": mark("6 to 12 hours"),
    "12_to_24_h": mark("12 to 24 hours"),
    "24_to_48_h": mark("24 to 48 hours"),
    "2_to_7_days": mark("2 to 7 days"),
    "7_to_30_days": mark("7 to 30 days"),
    "over_30_days": mark("over 30 days"),
    "first_quarter": mark("0–25%"),
    "second_quarter": mark("25–50%"),
    "third_quarter": mark("50–75%"),
    "last_quarter": mark("75–100%"),
    "lifetime": mark("valid for a lifetime"),
    # steps of the funnel
    "ordered": mark("order lines"),
    "with_prior": mark("with an earlier order of the test"),
    "within_validity": mark("… still valid"),
    "resulted_in_time": mark("… with a result in time"),
    "recognised_prior": mark("… from a recognised laboratory"),
    "not_exempt": mark("… and no exemption or reason"),
    "surely_avoidable": mark("… and nothing left to review: avoidable"),
    # recognition
    "happened": mark("repeated although a valid result was there"),
    "must_be_accepted": mark("of these: the laboratory must be accepted"),
    "need_not_be_accepted": mark("of these: the laboratory need not be accepted"),
    # who ordered
    "same_orderer": mark("same orderer"),
    "other_orderer": mark("other orderer"),
    "unknown_orderer": mark("orderer unknown"),
    # matching
    "single": mark("only record of the person"),
    "national_id": mark("national id"),
    "insurance_id": mark("insurance number"),
    "fuzzy": mark("name, birth date and other marks"),
    # standing of a hospital
    "above": mark("above all"),
    "below": mark("below all"),
    "no_clear_difference": mark("no clear difference"),
    "too_few_to_rank": mark("too few to rank"),
    # skipped rows
    "sensitive": mark("sensitive test, no legal basis"),
    "withdrawn": mark("claim withdrawn"),
    "outdated": mark("older than what is stored"),
    # rejected rows
    "missing_value": mark("must be filled and is empty"),
    "missing_column": mark("the file lacks this column"),
    "duplicate_column": mark("two columns have this name"),
    "bad_timestamp": mark("not a time"),
    "bad_date": mark("not a date"),
    "bad_line_no": mark("not a line number"),
    "bad_price": mark("not an amount in đồng"),
    "ambiguous_price": mark("an amount that could be read two ways"),
    "unknown_status": mark("unknown status"),
    "unknown_sex": mark("unknown word for the sex"),
    "unknown_setting": mark("unknown setting"),
    "unknown_abnormal_flag": mark("unknown abnormal flag"),
    "unknown_order_reason": mark("unknown order reason"),
    "unknown_code_system": mark("unknown code system"),
    "too_long": mark("too long"),
    "bad_encoding": mark("not text in the file's encoding"),
    "bad_text": mark("a NUL character"),
    "ragged_row": mark("not as many fields as the header"),
    "open_quote": mark("a quotation mark that is never closed"),
    "bad_json": mark("not one JSON object"),
    "facility_mismatch": mark("another facility than the envelope's"),
    "missing_encounter": mark("an order without its encounter"),
    "unreadable_payload": mark("an unreadable payload"),
    "unreadable_file": mark("damaged or broken off"),
    "forbidden_doctype": mark("a DOCTYPE, which is refused"),
    "too_deep": mark("nested too deep"),
    "unknown_format": mark("unknown format"),
    # recognition policies
    "level": mark("by laboratory level"),
    "all": mark("every laboratory"),
}
