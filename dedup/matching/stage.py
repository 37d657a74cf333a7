"""The stage ``match``: patient_identity in, match_person (with it patient_record) and person_change out."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dedup.warehouse import Run, Warehouse, all_threads, count, one_thread, small_memory

if TYPE_CHECKING:
    import duckdb

    from dedup.settings import MatchingSettings, Settings

__all__ = ["MatchSummary", "forget", "match"]

_A_RECORD = 8_000  #: bytes that matching a record takes at most, generously
_TEMPORARY = ("normalised", "arrived", "gone", "stirred", "unused", "component", "placed")


@dataclass(frozen=True)
class MatchSummary:
    """What a run of the stage did."""

    records: int  #: patient records that were new, changed or gone
    pairs: int  #: pairs of identities compared
    persons: int  #: persons in the warehouse
    review: int  #: pairs of identities in the warehouse that wait for a human
    merged: int  #: persons that two or more became
    split: int  #: persons that became two or more
    skipped_blocks: int  #: blocks over the cap
    model_version: str


def match(warehouse: Warehouse, run: Run, settings: Settings, *, train: bool = False) -> MatchSummary:
    """Say which person each patient record is.

    Reads patient_identity and the ``match`` rows of todo; writes match_person and person_change, empties those
    rows, and puts every record of a touched person into todo for the stage ``flag``. One transaction.

    With ``train`` the scorecard is learnt anew from the warehouse's own ids, kept in the warehouse, and everything
    is matched again; without, the one kept (else the shipped one) serves, so a night never changes the model.
    """
    with run.stage("match") as stage:
        with one_thread(warehouse.con), warehouse.transaction() as con:
            summary, notes = _match(con, run.run_id, settings.matching, train=train)
        stage.counts.update({name: value for name, value in summary.__dict__.items() if isinstance(value, int)})
        stage.notes.extend(notes)
        run.version(model=summary.model_version)
    return summary


def forget(warehouse: Warehouse, run: Run) -> None:
    """Drop what is kept of patient records that are no more: changes of their person, and human decisions. One
    transaction; counts go to the stage ``retention``."""
    gone = "NOT IN (SELECT patient_record_id FROM match_person)"
    with run.stage("retention") as stage, warehouse.transaction() as con:
        for name, sql in {
            "person_changes": f"DELETE FROM person_change WHERE patient_record_id {gone}",
            "match_decisions": f"DELETE FROM match_decision WHERE record_a {gone} OR record_b {gone}",
        }.items():
            row = con.execute(sql).fetchone()
            stage.counts[name] = int(row[0]) if row else 0


def _match(
    con: duckdb.DuckDBPyConnection, run_id: int, settings: MatchingSettings, *, train: bool
) -> tuple[MatchSummary, list[str]]:
    from dedup.matching import edges, identities, state
    from dedup.matching.persons import write_persons
    from dedup.matching.placing import place

    card = state.serving(con)
    everything = train or not state.made_with(con, card, settings)
    if everything:
        state.clear(con)
    waiting = "patient_identity" if everything else "todo WHERE stage = 'match'"
    notes: list[str] = []
    pairs, changes = 0, {"persons_merged": 0, "persons_split": 0}
    skipped: dict[str, tuple[int, int]] = {}
    with small_memory(con, _A_RECORD * count(con, f"SELECT count(*) FROM {waiting}")):
        arrivals = identities.take_in(con, everything=everything)
        if train:
            card, notes = state.learn(con, run_id, settings)
        if arrivals.records:
            with contextlib.nullcontext() if everything else all_threads(con):  # a night writes little
                pairs, skipped, scorer = edges.add_edges(con, arrivals, card, settings)
                place(con, scorer)
                changes = write_persons(con, run_id)
    state.note_made_with(con, card, settings)
    con.execute("DELETE FROM todo WHERE stage = 'match'")
    for table in _TEMPORARY:
        con.execute(f"DROP TABLE IF EXISTS {table}")
    summary = MatchSummary(
        records=arrivals.records,
        pairs=pairs,
        persons=count(con, "SELECT count(*) FROM match_person WHERE person_id = patient_record_id"),
        review=count(con, "SELECT count(*) FROM match_edge WHERE method = 3"),
        merged=changes["persons_merged"],
        split=changes["persons_split"],
        skipped_blocks=sum(blocks for blocks, _ in skipped.values()),
        model_version=card.version,
    )
    return summary, notes + _skipped_notes(skipped, settings.block_cap)


def _skipped_notes(skipped: dict[str, tuple[int, int]], cap: int) -> list[str]:
    return [
        f"{blocks} blocks of the rule '{rule}' held more than {cap} identities ({members} in all) and were skipped."
        for rule, (blocks, members) in skipped.items()
    ]
