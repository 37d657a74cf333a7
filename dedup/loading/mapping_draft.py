"""Writing a first mapping for a hospital's table, and trying one on the first rows without loading anything."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dedup.errors import InputError
from dedup.loading.encodings import decoded
from dedup.loading.landing import Landing, make_staging, type_rows
from dedup.loading.mapped import Mapped, choose, header, land_mapped
from dedup.loading.mapping import Column, Mapping, folded, read_mappings
from dedup.loading.table_layout import DELIMITERS, read_together, split
from dedup.schema import CANONICAL
from dedup.warehouse import bring_in, memory_warehouse, scratch
from dedup.workbook import WorkbookError, is_workbook, rows

__all__ = ["MappingCheck", "check_mapping", "suggest_mapping"]

_ROWS = 1000
_TITLES = 20  #: a header is looked for in so many rows
_MUST_HAVE_TIME = ("ordered_at", "collected_at", "resulted_at")

#: What hospitals call the columns, without diacritics, spaces and marks; the canonical name itself always counts.
_WORDS: dict[str, tuple[str, ...]] = {
    "facility_id": ("macskcb", "mabenhvien", "macoso", "hospitalid", "facility"),
    "order_id": ("sophieu", "maphieu", "machidinh", "sochidinh", "orderno", "ordernumber", "accession"),
    "line_no": ("stt", "dong", "line"),
    "patient_id": ("mabn", "mabenhnhan", "manguoibenh", "pid", "mrn", "patientno"),
    "national_id": ("cccd", "socccd", "cmnd", "sodinhdanh", "socmnd", "nationalid"),
    "insurance_id": ("sothebhyt", "mathebhyt", "bhyt", "sobhyt", "mathe", "insuranceno"),
    "full_name": ("hoten", "hovaten", "tenbenhnhan", "tennguoibenh", "name", "patientname"),
    "birth_date": ("ngaysinh", "namsinh", "dob", "birthdate", "dateofbirth"),
    "sex": ("gioitinh", "phai", "gender"),
    "phone": ("dienthoai", "sodienthoai", "sdt", "mobile"),
    "province": ("tinh", "tinhthanh", "tinhthanhpho"),
    "address": ("diachi",),
    "test_code": ("madichvu", "madv", "maxn", "maxetnghiem", "madvkt", "testcode", "loinc"),
    "test_name": ("tendichvu", "tendv", "tenxn", "tenxetnghiem", "testname"),
    "specimen": ("mau", "loaimau", "benhpham", "loaibenhpham"),
    "performed_by": ("noithuchien", "cosothuchien"),
    "ordered_at": ("ngaychidinh", "ngaygiochidinh", "thoigianchidinh", "ngayyl", "tgchidinh", "orderdate", "ordertime"),
    "collected_at": ("ngaylaymau", "ngaygiolaymau", "thoigianlaymau", "tglaymau", "collectiontime", "ngaythyl"),
    "resulted_at": (
        "ngaykq",
        "ngaytrakq",
        "ngaytraketqua",
        "ngayketqua",
        "thoigiantraketqua",
        "thoigianketqua",
        "resulttime",
    ),
    "status": ("trangthai", "tinhtrang"),
    "value": ("ketqua", "giatri", "kq", "result"),
    "unit": ("donvi", "donvido", "dvt"),
    "abnormal_flag": ("batthuong", "co", "flag"),
    "setting": ("loaikham", "doituong", "noitrungoaitru", "hinhthuc"),
    "department": ("khoa", "khoaphong", "makhoa", "tenkhoa"),
    "ordered_by": ("bacsi", "bschidinh", "bacsichidinh", "mabacsi", "doctor"),
    "encounter_id": ("malk", "maluotkham", "madottvao", "madotdieutri", "visitid"),
    "price_vnd": ("dongia", "thanhtien", "gia", "sotien", "price", "amount"),
}

_DAY = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})(?:[ T](\d{1,2}):(\d{2})(:\d{2})?)?$")


@dataclass(frozen=True)
class MappingCheck:
    """What a mapping makes of the first rows of a file. Never holds a cell's value."""

    fits: bool  #: the file has all the columns the mapping names
    rows_read: int = 0
    rows_rejected: int = 0
    rejected: tuple[tuple[str, str, int], ...] = ()  #: (canonical column, reason, rows)
    hints: tuple[str, ...] = ()  #: lines to add to the mapping, with the reason, or columns that the file lacks


