"""What FHIR resources of one night leave for the next ones.

Patients, encounters, organisations, locations and specimens are kept in ``fhir_resource``, for requests that refer to
them later. A request, a report or an observation is kept there only while something it refers to has not come, and
``fhir_wanted`` says what; when that comes it is told anew, with everything that is known by then. Everything is found
by number, so a night looks at what it names and at nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dedup.loading.fhir_fields import TABLES
from dedup.loading.fhir_keys import is_sensitive, resource_key
from dedup.loading.landing import Landing

if TYPE_CHECKING:
    import duckdb

__all__ = ["HEIGHT", "keep", "recall_observations", "recall_referred", "remember", "wake"]

HEIGHT = 8  # a team in a department in a department …
_REFERRED = ("Patient", "Encounter", "Organization", "Location", "Specimen")
_WAITING = ("ServiceRequest", "DiagnosticReport", "Observation")

_NIGHT = """CREATE OR REPLACE TEMP TABLE night_resource (
    resource_key BIGINT, kind VARCHAR, delivery_no INTEGER, body VARCHAR);
CREATE OR REPLACE TEMP TABLE night_wanted (wanted_key BIGINT, resource_key BIGINT);
CREATE OR REPLACE TEMP TABLE night_used (resource_key BIGINT);
CREATE OR REPLACE TEMP TABLE night_done (resource_key BIGINT);"""


def _columns(con: duckdb.DuckDBPyConnection, kind: str) -> dict[str, str]:
    """The columns of a type's table that are kept, with their types."""
    described = con.execute(f"DESCRIBE {TABLES[kind]}").fetchall()
    return {name: held for name, held, *_ in described if name not in ("delivery_no", "scope", "row_number")}


def wake(con: duckdb.DuckDBPyConnection, landings: Sequence[Landing]) -> None:
    """Put what waited for a resource of the night among the night's resources, with row number 0."""
    con.execute("CREATE OR REPLACE TEMP TABLE fhir_sender (scope VARCHAR, sender VARCHAR)")
    con.executemany("INSERT INTO fhir_sender VALUES (?, ?)", sorted({(one.scope, one.sender) for one in landings}))
    con.execute(_NIGHT)
    con.execute(
        "CREATE OR REPLACE TEMP TABLE fhir_news (scope VARCHAR, delivery_no INTEGER, request VARCHAR, subject VARCHAR)"
    )
    if not con.execute("SELECT 1 FROM fhir_wanted LIMIT 1").fetchone():
        return
    come = " UNION ALL ".join(
        f"SELECT scope, key, max(delivery_no) AS delivery_no FROM {TABLES[kind]} GROUP BY ALL"
        for kind in (*_REFERRED, "Observation")
    )
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE fhir_woken AS
        SELECT w.resource_key, max({{'delivery_no': c.delivery_no, 'scope': c.scope}}) AS come
        FROM ({come}) AS c JOIN fhir_sender AS s USING (scope)
        JOIN fhir_wanted AS w ON w.wanted_key = {resource_key("c.key")} GROUP BY w.resource_key
        """
    )
    for kind in _WAITING:
        _add(con, kind, "SELECT come.scope AS scope, come.delivery_no AS delivery_no, resource_key FROM fhir_woken")
    con.execute(
        """
        INSERT INTO fhir_news
        SELECT w.come.scope, w.come.delivery_no, CAST(m.body AS JSON) ->> 'request', CAST(m.body AS JSON) ->> 'subject'
        FROM fhir_woken AS w JOIN fhir_resource AS m USING (resource_key) WHERE m.kind = 'News'
        """
    )
    con.execute("INSERT INTO night_done SELECT resource_key FROM fhir_woken")


def _add(con: duckdb.DuckDBPyConnection, kind: str, found: str) -> int:
    """Add remembered resources of a type (scope, delivery_no, resource_key) to the night's that are not among them."""
    columns = _columns(con, kind)
    shape = ", ".join(f'"{name}" {held}' for name, held in columns.items())
    made = con.execute(
        f"""
        INSERT INTO {TABLES[kind]} BY NAME
        SELECT f.scope, f.delivery_no, 0 AS row_number, {", ".join(f'f.r."{name}"' for name in columns)}
        FROM (
            SELECT w.scope, w.delivery_no, CAST(CAST(m.body AS JSON) AS STRUCT({shape})) AS r
            FROM ({found}) AS w JOIN fhir_resource AS m USING (resource_key) WHERE m.kind = '{kind}'
        ) AS f
        WHERE NOT EXISTS (FROM {TABLES[kind]} AS t WHERE t.scope = f.scope AND t.key = f.r."key")
        """
    ).fetchone()
    return int(made[0]) if made else 0


