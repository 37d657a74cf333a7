"""Running the command as a user does, in a folder of its own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from dedup.cli import main

DEDUP = Path(sys.executable).with_name("dedup")
Dedup = Callable[..., subprocess.CompletedProcess[str]]

HEADER = (
    "full_name,national_id,phone,birth_date,sex,facility_id,order_id,patient_id,test_code,ordered_at,resulted_at,status"
)
WHO = "Nguyễn Thị Hoa,001190000011,0912345678,1990-05-17,female"
LINES = (
    f"{WHO},01001,A1,P1,23.0083.1523,2026-03-01T08:00,2026-03-01T10:00,final",
    f"{WHO},01002,B1,P7,23.0083.1523,2026-03-04T08:00,2026-03-04T10:00,final",
)


@pytest.fixture
def dedup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dedup:
    """The command in this process, which saves the second it takes to start."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        said = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2)]
        mask, code = os.umask(0o022), 0
        try:
            with monkeypatch.context() as patch, redirect_stdout(said[0]), redirect_stderr(said[1]):
                patch.setattr(sys, "argv", ["dedup", *map(str, words)])
                main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
        finally:
            os.umask(mask)
        for stream in said:
            stream.flush()
        texts = [stream.buffer.getvalue().decode() for stream in said]  # type: ignore[attr-defined]
        return subprocess.CompletedProcess(list(words), code, *texts)

    return run


@pytest.fixture
def process(tmp_path: Path) -> Dedup:
    """The command as a process of its own, with more of an environment."""

    def run(*words: object, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [DEDUP, *map(str, words)],
            cwd=tmp_path,
            env=os.environ | {"COLUMNS": "120", "NO_COLOR": "1"} | more,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    path = tmp_path / "orders.csv"
    path.write_text("\n".join([HEADER, *LINES]) + "\n", encoding="utf-8")
    return path
