"""The optional key of a warehouse: where it comes from, opening with it, and giving an open file its first.

The engine encrypts the file, its log and what it spills with AES-256-GCM; the functions for that come with the package
``duckdb-extension-httpfs``, whose way into the network is closed before anything is opened. The key is never a flag, a
setting or part of a message.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import stat
from pathlib import Path

import duckdb

from dedup.errors import EncryptionError, LockedError, WarehouseError
from dedup.quoting import literal
from dedup.warehouse.spilling import ENCRYPTING

__all__ = ["KEY_VARIABLE", "Config", "arm", "connect", "is_encrypted", "key_clause", "read_key", "rewrite_encrypted"]

KEY_VARIABLE = "DEDUP_KEY"
LENGTH = 32  # characters; ``openssl rand -base64 32`` gives 44
_NETWORK = "HTTPFileSystem,S3FileSystem,HuggingFaceFileSystem"

Config = dict[str, str | bool | int | float | list[str]]


def read_key(key_file: Path | None) -> str | None:
    """The key in ``key_file``, else in the environment; None when neither is named.

    Raises EncryptionError when it cannot be read, is short, or others may read the file.
    """
    if key_file is None:
        key, place = os.environ.get(KEY_VARIABLE), f"{KEY_VARIABLE} in the environment"
        if key is None:
            return None
    else:
        key, place = _from_file(key_file), f"the key file {key_file}"
    key = key.strip()
    if len(key) < LENGTH or not key.isprintable():
        raise EncryptionError(f"There is no key of {LENGTH} characters or more in {place}. 'openssl rand -base64 32'.")
    return key


def _from_file(key_file: Path) -> str:
    problem = ""
    try:
        found = key_file.stat()
        if stat.S_IMODE(found.st_mode) & 0o077:
            problem = "is open to others; chmod 600"
        else:
            return key_file.read_text(encoding="utf-8")
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        problem = "cannot be read: it is not text"
    raise EncryptionError(f"The key file {key_file} {problem}.")  # out here, where no other error hangs on to it


def is_encrypted(path: Path) -> bool | None:
    """Whether the file at ``path`` is; None when there is none yet, or none of the engine's."""
    with contextlib.suppress(OSError), path.open("rb") as handle:
        head = handle.read(28)
        if head[8:12] == b"DUCK" and len(head) == 28:
            return bool(head[20] & 1)
    return None


def connect(path: Path, *, read_only: bool, config: Config, key: str | None) -> duckdb.DuckDBPyConnection:
    """Open the file at ``path``, with ``key`` if there is one. Raises duckdb.Error when the engine cannot.

    Raises EncryptionError when the key is missing, wrong or not needed.
    """
    encrypted = is_encrypted(path)
    if key is None:
        if encrypted:
            raise EncryptionError(
                f"{path} is encrypted. Name its key: key_file under [warehouse], or {KEY_VARIABLE} in the environment."
            )
        return duckdb.connect(str(path), read_only=read_only, config=config)
    if encrypted is False:
        raise EncryptionError(
            f"{path} is not encrypted yet, though a key is named. The next 'dedup run', or 'dedup flag', encrypts it."
        )
    con = _engine(config)
    wrong = False
    try:
        con.execute(f"ATTACH {literal(path)} AS warehouse ({'READ_ONLY, ' if read_only else ''}{_option(key)})")
        con.execute("USE warehouse")
    except duckdb.Error as error:
        con.close()
        wrong = "encryption key" in str(error)
        if not wrong:
            raise
    if wrong:
        raise EncryptionError(f"The key is not that of {path}.")
    return con


def rewrite_encrypted(path: Path, config: Config, key: str) -> Path:
    """Write the plain warehouse at ``path`` anew beside itself, encrypted; the caller puts it in its place.

    Raises LockedError while somebody reads it, WarehouseError when the engine cannot.
    """
    place = path.with_name(path.name + ENCRYPTING)
    failed = ""
    with _engine(config) as con:
        try:
            con.execute(f"ATTACH {literal(path)} AS plain")
            con.execute("CHECKPOINT plain")
            con.execute(f"ATTACH {literal(place)} AS warehouse ({_option(key)})")
            con.execute("COPY FROM DATABASE plain TO warehouse")
            con.execute("DETACH warehouse")
            con.execute("DETACH plain")
        except duckdb.Error as error:
            failed = "read" if "conflicting lock" in str(error).lower() else "failed"
    if failed:
        place.unlink(missing_ok=True)
        if failed == "read":
            raise LockedError(f"Another process is using {path}. Try again when it has finished.")
        raise WarehouseError(f"{path} could not be encrypted; it is as it was. Is there room for it twice?")
    return place


def key_clause(key: str | None) -> str:
    """What ATTACH wants after the name of a further file of the same warehouse."""
    return "" if key is None else f" ({_option(key)})"


def _engine(config: Config) -> duckdb.DuckDBPyConnection:
    """An empty engine that can encrypt."""
    con = duckdb.connect(config=config)
    arm(con)
    return con


def arm(con: duckdb.DuckDBPyConnection) -> None:
    """Let an engine encrypt; what it spills is encrypted from now on, with a key it makes up."""
    con.execute(f"LOAD {literal(_extension())}")
    con.execute(f"SET disabled_filesystems = '{_NETWORK}'")
    con.execute("SET temp_file_encryption = true")


def _extension() -> Path:
    found = importlib.util.find_spec("duckdb_extension_httpfs")
    for folder in (found.submodule_search_locations or []) if found else []:
        place = Path(folder) / "extensions" / f"v{duckdb.__version__}" / "httpfs.duckdb_extension"
        if place.is_file():
            return place
    raise EncryptionError(
        f"An encrypted warehouse needs duckdb-extension-httpfs {duckdb.__version__}: dedup[encryption]."
    )


def _option(key: str) -> str:
    return f"ENCRYPTION_KEY {literal(key)}"
