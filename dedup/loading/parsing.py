"""From landed text to typed columns: one SELECT for every format.

A row that fails keeps its place and gets a ``problem`` (``column:reason``, the first one in the contract's column
order); nothing here repeats what a cell says.
"""

from __future__ import annotations

from collections.abc import Mapping

from dedup.schema import (
    ABNORMAL_FLAGS,
    CANONICAL,
    CODE_SYSTEMS,
    ORDER_REASONS,
    SETTINGS,
    STATUSES,
    TIME_ZONE,
)

__all__ = ["PARSED", "parse"]

MAX_IDENTIFIER = 200
MAX_TEXT = 20_000

_TIMES = ("ordered_at", "collected_at", "resulted_at")
_IDENTIFIERS = ("facility_id", "order_id", "patient_id", "test_code", "performed_by", "encounter_id")
_WORDS: dict[str, tuple[str, ...]] = {
    "code_system": CODE_SYSTEMS,
    "status": STATUSES,
    "setting": SETTINGS,
    "order_reason": ORDER_REASONS,
}

#: What a parsed row holds, with DuckDB types.
PARSED: dict[str, str] = {
    **dict.fromkeys(CANONICAL, "VARCHAR"),
    "line_no": "INTEGER",
    "birth_date": "DATE",
    "birth_precision": "VARCHAR",
    **dict.fromkeys(_TIMES, "TIMESTAMP"),
    "price_vnd": "DECIMAL(18,3)",
    "problem": "VARCHAR",
}

# A date and a time of day, with or without seconds, fractions and offset.
_ISO = r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2})(:\d{2})?(?:[.,]\d{1,9})?(?: ?([zZ]|[+-](?:0\d|1[0-4])(?::?[0-5]\d)?))?"


def parse(source: str, keep: tuple[str, ...] = (), *, tidy: bool = False) -> str:
    """The SELECT that types ``source``, a relation with every canonical column as text, in canonical order.

    ``keep`` names further columns of the source that are passed through; one of them, ``missing``, says what is wrong
    with every row of a delivery (``column:reason``; NULL: nothing). ``tidy``: it is known that no cell is blank or
    has blanks around it.
    """
    clean = ", ".join(f'"{name}"' if tidy else f'{_trimmed(name)} AS "{name}"' for name in CANONICAL)
    typed = ", ".join(f'{_typed(name)} AS "{name}"' for name in CANONICAL)
    raw = ", ".join(f'"{name}" AS "_{name}"' for name in (*_TIMES, *_CHECKED))
    columns = ", ".join(f'"{name}"' for name in PARSED if name != "problem")
    kept = "".join(f", {name}" for name in keep)
    return (
        f"SELECT {columns}, CASE WHEN {_sound()} THEN NULL ELSE {_problem()} END AS problem{kept}\n"
        f"FROM (SELECT {typed}, {_precision()} AS birth_precision, {raw}{kept}\n"
        f"      FROM (SELECT {clean}{kept} FROM {source}))"
    )


_CHECKED = ("line_no", "birth_date", "sex", *_WORDS, "abnormal_flag", "price_vnd")


def _trimmed(name: str) -> str:
    """The cell without blanks around it; nothing left means NULL.

    Trimming every cell would cost more than everything else here together, so only cells that need it are touched:
    whatever begins with a blank, or is empty, sorts before '!'.
    """
    blanks = " OR ".join(f"suffix(\"{name}\", '{blank}')" for blank in " \t\r\n\u00a0")
    return f"""CASE WHEN "{name}" < '!' OR {blanks} OR prefix("{name}", '\u00a0') OR prefix("{name}", '\ufeff')
        THEN nullif(trim("{name}", ' \t\r\n\u00a0\ufeff'), '') ELSE "{name}" END"""


def _typed(name: str) -> str:
    if name in _TIMES:
        return _time(name)
    if name in _WORDS:
        return _word(name, _WORDS[name])
    return _SPECIAL.get(name, f'"{name}"')


