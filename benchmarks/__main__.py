"""``python -m benchmarks [NAME] [OPTIONS…]``: one benchmark; judging unless another is named.

Every file in this folder that can be run by itself is one: ``judging``, ``nights``, ``matching.febrl``.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

HERE = Path(__file__).parent


def names() -> list[str]:
    """All benchmarks, as they are called on the command line."""
    files = sorted(path for path in HERE.rglob("*.py") if path != Path(__file__))
    runnable = [path for path in files if '__name__ == "__main__"' in path.read_text(encoding="utf-8")]
    return [".".join(path.relative_to(HERE).with_suffix("").parts) for path in runnable]


def main() -> None:
    """Run the one that is named, with the options after it."""
    given = sys.argv[1:]
    name = given.pop(0) if given and not given[0].startswith("-") else "judging"
    if name not in names():
        sys.exit(f"There is no benchmark {name!r}. Choose from {', '.join(names())}.")
    sys.argv = [f"benchmarks.{name}", *given]
    runpy.run_module(f"benchmarks.{name}", run_name="__main__")


if __name__ == "__main__":
    main()
