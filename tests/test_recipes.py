"""The recipes of docs/*/operations.md are tried: settings are read, units verified, the cron line and the DAG run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest

from dedup.settings import read_settings
from tests.cli.conftest import DEDUP, HEADER, LINES

DOCS = Path(__file__).parent.parent / "docs"
LANGS = pytest.mark.parametrize("lang", ["en", "vi"])


def blocks(lang: str, kind: str) -> list[str]:
    text = (DOCS / lang / "operations.md").read_text(encoding="utf-8")
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for language, block in fenced if language == kind]


def here(text: str, folder: Path) -> str:
    """The recipe with its places inside ``folder``."""
    text = text.replace("/opt/dedup/.venv/bin/dedup", str(DEDUP))
    return re.sub(r"(?<![\w.])/(etc|var/lib|var/log|srv)/dedup", rf"{folder}/\1/dedup", text)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Folders as the recipes have them, with a file in the inbox that has settled."""
    for name in ("etc", "var/lib", "var/log", "srv"):
        (tmp_path / name / "dedup").mkdir(parents=True)
    inbox = tmp_path / "srv" / "dedup" / "inbox" / "01001"
    inbox.mkdir(parents=True)
    (inbox / "orders.csv").write_text("\n".join([HEADER, *LINES]) + "\n", encoding="utf-8")
    (tmp_path / "etc" / "dedup" / "facilities.csv").write_text("facility_id,lab_level\n01001,3\n01002,3\n")
    settings = here(blocks("en", "toml")[0], tmp_path).replace("[inbox]", "[inbox]\nsettle_seconds = 0")
    (tmp_path / "etc" / "dedup" / "dedup.toml").write_text(settings, encoding="utf-8")
    return tmp_path


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    env = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "LANG": "C"}  # as bare as cron's
    env |= {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    return subprocess.run(["/bin/sh", "-c", command], cwd="/", env=env, capture_output=True, text=True, check=False)


@LANGS
def test_the_settings(lang: str, tmp_path: Path) -> None:
    for number, block in enumerate(blocks(lang, "toml")):
        place = tmp_path / f"{number}.toml"
        place.write_text(block, encoding="utf-8")
        assert str(read_settings(place).warehouse.path) == "/var/lib/dedup/w.duckdb"


@LANGS
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_the_units(lang: str, machine: Path) -> None:
    names = []
    for block in blocks(lang, "ini"):
        name = re.match(r"# /etc/systemd/system/(\S+)", block)
        assert name
        names.append(machine / name[1])
        names[-1].write_text(block.replace("/opt/dedup/.venv/bin/dedup", str(DEDUP)), encoding="utf-8")
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *names], capture_output=True, text=True, check=False
    )
    ours = [line for line in verified.stderr.splitlines() if "dedup." in line]
    assert (verified.returncode, ours) == (0, [])
    calendar = re.search(r"OnCalendar=(.+)", blocks(lang, "ini")[1])
    assert calendar
    subprocess.run(["systemd-analyze", "calendar", calendar[1]], stdout=subprocess.DEVNULL, check=True)


@LANGS
def test_the_unit_starts_what_works(lang: str, machine: Path) -> None:
    command = re.search(r"^ExecStart=(.+)$", blocks(lang, "ini")[0], re.MULTILINE)
    assert command
    done = shell(here(command[1], machine), machine)
    assert done.returncode == 0
    assert '"event": "end"' in done.stderr
    assert (machine / "srv" / "dedup" / "archive" / "01001" / "orders.csv").exists()


@LANGS
def test_the_cron_line(lang: str, machine: Path) -> None:
    (block,) = (one for one in blocks(lang, "") if "CRON_TZ" in one)
    zone, line = block.strip().splitlines()
    assert zone == "CRON_TZ=Asia/Ho_Chi_Minh"
    times, user, command = re.fullmatch(r"((?:\S+\s+){5})(\S+)\s+(.+)", line).groups()  # type: ignore[union-attr]
    assert (times.split(), user) == (["0", "1", "*", "*", "*"], "dedup")
    done = shell(here(command, machine), machine)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")  # no mail
    assert "01002" in (machine / "var" / "log" / "dedup" / "nights.txt").read_text(encoding="utf-8")
    assert shell(here("/opt/dedup/.venv/bin/dedup runs show --config /etc/dedup/dedup.toml", machine), machine).stdout


@LANGS
def test_the_dag(lang: str, machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = blocks(lang, "python")
    tasks: list[dict[str, object]] = []

    class Anything:
        """Stands in for a DAG and its tasks."""

        def __init__(self, *_: object, **given: object) -> None:
            tasks.append(given)

        def __enter__(self) -> Anything:
            return self

        def __exit__(self, *_: object) -> None: ...

        def __rshift__(self, _: object) -> None: ...

    for name in ("airflow", "airflow.sdk", "airflow.providers.standard.operators.bash", "pendulum"):
        module = types.ModuleType(name)
        module.DAG = module.BashOperator = module.datetime = Anything  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name, module)
    exec(compile(block, "dedup_nightly.py", "exec"), {})  # noqa: S102 (our own page)
    commands = [str(one["bash_command"]) for one in tasks if "bash_command" in one]
    assert len(commands) == 2
    for command in commands:
        assert shell(here(command, machine), machine).returncode == 0