def _time(name: str) -> str:
    """Local time to the second; what is given with an offset is moved to Vietnam's clock.

    TRY_CAST to TIMESTAMP drops an offset in silence, so those go through TIMESTAMPTZ, which wants seconds. The usual
    shapes are told by their length and need no pattern: Vietnam's clock has been seven hours ahead since 1975.
    """
    cast, fixed = f'TRY_CAST("{name}" AS TIMESTAMP)', f'TRY_CAST(left("{name}", 19) AS TIMESTAMP)'
    day, exact, modern = "____-__-__", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", f"\"{name}\" >= '1976'"
    return f"""CASE strlen("{name}")
        WHEN 16 THEN CASE WHEN "{name}" LIKE '{day}T__:__' OR "{name}" LIKE '{day} __:__' THEN {cast} END
        WHEN 19 THEN CASE WHEN "{name}" LIKE '{day}T__:__:__' OR "{name}" LIKE '{day} __:__:__' THEN {cast}
            ELSE {_any_time(name)} END
        WHEN 20 THEN CASE WHEN regexp_full_match("{name}", '{exact}Z') AND {modern} THEN {cast} + INTERVAL 7 HOURS
            ELSE {_any_time(name)} END
        WHEN 25 THEN CASE WHEN regexp_full_match("{name}", '{exact}[+]07:00') AND {modern} THEN {fixed}
            ELSE {_any_time(name)} END
        ELSE {_any_time(name)} END"""


def _any_time(name: str) -> str:
    parts = f"""regexp_extract("{name}", '^{_ISO}$', ['day', 'minute', 'second', 'offset'])"""
    full = "concat(p.day, ' ', p.minute, coalesce(nullif(p.second, ''), ':00')"
    return f"""CASE WHEN regexp_full_match("{name}", '{_ISO}') THEN list_transform([{parts}], lambda p: CASE
            WHEN p."offset" = '' THEN TRY_CAST({full}) AS TIMESTAMP)
            ELSE TRY_CAST({full}, upper(p."offset")) AS TIMESTAMPTZ) AT TIME ZONE '{TIME_ZONE}' END)[1] END"""


def _meant(name: str, folded: str, words: Mapping[str, str]) -> str:
    """What the cell's word stands for, as it is written or else ``folded`` (an expression over it); NULL: nothing.

    Not with IN: the engine turns a long list into a join, and a join does not keep the order of the rows. CASE works
    its operand out again for every WHEN: nothing to a bare column, much to a folded one.
    """
    cases = " ".join(f"WHEN '{word}' THEN '{meant}'" for word, meant in words.items())
    return f"""coalesce(CASE "{name}" {cases} END,
        {[*words.values()]}[list_position({[*words]}, {folded})])"""


def _word(name: str, words: tuple[str, ...]) -> str:
    value = _meant(name, f'lower("{name}")', dict(zip(words, words, strict=True)))
    if name == "setting":
        return f"""CASE WHEN "{name}" IS NULL THEN 'unknown' ELSE {value} END"""
    if name == "code_system":
        return rf"""CASE WHEN "{name}" IS NOT NULL THEN {value}
            WHEN regexp_full_match(test_code, '\d{{2}}\.\d{{4}}\.\d{{4}}') THEN 'vn-service'
            WHEN regexp_full_match(test_code, '\d{{1,7}}-\d') THEN 'loinc' ELSE 'local' END"""
    return value


def _date() -> str:
    return r"""CASE length(birth_date)
        WHEN 10 THEN TRY_CAST(CASE WHEN birth_date LIKE '____-__-__' THEN birth_date END AS DATE)
        WHEN 7 THEN TRY_CAST(CASE WHEN birth_date LIKE '____-__' THEN birth_date || '-01' END AS DATE)
        WHEN 4 THEN TRY_CAST(CASE WHEN regexp_full_match(birth_date, '\d{4}') THEN birth_date || '-01-01' END AS DATE)
    END"""


def _precision() -> str:
    return "CASE length(birth_date) WHEN 10 THEN 'day' WHEN 7 THEN 'month' WHEN 4 THEN 'year' END"


_SEXES = {
    **dict.fromkeys(("male", "m", "nam", "1"), "male"),
    **dict.fromkeys(("female", "f", "nữ", "nu", "2"), "female"),
    **dict.fromkeys(("unknown", "u", "3"), "unknown"),
}

_AMBIGUOUS = r"regexp_full_match(_price_vnd, '[1-9]\d{0,2}\.\d{3}')"

