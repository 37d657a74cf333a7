"""What a rich catalogue costs: judging by the whole one against judging by one rule for each test.

    .venv/bin/python -m benchmarks.rules.full_catalogue [--lines 3000000] [--rounds 5]

Both judge the same person buckets in the same process, turn and turn about, with the same tests and panels. The plain
catalogue has for each test the one row that holds for an out-patient, in every setting and on every day, and no
exemption. Prints, for each shipped profile, CPU-seconds per million order lines, flags, and the ratio of each round.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import tempfile
import time
from pathlib import Path

import polars as pl

from benchmarks.judging import judge, place, world
from dedup.rules.reading import Catalogue, read_catalogue
from dedup.rules.resolving import SETTING_SLOTS, RuleBook, resolve
from dedup.schema import SETTINGS

ASKED = 1.3


def plain(catalogue: Catalogue, book: RuleBook) -> Catalogue:
    """One validity row for each test that has any: the one for an out-patient on the last day; no exemptions."""
    periods = len(book.starts)
    wanted = SETTINGS.index("outpatient") * periods + periods - 1
    rows = []
    for slot, rule in zip(*(book.tables["d_rule"][name].to_pylist() for name in ("slot", "rule")), strict=True):
        test, cell = divmod(slot, SETTING_SLOTS * periods)
        if cell == wanted:
            free = {"test_id": book.tests[test], "setting": None, "valid_from": None, "valid_to": None}
            rows.append(book.validity[rule] | free)
    validity = pl.DataFrame(rows, schema=catalogue.validity.schema)
    return dataclasses.replace(catalogue, validity=validity, exemptions=catalogue.exemptions.clear())


def timed(folder: Path, book: RuleBook) -> tuple[float, int]:
    """CPU-seconds and flags of one pass over all buckets."""
    started = time.process_time()
    flags = judge(folder, book)
    return time.process_time() - started, flags


def measure(catalogue: Catalogue, profile: str, lines: int, rounds: int) -> float:
    """Judge both ways in turns; the median ratio."""
    full = resolve(catalogue, profile)
    one_rule = plain(catalogue, full)
    books = {"whole": full, "plain": resolve(one_rule, profile)}
    print(f"{profile}: {len(full.validity):,} validity rows, {len(full.exemptions)} exemptions, "
          f"{full.tables['d_rule'].num_rows:,} cells; plain {len(one_rule.validity):,} rows")  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        world(Path(name), full, lines)
        places = {which: Path(name) / which for which in books}
        for which, book in books.items():
            places[which].mkdir()
            place(Path(name), book, places[which])
        runs: dict[str, list[tuple[float, int]]] = {which: [] for which in books}
        for turn in range(rounds + 1):
            for which in sorted(books, reverse=bool(turn % 2)):
                runs[which].append(timed(places[which], books[which]))
    for which, taken in runs.items():
        cpu = statistics.median(seconds for seconds, _ in taken[1:]) / lines * 1e6
        print(f"  {which}  {cpu:6.3f} CPU-s per million lines  {taken[0][1]:>9,} flags")
    ratios = [mine / theirs for (mine, _), (theirs, _) in zip(runs["whole"][1:], runs["plain"][1:], strict=True)]
    print(f"  ratio {statistics.median(ratios):.2f} ({' '.join(f'{one:.2f}' for one in ratios)})", flush=True)
    return statistics.median(ratios)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=3_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    catalogue = read_catalogue()
    profiles = sorted(set(catalogue.validity["profile"]))
    worst = max(measure(catalogue, profile, args.lines, args.rounds) for profile in profiles)
    print(f"worst ratio {worst:.2f} (at most {ASKED} is asked)")


if __name__ == "__main__":
    main()