def _recall(con: duckdb.DuckDBPyConnection, kind: str, named: str) -> int:
    """Fetch what ``named`` (scope, key) says and the scope has not: from elsewhere in the folder, or remembered."""
    table = TABLES[kind]
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE fhir_sought AS
        SELECT n.scope, n.key, s.sender, {resource_key("n.key")} AS resource_key
        FROM (SELECT DISTINCT scope, key FROM ({named}) AS one(scope, key) WHERE key IS NOT NULL) AS n
        JOIN fhir_sender AS s USING (scope)
        WHERE NOT EXISTS (FROM {table} AS t WHERE t.scope = n.scope AND t.key = n.key)
        """
    )
    near = con.execute(
        f"""
        INSERT INTO {table}
        SELECT DISTINCT ON (n.scope, n.key) t.* REPLACE (n.scope AS scope, 0 AS delivery_no, 0 AS row_number)
        FROM fhir_sought AS n JOIN fhir_sender AS s ON s.sender = n.sender AND s.scope <> n.scope
        JOIN {table} AS t ON t.scope = s.scope AND t.key = n.key
        ORDER BY n.scope, n.key, t.delivery_no DESC, t.row_number DESC
        """
    ).fetchone()
    con.execute("INSERT INTO night_used SELECT resource_key FROM fhir_sought")
    return _add(con, kind, "SELECT scope, 0 AS delivery_no, resource_key FROM fhir_sought") + (near[0] if near else 0)


def recall_observations(con: duckdb.DuckDBPyConnection) -> None:
    """The members of the night's reports and panels; a report may list panels of an earlier night."""
    for _ in range(2):
        _recall(
            con,
            "Observation",
            "SELECT scope, unnest(members) FROM fhir_report "
            "UNION ALL SELECT scope, unnest(members) FROM fhir_observation",
        )


_NAMED = {
    "Patient": "SELECT scope, subject FROM fhir_request",
    "Encounter": "SELECT scope, encounter FROM fhir_request",
    "Location": "SELECT scope, location FROM fhir_request",
    "Specimen": "SELECT scope, specimen FROM night_named UNION ALL SELECT scope, specimen FROM fhir_request "
    "UNION ALL SELECT scope, specimen FROM fhir_known",
    "Organization": "SELECT scope, requester FROM fhir_request UNION ALL SELECT scope, performer FROM fhir_known "
    "UNION ALL SELECT scope, provider FROM fhir_encounter UNION ALL SELECT scope, organization FROM fhir_location "
    "UNION ALL SELECT scope, organization FROM fhir_patient",
}
_ABOVE = "SELECT scope, part_of FROM fhir_organization WHERE list_has_any(kinds, ['dept', 'team'])"


def recall_referred(con: duckdb.DuckDBPyConnection) -> None:
    """What the night's requests and results refer to."""
    for kind, named in _NAMED.items():
        _recall(con, kind, named)
    for _ in range(HEIGHT):
        if not _recall(con, "Organization", _ABOVE):
            return


def keep(con: duckdb.DuckDBPyConnection) -> None:
    """Set aside what later nights may need in ``night_resource`` and ``night_wanted``."""
    for kind in _REFERRED:
        _set_aside(con, kind, "t.row_number > 0")
    con.execute(_OPEN_REQUESTS)
    con.execute(_OPEN_GROUPS)
    con.execute(_OPEN_LINES)
    con.execute(_NEWS)
    con.execute(
        f"""
        INSERT INTO night_wanted SELECT DISTINCT {resource_key("w.wanted")}, {resource_key("w.key")}
        FROM fhir_waits AS w JOIN fhir_sender AS s USING (scope)
        """
    )
    for kind in _WAITING:
        unclaimed = _UNCLAIMED if kind == "Observation" else "false"
        waits = "EXISTS (FROM fhir_waits AS w WHERE w.scope = t.scope AND w.key = t.key)"
        _set_aside(con, kind, waits, f"t.row_number > 0 AND {unclaimed}")
        con.execute(
            f"INSERT INTO night_done SELECT {resource_key('t.key')} FROM {TABLES[kind]} AS t "
            f"JOIN fhir_sender AS s USING (scope) WHERE NOT {unclaimed} "
            f"AND EXISTS (FROM fhir_resource WHERE kind = '{kind}')"
        )


