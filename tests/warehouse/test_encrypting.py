"""The encrypted warehouse: nothing of a patient in any file's bytes; without the key it does not open."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from dedup.errors import EncryptionError
from dedup.settings import WarehouseSettings
from dedup.warehouse import open_finished, open_warehouse, start_run
from dedup.warehouse.checking import check_warehouse
from dedup.warehouse.encrypting import KEY_VARIABLE, is_encrypted, read_key
from dedup.warehouse.migrating import backups
from dedup.warehouse.publishing import finished_nights
from dedup.warehouse.vacuuming import vacuum

KEY = "it's a key of 32 characters or more"
CANARY = "CANARYVALUE"
#: Or the engine would shorten the texts, and no canary would be found in a plain file either.
PLAIN_TEXT = "SET force_compression = 'uncompressed'"
#: Writes, logs and spills, then kills itself.
KILLED = """
import os, signal, sys
from pathlib import Path
from dedup.settings import WarehouseSettings
from dedup.warehouse import open_warehouse

settings = WarehouseSettings(memory_limit="64 MB", threads=1, key_file=Path(sys.argv[2]))
con = open_warehouse(Path(sys.argv[1]), settings=settings).con
con.execute("SET force_compression = 'uncompressed'")
con.execute("INSERT INTO todo (stage, patient_record_id) SELECT 'CANARYVALUE' || i, i FROM range(1000) AS t(i)")
con.execute("SET preserve_insertion_order = false")
con.execute('''
CREATE TEMP TABLE big AS SELECT 'CANARYVALUE' || (i % 9) || md5(i::VARCHAR) AS x FROM range(2000000) AS t(i)
''')
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def settings(tmp_path: Path) -> WarehouseSettings:
    key_file = tmp_path / "key"
    key_file.write_text(KEY + "\n")
    key_file.chmod(0o600)
    (tmp_path / "there").mkdir()
    return WarehouseSettings(path=tmp_path / "there" / "w.duckdb", key_file=key_file)


def fill(settings: WarehouseSettings) -> None:
    with open_warehouse(settings.path, settings=settings) as warehouse:
        warehouse.con.execute(PLAIN_TEXT)
        with start_run(warehouse, "run") as run:
            warehouse.con.execute(
                f"INSERT INTO todo (stage, patient_record_id) SELECT '{CANARY}' || i, i FROM range(5000) AS t(i)"
            )
        warehouse.publish(run.run_id)


def seen(settings: WarehouseSettings) -> int:
    with open_finished(settings.path, settings) as warehouse:
        row = warehouse.con.execute(f"SELECT count(*) FROM todo WHERE stage LIKE '{CANARY}%'").fetchone()
    return row[0] if row else 0


