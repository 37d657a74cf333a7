"""Names as columns: folded, without titles, in parts, with a phonetic skeleton.

Every function takes the SQL of a text column and gives the SQL of the normalised one.
"""

from __future__ import annotations

import functools
import re

from dedup.matching.legacy import decode_sql

__all__ = [
    "composed_sql",
    "decoded_sql",
    "decoding",
    "fold_sql",
    "hash_sql",
    "informative_sql",
    "lower_sql",
    "marked_sql",
    "newborn_sql",
    "placeholder_sql",
    "skeleton",
    "skeleton_sql",
    "spaced_sql",
    "stripped_sql",
    "unbracketed_sql",
    "untitled_sql",
]

#: Old tone placement → new, in open oa, oe, uy only (hòa → hoà).
_TONES = dict(
    zip(
        ["òa", "óa", "ỏa", "õa", "ọa", "òe", "óe", "ỏe", "õe", "ọe", "ùy", "úy", "ủy", "ũy", "ụy"],
        ["oà", "oá", "oả", "oã", "oạ", "oè", "oé", "oẻ", "oẽ", "oẹ", "uỳ", "uý", "uỷ", "uỹ", "uỵ"],
        strict=True,
    )
)
#: Latin letters that are in NFC whatever stands beside them.
_COMPOSED = "[\\x00-\u02ff\u1e00-\u1eff]*"
_PLACEHOLDERS = (
    "(khong|chua) (ro|biet|xac dinh|co|dat)( ho ten| ten tuoi| ten| danh tinh| lai lich| thong tin)?|khong ten|vo ten"
    "|benh nhan|nguoi benh|nan nhan|bn|vo danh|an danh|unknown|no name|noname|n a|null|none|nan|x( ?x)+|test"
    "|cap cuu|tngt|tai nan|giao thong|nguoi nuoc ngoai|khach nuoc ngoai|nguoi la|vo gia cu|lang thang"
    "|khach le|khach vang lai"
)
#: What may stand before or behind those, and says no more.
_BESIDE = "ong|ba|nam|nu|gioi|tinh|tuoi|moi|[0-9]+"
#: As forms and lessons call anybody: Nguyễn Văn A. Of vowels only that one, for Ý, Ơ and Út are given names.
_ANYBODY = "([a-z]+ )*[b-dghk-np-tvxz]|([a-z]+ (van|thi) )?a"
#: Forms of address that are nobody's family name, and those that are: Anh, Bé and Cù only address a Nguyễn, Trần, Lê …
_ADDRESS = "bn|sp|bs|[oô]ng|b[aà]|mr|mrs|ms|miss|dr"
_KIN = "anh|ch[iị]|em|c[uụ]|b[eé]"
_FAMILY = "ng|nguy[eễ]n|tr[aầ]n|l[eê]|ph[aạ]m|ho[aà]ng|hu[yỳ]nh"
#: Who pays, a check-up, a birth year: what no name ends in.
_NOTED = "bhyt|dv|yc|ksk|(19|20)[0-9][0-9]"
#: Syllables that Vietnamese does not write without marks: stopped ones take a tone, ie and ưu a sign on the vowel.
_STRIPPED = "[a-z]*([aeiouy](c|ch|p|t)|uu|uo[a-z]+|[iy]e[a-z]+)"
_NEWBORN = (
    "^(cb[0-9]?|ss|con ba|con cua|con so|con chi|con san phu|con me|con [a-z]+ thi|be cua|be con|be trai|be gai"
    "|be so sinh|em be|so sinh|tre so sinh|tre ss|chau be) |( |^)(con ba|so sinh|con cua ba) "
    "| (cb ?[0-9]?|so sinh|be [0-9ab]|con [0-9]|con thu [a-z0-9]+|sinh doi [a-z0-9]+)$"
    "|^(cb|so sinh|tre so sinh|em be|be trai|be gai)$"
)
#: Spoken variants that are one sound somewhere in the country: initials, then finals.
_SOUNDS = (
    ("y", "i"),
    ("(^| )ngh", "\\1ng"),
    ("(^| )gh", "\\1g"),
    ("(^| )(gi|d|r|v)", "\\1z"),
    ("(^| )x", "\\1s"),
    ("(^| )tr", "\\1ch"),
    ("(^| )n([aeiou])", "\\1l\\2"),
    ("(^| )(k|q|c)([^h ])", "\\1k\\3"),
    ("(ng|nh)( |$)", "n\\2"),
    ("(ch|c)( |$)", "t\\2"),
)
_COMPILED = tuple((re.compile(pattern), sound) for pattern, sound in _SOUNDS)


def composed_sql(text: str) -> str:
    """NFC; letters that it leaves alone are most of all text, and cheap to tell."""
    return f"CASE WHEN regexp_full_match({text}, '{_COMPOSED}') THEN {text} ELSE nfc_normalize({text}) END"


