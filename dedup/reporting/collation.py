"""Vietnamese alphabetical order: a ă â b c d đ e ê … o ô ơ … u ư …, then by tone."""

from __future__ import annotations

import functools
import unicodedata

__all__ = ["sort_key"]

_LETTERS = "aăâbcdđeêfghijklmnoôơpqrstuưvwxyz"
_PLACE = {letter: place for place, letter in enumerate(_LETTERS)}
#: Combining marks in dictionary order: none, huyền, hỏi, ngã, sắc, nặng.
_TONES = {"\u0300": 1, "\u0309": 2, "\u0303": 3, "\u0301": 4, "\u0323": 5}


@functools.cache
def sort_key(text: str) -> tuple[tuple[int, ...], tuple[int, ...], str]:
    """A key to sort by: letters first, tones only between words that are otherwise alike, then the text itself."""
    letters: list[int] = []
    tones: list[int] = []
    for char in unicodedata.normalize("NFC", text.casefold()):
        base, tone = _split(char)
        letters.append(_PLACE[base] + 1000 if base in _PLACE else ord(base[:1] or " "))
        tones.append(tone)
    return tuple(letters), tuple(tones), text


def _split(char: str) -> tuple[str, int]:
    """The letter without its tone, and the tone."""
    tone = 0
    kept = ""
    for part in unicodedata.normalize("NFD", char):
        if part in _TONES:
            tone = _TONES[part]
        else:
            kept += part
    return unicodedata.normalize("NFC", kept), tone
