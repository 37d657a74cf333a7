"""HL7 v2: the fields that become columns are those that the package ``hl7`` finds, whatever is in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import hl7
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dedup.loading import hl7v2
from dedup.loading.landing import Landing, make_staging
from dedup.warehouse import Warehouse

#: Canonical column → segment, field and component.
PLAIN = {
    "facility_id": ("MSH", 4, 1),
    "department": ("PV1", 3, 1),
    "encounter_id": ("PV1", 19, 1),
    "order_id": ("OBR", 2, 1),
    "test_code": ("OBR", 4, 1),
    "test_name": ("OBR", 4, 2),
    "ordered_by": ("OBR", 16, 1),
    "value": ("OBX", 5, 1),
    "unit": ("OBX", 6, 1),
}
#: Canonical column → type of the identifier among those of PID-3.
IDENTIFIERS = {"patient_id": "MR", "national_id": "NI"}


@dataclass(frozen=True)
class Writing:
    """How messages are put on paper: separators (field, component, repetition, escape, subcomponent), ends, frame."""

    marks: str
    end: str
    frame: Callable[[list[str]], str]
    charset: str
    codec: str


def plain(messages: list[str]) -> str:
    return "".join(messages)


def framed(messages: list[str]) -> str:
    return "".join(f"\x0b{one}\x1c\r" for one in messages)


def in_a_batch(messages: list[str]) -> str:
    return f"FHS|^~\\&|HIS\rBHS|^~\\&|HIS\r{''.join(messages)}BTS|{len(messages)}\rFTS|1\r"


WRITINGS = st.builds(
    Writing,
    st.sampled_from(["|^~\\&", "|^~\\&", "#*!%$"]),
    st.sampled_from(["\r", "\n", "\r\n"]),
    st.sampled_from([plain, framed, in_a_batch]),
    *[st.just("UNICODE UTF-8"), st.just("utf-8")],
) | st.builds(
    Writing, st.just("|^~\\&"), st.just("\r"), st.sampled_from([plain, framed]), st.just("8859/1"), st.just("latin-1")
)

LETTERS = "abcXYZ019 .,-'%/áÉñü|^~&#*!$"
#: Text, and numbers of bytes to be written as hexadecimal.
TEXTS = st.lists(st.text(LETTERS, min_size=1, max_size=6) | st.integers(0x30, 0x7A), min_size=1, max_size=3)
Parts = list[str | int]


def escaped(parts: Parts, marks: str) -> str:
    names = dict(zip((marks[0], marks[1], marks[4], marks[2], marks[3]), "FSTRE", strict=True))
    mark = marks[3]
    return "".join(
        f"{mark}X{one:02X}{mark}"
        if isinstance(one, int)
        else "".join(f"{mark}{names[char]}{mark}" if char in names else char for char in one)
        for one in parts
    )


CELLS = st.fixed_dictionaries(dict.fromkeys((*PLAIN, *IDENTIFIERS, "family", "given", "middle", "other"), TEXTS))


def written(cells: dict[str, Parts], subcomponents: bool, shuffled: bool, writing: Writing) -> str:
    """A result message; ``subcomponents`` and repetitions stand where the columns do not look."""
    text = {name: escaped(parts, writing.marks) for name, parts in cells.items()}
    field, part, again, _, sub = writing.marks
    numbers = [f"{text[name]}{part * 4}{kind}" for name, kind in IDENTIFIERS.items()] + [f"{text['other']}{part * 4}XX"]
    more = f"{sub}x{sub}" if subcomponents else ""
    names = part.join(text[name] for name in ("family", "given", "middle"))

    def segment(name: str, fields: dict[int, str], width: int) -> str:
        return field.join([name, *(fields.get(number, "") for number in range(1, width + 1))]) + "\r"

    head = (
        f"MSH{writing.marks}"
        + field
        + field.join(
            ["HIS", text["facility_id"], "", "", "20260401080000", "", f"ORU{part}R01", "1", "P", "2.5.1", *[""] * 5]
        )
    )
    return (
        f"{head}{field}{writing.charset}\r"
        + segment("PID", {3: again.join(numbers[::-1] if shuffled else numbers), 5: f"{names}{again}zz{part}zz"}, 8)
        + segment("PV1", {2: "O", 3: f"{text['department']}{part}r{part}b", 19: text["encounter_id"]}, 19)
        + segment("OBR", {2: f"{text['order_id']}{part}HIS{more}", 4: f"{text['test_code']}{part}{text['test_name']}",
                          16: f"{text['ordered_by']}{part}n{more}", 22: "20260401090000", 25: "F"}, 25)
        + segment("OBX", {2: "ST", 5: f"{text['value']}{again}second", 6: f"{text['unit']}{part}u{more}", 11: "F"}, 11)
    )  # fmt: skip


def at(container: Any, number: int) -> Any:
    """What stands there; the package keeps what has no separator in it as text, at any level."""
    return container if isinstance(container, str) and number == 1 else container(number)


def by_oracle(message: str) -> dict[str, str]:
    """The same columns by the package."""
    parsed = hl7.parse(message)

    def component(segment: str, field: int, repetition: int, number: int) -> str:
        return str(parsed.unescape(str(at(at(parsed.segment(segment)(field), repetition), number))))

    found = {name: component(segment, field, 1, number) for name, (segment, field, number) in PLAIN.items()
             if name != "facility_id"}  # fmt: skip
    found["facility_id"] = str(parsed.unescape(str(parsed.segment("MSH")(4))))
    kinds = [str(at(one, 5)) for one in parsed.segment("PID")(3)]
    for name, kind in IDENTIFIERS.items():
        found[name] = component("PID", 3, kinds.index(kind) + 1, 1)
    found["full_name"] = " ".join(component("PID", 5, 1, number) for number in (1, 3, 2))
    return found


def by_dedup(con: duckdb.DuckDBPyConnection, path: Path) -> list[dict[str, str]]:
    names = (*PLAIN, *IDENTIFIERS, "full_name")
    make_staging(con)
    landing = Landing(con, path, 1)
    hl7v2.land(landing, path)
    assert landing.rows_read == landing.counted
    rows = con.execute(f"SELECT {', '.join(names)} FROM landed_text ORDER BY row_number").fetchall()
    return [dict(zip(names, row, strict=True)) for row in rows]


def blanks_apart(found: dict[str, str]) -> dict[str, str]:
    """Without blanks around a cell, and with one where names meet: both are the parser's business."""
    return {name: " ".join((text or "").split()) for name, text in found.items()}


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(CELLS, st.booleans(), st.booleans()), min_size=1, max_size=6), WRITINGS)
def test_every_field_is_found_as_by_the_oracle(
    warehouse: Warehouse, tmp_path: Path, orders: list[tuple[dict[str, Parts], bool, bool]], writing: Writing
) -> None:
    messages = [written(*one, writing) for one in orders]
    path = tmp_path / "a.hl7"
    path.write_bytes(writing.frame(messages).replace("\r", writing.end).encode(writing.codec))
    wanted = [blanks_apart(by_oracle(one)) for one in messages]
    assert [blanks_apart(one) for one in by_dedup(warehouse.con, path)] == wanted
