"""From an exception to one line on stderr and an exit code: no traceback, and no patient's value, ever."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from dedup.errors import DedupError

__all__ = ["end_in_order", "guarded"]

INTERRUPTED = 130  # 128 + SIGINT, as shells count
TERMINATED = 143  # 128 + SIGTERM
PIPE_CLOSED = 141  # 128 + SIGPIPE
#: Engine errors that mean something to the user, by name: importing duckdb would slow every command.
PLAIN = {
    "OutOfMemoryException": "Not enough memory. Raise memory_limit under [warehouse], or lower threads.",
    "MemoryError": "Not enough memory.",
}
#: What the engine says of a block that is not as its checksum has it, that is missing, or, encrypted, is not as sealed.
DAMAGE = ("corrupt database file", "could not read enough bytes from file", "computed aes tag differs")
PACKAGE = Path(__file__).resolve().parent.parent


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Run a command; whatever goes wrong ends the process with the contract's exit code."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except DedupError as error:
        _end(error.exit_code, str(error))
    except KeyboardInterrupt as error:
        _end(_interrupted(error), "Interrupted.")
    except BrokenPipeError:
        _end(PIPE_CLOSED, "")
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        _end(1, f"{error.strerror or type(error).__name__}{place}")
    except Exception as error:
        if _is_interrupt(error):
            _end(_interrupted(error.__context__), "Interrupted.")
        _end(1, _scrubbed(error))


class _Terminated(KeyboardInterrupt):
    """The process was asked to end."""


def end_in_order() -> None:
    """Asked to end (SIGTERM, by systemd or ``timeout``), the process tidies up as it does for Ctrl-C."""
    signal.signal(signal.SIGTERM, _terminate)


def _terminate(signal_number: int, frame: object) -> NoReturn:
    raise _Terminated


def _is_interrupt(error: Exception) -> bool:
    return type(error).__name__ == "InterruptException" or isinstance(error.__context__, KeyboardInterrupt)


def _interrupted(error: BaseException | None) -> int:
    return TERMINATED if isinstance(error, _Terminated) else INTERRUPTED


def _scrubbed(error: Exception) -> str:
    """What kind of error and where in the program; its own text may quote a patient's data."""
    kind = type(error).__name__
    if kind in PLAIN:
        return PLAIN[kind]
    text = str(error).lower()
    if "out of memory" in text or "could not allocate" in text:  # a commit that fails is a TransactionException
        return PLAIN["OutOfMemoryException"]
    if "no space left on device" in text:
        return "The disk is full. Finished stages are kept; run again when there is room."
    if any(sign in text for sign in DAMAGE):
        return "The warehouse is damaged. 'dedup doctor' says more; put back a copy (docs: Back up)."
    frames = [Path(frame.filename).resolve() for frame in traceback.extract_tb(error.__traceback__)]
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__)]
    ours = [
        f"{path.relative_to(PACKAGE.parent)}:{line}"
        for path, line in zip(frames, lines, strict=True)
        if path.is_relative_to(PACKAGE)
    ]
    where = f" at {ours[-1]}" if ours else ""
    return f"Internal error: {kind}{where}. Please report this line; it holds no patient's data."


def _end(code: int, message: str) -> NoReturn:
    """Say it, drop what can no longer be written, and exit."""
    with contextlib.suppress(OSError):
        if message:
            print(message, file=sys.stderr, flush=True)
    try:
        sys.stdout.flush()
    except OSError:  # or Python would try once more at its end, and complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)
