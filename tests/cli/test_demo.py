"""dedup demo, and that the README shows what it prints."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Dedup

README = Path(__file__).parent.parent.parent / "README.md"
#: The first block after the commands: the head of the report, and an ellipsis.
SHOWN = re.compile(r"(?<=English:\n\n```\n).*?(?=\n…\n```)", re.DOTALL)


@pytest.fixture
def printed(dedup: Dedup, tmp_path: Path) -> str:
    result = dedup("demo")
    assert result.returncode == 0
    assert "arning" not in result.stderr
    assert list(tmp_path.iterdir()) == []
    return result.stdout


def test_the_demo_reports_in_both_languages_and_the_readme_shows_it(printed: str) -> None:
    """After a change that is meant: ``DEDUP_REWRITE=1 make test ARGS=tests/cli/test_demo.py``."""
    vietnamese, english = re.split(r"(?=^Repeated tests)", printed, maxsplit=1, flags=re.MULTILINE)
    assert "tránh được" in vietnamese
    head = english.split("Repeats by test")[0]
    head = "\n".join(line.rstrip() for line in head.strip().splitlines())
    readme = README.read_text(encoding="utf-8")
    if "DEDUP_REWRITE" in os.environ:
        readme = SHOWN.sub(lambda _: head, readme)
        README.write_text(readme, encoding="utf-8")
    assert SHOWN.findall(readme) == [head]


def test_the_demo_speaks_one_language_or_json_when_told(dedup: Dedup) -> None:
    assert "avoidable" not in dedup("demo", "--lang", "vi", "--quiet").stdout
    assert dedup("demo", "--json", "--quiet").stdout.startswith("{")


def test_the_demo_needs_no_network() -> None:
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rn", "true"], capture_output=True, check=False).returncode:
        pytest.skip("the system lets nobody be without a network")
    done = subprocess.run(
        [unshare, "-rn", sys.executable, "-m", "dedup", "demo", "--json"], capture_output=True, check=False
    )
    assert done.returncode == 0
    assert json.loads(done.stdout)
