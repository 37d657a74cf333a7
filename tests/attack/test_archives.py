"""Archives, honest and not."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from dedup.loading import archives
from dedup.warehouse import Warehouse
from tests.loading.conftest import Loader, as_csv, loader, order, rejected, rows, warehouse

__all__ = ["loader", "warehouse"]

ONE = as_csv(order()).encode()
TWO = as_csv(order(order_id="A2")).encode()


def zipped(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def tarred(mode: str = "w", **files: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zst(data: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(data, asbytes=True))


@pytest.mark.parametrize(
    "data",
    [
        zipped(**{"a.csv": ONE, "d/b.csv": TWO}),
        tarred(**{"a.csv": ONE, "d/b.csv": TWO}),
        tarred("w:gz", **{"a.csv": ONE, "b.csv": TWO}),
        zst(tarred(**{"a.csv": ONE, "b.csv": TWO})),
        zipped(**{"a.csv.gz": gzip.compress(ONE), "b.zip": zst(TWO)}),
    ],
)
def test_members_are_deliveries(loader: Loader, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.bin").write_bytes(data)
    summary = loader(tmp_path / "x.bin")
    assert (len(summary.deliveries), summary.rows_loaded, summary.over_limit) == (2, 2, False)


def test_the_same_file_in_another_archive_is_known_again(loader: Loader, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(zipped(**{"a.csv": ONE}))
    (tmp_path / "y.gz").write_bytes(gzip.compress(ONE))
    assert loader(tmp_path / "x.zip").rows_loaded == 1
    assert [one.repeated for one in loader(tmp_path / "y.gz").deliveries] == [True]


@pytest.mark.parametrize("name", ["../../evil.csv", "/etc/evil.csv", "..\\evil.csv", "a\nb.csv", "\x1b[31m.csv"])
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_names_are_never_paths(loader: Loader, warehouse: Warehouse, tmp_path: Path, pack: object, name: str) -> None:
    inbox = tmp_path / "in" / "box"
    inbox.mkdir(parents=True)
    (inbox / "x").write_bytes(pack(**{name: ONE}))  # type: ignore[operator]
    before = sorted(tmp_path.rglob("*"))
    assert loader(inbox / "x").rows_loaded == 1
    assert sorted(tmp_path.rglob("*")) == before
    ((shown,),) = rows(warehouse, "SELECT source_name FROM delivery")
    assert str(shown).isprintable()


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_what_a_folder_passes_over_an_archive_does(loader: Loader, tmp_path: Path, pack: Callable[..., bytes]) -> None:
    beside = {
        "README.txt": b"hello",
        "__MACOSX/._a.csv": b"\0\5\x16\7",
        "day/Thumbs.db": b"\xd0\xcf",
        "Desktop.ini": b"[x]",
        "day/.DS_Store": b"\0",
        ".hidden/b.csv": TWO,
    }
    (tmp_path / "day.zip").write_bytes(pack(**beside, **{"day/a.csv": ONE}))
    summary = loader(tmp_path / "day.zip")
    assert [(one.source_name, one.failed) for one in summary.deliveries] == [("day.zip/day/a.csv", False)]


def test_links_in_a_tar_are_nothing(loader: Loader, tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        link = tarfile.TarInfo("passwd.csv")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    (tmp_path / "x.tar").write_bytes(out.getvalue())
    (delivery,) = loader(tmp_path / "x.tar").deliveries
    assert (delivery.failed, delivery.rows_read) == (True, 0)


@pytest.mark.parametrize(
    "data", [zipped(a=b"\0" * (80 << 20)), gzip.compress(b"\0" * (80 << 20), 1)], ids=["zip", "gz"]
)
def test_a_bomb_is_refused(loader: Loader, warehouse: Warehouse, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x").write_bytes(data)
    assert loader(tmp_path / "x").over_limit
    assert rejected(warehouse) == [(0, None, "archive_too_large")]


def test_too_many_members_and_too_deep(
    loader: Loader, warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deep").write_bytes(gzip.compress(zipped(a=zipped(b=zipped(c=ONE)))))
    loader(tmp_path / "deep")
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    (tmp_path / "many").write_bytes(zipped(**{f"{n}": b"x" for n in range(4)}))
    loader(tmp_path / "many")
    assert [reason for _, _, reason in rejected(warehouse)] == ["archive_too_deep", "archive_too_large"]


@pytest.mark.parametrize(
    "whole",
    [zipped(a=ONE * 50), gzip.compress(ONE * 50), zst(ONE * 50), tarred("w:gz", a=ONE)],
    ids=["zip", "gz", "zst", "tar.gz"],
)
def test_a_cut_archive(loader: Loader, tmp_path: Path, whole: bytes) -> None:
    for cut in (3, 10, 30):
        (tmp_path / f"x{cut}").write_bytes(whole[:-cut])
        assert loader(tmp_path / f"x{cut}").over_limit


def test_an_encrypted_zip_is_refused(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    data = bytearray(zipped(a=ONE))
    data[6] |= 1  # the flag in the local header
    data[data.index(b"PK\x01\x02") + 8] |= 1  # and in the directory
    (tmp_path / "x.zip").write_bytes(data)
    assert loader(tmp_path / "x.zip").over_limit
    assert rejected(warehouse) == [(0, None, "encrypted_file")]


def test_a_workbook_with_a_password_is_refused(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    """A compound file with the stream that holds what is encrypted; an old workbook is one without."""
    head, noise = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(1016), bytes(range(256)) * 8
    (tmp_path / "a.xlsx").write_bytes(head + "EncryptedPackage".encode("utf-16-le") + noise)
    (tmp_path / "b.xls").write_bytes(head + "Workbook".encode("utf-16-le") + noise)
    assert loader(tmp_path / "a.xlsx", tmp_path / "b.xls").over_limit
    assert rejected(warehouse) == [(0, None, "encrypted_file"), (0, None, "unknown_format")]


def test_a_member_without_a_name_is_read(loader: Loader, tmp_path: Path) -> None:
    data = bytearray(zipped(a=ONE))
    for length in (26, data.index(b"PK\x01\x02") + 28):  # of the name, then of what follows it: one byte over to it
        data[length], data[length + 2] = 0, 1
    (tmp_path / "x.zip").write_bytes(data)
    assert loader(tmp_path / "x.zip").rows_loaded == 1


@pytest.mark.parametrize("left", ["[Content_Types].xml", "xl/worksheets/sheet1.xml"])
def test_what_is_left_of_a_workbook_is_one_bad_delivery(loader: Loader, tmp_path: Path, left: str) -> None:
    (tmp_path / "x.xlsx").write_bytes(zipped(**{left: b"<a/>", "docProps/app.xml": b"<a/>"}))
    summary = loader(tmp_path / "x.xlsx")
    assert (len(summary.deliveries), summary.over_limit) == (1, True)


@pytest.mark.parametrize(
    "data",
    [zipped(), tarred(), zipped(**{"inner.zip": zipped()}), gzip.compress(zipped())],
    ids=["zip", "tar", "zip in zip", "zip in gz"],  # their bytes hold the time they were made at
)
def test_an_archive_with_nothing_in_it_is_one_bad_delivery(loader: Loader, tmp_path: Path, data: bytes) -> None:
    """A zip whose list of members is damaged looks like that; it must not vanish without a word."""
    (tmp_path / "a.zip").write_bytes(data)
    (delivery,) = loader(tmp_path / "a.zip").deliveries
    assert delivery.failed
