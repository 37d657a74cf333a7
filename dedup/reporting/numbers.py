"""Numbers, đồng and dates in the form of the language."""

from __future__ import annotations

import datetime
import decimal

__all__ = ["count", "date", "decimals", "dong", "moment", "percent"]

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SWAP = str.maketrans(",.", ".,")


def count(value: int, lang: str) -> str:
    """1.234.567 in Vietnamese, 1,234,567 in English."""
    return _marks(f"{value:,d}", lang)


def decimals(value: float, lang: str, places: int = 1) -> str:
    """A number with so many decimals."""
    return _marks(f"{value:,.{places}f}", lang)


def percent(share: float, lang: str) -> str:
    """A share of 0 to 1 with one decimal: 12,3% or 12.3%."""
    return _marks(f"{share * 100:,.1f}%", lang)


def dong(value: decimal.Decimal | int, lang: str) -> str:
    """Whole đồng, halves rounded up: 1.234.567 ₫ or ₫1,234,567."""
    whole = int(decimal.Decimal(value).quantize(decimal.Decimal(1), decimal.ROUND_HALF_UP))
    if lang == "vi":
        return f"{count(whole, lang)}\N{NO-BREAK SPACE}₫"
    return f"-₫{count(-whole, lang)}" if whole < 0 else f"₫{count(whole, lang)}"


def date(value: datetime.date, lang: str) -> str:
    """02/03/2026 or 2 Mar 2026."""
    if lang == "vi":
        return f"{value.day:02d}/{value.month:02d}/{value.year}"
    return f"{value.day} {_MONTHS[value.month - 1]} {value.year}"


def moment(value: datetime.datetime, lang: str) -> str:
    """Date and local time to the minute."""
    return f"{date(value, lang)} {value.hour:02d}:{value.minute:02d}"


def _marks(text: str, lang: str) -> str:
    return text.translate(_SWAP) if lang == "vi" else text
