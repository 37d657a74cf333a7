"""Numbers that may identify somebody: typed, checked, and stripped of placeholders.

Every function takes the SQL of text columns and gives the SQL of the normalised one.
"""

from __future__ import annotations

__all__ = ["compact_sql", "grade_sql", "id_type_sql", "insurance_sql", "local_phone_sql", "number_sql", "phone_sql"]

#: No trust: missing, malformed, a placeholder, or somebody else's.
NO_EVIDENCE = 0
#: Well-formed, nothing contradicts it, but there is no birth year to check it with.
PLAUSIBLE = 1
#: Fits the record's own sex and birth year.
TRUSTED = 2

_RUNS = "01234567890123456789"
_PAIRS = "001122334455667788990011"
_REPEATED = "|".join(f"{digit}*" for digit in range(10))


def compact_sql(number: str) -> str:
    """Capital letters and digits only; a CCCD that lost its leading zeros in a spreadsheet gets them back.

    Every province code begins with one or two zeros, so ten or eleven digits are a CCCD without them. Whatever takes a
    column with gaps for fractions writes ``.0`` behind.
    """
    bare = f"regexp_replace(upper({_whole_sql(number)}), '[^0-9A-Z]+', '', 'g')"
    padded = f"CASE WHEN regexp_full_match({bare}, '[0-9]{{10,11}}') THEN lpad({bare}, 12, '0') ELSE {bare} END"
    plain = f"regexp_full_match({number}, '[0-9]{{9}}|[0-9]{{12}}')"
    return f"CASE WHEN {plain} THEN {number} ELSE nullif({padded}, '') END"


def id_type_sql(compact: str) -> str:
    """cccd (12 digits), cmnd (9 digits), passport (1–2 letters, 6–8 digits), other; NULL for none."""
    return f"""CASE
      WHEN {compact} IS NULL THEN NULL
      WHEN regexp_full_match({compact}, '[0-9]{{9}}|[0-9]{{12}}') THEN CASE
        WHEN {_placeholder_sql(compact)} THEN 'other'
        WHEN length({compact}) = 9 THEN CASE WHEN {_typed_sql(compact)} THEN 'other' ELSE 'cmnd' END
        WHEN substr({compact}, 7) <> '000000' THEN 'cccd'
        ELSE 'other' END
      WHEN regexp_matches({compact}, '^[A-Z]{{1,2}}[0-9]{{6,8}}$') AND NOT {_repeated_sql(_digits(compact))}
        THEN 'passport'
      ELSE 'other' END"""


def number_sql(id_type: str, compact: str) -> str:
    """A CCCD or CMND as a number, which is cheaper to take apart than text; NULL for all else."""
    return f"CASE WHEN {id_type} IN ('cccd', 'cmnd') THEN CAST({compact} AS BIGINT) END"


def grade_sql(id_type: str, number: str, birth_date: str, sex: str, newborn: str) -> str:
    """NO_EVIDENCE, PLAUSIBLE or TRUSTED.

    Digits 4–6 of a CCCD are the century with the sex and the last two digits of the birth year; what the record
    knows of both must fit, else the number is somebody else's (a mother's, a guardian's). CMND and passport hold
    nothing to check: they count once a birth year is known, and pairs are guarded by name and birth year. The
    number on a newborn counts only when it is a CCCD that fits, since it is so often the mother's.
    """
    century = f"({number} // 100000000 % 10)"
    born = f"(1900 + 100 * ({century} // 2) + {number} // 1000000 % 100)"
    fits_sex = f"({sex} = 'unknown' OR ({sex} = 'male') = ({century} % 2 = 0))"
    return f"""CASE
      WHEN {id_type} = 'cccd' THEN CASE
        WHEN NOT {fits_sex} OR coalesce({born} <> year({birth_date}), false) THEN {NO_EVIDENCE}
        WHEN {birth_date} IS NOT NULL THEN {TRUSTED}
        WHEN {newborn} THEN {NO_EVIDENCE}
        ELSE {PLAUSIBLE} END
      WHEN {id_type} IN ('cmnd', 'passport') AND NOT {newborn}
        THEN CASE WHEN {birth_date} IS NULL THEN {PLAUSIBLE} ELSE {TRUSTED} END
      ELSE {NO_EVIDENCE} END"""