_SPECIAL = {
    "line_no": r"""CASE WHEN line_no IS NULL OR line_no = '1' THEN 1
        WHEN regexp_full_match(line_no, '\d{1,9}') THEN nullif(CAST(line_no AS INTEGER), 0) END""",
    "birth_date": _date(),
    "sex": _meant("sex", "lower(nfc_normalize(sex))", _SEXES),
    "abnormal_flag": _meant(
        "abnormal_flag", "upper(abnormal_flag)", dict(zip(ABNORMAL_FLAGS, ABNORMAL_FLAGS, strict=True))
    ),
    "price_vnd": r"""CASE WHEN regexp_full_match(price_vnd, '\d{1,15}(\.\d+)?')
        THEN TRY_CAST(price_vnd AS DECIMAL(18,3)) END""",
}


def _sound() -> str:
    """Nothing is wrong with the row: one cheap test that settles nearly all of them. Never true where a test fails."""
    text = [name for name in CANONICAL if name not in (*_IDENTIFIERS, *_TIMES, *_CHECKED)]
    short = " + ".join(_length(name) for name in _IDENTIFIERS)
    tests = ["missing IS NULL", f"{short} <= {MAX_IDENTIFIER}"]
    tests.append(" + ".join(f'coalesce(strlen("{name}"), 0)' for name in text) + f" <= {MAX_TEXT}")
    tests += [f"{_nul(name)} IS NOT TRUE" for name in (*_IDENTIFIERS, *text)]
    tests += ["ordered_at IS NOT NULL", "status IS NOT NULL"]
    tests += [f'("{name}" IS NOT NULL OR "_{name}" IS NULL)' for name in (*_TIMES, *_CHECKED)]
    tests += [_within(name, "TIMESTAMP", 1940, 2060) for name in _TIMES]
    tests += [_within("birth_date", "DATE", 1900, 2100), "(_price_vnd NOT LIKE '%.%') IS NOT FALSE"]
    return " AND ".join(tests)


def _length(name: str) -> str:
    """The bytes of an identifier; of one that must be there and is not, NULL."""
    return f'strlen("{name}")' if CANONICAL[name] else f'coalesce(strlen("{name}"), 0)'


def _nul(name: str) -> str:
    return f'contains("{name}", chr(0))'


def _within(name: str, kind: str, first: int, last: int) -> str:
    return f"(\"{name}\" >= {kind} '{first}-01-01' AND \"{name}\" < {kind} '{last + 1}-01-01') IS NOT FALSE"


def _problem() -> str:
    """The first thing wrong with a row, in the contract's order of columns."""
    cases = ["WHEN missing IS NOT NULL THEN missing"]
    for name, must in CANONICAL.items():
        cases += [f"WHEN {test} THEN '{name}:{reason}'" for test, reason in _tests(name, must)]
    return "CASE " + "\n".join(cases) + " END"


def _tests(name: str, must: bool) -> list[tuple[str, str]]:
    given = f'"_{name}"' if name in _TIMES or name in _CHECKED else f'"{name}"'
    tests = [(f"{given} IS NULL", "missing_value")] if must else []
    if name in _IDENTIFIERS:
        tests.append((f'strlen("{name}") > {MAX_IDENTIFIER}', "too_long"))
    elif given == f'"{name}"':
        tests.append((f'strlen("{name}") > {MAX_TEXT}', "too_long"))
    if given == f'"{name}"':
        tests.append((_nul(name), "bad_text"))
    wrong = f'{given} IS NOT NULL AND "{name}" IS NULL'
    if name in _TIMES:
        tests.append((f'{wrong} OR year("{name}") NOT BETWEEN 1940 AND 2060', "bad_timestamp"))
    elif name == "birth_date":
        tests.append((f"{wrong} OR year(birth_date) NOT BETWEEN 1900 AND 2100", "bad_date"))
    elif name == "price_vnd":
        tests += [(_AMBIGUOUS, "ambiguous_price"), (wrong, "bad_price")]
    elif name == "line_no":
        tests.append((wrong, "bad_line_no"))
    elif name in _CHECKED:
        tests.append((wrong, f"unknown_{name}"))
    return tests
