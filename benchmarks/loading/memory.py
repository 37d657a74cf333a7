"""Peak memory of ``dedup load`` while files of growing size load, each in a process of its own.

    python -m benchmarks.loading.memory [FORMAT…] [--memory-limit "1 GB"] [--mb 100 300 1000]

The engine is given a limit (``memory_limit`` in the settings) as on a small machine; what the readers hold comes on top
of it. Flat means: ten times the file, and no more memory. Files are those of ``speed``, in a temporary folder (TMPDIR),
which needs room for the largest file, its warehouse, and what the engine spills.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.loading.speed import csv_file, fhir_file, hl7_file, xml_file

FILES: dict[str, Callable[[Path, int], Path]] = {
    "csv": csv_file,
    "insurance-xml": xml_file,
    "hl7v2": hl7_file,
    "fhir": fhir_file,
}

LOAD = """
import sys
from pathlib import Path
from dedup.loading import load
from dedup.settings import Settings, WarehouseSettings
from dedup.warehouse import open_warehouse, start_run

file, db, limit = sys.argv[1:]
settings = Settings(warehouse=WarehouseSettings(memory_limit=limit))
with open_warehouse(Path(db), settings=settings.warehouse) as warehouse, start_run(warehouse, "load") as run:
    rows = load(warehouse, run, [Path(file)], settings).rows_loaded
# ru_maxrss would be that of the process that started this one, when that is more.
peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) // 1024
print(rows, peak)
"""


def sized(make: Callable[[Path, int], Path], path: Path, size: int) -> Path:
    """A file of about so many bytes."""
    probe = 10_000
    each = make(path, probe).stat().st_size / probe
    return make(path, round(size / each))


def peak(file: Path, db: Path, limit: str) -> tuple[int, int]:
    """Rows loaded, and the largest memory in MiB."""
    done = subprocess.run([sys.executable, "-c", LOAD, file, db, limit], check=True, capture_output=True, text=True)
    rows, megabytes = done.stdout.split()
    return int(rows), int(megabytes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=int, nargs="+", default=[100, 300, 1000])
    parser.add_argument("--memory-limit", default="1 GB")
    parser.add_argument("formats", nargs="*", default=["csv", "insurance-xml"], metavar="FORMAT", help=", ".join(FILES))
    given = parser.parse_args()
    for name in given.formats:
        for size in given.mb:
            with tempfile.TemporaryDirectory() as folder:
                file = sized(FILES[name], Path(folder) / "input", size * 1_000_000)
                rows, megabytes = peak(file, Path(folder) / "w.duckdb", given.memory_limit)
            print(
                f"{name}: {size:,} MB, {rows:,} rows; peak {megabytes:,} MiB, engine {given.memory_limit}", flush=True
            )


if __name__ == "__main__":
    main()
