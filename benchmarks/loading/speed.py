"""Landing and typing against floors measured in the same run, in CPU-seconds of this process.

    python -m benchmarks.loading.speed [--rows N] [--times N] [FORMAT…]

CSV: DuckDB's own read of the same file into a table, all text. XML: lxml's bare ``iterparse`` over the same bytes,
inline payloads; many files by one process and by one for each processor, by the clock. HL7 and FHIR: messages and
resources a CPU-second, of the reader alone, then with more of the load. Files are made of the samples, with other keys.
Ours and the floor are measured in turn, ``--times`` each, and the least of each counts: what else the machine does only
adds to it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from lxml import etree

from dedup.loading import load
from dedup.loading.formats import FORMATS
from dedup.loading.landing import Landing, make_staging, type_rows
from dedup.loading.receiving import receive
from dedup.settings import Settings, WarehouseSettings
from dedup.warehouse import memory_warehouse, one_thread, start_run

SAMPLES = Path(__file__).parents[2] / "data" / "samples" / "formats"


def cpu(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def clock(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def least(times: int, *measure: Callable[[], float]) -> list[float]:
    """The least of ``times`` measurements of each, taken in turn."""
    return [min(taken) for taken in zip(*([one() for one in measure] for _ in range(times)), strict=True)]


def landed(path: Path) -> tuple[float, int]:
    """CPU-seconds to land and type a file, and its rows."""
    with memory_warehouse() as warehouse:
        make_staging(warehouse.con)
        rows = 0

        def work() -> None:
            nonlocal rows
            arrivals = receive(warehouse, [[path]]).arrivals
            type_rows(warehouse.con)
            rows = sum(one.landing.rows_read for one in arrivals)

        with one_thread(warehouse.con, of=2):  # as load() does
            return cpu(work), rows


def alone(name: str, path: Path) -> tuple[float, int]:
    """CPU-seconds of the reader alone, from the file's bytes to canonical columns of text; and the rows."""
    module = FORMATS[name]
    with memory_warehouse() as warehouse:
        make_staging(warehouse.con)
        landing = Landing(warehouse.con, path, 1)

        def work() -> None:
            module.land(landing, path)
            if hasattr(module, "finish"):
                module.finish([landing])

        with one_thread(warehouse.con, of=2):  # as load() does
            return cpu(work), landing.rows_read


def loaded(path: Path) -> float:
    """CPU-seconds of the whole load stage into an empty warehouse in memory."""
    with memory_warehouse() as warehouse, start_run(warehouse, "load") as run:
        return cpu(lambda: load(warehouse, run, [path], Settings()))


def csv_file(path: Path, rows: int) -> Path:
    head, *lines = (SAMPLES / "canonical.csv").read_text(encoding="utf-8").splitlines()
    with path.open("w", encoding="utf-8") as out:
        out.write(head + "\n")
        for number in range(rows):
            facility, _, line_no, _, rest = lines[number % 3].split(",", 4)
            out.write(f"{facility},{number},{line_no},P{number // 9},{rest}\n")
    return path


