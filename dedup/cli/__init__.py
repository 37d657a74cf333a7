"""The command line: parse, call, print, exit code. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import contextlib
import os
import sys

__all__ = ["main"]


def main() -> None:
    """The ``dedup`` command."""
    os.umask(0o077)
    _steady_streams()
    from dedup.cli.app import app
    from dedup.cli.guard import end_in_order, guarded
    from dedup.cli.lean import leave_out_pandas

    end_in_order()
    leave_out_pandas()

    with guarded():
        app()


def _steady_streams() -> None:
    """Three open streams that speak UTF-8, whatever the caller closed and whatever the locale says.

    A file opened while descriptor 1 is closed would get that number, and a stray print would land in it.
    """
    for number, mode in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # a test's stream need not be a file
            stream.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
