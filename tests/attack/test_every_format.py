"""Every format meets every attack and accident that can happen to it, through ``dedup load``.

Each case is one delivery in a folder of its own. Whatever happened to it, its rows add up, what was counted
independently is what was read, and nobody is told a patient's name, number or value.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import unicodedata
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl
import pytest

from tests.attack.test_archives import tarred, zipped, zst
from tests.cli.conftest import Dedup
from tests.cli.conftest import dedup as dedup
from tests.cli.test_privacy import CANARIES, NAME, said
from tests.loading.conftest import SAMPLES, as_csv, order
from tests.loading.xml import SERVICE, STAY, envelope, record

ROWS = 3
WHO = {"full_name": NAME, "national_id": "001190777123", "phone": "0987001234", "patient_id": "PCANARY"}
SQL = 'x\'); DROP TABLE line; -- "$1" %s {} \u202e'
NAMES = ("o'r*d[e]r?.gz", '";DROP TABLE line;--.xlsx', "a b\n.parquet", "ф..xml", "-rf.pdf", "%s{}$1.zip")


def orders(name: str) -> list[dict[str, str]]:
    return [order(**(WHO | {"full_name": name, "order_id": f"A{n}"})) for n in range(ROWS)]


def ndjson(name: str) -> bytes:
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in orders(name)).encode()


def parquet(name: str) -> bytes:
    out = io.BytesIO()
    pl.DataFrame(orders(name)).write_parquet(out)
    return out.getvalue()


def xlsx(name: str) -> bytes:
    out = io.BytesIO()
    pl.DataFrame(orders(name)).write_excel(out)
    return out.getvalue()


def xml(name: str, *, coded: bool = False) -> bytes:
    stay = STAY | {"HO_TEN": name, "SO_CCCD": WHO["national_id"], "MA_BN": WHO["patient_id"]}
    of = [{"MA_LK": f"{n}"} for n in range(ROWS)]
    return envelope(*(record(stay | one, [SERVICE | one], coded=coded) for one in of)).encode()


def hl7(name: str) -> bytes:
    text = (SAMPLES / "messages.hl7").read_bytes().decode()
    return text.replace("LÊ^MẪU^THỊ", name).replace("BN01", "PCANARY").encode()


def resources(name: str) -> list[dict[str, object]]:
    text = (SAMPLES / "resources.fhir.ndjson").read_text(encoding="utf-8").replace("BN01", "PCANARY")
    found: list[dict[str, object]] = [json.loads(line) for line in text.splitlines()]
    return [one | ({"name": [{"text": name}]} if one["resourceType"] == "Patient" else {}) for one in found]


def fhir(name: str) -> bytes:
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in resources(name)).encode()


def bundle(name: str) -> bytes:
    entries = [{"resource": one} for one in resources(name)]
    whole = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    return json.dumps(whole, ensure_ascii=False, indent=1).encode()


#: Format → how a file of it is made, with somebody's name in it.
MAKERS: dict[str, Callable[[str], bytes]] = {
    "csv": lambda name: as_csv(*orders(name)).encode(),
    "ndjson": ndjson,
    "parquet": parquet,
    "xlsx": xlsx,
    "insurance-xml": xml,
    "insurance-xml-base64": lambda name: xml(name, coded=True),
    "hl7v2": hl7,
    "fhir": fhir,
    "fhir-bundle": bundle,
}
CUTS = [f"cut{part}" for part in range(1, 7)]  # after so many sevenths
SCRAMBLED = [f"scrambled{seed}" for seed in range(4)]
BINARY = ("parquet", "xlsx")


def scrambled(data: bytes, seed: int) -> bytes:
    """Some bytes of the second half changed."""
    found = bytearray(data)
    chance = random.Random(seed)
    for _ in range(9):
        found[chance.randrange(len(data) // 2, len(data))] = chance.randrange(256)
    return bytes(found)


def harmless(kind: str) -> dict[str, bytes]:
    """What changes nothing: names of files, values, wrong suffixes, archives in archives."""
    made = MAKERS[kind]
    found = {name: made(f"{NAME} {number}") for number, name in enumerate(NAMES)}
    found["sql"] = made(SQL.replace('"', "").replace("{", "").replace("}", "") if kind == "hl7v2" else SQL)
    packed = [made(f"{NAME} packed {number}") for number in range(6)]
    found["a.zip"] = zipped(**{"../../x": packed[0]})
    found["a.tar"] = tarred("w", **{"/etc/x": packed[1]})
    found["a.tgz"] = tarred("w:gz", x=packed[2])
    found["a.gz"] = gzip.compress(packed[3])
    found["a.zst"] = zst(packed[4])
    found["nested"] = zipped(inner=tarred("w", x=packed[5]))
    return found


def harmful(kind: str) -> dict[str, bytes]:
    """What must be told: each of these is damaged."""
    data, size = MAKERS[kind](NAME), len(MAKERS[kind](NAME))
    found = {name: data[: size * part // 7] for part, name in enumerate(CUTS, 1)}
    found |= {name: scrambled(data, seed) for seed, name in enumerate(SCRAMBLED)}
    found["tail"] = data + b"\0" * 5000
    found["deep archive"] = zipped(a=zipped(b=zipped(c=data + b"\n")))
    found["cut.gz"] = gzip.compress(data)[:-9]
    found["bomb.gz"] = gzip.compress(data + b" " * (80 << 20), 9)
    if kind not in BINARY:
        where = data.find(NAME.encode()) if NAME.encode() in data else size // 2
        found["nul"] = data[:where] + b"\0" + data[where:]
        found["utf-16"] = data.decode().encode("utf-16")
        found["latin"] = data[:where] + b"\xe2\xed\xff" + data[where:]
        found["open quote"] = data[:where] + b'"' + data[where:]
        found["megabyte"] = MAKERS[kind](f"{NAME}{'B' * 1_200_000}")
        found["deep"] = data[:where] + b'{"a":[<b>' * 50_000 + data[where:]
        found["doctype"] = b'<!DOCTYPE a [<!ENTITY e "%s">]>' % NAME.encode() + data
    return found


def sent(folder: Path, files: dict[str, bytes]) -> None:
    """Each file in a folder of its own: FHIR resources may not help each other out."""
    for number, (name, data) in enumerate(files.items()):
        (folder / f"{number}").mkdir(parents=True)
        (folder / f"{number}" / name).write_bytes(data)


def read(db: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(db), read_only=True) as con:
        return con.execute(sql).fetchall()


def told_nothing(folder: Path, *results: object) -> None:
    """No canary in what was said, nor in the tables and files that hold no patients."""
    written = [read(folder / "w.duckdb", f"FROM {name}") for name in ("rejected_row", "delivery", "run")]
    text = f"{written}{results}".casefold()
    assert [canary for canary in CANARIES if canary.casefold() in text] == []


UNEXPLAINED = (
    "SELECT source_name FROM delivery WHERE rows_read <> rows_loaded + rows_rejected + rows_duplicate + rows_skipped"
)
UNNAMED = """SELECT source_name FROM delivery AS d WHERE rows_rejected <>
    (SELECT count(*) FROM rejected_row AS r WHERE r.delivery_id = d.delivery_id AND row_number > 0)"""
NOT_STORED = """SELECT source_name FROM delivery AS d WHERE rows_loaded <>
    (SELECT count(*) FROM line AS l WHERE l.delivery_no = d.delivery_no)"""


UNHARMED = """SELECT source_name FROM delivery AS d
    WHERE NOT EXISTS (FROM rejected_row AS r WHERE r.delivery_id = d.delivery_id)"""
#: What nobody can see is damaged: a header alone, a quotation mark in a name, a cut message (HL7 v2 has no end mark)
#: and what the checksums of a workbook do not cover.
LOOKS_WHOLE = {
    "csv": {"cut1"},
    "insurance-xml": {"open quote"},
    "hl7v2": {"open quote", "latin", "tail", *CUTS, *SCRAMBLED},
    "xlsx": {"tail", *SCRAMBLED},
}


def load(dedup: Dedup, folder: Path, files: dict[str, bytes]) -> int:
    """Load the files; whatever they are, everything is explained and nothing told. Returns the exit code."""
    sent(folder / "inbox", files)
    done = dedup("load", "inbox", "--db", "w.duckdb", "--json")
    assert said(done) == []
    told_nothing(folder, done.stdout, done.stderr)
    assert said(dedup("runs", "show", "--db", "w.duckdb")) == []
    assert "rows counted" not in done.stderr + done.stdout
    for query in (UNEXPLAINED, UNNAMED, NOT_STORED):
        assert read(folder / "w.duckdb", query) == [], query
    return done.returncode


@pytest.mark.parametrize("kind", MAKERS)
def test_what_looks_odd_does_no_harm(kind: str, dedup: Dedup, tmp_path: Path) -> None:
    files = harmless(kind)
    assert load(dedup, tmp_path, files) == 0
    found = read(tmp_path / "w.duckdb", "SELECT format, rows_read, rows_rejected FROM delivery")
    assert len(found) == len(files)
    ((format_name, rows, rejected),) = set(found)
    assert kind.startswith(str(format_name))
    assert (rows, rejected) == (2 if "fhir" in kind else ROWS, 0)
    assert not (tmp_path.parent / "x").exists()


@pytest.mark.parametrize("kind", MAKERS)
def test_what_is_damaged_is_told(kind: str, dedup: Dedup, tmp_path: Path) -> None:
    assert load(dedup, tmp_path, harmful(kind)) == 3
    unharmed = {name for (name,) in read(tmp_path / "w.duckdb", UNHARMED)}
    assert unharmed <= LOOKS_WHOLE.get(kind, set()) | {"utf-16"}


_TCVN3 = {"ị": "Þ", "à": "µ", "Đ": "§", "ê": "ª", "ư": "\xad", "ơ": "¬"}
_VNI = {"ị": "ò", "à": "aø", "Đ": "Ñ", "ê": "eâ", "ư": "ö", "ơ": "ô"}
VIETNAMESE = "Đị à ê ư ơ"


def font(table: dict[str, str]) -> bytes:
    """The CSV in a font encoding."""
    text = as_csv(*orders(f"{VIETNAMESE} PCANARY"))
    return "".join(table.get(letter, letter) for letter in text).encode("latin-1")


def cp1258() -> bytes:
    """cp1258 writes tones as marks of their own."""
    text = as_csv(*orders("Lê Thị Hoà Mẫu"))
    marks = unicodedata.normalize("NFD", text).replace("e\u0302", "ê").replace("a\u0302", "â")
    return marks.encode("cp1258")


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (as_csv(*orders(NAME)).encode("utf-16"), NAME),
        (as_csv(*orders(NAME)).encode("utf-16-le"), NAME),
        (as_csv(*orders(NAME)).encode("utf-8-sig"), NAME),
        (cp1258(), "Lê Thị Hoà Mẫu"),
        (font(_TCVN3), "§Þ µ ª \xad ¬ PCANARY"),
        (font(_VNI), "Ñò aø eâ ö ô PCANARY"),
        (as_csv(*orders(NAME.encode().decode("cp1252", "replace"))).encode(), None),
    ],
    ids=["utf-16", "utf-16 without mark", "utf-8 with mark", "cp1258", "TCVN3", "VNI", "mojibake"],
)
def test_encodings(data: bytes, name: str | None, dedup: Dedup, tmp_path: Path) -> None:
    assert load(dedup, tmp_path, {"a.csv": data}) == 0
    found = read(tmp_path / "w.duckdb", "SELECT rows_read, rows_rejected FROM delivery")
    assert found == [(ROWS, 0)]
    if name is not None:
        assert read(tmp_path / "w.duckdb", "SELECT DISTINCT full_name FROM identity") == [(name,)]


def test_links_are_passed_over(dedup: Dedup, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text(as_csv(*orders(NAME)))
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "link.csv").symlink_to(tmp_path / "secret.csv")
    (tmp_path / "inbox" / "up").symlink_to(tmp_path)
    assert load(dedup, tmp_path, {"a.csv": as_csv(order()).encode()}) == 0
    assert read(tmp_path / "w.duckdb", "SELECT count(*) FROM line") == [(1,)]
