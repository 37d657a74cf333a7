"""Why a row, or a whole delivery, did not load. The reject table holds these codes, never a value."""

from __future__ import annotations

__all__ = ["REASONS", "SKIPS"]

#: Reason code → what it means and what to do about it.
REASONS: dict[str, str] = {
    "missing_value": "a column that must be filled is empty",
    "missing_column": "the file has no such column, and it must be there",
    "duplicate_column": "two columns of the file have this name",
    "bad_timestamp": "not an ISO 8601 time of day between the years 1940 and 2060",
    "bad_date": "not YYYY-MM-DD, YYYY-MM or YYYY between the years 1900 and 2100",
    "bad_line_no": "not a whole number from 1 on",
    "bad_price": "not a plain amount in đồng with at most one decimal point",
    "ambiguous_price": "could be read two ways: 21.500 may mean 21500 or 21.5; write 21500 or 21.50",
    "unknown_status": "not one of the contract's words for a status",
    "unknown_sex": "not male, female or unknown, nor M/F, 1/2/3, nam/nữ",
    "unknown_setting": "not one of the contract's words for a setting",
    "unknown_abnormal_flag": "not one of N, L, H, LL, HH, A, AA, POS, NEG",
    "unknown_order_reason": "not one of the contract's reasons for ordering again",
    "unknown_code_system": "not vn-service, loinc or local",
    "too_long": "longer than any real value: 200 characters for an identifier, 20,000 for other text",
    "bad_encoding": "bytes that are no text in the file's encoding",
    "bad_text": "a NUL character",
    "ragged_row": "not as many fields as the header",
    "open_quote": "a quotation mark that is opened and never closed",
    "bad_json": "a line that is not one JSON object",
    "nested_resource": "a request inside another resource (contained, or in a Bundle in a Bundle): not read (FHIR)",
    "facility_mismatch": "the record names another facility than the envelope around it",
    "missing_encounter": "an order without the encounter (XML1) it belongs to",
    "unreadable_payload": "a payload that is neither base64 nor XML",
    "unreadable_file": "the file breaks off or is damaged from here on",
    "encrypted_file": "a file or archive with a password: ask for it without",
    "forbidden_doctype": "a DOCTYPE: refused, it can make a small file grow without end",
    "too_deep": "elements nested deeper than any real file",
    "unsupported_message": "an HL7 message of a type that carries no orders dedup reads",
    "archive_too_large": "an archive that unpacks to more than any real one: refused",
    "archive_too_deep": "an archive in an archive in an archive",
    "unknown_format": "no format that dedup knows; see docs/en/formats.md",
}

#: Why rows that are well-formed were left out on purpose.
SKIPS: dict[str, str] = {
    "sensitive": "a test that may not be kept without a legal basis (HIV)",
    "withdrawn": "a line of an encounter whose claim was withdrawn",
    "outdated": "a line of an encounter that was already known in a newer version",
    "waiting": "a request whose hospital is not known yet: it becomes a line when what it refers to comes (FHIR)",
    "no_order": "a proposal, a plan or a word not to do something: nobody ordered it (FHIR)",
}