def xml_file(path: Path, rows: int, first: int = 0) -> Path:
    """One inline encounter of 20 services, with as many fields as a real one, again and again, numbered on."""
    service = re.search(
        r"<CHI_TIET_DVKT>.*?</CHI_TIET_DVKT>", _inline((SAMPLES / "insurance.xml").read_text(encoding="utf-8"))
    )
    if service is None:
        raise ValueError("the sample has an inline service")
    blank = "".join(f"<T_{number}></T_{number}>" for number in range(33))  # the annexes have 47 fields a service
    one = service[0].replace("</CHI_TIET_DVKT>", blank + "</CHI_TIET_DVKT>")
    with path.open("w", encoding="utf-8") as out:
        out.write("<GIAMDINHHS><THONGTINDONVI><MACSKCB>98001</MACSKCB></THONGTINDONVI><THONGTINHOSO>")
        out.write("<NGAYLAP>20260402</NGAYLAP><DANHSACHHOSO>")
        for number in range(first, first + rows // 20):
            stay = f"<TONG_HOP><MA_LK>{number}</MA_LK><MA_BN>{number}</MA_BN><MA_CSKCB>98001</MA_CSKCB></TONG_HOP>"
            text = "".join(
                re.sub(r"<STT>\d+", f"<STT>{place}", re.sub(r"<MA_LK>[^<]*", f"<MA_LK>{number}", one, count=1), count=1)
                for place in range(1, 21)
            )
            for kind, payload in (("XML1", stay), ("XML3", f"<X>{text}</X>")):
                out.write("<HOSO>" if kind == "XML1" else "")
                out.write(f"<FILEHOSO><LOAIHOSO>{kind}</LOAIHOSO><NOIDUNGFILE>{payload}</NOIDUNGFILE></FILEHOSO>")
            out.write("</HOSO>")
        out.write("</DANHSACHHOSO></THONGTINHOSO></GIAMDINHHS>")
    return path


def _inline(text: str) -> str:
    return text.replace("\n", "")


def hl7_file(path: Path, rows: int) -> Path:
    result = "MSH|" + (SAMPLES / "messages.hl7").read_text(encoding="utf-8").split("MSH|")[-1]
    path.write_text("".join(result.replace("7001", str(number)) for number in range(rows)), encoding="utf-8")
    return path


def fhir_file(path: Path, rows: int) -> Path:
    lines = (SAMPLES / "resources.fhir.ndjson").read_text(encoding="utf-8").splitlines()
    request, observation = json.loads(lines[4]), json.loads(lines[6])
    with path.open("w", encoding="utf-8") as out:
        out.write("\n".join(lines[:4]) + "\n")
        for number in range(rows // 2):
            request |= {"id": f"r{number}", "identifier": [{"value": str(number)}]}
            observation |= {"id": f"o{number}", "basedOn": [{"reference": f"ServiceRequest/r{number}"}]}
            out.write(json.dumps(request) + "\n" + json.dumps(observation) + "\n")
    return path


def csv_floor(path: Path, *, one: bool) -> float:
    """``one``: with one thread, else with as many as the engine takes by itself."""
    with memory_warehouse() as warehouse, one_thread(warehouse.con, of=None if one else 0):
        sql = "CREATE TEMP TABLE floor AS FROM read_csv(?, all_varchar = true)"
        return cpu(lambda: warehouse.con.execute(sql, [str(path)]))


def xml_floor(path: Path) -> float:
    def work() -> None:
        for _, element in etree.iterparse(str(path), huge_tree=True):
            element.clear()

    return cpu(work)


def tell_csv(place: Path, rows: int, times: int) -> None:
    path = csv_file(place / "a.csv", rows)
    read = landed(path)[1]
    ours, floor, single = least(
        times, lambda: landed(path)[0], partial(csv_floor, path, one=False), partial(csv_floor, path, one=True)
    )
    print(
        f"csv: {read:,} rows, {ours:.2f} CPU-s; all-text read {floor:.2f}, ratio {ours / floor:.2f} (at most 1.6); "
        f"all-text read with one thread {single:.2f}, ratio {ours / single:.2f}"
    )


def tell_xml(place: Path, rows: int, times: int) -> None:
    path = xml_file(place / "a.xml", rows // 4)
    read = landed(path)[1]
    ours, floor = least(times, lambda: landed(path)[0], partial(xml_floor, path))
    print(f"xml: {read:,} rows, {ours:.2f} CPU-s; bare iterparse {floor:.2f}; speed {floor / ours:.2f} (at least 0.8)")


def tell_xml_files(place: Path, rows: int, times: int) -> None:
    for number in range(8):
        xml_file(place / f"{number}.xml", rows // 32, first=number * rows)

    def took(threads: int) -> float:
        with memory_warehouse(WarehouseSettings(threads=threads)) as warehouse, start_run(warehouse, "load") as run:
            return clock(partial(load, warehouse, run, [place], Settings()))

    one, each = least(times, partial(took, 1), partial(took, os.cpu_count() or 1))
    print(f"xml, 8 files: {one:.1f} s by one process, {each:.1f} s by one a processor, {one / each:.2f} times as fast")


def tell_messages(name: str, what: str, path: Path, each: int, asked: int, times: int) -> None:
    """Speeds with more and more of the common work; ``each``: messages or resources a row."""
    number = each * landed(path)[1]
    parts = ("reader alone", "received and typed", "whole load")
    took = least(times, lambda: alone(name, path)[0], lambda: landed(path)[0], partial(loaded, path))
    speeds = "; ".join(f"{number / seconds:,.0f} {part}" for part, seconds in zip(parts, took, strict=True))
    print(f"{name}: {number:,} {what}, a CPU-second {speeds} (reader at least {asked:,})")


def tell_hl7(place: Path, rows: int, times: int) -> None:
    tell_messages("hl7v2", "messages", hl7_file(place / "a.hl7", rows // 4), 1, 100_000, times)


def tell_fhir(place: Path, rows: int, times: int) -> None:
    tell_messages("fhir", "resources", fhir_file(place / "a.ndjson", rows // 2), 2, 60_000, times)


TOLD = {"csv": tell_csv, "xml": tell_xml, "xml-files": tell_xml_files, "hl7": tell_hl7, "fhir": tell_fhir}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("formats", nargs="*", default=list(TOLD), metavar="FORMAT", help=", ".join(TOLD))
    given = parser.parse_args()
    for sample in ("canonical.csv", "insurance.xml", "messages.hl7", "resources.fhir.ndjson"):
        loaded(SAMPLES / sample)  # what is imported at first use is not measured
    for name in given.formats:
        with tempfile.TemporaryDirectory() as folder:
            TOLD[name](Path(folder), given.rows, given.times)


if __name__ == "__main__":
    main()