def plain_files(folder: Path) -> list[str]:
    """Files under ``folder`` in whose bytes the canary, or the key, is found."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [path.name for path in files if any(word.encode() in path.read_bytes() for word in (CANARY, KEY))]


def answer(settings: WarehouseSettings) -> tuple[str, str]:
    (found,) = (one for one in check_warehouse(settings) if one.question == "encryption")
    return found.outcome, found.answer


def test_no_file_holds_it_in_plain(settings: WarehouseSettings) -> None:
    fill(settings)
    assert seen(settings) == 5000
    assert [is_encrypted(path) for path in (settings.path, *finished_nights(settings.path))] == [True, True]
    assert plain_files(settings.path.parent) == []
    with open_warehouse(settings.path, settings=settings) as warehouse:
        vacuum(warehouse, settings)
    assert seen(settings) == 5000
    assert plain_files(settings.path.parent) == []
    assert answer(settings)[0] == "good"


def test_killed_while_it_logs_and_spills(settings: WarehouseSettings) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, settings.path, str(settings.key_file)], check=False)
    assert killed.returncode == -signal.SIGKILL
    left = {path.name.split(".tmp")[0] for path in settings.path.parent.rglob("*") if path.is_file()}
    assert "w.duckdb.wal" in left and any(name.startswith("duckdb_temp_storage") for name in left)
    assert plain_files(settings.path.parent) == []
    assert seen(settings) == 1000


@pytest.mark.parametrize("read_only", [True, False])
def test_another_key_or_none_is_refused(settings: WarehouseSettings, read_only: bool) -> None:
    fill(settings)
    none = settings.model_copy(update={"key_file": None})
    other = settings.path.with_name("other")
    other.write_text("x" * 40)
    other.chmod(0o600)
    for wrong, message in ((none, "is encrypted"), (settings.model_copy(update={"key_file": other}), "not that of")):
        with pytest.raises(EncryptionError, match=message) as caught:
            open_warehouse(settings.path, settings=wrong, read_only=read_only)
        assert caught.value.exit_code == 5
        assert caught.value.__context__ is None  # the engine's error does not hang on
        with pytest.raises(EncryptionError):
            open_finished(settings.path, wrong)
        assert ("bad", message in answer(wrong)[1]) == (answer(wrong)[0], True)
    assert seen(settings) == 5000


def test_the_key_may_come_from_the_environment(settings: WarehouseSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(settings)
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    assert seen(settings.model_copy(update={"key_file": None})) == 5000


@pytest.mark.parametrize(
    ("content", "mode", "message"),
    [
        (KEY, 0o640, "chmod 600"),
        ("short", 0o600, "32 characters"),
        (None, 0o600, "No such file"),
        ("\0" * 40, 0o600, "no key"),
    ],
)
def test_a_key_file_must_be_private_and_hold_a_key(
    tmp_path: Path, content: str | None, mode: int, message: str
) -> None:
    key_file = tmp_path / "key"
    if content is not None:
        key_file.write_text(content)
        key_file.chmod(mode)
    with pytest.raises(EncryptionError, match=message) as caught:
        read_key(key_file)
    assert KEY not in str(caught.value)


def test_a_plain_warehouse_is_encrypted_by_the_next_writer(settings: WarehouseSettings) -> None:
    plain = settings.model_copy(update={"key_file": None})
    fill(plain)
    assert answer(plain) == ("good", "off")
    assert plain_files(settings.path.parent) != []
    with pytest.raises(EncryptionError, match="encrypts it"):
        open_finished(settings.path, settings)
    fill(settings)
    assert seen(settings) == 10000
    assert plain_files(settings.path.parent) == []
    assert stat.S_IMODE(settings.path.stat().st_mode) == 0o600
    with open_warehouse(settings.path, settings=settings, read_only=True) as warehouse:
        assert warehouse.con.execute("SELECT command FROM run ORDER BY run_id").fetchall() == [
            ("run",),
            ("encrypt",),
            ("run",),
        ]


def test_an_older_plain_one_leaves_an_encrypted_backup(settings: WarehouseSettings) -> None:
    with duckdb.connect(settings.path) as con:
        con.execute((Path(__file__).parent / "schema_1.sql").read_text())
        con.execute(PLAIN_TEXT)
        con.execute(f"INSERT INTO todo (stage, patient_record_id) SELECT '{CANARY}' || i, i FROM range(5000) AS t(i)")
    open_warehouse(settings.path, settings=settings).close()
    assert is_encrypted(backups(settings.path)[0])
    assert plain_files(settings.path.parent) == []
    assert seen(settings) == 5000


def test_a_failed_encryption_leaves_it_as_it_was(settings: WarehouseSettings) -> None:
    plain = settings.model_copy(update={"key_file": None})
    fill(plain)
    settings.path.with_name("w.duckdb.encrypting").mkdir()
    with pytest.raises(OSError, match="encrypting"):
        open_warehouse(settings.path, settings=settings)
    assert seen(plain) == 5000


def test_the_engine_cannot_reach_the_network(settings: WarehouseSettings) -> None:
    with open_warehouse(settings.path, settings=settings) as warehouse:
        for address in ("http://localhost/a", "s3://a/b", "hf://datasets/a/b"):
            with pytest.raises(duckdb.PermissionException):
                warehouse.con.execute(f"FROM read_text('{address}')")
        assert KEY not in repr(warehouse) + repr(settings) + str(settings.model_dump())
        assert os.environ.get(KEY_VARIABLE) is None
