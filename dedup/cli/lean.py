"""No pandas in a command's process.

DuckDB (for the first bound parameter) and pyarrow (for the first array) import pandas when it is installed, only to
recognise its types. No command has any, and the import takes half a second of every one of them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

__all__ = ["leave_out_pandas"]


class _Absent:
    """Finds pandas, so that whoever asks whether it is there goes on as before, and fails to import it."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A spec for pandas only."""
        return ModuleSpec(name, self) if name == "pandas" else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        """Python's own kind of module."""

    def exec_module(self, module: ModuleType) -> None:
        """An ImportError is what DuckDB and pyarrow take for "not installed"."""
        raise ImportError(f"{module.__name__} is not used by commands", name=module.__name__)


def leave_out_pandas() -> None:
    """From here on ``import pandas`` fails in this process, unless it was imported before."""
    sys.meta_path.insert(0, _Absent())
