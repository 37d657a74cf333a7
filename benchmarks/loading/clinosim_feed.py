"""A FHIR R4 feed that somebody else's program wrote: do all results find their orders?

    .venv/bin/pip install clinosim==0.6.5
    .venv/bin/python -m benchmarks.loading.clinosim_feed [--population 1000] [--seed 7] [--feed FOLDER]

clinosim (MIT) invents a hospital's patients and writes them as a bulk export. The feed is loaded with ``dedup load``;
what went in is counted here from the JSON alone. Prints resources by type, order lines, results joined, references
that lead nowhere and rejects, and ends with 1 unless every row is explained and lines with a result are at least 99% of
the service requests that an observation or a report is based on.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb

WANTED = 0.99
#: The types the loader reads; what the others refer to is not its business.
READ = {
    *("ServiceRequest", "Observation", "DiagnosticReport", "Specimen"),
    *("Patient", "Encounter", "Organization", "Location"),
}
_REFERENCE = re.compile(r'"reference": ?"([A-Za-z]+)/([^"]+)"')

Resource = dict[str, Any]


def generate(program: Path, population: int, seed: int, folder: Path) -> Path:
    """The folder with the files of the export."""
    if not program.exists():
        sys.exit("The feed comes from the package clinosim: pip install clinosim==0.6.5")
    period = ["--country", "US", "--start", "2026-05-01", "--end", "2026-10-31"]
    size = ["--population", str(population), "--seed", str(seed)]
    subprocess.run(
        [program, "simulate", *period, *size, "--format", "fhir-r4", "--output", folder],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return folder / "fhir_r4"


def read(feed: Path) -> tuple[Counter[str], dict[str, Resource], Counter[str]]:
    """Resources by type, the service requests by id, and references of the types read that lead nowhere, by type."""
    found: dict[str, set[str]] = {}
    requests: dict[str, Resource] = {}
    wanted: Counter[tuple[str, str]] = Counter()
    for path in sorted(feed.glob("*.ndjson")):
        for line in path.read_text(encoding="utf-8").splitlines():
            one = json.loads(line)
            found.setdefault(one["resourceType"], set()).add(one["id"])
            if one["resourceType"] == "ServiceRequest":
                requests[one["id"]] = one
            if one["resourceType"] in READ:
                wanted.update((kind, key) for kind, key in _REFERENCE.findall(line) if kind in READ)
    nowhere: Counter[str] = Counter()
    for (kind, key), times in wanted.items():
        nowhere[kind] += times if key not in found.get(kind, ()) else 0
    return Counter({kind: len(keys) for kind, keys in found.items()}), requests, +nowhere


def answered(feed: Path, kind: str) -> set[str]:
    """Ids of the service requests that a resource of ``kind`` is based on."""
    lines = (feed / f"{kind}.ndjson").read_text(encoding="utf-8").splitlines()
    bases = [one["reference"] for line in lines for one in json.loads(line).get("basedOn", [])]
    return {base.partition("/")[2] for base in bases if base.startswith("ServiceRequest/")}


def load(feed: Path, db: Path) -> tuple[int, dict[str, dict[str, int]]]:
    """Exit code and counts of ``dedup load`` on the export and its manifest."""
    files = [*sorted(feed.glob("*.ndjson")), feed / "manifest.json"]
    done = subprocess.run(
        [sys.executable, "-m", "dedup", "load", *files, "--db", db, "--json"], stdout=subprocess.PIPE, check=False
    )
    return done.returncode, json.loads(done.stdout)["counts"] if done.stdout else {}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--population", type=int, default=1000, help="people around the hospital; about half fall ill")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--clinosim", type=Path, default=Path(sys.executable).with_name("clinosim"), metavar="PROGRAM")
    parser.add_argument("--feed", type=Path, help="a feed that has been written before")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        feed = given.feed or generate(given.clinosim, given.population, given.seed, Path(folder) / "feed")
        return judge(feed, Path(folder) / "feed.duckdb")


def judge(feed: Path, db: Path) -> int:
    """Load, print, and say whether it is good enough."""
    types, requests, nowhere = read(feed)
    observed = answered(feed, "Observation")
    reported = answered(feed, "DiagnosticReport")
    code, counts = load(feed, db)
    with duckdb.connect(str(db), read_only=True) as con:
        lines = con.execute("SELECT order_id, value IS NOT NULL, resulted_at IS NOT NULL FROM line").fetchall()
        rejects = con.execute("SELECT reason, count(*) FROM rejected_row GROUP BY reason ORDER BY reason").fetchall()
        facilities = con.execute("SELECT DISTINCT facility_id FROM line").fetchall()
    valued = {order for order, value, _ in lines if value}
    dated = {order for order, _, at in lines if at}
    number = {key: one["identifier"][0]["value"] if one.get("identifier") else key for key, one in requests.items()}
    joined = sum(number[key] in valued for key in observed)
    told = sum(number[key] in dated for key in observed | reported)
    print("resources in:", ", ".join(f"{kind} {types[kind]:,}" for kind in sorted(types)))
    print(f"order lines out: {len(lines):,} of {len(requests):,} service requests, of {len(facilities)} facility")
    print(f"results joined: {joined:,} of {len(observed):,} requests that an observation is based on")
    print(f"                {told:,} of {len(observed | reported):,} that an observation or a report is based on")
    print("references that lead nowhere:", dict(nowhere) or "none")
    print("rejects by reason:", dict(rejects) or "none")
    read_in = counts["load"]
    parts = ("rows_loaded", "rows_rejected", "rows_duplicate", "rows_skipped")
    explained = read_in["rows_read"] == len(requests) == sum(read_in[name] for name in parts)
    good = code == 0 and explained and joined >= WANTED * len(observed) and told >= WANTED * len(observed | reported)
    print(f"exit code {code}, every row explained: {explained}; {'good' if good else 'NOT GOOD'}")
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
