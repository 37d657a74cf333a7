"""A patient's name, number or value is nowhere but in the warehouse and in exports that were asked for."""

from __future__ import annotations

import base64
import gzip
import subprocess
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tests.cli.conftest import HEADER, Dedup

NAME = "Trịnh Thị Canh Gà Vàng"
CANARIES = (NAME, "trinh thi canh ga vang", "001190777123", "0987001234", "CANARYVALUE", "PCANARY")
WHO = f"{NAME},001190777123,0987001234,1990-05-17,female"
GOOD = f"{WHO},01001,A1,PCANARY,23.0083.1523,2026-03-01T08:00,2026-03-01T10:00,final"
XML = (
    "<GIAMDINHHS><THONGTINHOSO><DANHSACHHOSO><HOSO><FILEHOSO><LOAIHOSO>XML1</LOAIHOSO><NOIDUNGFILE>{}"
    "</NOIDUNGFILE></FILEHOSO></HOSO></DANHSACHHOSO></THONGTINHOSO></GIAMDINHHS>"
)
INNER = f"<TONG_HOP><MA_LK>1</MA_LK><HO_TEN>{NAME}</HO_TEN><SO_CCCD>001190777123</SO_CCCD><X></TONG_HOP>"


def rows(*lines: str) -> bytes:
    return ("\n".join([HEADER, *lines]) + "\n").encode()


def parquet(folder: Path) -> bytes:
    path = folder / "made.parquet"
    cells = GOOD.split(",")
    pl.DataFrame({name: [cell] for name, cell in zip(HEADER.split(","), cells, strict=True)}).write_parquet(path)
    content = path.read_bytes()
    path.unlink()
    return content


def ndjson(line: str) -> bytes:
    pairs = ",".join(f'"{n}":"{c}"' for n, c in zip(HEADER.split(","), line.split(","), strict=True))
    return f"{{{pairs}}}\n".encode()


#: name of the file → its bytes
FAILING: dict[str, Callable[[Path], bytes]] = {
    "bad_time.csv": lambda _: rows(GOOD.replace("2026-03-01T08:00", "CANARYVALUE")),
    "bad_status.csv": lambda _: rows(GOOD.replace("final", "CANARYVALUE")),
    "bad_birth.csv": lambda _: rows(GOOD.replace("1990-05-17", "CANARYVALUE")),
    "missing_cells.csv": lambda _: rows(WHO),
    "too_many_cells.csv": lambda _: rows(GOOD + ",CANARYVALUE" * 40),
    "open_quote.csv": lambda _: rows(f'"{GOOD}', GOOD),
    "no_header.csv": lambda _: GOOD.encode(),
    "canary_header.csv": lambda _: f"{GOOD}\n{GOOD}\n".encode(),
    "header_run_together.csv": lambda _: rows(GOOD, GOOD).replace(b"\n", b"", 1),
    "other_encoding.csv": lambda _: rows(GOOD).decode().encode("utf-16"),
    "broken_utf8.csv": lambda _: rows(GOOD)[:-40] + b"\xff\xfe\xff,CANARYVALUE",
    "null_bytes.csv": lambda _: rows(GOOD).replace(b"final", b"fi\0nal"),
    "semicolons.csv": lambda _: rows(GOOD).replace(b",", b";"),
    "truncated.parquet": lambda folder: parquet(folder)[:-300],
    "garbage.parquet": lambda _: b"PAR1" + NAME.encode() * 50 + b"PAR1",
    "bad_time.ndjson": lambda _: ndjson(GOOD.replace("2026-03-01T08:00", "CANARYVALUE")),
    "broken.ndjson": lambda _: ndjson(GOOD)[:-30] + b"\n",
    "not_json.ndjson": lambda _: f"[{NAME}]\n{{{NAME}".encode(),
    "broken_inside.xml": lambda _: XML.format(base64.b64encode(INNER.encode()).decode()).encode(),
    "broken_outside.xml": lambda _: XML.format(INNER).encode()[:-30],
    "doctype.xml": lambda _: f'<!DOCTYPE a [<!ENTITY e "{NAME}">]>{XML.format(INNER)}'.encode(),
    "zipped.csv.gz": lambda _: gzip.compress(rows(GOOD.replace("final", "CANARYVALUE")))[:-9],
    "unknown.bin": lambda _: NAME.encode() * 20,
}


def found(text: bytes) -> list[str]:
    folded = text.decode("utf-8", errors="replace").casefold()
    return [canary for canary in CANARIES if canary.casefold() in folded]


def said(result: subprocess.CompletedProcess[str]) -> list[str]:
    assert "Traceback" not in result.stderr
    return found((result.stdout + result.stderr).encode())


def left_behind(folder: Path) -> list[str]:
    """Canaries in files other than the inputs, the warehouse and its copies for readers."""
    ours = [
        path
        for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).parts[0] not in ("inbox", "w.duckdb", "w.duckdb.published")
    ]
    return [f"{path.name}: {leaked}" for path in ours if (leaked := found(path.read_bytes()))]


def test_failing_files_tell_nothing(dedup: Dedup, tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    for name, content in FAILING.items():
        (tmp_path / "inbox" / name).write_bytes(content(tmp_path))
    result = dedup("load", "inbox", "--db", "w.duckdb")
    assert said(result) == []
    assert result.returncode == 3
    assert said(dedup("runs", "show", "--json", "--db", "w.duckdb")) == []
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize("name", ["open_quote.csv", "garbage.parquet", "broken_outside.xml", "unknown.bin"])
def test_a_failing_file_alone_tells_nothing(name: str, dedup: Dedup, tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / name).write_bytes(FAILING[name](tmp_path))
    result = dedup("run", f"inbox/{name}", "--db", "w.duckdb")
    assert said(result) == []
    assert result.returncode in (1, 2, 3)
    assert left_behind(tmp_path) == []


def test_reports_and_pseudonymous_exports_tell_nothing(dedup: Dedup, tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    again = GOOD.replace("01001,A1", "01002,B1").replace("2026-03-01", "2026-03-03")
    (tmp_path / "inbox" / "a.csv").write_bytes(rows(GOOD, again, GOOD.replace("final", "CANARYVALUE")))
    assert said(dedup("run", "inbox/a.csv", "--db", "w.duckdb")) == []
    for words in (["report"], ["report", "--json"], ["runs", "show"], ["runs", "list", "--json"]):
        assert said(dedup(*words, "--db", "w.duckdb")) == []
    for what in ("flags", "orders"):
        for ending in ("csv", "parquet"):
            assert dedup("export", what, "-o", f"{what}.{ending}", "--db", "w.duckdb").returncode == 0
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize("command", ["report", "run inbox", "runs list"])
def test_a_damaged_warehouse_tells_nothing(command: str, dedup: Dedup, tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "a.csv").write_bytes(rows(GOOD))
    (tmp_path / "w.duckdb").write_bytes(NAME.encode() * 1000)
    result = dedup(*command.split(), "--db", "w.duckdb")
    assert result.returncode == 1
    assert said(result) == []


def test_settings_and_rules_that_are_wrong_tell_nothing(dedup: Dedup, tmp_path: Path) -> None:
    (tmp_path / "dedup.toml").write_text(f'[warehouse]\nmemory_limit = "{CANARIES[2]}"\n', encoding="utf-8")
    result = dedup("report")
    assert result.returncode == 5
    assert said(result) == []
