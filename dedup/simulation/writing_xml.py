"""The national insurance XML of a facility (fields as in Decision 4750/QĐ-BYT): an envelope a week, or as
many days as asked for.

An encounter is sent in the file of the day it ends, with the results known then, and whole again in each later file
that brings a result. Facilities with an even number send their payloads inline, the others in base64. One claim of
the world is withdrawn (MA_DOITUONG_KCB 8) in the file after the one that brought it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from dedup.schema import STATUSES
from dedup.simulation.batching import file_name
from dedup.simulation.canonical import batches, canonical, of_facility
from dedup.simulation.draw import Ints
from dedup.simulation.tables import lab_tests
from dedup.simulation.visits import DAY, EMERGENCY, ICU, INPATIENT, SCREENING, SECOND, TRANSFER
from dedup.simulation.world import DEPARTMENTS, World

__all__ = ["write"]


def _escaped(name: str) -> pl.Expr:
    text = pl.col(name).fill_null("")
    return (
        text.str.replace_all("&", "&amp;", literal=True)
        .str.replace_all("<", "&lt;", literal=True)
        .str.replace_all(">", "&gt;", literal=True)
    )


def _element(tag: str, value: pl.Expr | str) -> pl.Expr:
    text = _escaped(value) if isinstance(value, str) else value
    return pl.concat_str(pl.lit(f"<{tag}>"), text, pl.lit(f"</{tag}>\n"))


def _minute(name: str) -> pl.Expr:
    """yyyyMMddHHmm of a canonical time."""
    return pl.col(name).fill_null("").str.slice(0, 16).str.replace_all("[-T:]", "")


def _birth() -> pl.Expr:
    """yyyyMMdd0000, with zeros for what is not known."""
    digits = pl.col("birth_date").fill_null("").str.replace_all("-", "", literal=True)
    return pl.when(digits == "").then(digits).otherwise(digits.str.pad_end(12, "0"))


def _stay(world: World, facility: int) -> pl.Expr:
    """XML1."""
    return pl.concat_str(
        pl.lit("<TONG_HOP>\n"),
        _element("MA_LK", "order_id"),
        _element("STT", pl.lit("1")),
        _element("MA_BN", "patient_id"),
        _element("HO_TEN", "full_name"),
        _element("SO_CCCD", "national_id"),
        _element("NGAY_SINH", _birth()),
        _element("GIOI_TINH", "sex_code"),
        _element("DIA_CHI", "address"),
        _element("MATINH_CU_TRU", "province_code"),
        _element("DIEN_THOAI", "phone"),
        _element("MA_THE_BHYT", "insurance_id"),
        _element("MA_DOITUONG_KCB", "entitlement"),
        _element("NGAY_VAO", "admitted"),
        _element("NGAY_VAO_NOI_TRU", "admitted_bed"),
        _element("NGAY_RA", "discharged"),
        _element("MA_LOAI_KCB", "care"),
        _element("MA_KHOA", "ward"),
        _element("MA_CSKCB", pl.lit(world.facilities.code[facility])),
        pl.lit("</TONG_HOP>"),
    )


def _service() -> pl.Expr:
    """One CHI_TIET_DVKT of XML3."""
    return pl.concat_str(
        pl.lit("<CHI_TIET_DVKT>\n"),
        _element("MA_LK", "order_id"),
        _element("STT", "line_no"),
        _element("MA_DICH_VU", "service"),
        _element("MA_NHOM", "group"),
        _element("TEN_DICH_VU", "name"),
        _element("PHAM_VI", pl.lit("1")),
        _element("SO_LUONG", pl.lit("1.000")),
        _element("DON_GIA_BH", "price"),
        _element("THANH_TIEN_BH", "price"),
        _element("MA_KHOA", "ward"),
        _element("MA_BAC_SI", "ordered_by"),
        _element("NGAY_YL", _minute("ordered_at")),
        _element("NGAY_TH_YL", _minute("collected_at")),
        _element("NGAY_KQ", "result_time"),
        pl.lit("</CHI_TIET_DVKT>\n"),
    )


def _result() -> pl.Expr:
    """One CHI_TIET_CLS of XML4."""
    return pl.concat_str(
        pl.lit("<CHI_TIET_CLS>\n"),
        _element("MA_LK", "order_id"),
        _element("STT", "line_no"),
        _element("MA_DICH_VU", "service"),
        _element("MA_CHI_SO", "test_code"),
        _element("TEN_CHI_SO", "name"),
        _element("GIA_TRI", "value"),
        _element("DON_VI_DO", "unit"),
        _element("NGAY_KQ", "result_time"),
        pl.lit("</CHI_TIET_CLS>\n"),
    )


def _prepared(world: World, facility: int, lines: Ints) -> pl.DataFrame:
    """The canonical columns and what the XML wants besides."""
    orders, acts, tests = world.orders, world.acts, lab_tests()
    act, test = orders.act[lines], orders.test[lines]
    setting, kind = acts.setting[act], acts.kind[act]
    frame = canonical(world, facility, lines)
    undone = np.isin(orders.status[lines], (STATUSES.index("cancelled"), STATUSES.index("rejected")))
    entitlement = np.select(
        [setting == EMERGENCY, world.persons.newborn[acts.person[act]], kind == TRANSFER, kind == SECOND],
        ["2", "1.7", "1.3", "3.1"],
        "1.1",
    )
    beds = np.isin(setting, (INPATIENT, ICU))
    code = pl.col("test_code") + pl.when(pl.col("performed_by").is_null()).then(pl.lit("")).otherwise(
        ".K." + pl.col("performed_by")
    )
    return frame.with_columns(
        line=pl.Series(lines),
        encounter=pl.Series(acts.encounter[act]),
        at=pl.Series(acts.at[act]),
        resulted=pl.Series(orders.resulted[lines]),
        service=code + pl.when(pl.Series(undone)).then(pl.lit("_TB")).otherwise(pl.lit("")),
        price=pl.when(pl.Series(undone)).then(pl.lit("0.000")).otherwise(pl.col("price_vnd") + ".000"),
        name=pl.Series(tests.name).gather(test),
        group=pl.Series(["2" if tests.kind[t] == "image" else "1" for t in range(len(tests.kind))]).gather(test),
        ward=pl.Series([name for name, _ in DEPARTMENTS]).gather(world.department[act]),
        sex_code=pl.Series(world.identity["sex"][world.records.act_writing[act]]).replace_strict(
            {"male": "1", "female": "2", "unknown": "3"}, return_dtype=pl.String
        ),
        province_code=world.identity["province_code"][world.records.act_writing[act]],
        entitlement=pl.Series(entitlement),
        care=pl.Series(np.select([beds, setting == SCREENING], ["03", "16"], "01")),
        beds=pl.Series(beds),
    )


def _sent_batches(world: World, frame: pl.DataFrame) -> pl.DataFrame:
    """For each encounter the files in which it is sent: when it ends, and when results come later."""
    ends = frame.group_by("encounter", maintain_order=True).agg(pl.col("at").max())
    ended = ends.with_columns(batch=pl.Series(batches(world, ends["at"].to_numpy() + 120)))
    results = frame.filter(pl.col("resulted") >= 0).select("encounter", "resulted")
    later = results.with_columns(batch=pl.Series(batches(world, results["resulted"].to_numpy())))
    later = later.join(ended.select("encounter", first="batch"), on="encounter").filter(
        pl.col("batch") > pl.col("first")
    )
    sent = pl.concat([ended.select("encounter", "batch"), later.select("encounter", "batch")]).unique()
    return sent.sort("batch", "encounter")


def _payloads(world: World, facility: int, frame: pl.DataFrame, known_until: int) -> pl.DataFrame:
    """One row an encounter with its three payloads, results known at a time."""
    known = (pl.col("resulted") >= 0) & (pl.col("resulted") < known_until)
    shown = frame.with_columns(
        result_time=pl.when(known).then(_minute("resulted_at")).otherwise(pl.lit("")),
        value=pl.when(known).then("value"),
    )
    shown = shown.with_columns(
        admitted=_minute("ordered_at").first().over("encounter"),
        discharged=_minute("ordered_at").last().over("encounter"),
    ).with_columns(admitted_bed=pl.when("beds").then("admitted").otherwise(pl.lit("")))
    rows = shown.with_columns(
        xml1=_stay(world, facility),
        xml3=_service(),
        xml4=pl.when(pl.col("value").is_not_null()).then(_result()).otherwise(pl.lit("")),
    )
    return rows.group_by("encounter", maintain_order=True).agg(
        pl.col("xml1").first(), pl.col("xml3").str.join(), pl.col("xml4").str.join()
    )


def _filed(kind: str, text: pl.Expr, inline: bool) -> pl.Expr:
    content = (
        text if inline else ('<?xml version="1.0" encoding="utf-8"?>\n' + text).cast(pl.Binary).bin.encode("base64")
    )
    return pl.concat_str(
        pl.lit(f"<FILEHOSO>\n<LOAIHOSO>{kind}</LOAIHOSO>\n<NOIDUNGFILE>"),
        content,
        pl.lit("</NOIDUNGFILE>\n</FILEHOSO>\n"),
    )


def _envelope(world: World, facility: int, payloads: pl.DataFrame, filed_on: np.datetime64) -> str:
    inline = facility % 2 == 0
    services = pl.concat_str(
        pl.lit("<CHITIEU_CHITIET_DVKT_VTYT>\n<DSACH_CHI_TIET_DVKT>\n"), "xml3",
        pl.lit("</DSACH_CHI_TIET_DVKT>\n</CHITIEU_CHITIET_DVKT_VTYT>"),
    )  # fmt: skip
    results = pl.concat_str(
        pl.lit("<CHITIEU_CHITIET_DICHVUCANLAMSANG>\n<DSACH_CHI_TIET_CLS>\n"), "xml4",
        pl.lit("</DSACH_CHI_TIET_CLS>\n</CHITIEU_CHITIET_DICHVUCANLAMSANG>"),
    )  # fmt: skip
    records = payloads.select(
        text=pl.concat_str(
            pl.lit("<HOSO>\n"),
            _filed("XML1", pl.col("xml1"), inline),
            _filed("XML3", services, inline),
            pl.when(pl.col("xml4") == "").then(pl.lit("")).otherwise(_filed("XML4", results, inline)),
            pl.lit("</HOSO>\n"),
        )
    )["text"]
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<GIAMDINHHS>\n<THONGTINDONVI>\n'
        f"<MACSKCB>{world.facilities.code[facility]}</MACSKCB>\n</THONGTINDONVI>\n<THONGTINHOSO>\n"
        f"<NGAYLAP>{str(filed_on).replace('-', '')}</NGAYLAP>\n<SOLUONGHOSO>{len(payloads)}</SOLUONGHOSO>\n"
        "<DANHSACHHOSO>\n" + "".join(records) + "</DANHSACHHOSO>\n</THONGTINHOSO>\n</GIAMDINHHS>\n"
    )


def last_batch(world: World) -> int:
    """The number of the last file of a facility."""
    return (world.days - 1) // world.file_days


def withdrawn_encounter(world: World) -> tuple[int, int] | None:
    """Encounter and file of the claim that the first facility withdraws: nothing repeats it or is repeated by it."""
    acts, orders = world.acts, world.orders
    if world.plain:
        return None
    facility = world.facilities.format.index("xml")
    lines = of_facility(world, facility)
    touched = np.union1d(
        acts.encounter[orders.act[orders.repeats >= 0]], acts.encounter[orders.act[orders.repeats[orders.repeats >= 0]]]
    )
    encounter = acts.encounter[orders.act[lines]]
    batch = batches(world, acts.at[orders.act[lines]] + 120)
    free = ~np.isin(encounter, touched) & (batch + 1 <= last_batch(world))
    at = np.flatnonzero(free)
    return (int(encounter[at[0]]), int(batch[at[0]]) + 1) if len(at) else None


def write(world: World, facility: int, folder: Path) -> int:
    """Write the facility's files, one a batch. Returns the number of files."""
    lines = of_facility(world, facility)
    frame = _prepared(world, facility, lines)
    sent = _sent_batches(world, frame)
    withdrawn = withdrawn_encounter(world) if facility == world.facilities.format.index("xml") else None
    last = last_batch(world)
    files = 0
    for batch in range(last + 1):
        chosen = sent.filter(pl.col("batch").clip(upper_bound=last) == batch).select("encounter").unique()
        closes = world.end - world.days * DAY + min((batch + 1) * world.file_days, world.days) * DAY
        part = frame.join(chosen, on="encounter", how="semi", maintain_order="left")
        if withdrawn and withdrawn[1] == batch:
            claim = frame.filter(pl.col("encounter") == withdrawn[0]).with_columns(entitlement=pl.lit("8"))
            part = pl.concat([part, claim])
        if not part.is_empty():
            payloads = _payloads(world, facility, part, closes)
            filed_on = np.datetime64("1970-01-01") + np.timedelta64(closes // DAY, "D")
            name = f"{file_name(world, facility, batch)}.xml"
            (folder / name).write_text(_envelope(world, facility, payloads, filed_on), encoding="utf-8", newline="\n")
            files += 1
    return files
