"""Text files that are not UTF-8: UTF-16, cp1258, and the font encodings TCVN3 and VNI.

cp1258 and UTF-16 are decoded here. TCVN3 and VNI bytes are kept as the Latin-1 characters they look like: matching
recognises such names, also when somebody else decoded them wrongly long ago, and compares them as Vietnamese.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from pathlib import Path

__all__ = ["composed", "decoded", "undeclared"]

_SAMPLE = 1 << 20
_CHUNK = 1 << 20
_LETTERS = set("àáâãèéêìíòóôõùúýăđĩũơư") | {
    unicodedata.normalize("NFC", base + mark) for base in "aăâeêioôơuưy" for mark in "\u0300\u0301\u0303\u0309\u0323"
}
#: In text read as Latin-1: what no Vietnamese word has, but TCVN3 and VNI text is full of.
_FONT_SIGNS = re.compile(r"[¨©ª«¬®µ¶·¸¹»¼½¾]|[aeoöyAEOÖY][ùøûõïÙØÛÕÏ]|[aeAE][âáàåãäÂÁÀÅÃÄ]|ñ")

_CODECS = {"font": "latin-1"}  # how what has been recognised is decoded, where the names differ


def decoded(path: Path, folder: Path, encoding: str | None = None) -> tuple[Path, str]:
    """The file as UTF-8, and the encoding it was in; a copy in ``folder`` when it had to be decoded.

    ``encoding`` is what somebody says it is; else it is recognised. A UTF-8 file with single broken bytes, and bytes
    that are no text at all, stay as they are ("utf-8").
    """
    encoding = encoding or _encoding(_head(path))
    if encoding.lower() in ("utf-8", "utf8", "utf-8-sig"):
        return path, encoding
    target = folder / f"{path.name}-decoded"
    codec = _CODECS.get(encoding, encoding)
    reader = codecs.getincrementaldecoder(codec)("replace")
    with path.open("rb") as source, target.open("w", encoding="utf-8", newline="") as out:
        while chunk := source.read(_CHUNK):
            out.write(composed(reader.decode(chunk), codec))
        out.write(composed(reader.decode(b"", final=True), codec))
    return target, encoding


def undeclared(path: Path) -> str | None:
    """The 8-bit codec for parts of the file that do not say theirs and are not UTF-8; None: not recognised."""
    encoding = _encoding(_head(path))
    return _CODECS.get(encoding, encoding) if encoding in ("cp1258", "font") else None


def composed(text: str, codec: str) -> str:
    """cp1258 writes some tones as marks of their own; a chunk's first mark may stay apart, which harms nobody."""
    return unicodedata.normalize("NFC", text) if codec == "cp1258" else text


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_SAMPLE)


def _encoding(head: bytes) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    even, odd = head[0:4000:2].count(0), head[1:4000:2].count(0)
    if max(even, odd) > 0.4 * len(head[0:4000:2]) and min(even, odd) < 0.1 * max(even, odd):
        return "utf-16-le" if odd > even else "utf-16-be"
    lines = [line for line in head.splitlines()[:-1] or [head] if not line.isascii()]
    broken = [line for line in lines if not _is_utf8(line)]
    if len(broken) <= len(lines) / 2 or b"\0" in head:
        return "utf-8"
    return _eight_bit(b"\n".join(broken))


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _eight_bit(text: bytes) -> str:
    """cp1258 when (nearly) all its letters are Vietnamese; a font encoding when its signs abound; else unknown."""
    letters = [c for c in unicodedata.normalize("NFC", text.decode("cp1258", "replace")).lower() if not c.isascii()]
    if letters and sum(c in _LETTERS for c in letters) >= 0.98 * len(letters):
        return "cp1258"
    shown = text.decode("latin-1")
    lines = shown.splitlines()
    signs = sum(_FONT_SIGNS.search(line) is not None for line in lines)
    return "font" if signs >= 0.3 * len(lines) else "utf-8"
