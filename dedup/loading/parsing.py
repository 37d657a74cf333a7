"""From landed text to typed columns: one SELECT for every format.

A row that fails keeps its place and gets a ``problem`` (``column:reason``, the first one in the contract's column
order); nothing here repeats what a cell says.
"""

from __future__ import annotations

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
_ISO = r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})(:\d{2})?(?:[.,]\d{1,9})?(?: ?([zZ]|[+-]\d{2}(?::?\d{2})?))?"


def parse(source: str, keep: tuple[str, ...] = ()) -> str:
    """The SELECT that types ``source``, a relation with every canonical column as text, in canonical order.

    ``keep`` names further columns of the source that are passed through; one of them, ``missing``, says what is wrong
    with every row of a delivery (``column:reason``; NULL: nothing).
    """
    clean = ", ".join(f'{_trimmed(name)} AS "{name}"' for name in CANONICAL)
    typed = ", ".join(f'{_typed(name)} AS "{name}"' for name in CANONICAL)
    raw = ", ".join(f'"{name}" AS "_{name}"' for name in (*_TIMES, *_CHECKED))
    columns = ", ".join(f'"{name}"' for name in PARSED if name != "problem")
    kept = "".join(f", {name}" for name in keep)
    return (
        f"SELECT {columns}, {_problem()} AS problem{kept}\n"
        f"FROM (SELECT {typed}, {_precision()} AS birth_precision, {raw}{kept}\n"
        f"      FROM (SELECT {clean}{kept} FROM {source}))"
    )


_PLAIN = ("____-__-__T__:__:__", "____-__-__ __:__:__", "____-__-__T__:__", "____-__-__ __:__")
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

    TRY_CAST to TIMESTAMP drops an offset in silence, so those go through TIMESTAMPTZ, which wants seconds.
    """
    plain = " OR ".join(f""""{name}" LIKE '{shape}'""" for shape in _PLAIN)
    parts = f"""regexp_extract("{name}", '^{_ISO}$', ['day', 'minute', 'second', 'offset'])"""
    full = "concat(p.day, ' ', p.minute, coalesce(nullif(p.second, ''), ':00')"
    return f"""CASE WHEN {plain} THEN TRY_CAST("{name}" AS TIMESTAMP)
        WHEN regexp_full_match("{name}", '{_ISO}') THEN list_transform([{parts}], lambda p: CASE
            WHEN p."offset" = '' THEN TRY_CAST({full}) AS TIMESTAMP)
            ELSE TRY_CAST({full}, upper(p."offset")) AS TIMESTAMPTZ) AT TIME ZONE '{TIME_ZONE}' END)[1] END"""


def _word(name: str, words: tuple[str, ...]) -> str:
    known = ", ".join(f"'{word}'" for word in words)
    value = f"""CASE WHEN lower("{name}") IN ({known}) THEN lower("{name}") END"""
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


_AMBIGUOUS = r"regexp_full_match(_price_vnd, '[1-9]\d{0,2}\.\d{3}')"

_FLAGS = ", ".join(f"'{flag}'" for flag in ABNORMAL_FLAGS)

_SPECIAL = {
    "line_no": r"""CASE WHEN line_no IS NULL THEN 1
        WHEN regexp_full_match(line_no, '\d{1,9}') THEN nullif(CAST(line_no AS INTEGER), 0) END""",
    "birth_date": _date(),
    "sex": """CASE lower(nfc_normalize(sex)) WHEN 'male' THEN 'male' WHEN 'm' THEN 'male' WHEN 'nam' THEN 'male'
        WHEN '1' THEN 'male' WHEN 'female' THEN 'female' WHEN 'f' THEN 'female' WHEN 'nữ' THEN 'female'
        WHEN 'nu' THEN 'female' WHEN '2' THEN 'female' WHEN 'unknown' THEN 'unknown' WHEN 'u' THEN 'unknown'
        WHEN '3' THEN 'unknown' END""",
    "abnormal_flag": f"CASE WHEN upper(abnormal_flag) IN ({_FLAGS}) THEN upper(abnormal_flag) END",
    "price_vnd": r"""CASE WHEN regexp_full_match(price_vnd, '\d{1,15}(\.\d+)?')
        THEN TRY_CAST(price_vnd AS DECIMAL(18,3)) END""",
}


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