def suggest_mapping(path: Path) -> str:
    """A first draft of a mapping for the table at ``path``, as TOML with comments on what is left to decide.

    Raises InputError when the file is no table with a header row.
    """
    try:
        with scratch() as folder:
            row, names, sample = _sample(path, folder)
    except WorkbookError:
        raise InputError(f"{path} is no spreadsheet that can be read.") from None
    if len(names) < 2:
        raise InputError(f"{path} is no table with a header row.")
    places = _guess(names)
    parts = [f"# Check every line; then try it: dedup mapping check MAPPING FILE\n[file]\nheader_row = {row}\n"]
    for name, must in CANONICAL.items():
        if name in places:
            column = [row[places[name]] for row in sample if len(row) > places[name]]
            parts.append(_section(name, names[places[name]], column))
        elif must:
            parts.append(f'[columns.{name}]\n# not found in the header: give a column or a constant\nconstant = ""\n')
    left = [name for place, name in enumerate(names) if place not in places.values()]
    parts += [f"# unused: {', '.join(_toml(name) for name in left)}\n"] if left else []
    return "\n".join(parts)


def _sample(path: Path, folder: Path) -> tuple[int, list[str], list[list[str]]]:
    """The header's row, its names, and the first rows after it. Titles may stand above; blank rows do not count."""
    with path.open("rb") as file:
        head = file.read(1 << 20)
    if is_workbook(head):
        table = list(itertools.islice(rows(path), _ROWS))
        tables = [table] if table else []
    else:
        text = decoded(path, folder)[0].read_bytes()[: 1 << 20].decode("utf-8-sig", "replace")
        lines = [line for line in text.splitlines()[:_ROWS] if line]
        tables = [[split(line, one) for line in lines] for one in DELIMITERS if lines]
    if not tables:
        return 1, [], []
    known, _, above, which = max(
        (len(_guess(cells)), len(cells), -place, -number)
        for number, table in enumerate(tables)
        for place, cells in enumerate(table[:_TITLES])
    )
    header, table = (-above if known else 0), tables[-which]
    return header + 1, table[header], table[header + 1 :]


def _folded(name: str) -> str:
    text = unicodedata.normalize("NFD", name.lower().replace("đ", "d"))
    return "".join(c for c in text if c.isascii() and c.isalnum())


def _guess(names: Sequence[str]) -> dict[str, int]:
    """Canonical column → place: by its own name, else by one of its words; each place is used once."""
    places: dict[str, int] = {}
    for exact in (True, False):
        for name in CANONICAL:
            wanted = (_folded(name),) if exact else _WORDS.get(name, ())
            for place, given in enumerate(names):
                if name not in places and place not in places.values() and _folded(given) in wanted:
                    places[name] = place
    return places


def _section(name: str, source: str, values: Sequence[str]) -> str:
    lines = [f"[columns.{name}]", f"column = {_toml(source)}"]
    filled = [value for value in values if value]
    if name in (*_MUST_HAVE_TIME, "birth_date"):
        lines += _date_lines(filled)
    elif name == "price_vnd":
        lines += _amount_lines(filled)
    elif name in ("status", "setting", "order_reason"):
        words = sorted(Counter(filled))[:20]
        lines += ["# one line a word, and what it means in the contract", "[columns." + name + ".values]"]
        lines += [f'{_toml(word)} = ""' for word in words]
    return "\n".join(lines) + "\n"


def _date_lines(values: Sequence[str]) -> list[str]:
    order = _date_order(values)
    if order is None:
        return []
    certainty, day_first = order
    month_first = "MM" + day_first[2] + "DD" + day_first[5:]
    if certainty != "unclear":
        chosen = day_first if certainty == "day first" else month_first
        return [f'format = "{chosen}"']
    question = "# day or month first? No value tells. Keep one of these:"
    return [question, f'# format = "{day_first}"', f'# format = "{month_first}"']


