"""Old encodings and UTF-16."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from dedup.loading.encodings import _encoding
from dedup.warehouse import Warehouse
from tests.loading.conftest import Loader, as_csv, order, rows

NAMES = ["Nguyễn Văn Ánh", "Đỗ Thị Bưởi", "Phạm Hữu Trọng", "Lê Quỳnh Hương", "Trần Đức Kỷ"]
TCVN3 = dict(
    zip(
        "ĂÂÊÔƠƯĐăâêôơưđàảãáạằẳẵắặầẩẫấậèẻẽéẹềểễếệìỉĩíịòỏõóọồổỗốộờởỡớợùủũúụừửữứựỳỷỹýỵ",
        "¡¢£¤¥¦§¨©ª«¬\u00ad®µ¶·¸¹»¼½¾ÆÇÈÉÊËÌÎÏÐÑÒÓÔÕÖ×ØÜÝÞßáâãäåæçèéêëìíîïñòóôõö÷øùúûüýþ",
        strict=True,
    )
)


def text() -> str:
    return as_csv(*(order(order_id=f"A{n}", full_name=name) for n, name in enumerate(NAMES)))


def as_cp1258(text: str) -> bytes:
    """Tones as marks of their own where cp1258 has no letter for the whole."""
    out = []
    for char in text:
        try:
            out.append(char.encode("cp1258"))
        except UnicodeEncodeError:
            base, *marks = unicodedata.normalize("NFD", char)
            tones = [mark for mark in marks if mark in "\u0300\u0301\u0303\u0309\u0323"]
            rest = unicodedata.normalize("NFC", base + "".join(mark for mark in marks if mark not in tones))
            out.append((rest + "".join(tones)).encode("cp1258"))
    return b"".join(out)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1258"])
def test_unicode_and_cp1258_are_read_as_they_are_meant(
    loader: Loader, warehouse: Warehouse, tmp_path: Path, encoding: str
) -> None:
    data = as_cp1258(text()) if encoding == "cp1258" else text().encode(encoding)
    (tmp_path / "a.csv").write_bytes(data)
    assert loader(tmp_path / "a.csv").rows_loaded == len(NAMES)
    found = rows(
        warehouse, "SELECT nfc_normalize(full_name) FROM line JOIN identity USING (identity_id) ORDER BY order_id"
    )
    assert found == [(name,) for name in NAMES]


def test_tcvn3_is_kept_as_the_letters_it_looks_like(loader: Loader, warehouse: Warehouse, tmp_path: Path) -> None:
    shown = "".join(TCVN3.get(char, char) for char in text().replace("Á", "á"))
    (tmp_path / "a.csv").write_bytes(shown.encode("latin-1"))
    assert loader(tmp_path / "a.csv").rows_loaded == len(NAMES)
    found = rows(warehouse, "SELECT full_name FROM line JOIN identity USING (identity_id) ORDER BY order_id LIMIT 1")
    assert found == [("NguyÔn V¨n ¸nh",)]


def test_one_broken_byte_does_not_make_a_file_legacy(loader: Loader, tmp_path: Path) -> None:
    lines = text().encode().split(b"\n")
    lines[2] = lines[2].replace("Bưởi".encode(), b"B\xff")
    (tmp_path / "a.csv").write_bytes(b"\n".join(lines))
    summary = loader(tmp_path / "a.csv")
    assert (summary.rows_loaded, summary.rows_rejected) == (len(NAMES) - 1, 1)


@pytest.mark.parametrize("data", [b"", b"abc", b"\xff", b"\0\0\0", bytes(range(256)) * 9])
def test_bytes_that_are_no_text_are_left_alone(data: bytes) -> None:
    assert _encoding(data) in ("utf-8", "utf-16")
