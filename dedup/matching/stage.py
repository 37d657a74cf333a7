"""The stage ``match``: patient_identity in, patient_record and person_change out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

    from dedup.matching.model import Scorecard
    from dedup.settings import MatchingSettings, Settings
    from dedup.warehouse import Run, Warehouse

__all__ = ["MatchSummary", "match"]


@dataclass(frozen=True)
class MatchSummary:
    """What a run of the stage did."""

    records: int  #: patient records looked at
    persons: int  #: persons in the warehouse
    pairs: int  #: pairs compared
    review: int  #: pairs that wait for a human
    merged: int  #: persons that two or more became
    split: int  #: persons that became two or more
    skipped_blocks: int  #: blocks over the cap
    model_version: str


def match(warehouse: Warehouse, run: Run, settings: Settings, *, train: bool = False) -> MatchSummary:
    """Say which person each patient record is.

    Reads patient_identity and the ``match`` rows of todo; writes patient_record and person_change, empties those
    rows, and puts every record of a touched person into todo for the stage ``flag``. One transaction.
    """
    from dedup.matching.model import shipped

    with run.stage("match") as stage:
        with warehouse.transaction() as con:
            card = shipped()
            summary, skipped = _match(con, run.run_id, settings.matching, card)
        stage.counts.update({name: value for name, value in summary.__dict__.items() if isinstance(value, int)})
        stage.notes.extend(
            f"{blocks} blocks of the rule '{rule}' held more than {settings.matching.block_cap} records "
            f"({members} in all) and were skipped."
            for rule, (blocks, members) in skipped.items()
        )
        run.version(model=card.version)
    return summary


def _match(
    con: duckdb.DuckDBPyConnection, run_id: int, settings: MatchingSettings, card: Scorecard
) -> tuple[MatchSummary, dict[str, tuple[int, int]]]:
    from dedup.matching import blocking, deciding
    from dedup.matching.comparing import compare
    from dedup.matching.model import rarity_levels
    from dedup.matching.placing import place
    from dedup.matching.variants import read_variants

    waiting = _one(con, "SELECT count(*) FROM todo WHERE stage = 'match'")
    if waiting == 0:
        return MatchSummary(0, _persons(con), 0, 0, 0, 0, 0, card.version), {}
    _prepare(con)
    v = read_variants(con, "variant")
    blocks = blocking.find_pairs(con, "keyed", settings.block_cap)
    rarity = rarity_levels(v, card)
    levels = compare(v, blocks.a, blocks.b, rarity)
    decisions = deciding.decide(v, blocks.a, blocks.b, levels, card, settings)
    changes = place(con, run_id, v, blocks, decisions, rarity, card, settings)
    con.execute("DELETE FROM todo WHERE stage = 'match'")
    for table in ("keyed", "variant", "normalised", "placed", "gone"):
        con.execute(f"DROP TABLE {table}")
    review = int((decisions.method == deciding.METHODS.index("review")).sum())
    summary = MatchSummary(
        waiting, _persons(con), len(blocks.a), review, changes["persons_merged"], changes["persons_split"],
        sum(count for count, _ in blocks.skipped.values()), card.version,
    )  # fmt: skip
    return summary, blocks.skipped


def _prepare(con: duckdb.DuckDBPyConnection) -> None:
    """The temporary tables ``normalised`` (records), ``variant`` (distinct identities) and ``keyed``."""
    from dedup.matching import blocking, names, normalising, places
    from dedup.matching.variants import IDENTITY, variant_sql

    places.prepare(con)
    normalised = normalising.normalise_sql("patient_identity")
    con.execute(f"CREATE OR REPLACE TEMP TABLE normalised AS {variant_sql(f'({normalised})')}")
    places.drop(con)
    columns = ", ".join(f"any_value({name}) AS {name}" for name in IDENTITY)
    con.execute(f"""
      CREATE OR REPLACE TEMP TABLE variant AS
      WITH grouped AS (SELECT variant_id, count(*) AS records, {columns} FROM normalised GROUP BY variant_id),
      sounding AS (SELECT name, {names.skeleton_sql("name")} AS skeleton FROM (SELECT DISTINCT name FROM grouped WHERE name IS NOT NULL))
      SELECT CAST(row_number() OVER (ORDER BY variant_id) - 1 AS INTEGER) AS position, grouped.*, skeleton
      FROM grouped LEFT JOIN sounding USING (name)""")
    con.execute(f"CREATE OR REPLACE TEMP TABLE keyed AS {blocking.keys_sql('variant')}")


def _persons(con: duckdb.DuckDBPyConnection) -> int:
    return int(_one(con, "SELECT count(DISTINCT person_id) FROM patient_record"))


def _one(con: duckdb.DuckDBPyConnection, sql: str) -> Any:
    row = con.execute(sql).fetchone()
    return None if row is None else row[0]
