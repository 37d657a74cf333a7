"""Mutated inputs: whatever comes, it is loaded or refused, every row is accounted for, and nothing leaks.

    .venv/bin/python -m benchmarks.loading.fuzz [--rounds 10000] [--seed 1] [FORMAT…]

Takes the samples of each format, damages them at random (bytes flipped, cut, repeated, spliced, characters put in that
mean something; of packed formats the inside as well) and gives them to ``dedup load``, some hundred at a time, each in
a folder of its own. Of every run it wants: no traceback and no crash; the exit code that its deliveries ask for; every
input a delivery; rows that add up, in the run's own counts, in the tables, and against the independent count; and no
value of a sample's patients in what is printed, in the run log or in the reject table. A run that fails as a whole is
halved until the input is found. Prints a line a format and ends with 1 when an input did wrong; those are kept.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb

from benchmarks.loading.fuzz_samples import SAMPLES, Sample, mapping_file, secrets
from dedup.settings import LoadingSettings

MEANING = [
    *(bytes([one]) for one in b"\",;\n\r\0<>&{}[]|^~\\'%\xff\x0b\x1c"),
    *(b"\xef\xbb\xbf", b"\\u0000", b"\xed\xa0\x80", b"OBR|", b"<!DOCTYPE x>", b"99999999999999"),
]
TOGETHER = 500
PATIENCE = 300  # seconds for a run; more is a hang
PASSED_OVER = re.compile("was passed over")
UNEXPLAINED = re.compile(r"(\S+): \d+ rows were counted and \d+ read")


def mutated(data: bytes, chance: random.Random) -> bytes:
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


def inputs(name: str, samples: list[Sample], rounds: int, seed: int) -> Iterator[bytes]:
    """The same ones for the same name and seed."""
    chance = random.Random(f"{name}{seed}")
    for _ in range(rounds):
        sample = chance.choice(samples)
        inside = chance.random() < 0.5
        yield sample.pack(mutated(sample.data, chance)) if inside else mutated(sample.pack(sample.data), chance)


class Trial:
    """Runs of one format."""

    def __init__(self, name: str, work: Path) -> None:
        self.name = name
        self.work = work
        self.samples = SAMPLES[name]()
        self.secrets = secrets(self.samples, work)
        self.runs = 0

    def wrong(self, batch: list[bytes]) -> list[tuple[bytes, str]]:
        """The inputs of a batch that did wrong, and what it was."""
        self.runs += 1
        with tempfile.TemporaryDirectory(dir=self.work) as folder:
            for number, data in enumerate(batch):
                place = Path(folder) / "in" / str(number)
                place.mkdir(parents=True)
                (place / f"{number}.input").write_bytes(data)
            complaint, numbers = self._load(Path(folder), len(batch))
        if not complaint:
            return [(batch[number], kind) for number, kind in numbers]
        if len(batch) == 1:
            return [(batch[0], complaint)]
        half = len(batch) // 2
        return [*self.wrong(batch[:half]), *self.wrong(batch[half:])] or [
            (b"\n".join(batch), f"only together: {complaint}")
        ]

    def _load(self, folder: Path, given: int) -> tuple[str, list[tuple[int, str]]]:
        """What is wrong with the run as a whole, else with single inputs."""
        db = folder / "w.duckdb"
        mapping = ["--mapping", str(mapping_file(folder))] if self.name == "mapped" else []
        command = [sys.executable, "-m", "dedup", "load", str(folder / "in"), "--db", str(db), "--json", *mapping]
        try:
            done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
        except subprocess.TimeoutExpired:
            return "hangs", []
        if done.returncode not in (0, 3) or b"Traceback" in done.stderr or b"Internal error" in done.stderr:
            return f"raised, exit {done.returncode}: {done.stderr.decode(errors='replace')[-200:]}", []
        told = json.loads(done.stdout)
        with duckdb.connect(str(db), read_only=True) as con:
            unequal = con.execute(UNEQUAL).fetchall()
            (over,) = con.execute(OVER_LIMIT, [LoadingSettings().max_rejected_share]).fetchone() or (0,)
            kept = "".join(str(con.execute(query).fetchall()) for query in WRITTEN)
        if done.returncode != (3 if over else 0):
            return f"exit {done.returncode} with {over} deliveries over the limit", []
        shown = (done.stdout + done.stderr).decode(errors="replace") + kept
        if any(secret in shown.casefold() for secret in self.secrets):
            return "leaks", []
        counts, notes = told["counts"]["load"], "\n".join(told["notes"]["load"])
        passed = len(PASSED_OVER.findall(notes))
        if self.name != "archive" and counts["deliveries"] + counts["deliveries_repeated"] + passed != given:
            return "loses an input", []
        found = [(name, "does not add up") for (name,) in unequal]
        found += [(name, "is counted otherwise") for name in UNEXPLAINED.findall(notes)]
        return "", [(int(name.split(".")[0]), kind) for name, kind in found]


UNEQUAL = """
SELECT source_name FROM delivery AS d
LEFT JOIN (SELECT delivery_id, count(*) AS rejects FROM rejected_row WHERE row_number > 0 GROUP BY ALL)
  USING (delivery_id)
LEFT JOIN (SELECT delivery_no, count(*) AS stored FROM line GROUP BY ALL) USING (delivery_no)
WHERE rows_read <> rows_loaded + rows_rejected + rows_duplicate + rows_skipped
   OR rows_rejected <> coalesce(rejects, 0) OR rows_loaded <> coalesce(stored, 0)
"""
OVER_LIMIT = """
SELECT count(*) FROM delivery WHERE rows_rejected > $1 * rows_read
   OR delivery_id IN (SELECT delivery_id FROM rejected_row WHERE row_number = 0)
"""
WRITTEN = ("FROM rejected_row", "SELECT * EXCLUDE (delivery_id) FROM delivery", "FROM run")


def fuzz(name: str, rounds: int, seed: int, kept: Path) -> int:
    """Try one format and say how it went; the number of inputs that did wrong."""
    started = time.perf_counter()
    kinds: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as work:
        trial = Trial(name, Path(work))
        batch: list[bytes] = []
        for number, data in enumerate(inputs(name, trial.samples, rounds, seed), 1):
            batch.append(data)
            if len(batch) < TOGETHER and number < rounds:
                continue
            for one, kind in trial.wrong(batch):
                kinds[kind] = kinds.get(kind, 0) + 1
                (kept / f"{name}-{sum(kinds.values())}").write_bytes(one)
            batch = []
    said = "; ".join(f"{count} × {kind}" for kind, count in kinds.items()) or "all well"
    seconds = time.perf_counter() - started
    print(f"{name}: {rounds:,} inputs in {trial.runs} runs, {seconds:.0f} s: {said}", flush=True)
    return sum(kinds.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("formats", nargs="*", default=list(SAMPLES), metavar="FORMAT", help=", ".join(SAMPLES))
    given = parser.parse_args()
    kept = Path(tempfile.mkdtemp(prefix="fuzz-"))
    bad = sum(fuzz(name, given.rounds, given.seed, kept) for name in given.formats)
    print(f"{bad} did wrong, kept in {kept}" if bad else "nothing to keep")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
