"""Names read in the wrong encoding: TCVN3 (ABC fonts) and VNI text read as Latin-1, UTF-8 read as Latin-1 or cp1252.

All are recognised by characters or pairs of characters that no Vietnamese word has, and decoded as columns.
"""

from __future__ import annotations

__all__ = ["decode_sql", "is_legacy_sql"]

#: TCVN 5712:1993 VN3, byte by byte from A1, as the Latin-1 characters such text shows.
_TCVN3 = dict(
    zip(
        "¡¢£¤¥¦§¨©ª«¬\u00ad®µ¶·¸¹»¼½¾ÆÇÈÉÊËÌÎÏÐÑÒÓÔÕÖ×ØÜÝÞßáâãäåæçèéêëìíîïñòóôõö÷øùúûüýþ",
        "ĂÂÊÔƠƯĐăâêôơưđàảãáạằẳẵắặầẩẫấậèẻẽéẹềểễếệìỉĩíịòỏõóọồổỗốộờởỡớợùủũúụừửữứựỳỷỹýỵ",
        strict=True,
    )
)
#: Characters of that table that are in no Vietnamese word, or an upper-case one behind a lower-case letter.
_TCVN3_SIGNS = "[¡¢£¤¥¦§¨©ª«¬\u00ad®µ¶·¸¹»¼½¾ÆÇËÎÏÑÖ×ØÜÞßäåæçëîïñö÷øûüþ]|[a-z][ÈÉÊÌÐÒÓÔÕÝ]"

#: VNI writes a vowel and then a mark; the mark is itself an accented letter.
_VNI_MARKS = {
    "a": dict(zip("ùøûõïâáàåãäêéèúüë", "áàảãạâấầẩẫậăắằẳẵặ", strict=True)),
    "e": dict(zip("ùøûõïâáàåãä", "éèẻẽẹêếềểễệ", strict=True)),
    "o": dict(zip("ùøûõïâáàåãä", "óòỏõọôốồổỗộ", strict=True)),
    "ô": dict(zip("ùøûõï", "ớờởỡợ", strict=True)),
    "u": dict(zip("ùøûõï", "úùủũụ", strict=True)),
    "ö": dict(zip("ùøûõï", "ứừửữự", strict=True)),
    "y": dict(zip("ùøûõ", "ýỳỷỹ", strict=True)),
}
_VNI_SINGLE = {"ñ": "đ", "ô": "ơ", "ö": "ư", "æ": "ỉ", "ó": "ĩ", "ò": "ị", "î": "ỵ"}
#: A vowel and a mark that never stand together in a Vietnamese word, or đ written as ñ.
_VNI_SIGNS = "[aeôöy][ùøûõï]|[ae][âáàåãä]|a[êéèúüë]|o[ùøûõïâåä]|öô|u[øûõï]|(^|\\s)ñ"
#: Where cp1252 is not Latin-1, byte by byte.
_CP1252 = {
    bytes([byte]).decode("cp1252"): chr(byte) for byte in range(0x80, 0xA0) if byte not in b"\x81\x8d\x8f\x90\x9d"
}
#: How the bytes of ă, đ, ĩ, ũ, ơ, ư, of à to ý, and of all letters with two marks begin when each is shown as a letter.
_UTF8_SIGNS = "á[º»]|Ä[ƒ‘©\u0083\u0090\u0091]|Å©|Æ[°¡]|Ã[\u00a0-\u00bf]"


def is_legacy_sql(word: str) -> str:
    """Whether a word shows that the text it stands in was read wrongly: ``decode_sql`` then decodes all of that."""
    signs = f"{_UTF8_SIGNS}|{_TCVN3_SIGNS}"
    return f"regexp_matches(lower({word}), '{_VNI_SIGNS}') OR regexp_matches({word}, '{signs}')"


def decode_sql(text: str) -> str:
    """The SQL expression that turns wrongly read text in column ``text`` into Unicode, and leaves all else.

    UTF-8 of which bytes were lost is no evidence of anything: empty.
    """
    return f"""CASE
      WHEN NOT regexp_matches({text}, '[\u00a1-\u00ff]') THEN {text}
      WHEN regexp_matches({text}, '{_UTF8_SIGNS}') THEN {_utf8_sql(text)}
      WHEN regexp_matches(lower({text}), '{_VNI_SIGNS}') THEN {_vni_sql(f"lower({text})")}
      WHEN regexp_matches({text}, '{_TCVN3_SIGNS}')
        THEN translate({text}, '{"".join(_TCVN3)}', '{"".join(_TCVN3.values())}')
      ELSE {text} END"""


def _utf8_sql(text: str) -> str:
    """A byte for every character. The second byte of à is a blank that may have been trimmed or made plain."""
    whole = f"regexp_replace({text}, 'Ã( |$)', 'Ã\u00a0', 'g')"
    shown = f"translate({whole}, '{''.join(_CP1252)}', '{''.join(_CP1252.values())}')"
    digits = f"list_transform(string_split({shown}, ''), lambda c: printf('%02x', unicode(c)))"
    return f"coalesce(TRY(decode(unhex(array_to_string({digits}, '')))), '')"


def _vni_sql(text: str) -> str:
    """Pairs first, held apart from the single letters by a private-use mark until those are done."""
    expression = text
    private = 0xE000
    held = []
    for vowel, marks in _VNI_MARKS.items():
        for mark, letter in marks.items():
            expression = f"replace({expression}, '{vowel}{mark}', '{chr(private)}')"
            held.append((chr(private), letter))
            private += 1
    singles, letters = "".join(_VNI_SINGLE), "".join(_VNI_SINGLE.values())
    codes, decoded = "".join(code for code, _ in held), "".join(letter for _, letter in held)
    return f"translate({expression}, '{singles}{codes}', '{letters}{decoded}')"
