"""Mutated inputs: no exception, and every row accounted for.

    python benchmarks/loading/fuzz.py [--rounds N] [--seed S] [FORMAT…]

Takes the samples of each format, damages them at random (bytes flipped, cut, repeated, spliced, characters put in that
mean something), lands them the way the load stage does, and types what landed. Prints a line a format and ends with 1
when an input raised or did not add up; such inputs are kept in the folder that is named.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from dedup.loading.formats import FORMATS, recognise
from dedup.loading.landing import make_staging, type_rows
from dedup.loading.receiving import receive
from dedup.warehouse import memory_warehouse

SAMPLES = Path(__file__).parents[2] / "data" / "samples" / "formats"
MEANING = [
    b'"',
    b",",
    b";",
    b"\n",
    b"\r",
    b"\0",
    b"<",
    b">",
    b"&",
    b"{",
    b"}",
    b"[",
    b"]",
    b"|",
    b"^",
    b"\\",
    b"\xff",
    b"\xef\xbb\xbf",
    b"'",
    b"%",
]
TOGETHER = 25  # inputs landed before their rows are typed: planning that query costs more than the rows


def mutations(data: bytes, chance: random.Random) -> bytes:
    """``data`` with one to four accidents."""
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.choice([1, 1, 4, 20, 200]))
        piece = data[at:end]
        data = chance.choice(
            [
                data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :],
                data[:at] + chance.choice(MEANING) * chance.choice([1, 1, 2, 50]) + data[at:],
                data[:at] + data[end:],
                data[:at],
                data[:at] + piece * chance.choice([2, 3, 100]) + data[end:],
                data[end:] + data[:at] + piece,
                data[:at] + bytes(chance.sample(list(piece), len(piece))) + data[end:],
            ]
        )
    return data


def inputs(name: str, rounds: int, seed: int) -> Iterator[bytes]:
    chance = random.Random(f"{name}{seed}")
    samples = [path.read_bytes() for path in sorted(SAMPLES.iterdir()) if recognise(path) == name]
    for _ in range(rounds):
        yield mutations(chance.choice(samples), chance)


def fuzz(name: str, rounds: int, seed: int, kept: Path) -> tuple[int, int, int]:
    """(inputs, exceptions, inputs that did not add up) of one format."""
    failed = unequal = number = 0
    with tempfile.TemporaryDirectory() as folder, memory_warehouse() as warehouse:
        batch: list[Path] = []
        for number, data in enumerate(inputs(name, rounds, seed), 1):
            path = Path(folder) / f"{name}-{number}"
            path.write_bytes(data)
            batch.append(path)
            if len(batch) == TOGETHER or number == rounds:
                wrong = _try(warehouse.con, batch)
                for one, kind in wrong:
                    failed += kind == "raised"
                    unequal += kind == "unequal"
                    one.rename(kept / f"{kind}-{one.name}")
                for one in batch:
                    one.unlink(missing_ok=True)
                batch = []
    return number, failed, unequal


def _try(con: object, batch: list[Path]) -> list[tuple[Path, str]]:
    """What went wrong in a batch; one that raised is tried again file by file to find the culprit."""
    make_staging(con)  # type: ignore[arg-type]
    try:
        arrivals, _, _ = receive(con, batch)  # type: ignore[arg-type]
        type_rows(con)  # type: ignore[arg-type]
    except Exception:
        if len(batch) == 1:
            return [(batch[0], "raised")]
        return [wrong for path in batch for wrong in _try(con, [path])]
    by_name = {path.name: path for path in batch}
    unequal = {one.source_name.split("/")[0] for one in arrivals if one.landing.rows_read != one.landing.counted}
    return [(by_name[name], "unequal") for name in sorted(unequal)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("formats", nargs="*", default=list(FORMATS), metavar="FORMAT")
    given = parser.parse_args()
    kept = Path(tempfile.mkdtemp(prefix="fuzz-"))
    bad = 0
    for name in given.formats:
        started = time.perf_counter()
        number, failed, unequal = fuzz(name, given.rounds, given.seed, kept)
        bad += failed + unequal
        seconds = time.perf_counter() - started
        print(f"{name}: {number:,} inputs, {failed} exceptions, {unequal} unequal, {seconds:.0f} s", flush=True)
    print(f"kept in {kept}" if bad else "nothing to keep")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