def decoded_sql(composed: str) -> str:
    """Of text in NFC: lower case, TCVN3 and VNI text decoded."""
    return _lower_sql(decode_sql(composed))


def decoding(text: str) -> tuple[dict[str, str], dict[str, str]]:
    """The steps that name it ``decoded`` (see ``in_steps``)."""
    return {"composed": composed_sql(text)}, {"decoded": decoded_sql("composed")}


def lower_sql(text: str) -> str:
    """Lower case, NFC, of text that needs no decoding."""
    return _lower_sql(f"nfc_normalize({text})")


def _lower_sql(text: str) -> str:
    """The Icelandic Ð looks as Đ does, and old keyboards and fonts wrote it instead."""
    return f"replace(lower({text}), 'ð', 'đ')"


def unbracketed_sql(word: str) -> str:
    """Nothing of a lower-case word that is the sex in brackets."""
    return f"CASE WHEN {word} IN ('(nam)', '(nữ)', '(nu)') THEN '' ELSE {word} END"


def fold_sql(decoded: str) -> str:
    """Of decoded text: without diacritics (đ is d), letters and digits only, single spaces; never NULL."""
    return _words_sql(f"replace(strip_accents({decoded}), 'đ', 'd')")


def spaced_sql(decoded: str) -> str:
    """Of decoded text: letters and digits only, a single space behind every word."""
    return f"({_words_sql(decoded)} || ' ')"


def marked_sql(spaced: str) -> str:
    """Of spaced text: with diacritics, tones where the newer spelling puts them (hòa and hoà are one)."""
    moved = spaced
    for old, new in _TONES.items():
        moved = f"replace({moved}, '{old} ', '{new} ')"
    return f"trim(CASE WHEN regexp_matches({spaced}, '[òóỏõọ][ae] |[ùúủũụ]y ') THEN {moved} ELSE {spaced} END)"


def _words_sql(text: str) -> str:
    """Letters and digits only, single spaces; most text is so already, and seeing that is cheaper than replacing."""
    word = "[0-9\\pL]+"
    return (
        f"CASE WHEN regexp_full_match({text}, '({word} )*{word}') THEN {text} "
        f"ELSE trim(regexp_replace({text}, '[^0-9\\pL]+', ' ', 'g')) END"
    )


def untitled_sql(text: str) -> str:
    """Without a form of address in front (BN, ông, bà, Mr …; anh, chị, cụ, bé before a common family name only), or
    what a desk notes behind ("BHYT", "DV", a birth year); marked or folded. "Ng" in front is short for Nguyễn.

    Other numbers behind stay: they tell the namesakes and the babies of one house apart.
    """
    bare = f"regexp_replace({text}, '( ({_NOTED}))+$', '')"
    named = f"regexp_replace({bare}, '^(({_ADDRESS}) )+(\\pL+ \\pL+)', '\\3')"
    called = f"regexp_replace({named}, '^({_KIN}) (({_ADDRESS}) )?(({_FAMILY}) \\pL+)', '\\4')"
    return f"regexp_replace({called}, '^ng ', 'nguyen ')"


def stripped_sql(marked: str) -> str:
    """True when a word has lost its marks: the rest of its name (Nguyễn Huu Dat) then says nothing by having none."""
    return f"regexp_full_match({marked}, '{_STRIPPED}')"


def placeholder_sql(folded: str) -> str:
    """True when the folded name says that nobody knew the name."""
    said = f"^(({_BESIDE}) )*({_PLACEHOLDERS})( ({_PLACEHOLDERS}|{_BESIDE}))*$|^((bn|ong|ba) )?({_ANYBODY})$"
    return f"(NOT regexp_matches({folded}, '[a-z\\pL]') OR regexp_matches({folded}, '{said}'))"


def newborn_sql(folded: str) -> str:
    """True when the folded name is a newborn's stand-in: "CB …", "con bà …", "sơ sinh"."""
    return f"regexp_matches({folded}, '{_NEWBORN}')"


def informative_sql(folded: str) -> str:
    """A middle name without Văn and Thị, which say no more than the sex."""
    return f"trim(regexp_replace({folded}, '(^| )(van|thi)( |$)', ' ', 'g'))"


def skeleton_sql(folded: str) -> str:
    """How a folded name sounds when s/x, ch/tr, d/gi/r/v, l/n, y/i, c/k/q and the finals n/ng/nh, c/ch are one."""
    expression = folded
    for pattern, sound in _SOUNDS:
        expression = f"regexp_replace({expression}, '{pattern}', '{sound}', 'g')"
    return expression


def hash_sql(text: str) -> str:
    """64 bits of a text, for blocking; NULL of NULL."""
    return f"CASE WHEN {text} IS NOT NULL THEN hash({text}) END"


@functools.cache
def skeleton(folded: str) -> str:
    """The same of one text, for the few thousand distinct name parts."""
    for pattern, sound in _COMPILED:
        folded = pattern.sub(sound, folded)
    return folded
