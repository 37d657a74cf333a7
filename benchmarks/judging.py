"""Judging ten million order lines, against the bare self-join on the same buckets in the same run.

    .venv/bin/python -m benchmarks.judging [--lines 10000000]

The yardstick is a hand-written query: the best prior of each line elsewhere or here, one validity per test and setting
that already stands beside the line, a result that was there before the order; no rules looked up, no verdicts, no
exemption, no recognition, no panel by its components, no chain, no ties. Both
read the same person-bucketed Parquet and write Parquet. Prints CPU-seconds per million lines, the ratio, and the peak
memory of judging (in a process of its own).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dedup.rules import covering
from dedup.rules.judging import judge_bucket, open_judge
from dedup.rules.reading import read_catalogue
from dedup.rules.recognition import Laboratories
from dedup.rules.resolving import RuleBook, resolve

PROFILE = "moh-draft-2026-08"
BUCKET = 2_000_000
FACILITIES = 1500
DAYS = 120
MINUTE = 60

#: One validity per test and setting (``valid``, seconds, beside each line), the best prior elsewhere or here, a result
#: that was there before the order; ``d_cover`` says whose result covers which test.
BARE = """
WITH q AS (
  SELECT o.id, o.person * 1048576 + x.q_test * 64 + o.specimen AS p, o.facility AS f, o.ordered AS t,
         o.ordered - o.valid AS lo
  FROM lines AS o JOIN d_cover AS x ON x.o_test = o.test WHERE o.valid > 0
), r AS (
  SELECT id, person * 1048576 + test * 64 + specimen AS p, facility AS f, available, CAST(collected AS BIGINT) AS c
  FROM lines WHERE available IS NOT NULL
), g AS (
  SELECT q.id,
    max(CASE WHEN r.f <> q.f THEN r.c * 134217728 + r.id END) AS other_v,
    max(CASE WHEN r.f = q.f THEN r.c * 134217728 + r.id END) AS same_v
  FROM q JOIN r ON r.p = q.p AND r.available < q.t AND r.c >= q.lo
  GROUP BY q.id
), h AS (
  SELECT id, CASE WHEN other_v IS NULL THEN 'SAME' ELSE 'OTHER' END AS cls, coalesce(other_v, same_v) AS v, same_v
  FROM g
)
SELECT h.id, h.cls, h.v % 134217728 AS prior, o.ordered - (h.v // 134217728) AS apart,
       (h.v // 134217728) + o.valid - o.ordered AS left_over, o.price,
       CASE WHEN h.cls = 'OTHER' AND h.same_v > h.v THEN h.same_v % 134217728 END AS newer_here
FROM h JOIN lines AS o ON o.id = h.id"""


def world(folder: Path, book: RuleBook, lines: int, seed: int = 7) -> None:
    """Invented lines, one Parquet file for each person bucket: visits at one's own and other hospitals."""
    rng = np.random.default_rng(seed)
    valid = np.zeros(len(book.tests) * 8, dtype="int64")
    valid[book.tables["d_rule"]["slot"].to_numpy() // len(book.starts)] = book.tables["d_rule"]["valid"].to_numpy()
    ruled = np.unique(book.tables["d_rule"]["slot"].to_numpy() // (8 * len(book.starts)))
    popular = np.zeros(len(book.tests))
    popular[rng.choice(ruled, 120, replace=False)] = 1 / np.arange(1, 121) ** 0.9
    popular /= popular.sum()
    for bucket, first in enumerate(range(0, lines, BUCKET)):
        n = min(BUCKET, lines - first)
        visits = n // 5
        person = rng.integers(0, visits // 2, visits)
        home = rng.integers(0, FACILITIES, visits // 2)[person]
        at = np.where(rng.random(visits) < 0.7, home, rng.integers(0, FACILITIES, visits))
        arrived = rng.integers(0, DAYS * 24 * 60, visits)
        visit = np.sort(rng.integers(0, visits, n))
        again = rng.random(visits) < 0.2  # a transfer: the next hospital within a day and a half, much the same tests
        again[0] = False
        person[1:] = np.where(again[1:], person[:-1], person[1:])
        arrived[1:] = np.where(again[1:], arrived[:-1] + rng.integers(60, 36 * 60, visits - 1), arrived[1:])
        ordered = (arrived[visit] + rng.integers(0, 20, n) + 13_000_000) * MINUTE
        collected = ordered + rng.integers(5, 40, n) * MINUTE
        resulted = collected + rng.integers(30, 600, n) * MINUTE
        test = rng.choice(len(book.tests), n, p=popular)
        setting = rng.choice(6, n, p=[0.7, 0.2, 0.05, 0.01, 0.02, 0.02])
        copied = again[visit] & (np.arange(n) >= 5) & (rng.random(n) < 0.8)
        test = np.where(copied, np.roll(test, 5), test)
        specimen = np.array(book.test_specimen)[test]
        pq.write_table(
            pa.table({
                "id": np.arange(first, first + n), "person": person[visit].astype("int64") * 1000003 + bucket,
                "test": test.astype("int32"), "specimen": specimen.astype("int32"),
                "own_specimen": np.where(rng.random(n) < 0.3, specimen, 0).astype("int32"),
                "facility": at[visit].astype("int32"), "laboratory": at[visit].astype("int32"),
                "ordered": ordered.astype("int32"), "collected": collected.astype("int32"),
                "available": pa.array(resulted.astype("int32"), mask=rng.random(n) < 0.02),
                "flag": rng.choice(6, n, p=[.3, .5, .15, .01, .01, .03]).astype("int8"),
                "setting": setting.astype("int8"),
                "reason": (rng.random(n) < 0.02).astype("int8"),
                "age": rng.integers(0, 30000, n).astype("int32"), "encounter": visit.astype("int64"),
                "order_id": visit.astype(str), "line_no": np.arange(n, dtype="int32") % 20 + 1,
                "valid": valid[test * 8 + setting], "price": rng.integers(10, 500, n) * 1000,
            }),
            folder / f"lines-{bucket:03}.parquet",
        )  # fmt: skip


def place(folder: Path, book: RuleBook, into: Path) -> None:
    """The person buckets as judging reads them: each line with its place in the rule book beside it."""
    con = duckdb.connect()
    con.register("incoming", book.tables["d_reach"])
    con.execute("CREATE TABLE d_reach AS FROM incoming")
    for file in sorted(folder.glob("lines-*.parquet")):
        bucket = into / file.name.replace("lines", "bucket")
        lines = covering.placed(book, f"SELECT * EXCLUDE (valid, price) FROM read_parquet('{file}')")
        con.execute(f"COPY ({lines}) TO '{bucket}' (FORMAT parquet)")


def judge(folder: Path, book: RuleBook) -> int:
    """All buckets by the rule book; returns the number of flags."""
    con = open_judge(book, invented_laboratories(), by_level=True)
    flags = 0
    for file in sorted(folder.glob("bucket-*.parquet")):
        answer = judge_bucket(con, book, f"read_parquet('{file}')")
        con.execute(f"COPY (FROM {answer}) TO '{folder}/out.parquet' (FORMAT parquet)")
        flags += con.execute(f"SELECT count(*) FROM {answer}").fetchall()[0][0]
    return flags


def bare(folder: Path, book: RuleBook) -> int:
    """All buckets by the bare self-join."""
    con = duckdb.connect()
    con.register("incoming", book.tables["d_target"])
    con.execute("CREATE TABLE d_cover AS SELECT o_test, q_test FROM incoming WHERE part = 0")
    rows = 0
    for file in sorted(folder.glob("lines-*.parquet")):
        con.execute(f"CREATE OR REPLACE TEMP VIEW lines AS FROM read_parquet('{file}')")
        con.execute(f"COPY ({BARE}) TO '{folder}/out.parquet' (FORMAT parquet)")
        rows += pq.read_metadata(folder / "out.parquet").num_rows
    return rows


def invented_laboratories() -> Laboratories:
    """Invented levels, one period each."""
    rng = np.random.default_rng(1)
    levels = pa.table({
        "facility": np.arange(FACILITIES),
        "first_day": np.full(FACILITIES, -(2**31)), "last_day": np.full(FACILITIES, 2**31 - 1),
        "level": rng.integers(0, 6, FACILITIES), "iso": rng.random(FACILITIES) < 0.1,
        "limited": np.zeros(FACILITIES, dtype=bool),
    })  # fmt: skip
    none = pa.array([], pa.int64())
    return Laboratories(levels, pa.table({"facility": none, "first_day": none, "test": none}))


def measured(way: str, folder: Path) -> dict[str, float]:
    """Run one way in a process of its own: CPU-seconds, seconds, peak memory in MB, rows."""
    out = subprocess.run(
        [sys.executable, "-m", "benchmarks.judging", "--only", way, "--folder", str(folder)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return json.loads(out.stdout)


def peak_mb() -> float:
    """The largest memory this process has held; ru_maxrss would still know the parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def one(way: str, folder: Path) -> None:
    book = resolve(read_catalogue(), PROFILE)
    started, cpu = time.perf_counter(), time.process_time()
    rows = {"judge": judge, "bare": bare}[way](folder, book)
    peak = peak_mb()
    print(json.dumps({
        "cpu": time.process_time() - cpu, "wall": time.perf_counter() - started, "peak_mb": peak, "rows": rows,
    }))  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", choices=("judge", "bare"))
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    if args.only:
        one(args.only, args.folder)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        book = resolve(read_catalogue(), PROFILE)
        world(folder, book, args.lines)
        place(folder, book, folder)
        ratios = []
        for _ in range(args.rounds):
            yardstick, ours = measured("bare", folder), measured("judge", folder)
            ratios.append(ours["cpu"] / yardstick["cpu"])
            for way, m in (("bare self-join", yardstick), ("dedup judging", ours)):
                print(f"{way:15} {m['cpu'] / args.lines * 1e6:6.3f} CPU-s per million lines  {m['wall']:6.1f} s  "
                      f"peak {m['peak_mb']:6.0f} MB  {m['rows']:>9,} rows")  # fmt: skip
        print(f"ratio {' '.join(f'{ratio:.2f}' for ratio in ratios)} (at most 2.0 is asked)")


if __name__ == "__main__":
    main()