_SENSITIVE = is_sensitive("t.codes")
# A result of the laboratory that no request is known for may be named by a report or a panel of a later night.
_UNCLAIMED = f"""(NOT {_SENSITIVE} AND list_contains(t.categories, 'laboratory') AND NOT EXISTS (
    FROM fhir_link AS l WHERE l.scope = t.scope AND l.observation = t.key))"""

# Who waits (key) for what (wanted).
_OPEN_REQUESTS = """CREATE OR REPLACE TEMP TABLE fhir_waits AS
    SELECT scope, key, unnest(wants) AS wanted FROM fhir_order WHERE NOT sensitive"""
_OPEN_GROUPS = f"""INSERT INTO fhir_waits
    SELECT g.scope, g.key, g.member FROM (
        SELECT scope, key, unnest(members) AS member FROM fhir_report WHERE len(bases) > 0
        UNION ALL
        SELECT t.scope, t.key, unnest(t.members) FROM fhir_observation AS t WHERE NOT {_SENSITIVE} AND EXISTS (
            FROM fhir_link AS l WHERE l.scope = t.scope AND l.observation = t.key)
    ) AS g
    WHERE NOT EXISTS (FROM fhir_observation AS o WHERE o.scope = g.scope AND o.key = g.member)"""
# A line of an earlier night waits for its result's laboratory or specimen, unless its request waits anyway.
_NEWS = f"""INSERT INTO night_resource
    SELECT {resource_key("l.request")}, 'News', l.delivery_no, to_json({{'request': l.request, 'subject': l.subject}})
    FROM late AS l JOIN fhir_sender AS s USING (scope) WHERE l.known AND len(l.wants) > 0
    AND {resource_key("l.request")} NOT IN (SELECT resource_key FROM fhir_resource WHERE kind = 'ServiceRequest')"""
_OPEN_LINES = """INSERT INTO fhir_waits SELECT scope, request, unnest(wants) FROM late WHERE known"""
# A panel is known by the requests that it was found to belong to.
_BASES = """coalesce((SELECT list(l.request ORDER BY l.request) FROM fhir_link AS l
    WHERE l.scope = t.scope AND l.observation = t.key), t.bases)"""


def _set_aside(con: duckdb.DuckDBPyConnection, kind: str, *conditions: str) -> None:
    """Of each resource of the type for which one of the conditions holds the latest version."""
    rows = " UNION ALL ".join(
        f"SELECT t.rowid AS place, scope, key, delivery_no, row_number FROM {TABLES[kind]} AS t WHERE {condition}"
        for condition in conditions
    )
    cells = {name: f't."{name}"' for name in _columns(con, kind)} | ({"bases": _BASES} if kind == "Observation" else {})
    body = ", ".join(f'"{name}" := {cell}' for name, cell in cells.items())
    con.execute(
        f"""
        INSERT INTO night_resource
        SELECT {resource_key("t.key")}, '{kind}', t.delivery_no, to_json(struct_pack({body}))
        FROM {TABLES[kind]} AS t JOIN fhir_sender AS s USING (scope)
        WHERE t.rowid IN (
            SELECT arg_max(place, {{'file': delivery_no, 'row': row_number}}) FROM ({rows}) GROUP BY scope, key
        )
        """
    )


def remember(con: duckdb.DuckDBPyConnection) -> None:
    """Keep what was set aside; part of the load's transaction. What is told to its end waits no longer.

    One row of each: not ``DISTINCT ON``, which holds all the bodies in memory.
    """
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE night_same AS
        SELECT DISTINCT resource_key FROM night_resource AS n JOIN fhir_resource AS m USING (resource_key)
        WHERE m.body = n.body
        """
    )
    con.execute("INSERT INTO night_done SELECT resource_key FROM night_resource")
    con.execute("DELETE FROM fhir_wanted WHERE resource_key IN (FROM night_done)")
    con.execute("DELETE FROM fhir_resource WHERE resource_key IN (FROM night_done EXCEPT FROM night_same)")
    con.execute(
        """
        INSERT INTO fhir_resource BY NAME
        SELECT resource_key, kind, delivery_no, body FROM night_resource WHERE rowid IN (
            SELECT arg_max(rowid, {'file': delivery_no, 'body': hash(body)}) FROM night_resource
            WHERE resource_key NOT IN (FROM night_same) GROUP BY resource_key
        )
        """
    )
    con.execute(
        """
        UPDATE fhir_resource SET delivery_no = (SELECT max(delivery_no) FROM landed)
        WHERE resource_key IN (FROM night_used UNION FROM night_same)
        """
    )
    con.execute("INSERT INTO fhir_wanted SELECT DISTINCT wanted_key, resource_key FROM night_wanted")
