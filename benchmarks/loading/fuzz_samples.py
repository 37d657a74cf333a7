"""What ``fuzz`` starts from: the invented samples of each format, also as a Bundle, in an own table, and packed."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from dedup.loading.formats import recognise

__all__ = ["SAMPLES", "Sample", "mapping_file", "secrets"]

FOLDER = Path(__file__).parents[2] / "data" / "samples" / "formats"


def as_it_is(data: bytes) -> bytes:
    """Not packed."""
    return data


@dataclass(frozen=True)
class Sample:
    """The inside of a file, and how it is packed."""

    data: bytes
    pack: Callable[[bytes], bytes] = as_it_is


def secrets(samples: list[Sample], work: Path) -> set[str]:
    """What must never be told: the identities and results in the samples."""
    folder = work / "whole"
    folder.mkdir()
    for number, sample in enumerate(samples):
        (folder / str(number)).mkdir()
        (folder / str(number) / "sample").write_bytes(sample.pack(sample.data))
    db = work / "whole.duckdb"
    command = [
        sys.executable,
        "-m",
        "dedup",
        "load",
        str(folder),
        "--db",
        str(db),
        "--mapping",
        str(mapping_file(work)),
    ]
    subprocess.run([*command, "--quiet"], check=False, capture_output=True)  # some members are cut short
    with duckdb.connect(str(db), read_only=True) as con:
        columns = "full_name, national_id, insurance_id, phone, address, patient_id"
        found = con.execute(f"SELECT DISTINCT unnest([{columns}]) FROM identity").fetchall()
    told = {str(text).casefold() for (text,) in found if text and len(text) >= 6}
    if not told:
        raise ValueError("the samples have no patients")
    return told


def _files(name: str) -> list[Sample]:
    return [Sample(path.read_bytes()) for path in sorted(FOLDER.iterdir()) if recognise(path) == name]


def _bundles() -> list[Sample]:
    """The resources as one Bundle, with plain and with urn:uuid references, on one line and on many."""
    text = (FOLDER / "resources.fhir.ndjson").read_text(encoding="utf-8")
    resources = [json.loads(line) for line in text.splitlines()]
    entries = [{"fullUrl": f"https://h/{one['resourceType']}/{one['id']}", "resource": one} for one in resources]
    plain = json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}, ensure_ascii=False)
    named = plain
    for number, one in enumerate(resources):
        named = named.replace(f"https://h/{one['resourceType']}/{one['id']}", f"urn:uuid:{number}")
        named = named.replace(f'"{one["resourceType"]}/{one["id"]}"', f'"urn:uuid:{number}"')
    wide = json.dumps(json.loads(plain), ensure_ascii=False, indent=1)
    return [Sample(one.encode()) for one in (plain, named, wide, f"{plain}\n{named}\n")]


def _sheets() -> list[Sample]:
    """Workbooks: the parts that hold cells, styles and names, each put back among the others."""
    book = (FOLDER / "canonical.xlsx").read_bytes()

    def put_back(name: str) -> Callable[[bytes], bytes]:
        def pack(part: bytes) -> bytes:
            return _zip({other: part if other == name else data for other, data in _members(book).items()})

        return pack

    return [Sample(data, put_back(name)) for name, data in _members(book).items() if name.endswith((".xml", ".rels"))]


def _members(book: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(book)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _zip(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def _tar(data: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in (("a.csv", data), ("d/b.csv", data[:-30])):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def _zstandard(data: bytes) -> bytes:
    import pyarrow as pa

    return bytes(pa.Codec("zstd").compress(data, asbytes=True))


def _archives() -> list[Sample]:
    inside = [one.data for name in ("csv", "ndjson", "insurance-xml") for one in _files(name)]
    packings: list[Callable[[bytes], bytes]] = [
        _gzip,
        _zstandard,
        _tar,
        lambda data: _zip({"a.csv": data, "../b.csv": data[:-30]}),
        lambda data: _gzip(_tar(data)),
        lambda data: _zip({"a.gz": _gzip(data)}),
    ]
    return [Sample(data, pack) for data in inside for pack in packings]


HEADER = "Mã CS;Số phiếu;Mã BN;Họ tên;Ngày sinh;Điện thoại;Mã DV;Chỉ định lúc;Kết quả;Giá"
TABLE = "".join(
    f"98001;X{n};BN{n:06};TRẦN VĂN MẪU SỐ {n};{n + 10}/02/1980;09110000{n:02};23.0075.1494;"
    f"0{n}/04/2026 08:1{n};5,{n};21.500\n"
    for n in range(1, 9)
)


def _mapped() -> list[Sample]:
    text = f"{HEADER}\n{TABLE}"
    return [Sample(text.encode(one)) for one in ("utf-8", "utf-8-sig", "utf-16", "cp1258") if _can(text, one)]


def _can(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def mapping_file(folder: Path) -> Path:
    """The mapping of the table, written into ``folder``."""
    names = HEADER.split(";")
    plain = ("facility_id", "order_id", "patient_id", "full_name", "phone", "test_code", "value")
    at = dict(zip(plain, (names[n] for n in (0, 1, 2, 3, 5, 6, 8)), strict=True))
    parts = [f'[columns.{name}]\ncolumn = "{column}"\n' for name, column in at.items()]
    parts += [f'[columns.birth_date]\ncolumn = "{names[4]}"\nformat = "DD/MM/YYYY"\n']
    parts += [f'[columns.ordered_at]\ncolumn = "{names[7]}"\nformat = "DD/MM/YYYY HH:mm"\n']
    parts += [
        f'[columns.price_vnd]\ncolumn = "{names[9]}"\nthousands = "."\n',
        '[columns.status]\nconstant = "final"\n',
    ]
    path = folder / "mapping.toml"
    path.write_text("\n".join(parts), encoding="utf-8")
    return path


#: Format → its samples.
SAMPLES: dict[str, Callable[[], list[Sample]]] = {
    "parquet": lambda: _files("parquet"),
    "insurance-xml": lambda: _files("insurance-xml"),
    "hl7v2": lambda: _files("hl7v2"),
    "fhir": lambda: _files("fhir"),
    "fhir-bundle": _bundles,
    "ndjson": lambda: _files("ndjson"),
    "csv": lambda: _files("csv"),
    "xlsx": _sheets,
    "mapped": _mapped,
    "archive": _archives,
}
