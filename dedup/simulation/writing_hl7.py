"""HL7 v2.5.1: for each encounter an ORM^O01 with its orders, then an ORU^R01 with the results there are.

How the canonical columns are carried: facility MSH-4; patient_id, national_id and insurance_id PID-3 (MR, NI, HC);
full_name whole in PID-5.1; encounter_id PV1-19 and ORC-4; department PV1-3; setting PV1-2; ordered_at
OBR-6 and ORC-9; collected_at OBR-7; resulted_at OBR-22; status ORC-1 (CA), ORC-5 (IP: collected) and OBR-25;
performed_by OBX-23; specimen OBR-15; price OBR-23; ordered_by OBR-16; order_reason ORC-16. HL7 numbers every single
order (ORC-2, OBR-2), so a line of an order becomes an order of its own: see ``placer_numbers``.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from dedup.simulation.batching import batched_lines, file_name
from dedup.simulation.canonical import canonical, placer_numbers
from dedup.simulation.draw import Ints
from dedup.simulation.world import World

__all__ = ["write"]

_CLASS = {"outpatient": "O", "inpatient": "I", "emergency": "E", "icu": "I", "screening": "O"}
_RESULT = {
    "final": "F",
    "corrected": "C",
    "preliminary": "P",
    "cancelled": "X",
    "rejected": "X",
    "collected": "I",
    "ordered": "O",
}


def _safe(name: str) -> pl.Expr:
    """A value with HL7's delimiters escaped; blank where there is none."""
    text = pl.col(name).fill_null("")
    for letter, escape in (("\\", "\\E\\"), ("|", "\\F\\"), ("^", "\\S\\"), ("&", "\\T\\"), ("~", "\\R\\")):
        text = text.str.replace_all(letter, escape, literal=True)
    return text


def _minute(name: str) -> pl.Expr:
    return pl.col(name).fill_null("").str.slice(0, 16).str.replace_all("[-T:]", "")


def _segment(name: str, fields: dict[int, pl.Expr]) -> pl.Expr:
    """A segment with some fields, by number."""
    parts = [fields.get(number, pl.lit("")) for number in range(1, max(fields) + 1)]
    return pl.concat_str(pl.lit(name), *parts, separator="|") + pl.lit("\r")


def _repeated(*ids: pl.Expr) -> pl.Expr:
    return pl.concat_str(*ids, separator="~", ignore_nulls=True)


def _id(value: pl.Expr, authority: pl.Expr, kind: str) -> pl.Expr:
    return value + "^^^" + authority + f"^{kind}"


def _patient() -> pl.Expr:
    cards = pl.col("insurance_id").str.split(";")
    ids = _repeated(
        _id(pl.col("patient_id"), pl.col("facility_id"), "MR"),
        _id(pl.col("national_id"), pl.lit("VN"), "NI"),
        _id(cards.list.get(0, null_on_oob=True), pl.lit("BHYT"), "HC"),
        _id(cards.list.get(1, null_on_oob=True), pl.lit("BHYT"), "HC"),
    )
    return _segment(
        "PID",
        {
            1: pl.lit("1"),
            3: ids,
            5: _safe("full_name"),
            7: pl.col("birth_date").fill_null("").str.replace_all("-", "", literal=True),
            8: pl.col("gender").replace_strict({"male": "M", "female": "F", "unknown": "U"}, return_dtype=pl.String),
            11: _safe("address") + "^^^" + _safe("province"),
            13: _safe("phone"),
        },
    )


def _visit() -> pl.Expr:
    kind = pl.col("setting").replace_strict(_CLASS, return_dtype=pl.String)
    return _segment(
        "PV1", {1: pl.lit("1"), 2: kind, 3: _safe("department") + "^^^" + pl.col("facility_id"), 19: _safe("order_id")}
    )


