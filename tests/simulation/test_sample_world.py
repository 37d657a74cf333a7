"""The committed sample is what the program makes, and no machine makes another."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from dedup.simulation import make_samples, samples_dir


def _files(folder: Path) -> dict[str, bytes]:
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "README.md")
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_the_committed_sample_is_made_anew_byte_for_byte(tmp_path: Path) -> None:
    summary = make_samples(tmp_path / "world")
    made, kept = _files(tmp_path / "world"), _files(samples_dir() / "world")
    assert made.keys() == kept.keys()
    assert [name for name in made if made[name] != kept[name]] == []
    assert summary.lines >= 12_000
    assert sum(map(len, kept.values())) < 4_200_000


def _digest(folder: Path) -> str:
    return hashlib.sha256(repr(sorted(_files(folder).items())).encode()).hexdigest()


def test_the_same_bytes_whatever_the_threads_the_time_zone_and_the_hash_seed(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from dedup.simulation import simulate;"
        "simulate(300, 3, Path(sys.argv[1]), days=28, formats=('csv', 'xml', 'ndjson'))"
    )
    digests = set()
    for number, (zone, seed, threads) in enumerate([("UTC", "1", "1"), ("America/Lima", "2", "4")]):
        out = tmp_path / str(number)
        env = os.environ | {"TZ": zone, "PYTHONHASHSEED": seed, "POLARS_MAX_THREADS": threads}
        subprocess.run([sys.executable, "-c", code, str(out)], check=True, env=env)
        digests.add(_digest(out))
    assert len(digests) == 1


def test_another_seed_is_another_world(tmp_path: Path) -> None:
    from dedup.simulation import simulate

    simulate(100, 1, tmp_path / "a", days=14)
    simulate(100, 2, tmp_path / "b", days=14)
    assert _digest(tmp_path / "a") != _digest(tmp_path / "b")