def insurance_sql(cards: str) -> str:
    """The last ten digits of each card in a ``;`` list, sorted; temporary child cards (TE…) are never a key."""
    clean, last = f"regexp_replace(upper({cards}), '[^0-9A-Z;]+', '', 'g')", "c[-10:]"
    several = f"""list_sort(list_distinct([{last} FOR c IN string_split({clean}, ';')
      IF NOT starts_with(c, 'TE') AND regexp_matches(c, '[0-9]{{10}}$') AND NOT {_repeated_sql(last)}]))"""
    repeated = f"regexp_full_match({cards}, '.{{5}}({_REPEATED})')"
    return f"""CASE
      WHEN {cards} IS NULL THEN NULL
      WHEN regexp_full_match({cards}, '([A-SU-Z][A-Z]|T[A-DF-Z])[0-9]{{13}}') AND NOT {repeated}
        THEN [right({cards}, 10)]
      WHEN regexp_full_match({cards}, 'TE[0-9]{{13}}') THEN []
      ELSE {several} END"""


def local_phone_sql(phone: str) -> str:
    """The digits of the first number in a list, with the country code 84 as 0; spreadsheets eat a mobile's."""
    first = _whole_sql(f"regexp_extract({phone}, '^[^/;,]*')")
    local = f"regexp_replace(regexp_replace({first}, '[^0-9]+', '', 'g'), '^(([35789][0-9]{{8}}$)|0084|84)', '0\\2')"
    return f"CASE WHEN regexp_full_match({phone}, '0[35789][0-9]{{8}}') THEN {phone} ELSE {local} END"


def phone_sql(digits: str) -> str:
    """Local digits with today's prefix (0163… is 033…); NULL for placeholders and nonsense."""
    pairs = ", ".join(f"'{old}': '{new}'" for old, new in _MOBILE.items())
    modern = f"(MAP {{{pairs}}}[{digits}[:4]] || {digits}[5:])"
    counting = "|".join(run[at : at + 8] for run in (_RUNS, _RUNS[::-1]) for at in range(10))
    return f"""CASE
      WHEN regexp_full_match({digits}, '.{{0,2}}({_REPEATED}|0+.|(09)+)|.*({counting})') THEN NULL
      WHEN regexp_full_match({digits}, '0[35789][0-9]{{8}}|02[0-9]{{9}}') THEN {digits}
      WHEN regexp_full_match({digits}, '01[0-9]{{9}}') THEN {modern} END"""


#: Eleven-digit mobile prefixes of before September 2018 (Ministry of Information and Communications).
_MOBILE = {f"016{digit}": f"03{digit}" for digit in range(2, 10)} | {
    "0120": "070", "0121": "079", "0122": "077", "0126": "076", "0128": "078",
    "0123": "083", "0124": "084", "0125": "085", "0127": "081", "0129": "082",
    "0186": "056", "0188": "058", "0199": "059",
}  # fmt: skip


def _whole_sql(number: str) -> str:
    """Without the fraction of nought that a spreadsheet or a data frame gave a whole number."""
    return f"regexp_replace({number}, '^([0-9]+)\\.0$', '\\1')"


def _placeholder_sql(digits: str) -> str:
    """One digit repeated, or digits counting up or down."""
    return f"({_repeated_sql(digits)} OR {_counting_sql(digits)})"


def _typed_sql(digits: str) -> str:
    """Nine digits that nothing checks and a hand types without looking: one digit but in two places, groups repeated,
    digits counting but for the last, or counting in pairs."""
    mostly = "|".join(f"{digit}*.?{digit}*.?{digit}*" for digit in range(10))
    groups = " OR ".join(f"{digits}[{size + 1}:] = {digits}[:{9 - size}]" for size in (2, 3))
    pairs = f"contains('{_PAIRS}', {digits}) OR contains('{_PAIRS[::-1]}', {digits})"
    return f"(regexp_full_match({digits}, '{mostly}') OR {groups} OR {_counting_sql(f'{digits}[:8]')} OR {pairs})"


def _counting_sql(digits: str) -> str:
    return f"(contains('{_RUNS}', {digits}) OR contains('{_RUNS[::-1]}', {digits}))"


def _repeated_sql(digits: str) -> str:
    return f"regexp_full_match({digits}, '{_REPEATED}')"


def _digits(number: str) -> str:
    return f"regexp_replace({number}, '[^0-9]+', '', 'g')"