def _order(control: pl.Expr, *, resulted: bool) -> pl.Expr:
    """ORC and OBR; an order message says nothing of results, but that there will be none."""
    placer = placer_numbers(pl.col("order_id"), pl.col("line_no")) + "^" + pl.col("facility_id")
    taken = pl.when(pl.col("collected_at").is_not_null()).then(pl.lit("IP")).otherwise(pl.lit(""))
    stands = pl.when(pl.col("status") == "cancelled").then(pl.lit("CA")).otherwise(taken)
    code = pl.col("test_code")
    system = pl.when(code.str.contains(r"^\d{1,7}-\d$")).then(pl.lit("LN")).otherwise(pl.lit("99VN"))
    system = pl.when(code.str.contains("^XN")).then(pl.lit("L")).otherwise(system)
    test = code + "^" + _safe("test_name") + "^" + system
    performer = pl.col("performed_by").fill_null(pl.col("facility_id"))
    state = pl.col("status").replace_strict(_RESULT, return_dtype=pl.String)
    orc = _segment(
        "ORC",
        {
            1: control,
            2: placer,
            4: _safe("order_id"),
            5: stands,
            9: _minute("ordered_at"),
            12: _safe("ordered_by"),
            16: _safe("order_reason"),
        },
    )
    obr = _segment(
        "OBR",
        {
            1: pl.col("line_no"),
            2: placer,
            3: pl.col("line_no") + "^" + performer,
            4: test,
            6: _minute("ordered_at"),
            7: _minute("collected_at"),
            15: _safe("specimen"),
            16: _safe("ordered_by"),
            22: _minute("resulted_at") if resulted else pl.lit(""),
            23: pl.col("price_vnd").fill_null("") + "&VND",
            25: state if resulted else pl.when(state == "X").then(state).otherwise(pl.lit("")),
        },
    )
    return orc + obr


def _result() -> pl.Expr:
    """OBX; of panels and images it says who made them, but no value."""
    number = pl.col("value").str.contains(r"^\d+(\.\d+)?$")
    performer = pl.lit("^^^^^^^^^") + pl.col("performed_by").fill_null(pl.col("facility_id"))
    return _segment(
        "OBX",
        {
            1: pl.lit("1"),
            2: pl.when(number).then(pl.lit("NM")).otherwise(pl.lit("ST")),
            3: pl.col("test_code") + "^" + _safe("test_name"),
            5: _safe("value"),
            6: _safe("unit"),
            8: _safe("abnormal_flag"),
            11: pl.col("status").replace_strict(_RESULT, return_dtype=pl.String),
            14: _minute("collected_at"),
            23: performer,
        },
    )


def _messages(frame: pl.DataFrame, kind: str, parts: pl.Expr) -> pl.DataFrame:
    """One message an encounter."""
    rows = frame.select("facility_id", "order_id", "sent", head=_patient() + _visit(), part=parts)
    by = ["facility_id", "order_id"]
    joined = rows.group_by(by, maintain_order=True).agg(pl.col("sent", "head").first(), pl.col("part").str.join())
    control = pl.col("facility_id") + "-" + pl.col("order_id") + f"-{kind[:3]}"
    header = pl.concat_str(
        pl.lit("MSH|^~\\&|HIS|"), pl.col("facility_id"), pl.lit("|HIE|HIE|"), pl.col("sent"), pl.lit(f"||{kind}|"),
        control, pl.lit("|P|2.5.1||||||UNICODE UTF-8\r"),
    )  # fmt: skip
    return joined.select(*by, text=header + pl.col("head") + pl.col("part"))


def _file(world: World, facility: int, lines: Ints) -> str:
    frame = canonical(world, facility, lines)
    writing = world.records.act_writing[world.orders.act[lines]]
    frame = frame.with_columns(gender=world.identity["sex"][writing], sent=_minute("ordered_at"))
    control = pl.when(pl.col("status") == "cancelled").then(pl.lit("CA")).otherwise(pl.lit("NW"))
    orders = _messages(frame, "ORM^O01", _order(control, resulted=False))
    resulted = frame.filter(pl.col("resulted_at").is_not_null())
    results = _messages(resulted, "ORU^R01", _order(pl.lit("RE"), resulted=True) + _result())
    both = orders.join(results, on=["facility_id", "order_id"], how="left", maintain_order="left")
    return "".join(both.select(t=pl.col("text") + pl.col("text_right").fill_null(""))["t"])


def write(world: World, facility: int, folder: Path) -> int:
    """Write the facility's files. Returns their number."""
    files = 0
    for batch, lines in batched_lines(world, facility):
        path = folder / f"{file_name(world, facility, batch)}.hl7"
        path.write_text(_file(world, facility, lines), encoding="utf-8", newline="")
        files += 1
    return files
