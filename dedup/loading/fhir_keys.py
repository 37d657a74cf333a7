"""How FHIR resources are known again on another night, by the folder their files come in and their reference; and which
may not be kept at all."""

from __future__ import annotations

__all__ = ["is_sensitive", "request_key", "resource_key", "source_key"]


def resource_key(key: str) -> str:
    """SQL for the number of a resource; needs ``fhir_sender`` as s."""
    return _number(f"concat(s.sender, chr(31), {key})")


def request_key(request: str, subject: str) -> str:
    """SQL for the number of a request of somebody, so that nobody gets another one's result."""
    return _number(f"concat(s.sender, chr(31), {request}, chr(31), {subject})")


def source_key(key: str) -> str:
    """SQL for the number of what was said about a request, the same whoever sent it."""
    return _number(key)


def is_sensitive(codes: str) -> str:
    """SQL: one of ``codes`` is that of a test that may not be kept, whichever facility's. If it is another
    one's, a result does not wait, no more."""
    return f"coalesce(list_has_any({codes}, (SELECT list(test_code) FROM sensitive_code)), false)"


def _number(text: str) -> str:
    return f"CAST(md5_number_lower({text}) >> 1 AS BIGINT)"
