"""Which scorecard serves, and what the edges kept were made with."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from dedup.matching import blocking, normalising, spelling, variants
from dedup.matching.model import Scorecard, shipped
from dedup.warehouse import count

if TYPE_CHECKING:
    import duckdb

    from dedup.settings import MatchingSettings

__all__ = ["any_decision", "clear", "learn", "made_with", "note_made_with", "serving"]


def serving(con: duckdb.DuckDBPyConnection) -> Scorecard:
    """The scorecard learnt last from this warehouse, else the shipped one.

    One learnt by an earlier version, which compared other fields, serves no more: the shipped one does until
    ``match --train``.
    """
    row = con.execute("SELECT scorecard FROM match_model ORDER BY run_id DESC LIMIT 1").fetchone()
    card = None if row is None else Scorecard.from_json(row[0])
    return shipped() if card is None or not card.fits_fields() else card


def learn(con: duckdb.DuckDBPyConnection, run_id: int, settings: MatchingSettings) -> tuple[Scorecard, list[str]]:
    """Learn a scorecard from the warehouse's own ids and keep it; too few: the serving one stays, with a note."""
    from dedup.matching.training import learn_from_ids

    # Guards are not learnt: what an earlier version did not know must not be missing for ever.
    known = replace(serving(con), guards=shipped().guards)
    card, note = learn_from_ids(con, run_id, known, settings)
    if card is None:
        return serving(con), [note]
    con.execute("DELETE FROM match_model")
    con.execute("INSERT INTO match_model VALUES (?, ?, ?)", [card.version, card.to_json(), run_id])
    return card, [note]


def made_with(con: duckdb.DuckDBPyConnection, card: Scorecard, settings: MatchingSettings) -> bool:
    """Whether the edges kept were made with this scorecard, these settings, this normalising and this DuckDB.

    Block keys are DuckDB's hashes, which another version may make otherwise.
    """
    row = con.execute("SELECT made_with FROM match_state").fetchone()
    return row is not None and row[0] == _fingerprint(con, card, settings)


def note_made_with(con: duckdb.DuckDBPyConnection, card: Scorecard, settings: MatchingSettings) -> None:
    """Remember it."""
    con.execute("DELETE FROM match_state")
    con.execute("INSERT INTO match_state VALUES (?)", [_fingerprint(con, card, settings)])


def clear(con: duckdb.DuckDBPyConnection) -> None:
    """Forget all identities and edges; persons and human decisions stay until they are written anew."""
    for table in ("match_edge", "match_record", "match_variant", "match_state"):
        con.execute(f"DELETE FROM {table}")


def any_decision(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether a human has decided anything; to look for what was decided takes a look at all records."""
    return count(con, "SELECT count(*) FROM (FROM match_decision LIMIT 1)") > 0


def _fingerprint(con: duckdb.DuckDBPyConnection, card: Scorecard, settings: MatchingSettings) -> str:
    version = con.execute("SELECT version()").fetchone()
    keys = blocking.keyed_sql(normalising.normalise_sql(""), "")
    parts: list[object] = [
        card.__dict__,
        settings.model_dump_json(),
        keys,
        spelling.SQL,
        variants.packed_sql(),
        version[0] if version else "",
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