def _date_order(values: Sequence[str]) -> tuple[str, str] | None:
    """(day first, month first or unclear; the format with the day first) of dates such as 31/12/2026."""
    found = [match for match in map(_DAY.match, values) if match]
    if not found:
        return None
    first, mark = max(int(one[1]) for one in found), found[0][2]
    second = max(int(one[3]) for one in found)
    shown = f"DD{mark}MM{mark}YYYY" + ((" HH:mm:ss" if found[0][7] else " HH:mm") if found[0][5] else "")
    if first > 12 >= second:
        return "day first", shown
    return ("month first", shown) if second > 12 >= first else ("unclear", shown)


def _amount_lines(values: Sequence[str]) -> list[str]:
    if not any("." in value or "," in value for value in values):
        return []
    return [
        "# which mark is which? Keep what is true:",
        '# decimal = ","',
        '# thousands = "."',
    ]


def _toml(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped) + '"'


def check_mapping(mapping_path: Path, path: Path) -> MappingCheck:
    """Try the mapping on the file without loading: what would be rejected and which line would mend it.

    Of a folder the mapping that fits. Raises ConfigError when the mapping itself is wrong.
    """
    mappings = read_mappings(mapping_path)
    with memory_warehouse() as warehouse:
        folder = warehouse.confine()
        link = folder / "table"
        bring_in(path, link)
        found = choose(mappings, link, folder)
        if found is None:
            return MappingCheck(fits=False, hints=tuple(_lacking(mappings, link, folder)))
        make_staging(warehouse.con)
        landing = Landing(warehouse.con, found.path, 1)
        land_mapped(landing, found)
        read_together([landing])
        type_rows(warehouse.con)
        counts = warehouse.con.execute(
            """
            SELECT split_part(problem, ':', 1), split_part(problem, ':', 2), count(*) FROM landed
            WHERE problem IS NOT NULL GROUP BY ALL
            UNION ALL
            SELECT column_name, reason, count(*) FROM landed_reject GROUP BY ALL
            ORDER BY 3 DESC, 1, 2
            """
        ).fetchall()
        rejected = tuple((str(name), str(reason), int(count)) for name, reason, count in counts)
        hints = tuple(_hints(found, rejected, folder))
    return MappingCheck(True, landing.rows_read, sum(count for _, _, count in rejected), rejected, hints)


def _lacking(mappings: Sequence[Mapping], path: Path, folder: Path) -> Iterator[str]:
    """What the only mapping there is names, and the file's header does not."""
    for mapping in mappings if len(mappings) == 1 else ():
        place = folder / "lacking"
        place.mkdir()
        found = header(mapping, path, place)
        names = {folded(name) for name in found.names} if found is not None else set()
        for column in mapping.columns.values():
            for source in column.sources:
                if folded(source) not in names:
                    yield f"row {mapping.file.header_row} of the file has no column {_toml(source)}"


def _hints(found: Mapped, rejected: Sequence[tuple[str, str, int]], folder: Path) -> list[str]:
    *_, sample = _sample(found.path, folder)
    hints = []
    for name, reason, _ in rejected:
        column = found.mapping.columns.get(name)
        if column is None or len(column.sources) != 1:
            continue
        place = [folded(given) for given in found.names].index(folded(column.sources[0]))
        values = [row[place] for row in sample if len(row) > place and row[place]]
        if reason in ("bad_timestamp", "bad_date") and column.format is None:
            hints += [f"[columns.{name}] {line.lstrip('# ')}" for line in _date_lines(values) if "format" in line]
        elif reason in ("ambiguous_price", "bad_price"):
            hints.append(_amount_hint(name, column))
        elif reason.startswith("unknown_"):
            hints.append(f'[columns.{name}.values] "word of the file" = "word of the contract"')
    return list(dict.fromkeys(hints))


def _amount_hint(name: str, column: Column) -> str:
    """The line that is missing, or that is not true of the file."""
    if column.decimal is None and column.thousands is None:
        return f'[columns.{name}] thousands = "." and decimal = ",", or decimal = "."'
    if column.decimal is None:
        return f'[columns.{name}] decimal = "{"." if column.thousands == "," else ","}"'
    if column.thousands is None:
        return f'[columns.{name}] thousands = "{"," if column.decimal == "." else "."}"'
    return f"[columns.{name}] thousands and decimal are not the marks of every amount in the file"
