"""Which version of an order line is the current one.

A wave is a run of deliveries of one kind, stored together. Formats that send single lines: the delivery that
arrives later wins. Formats that send whole encounters: the newest filing date wins, then arrival; a newer version
replaces the whole encounter, an older one that arrives late changes nothing, a withdrawn one leaves no line.

Each step fills a temporary table: ``version`` (encounters of the wave), ``suspect`` (orders that need a closer look:
seen before, or a line of them twice), ``occurrence`` (every version of their lines, the stored one as version 0),
``fate`` (what becomes of rows that are not simply loaded) and ``replaced`` (stored lines that are no longer current).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dedup.loading.completing import complete
from dedup.loading.keys import order_key
from dedup.warehouse import all_threads

if TYPE_CHECKING:
    import duckdb

__all__ = ["CONTENT", "judge_encounters", "judge_lines"]

#: What makes two versions of a line the same; all stored columns but the numbering.
CONTENT = (
    "patient_record_id",
    "identity_id",
    "code_id",
    "test_name",
    "specimen",
    "performing_facility_id",
    "ordered_at",
    "collected_at",
    "resulted_at",
    "status",
    "value",
    "unit",
    "abnormal_flag",
    "setting",
    "department",
    "ordered_by",
    "encounter_id",
    "order_reason",
    "price_vnd",
)


def _content(alias: str) -> str:
    cells = ", ".join(f"coalesce(CAST({alias}.{name} AS VARCHAR), chr(30))" for name in CONTENT)
    return f"md5_number(concat_ws(chr(31), {cells}))"


def judge_lines(con: duckdb.DuckDBPyConnection, *, in_parts: bool) -> None:
    """Fill ``fate`` and ``replaced`` for a wave of single lines. Two rows of one key in one delivery: the later.

    ``in_parts``: rows say what is new, and are completed by what was said before.
    """
    with all_threads(con):
        con.execute(
            """
            CREATE OR REPLACE TEMP TABLE suspect AS
            SELECT order_key FROM wave GROUP BY order_key, line_no HAVING count(*) > 1
            UNION
            SELECT order_key FROM line WHERE superseded_by IS NULL AND order_key IN (SELECT order_key FROM wave)
            """
        )
    if in_parts:
        complete(con)
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE occurrence AS
        WITH found AS (
            SELECT w.facility_id, w.order_id, w.line_no, w.row_id, CAST(NULL AS BIGINT) AS line_id, w.delivery_no,
                   {_content("w")} AS content
            FROM wave AS w
            WHERE order_key IN (SELECT order_key FROM suspect)
            QUALIFY row_number() OVER (PARTITION BY facility_id, order_id, line_no, delivery_no
                                       ORDER BY row_number DESC) = 1
            UNION ALL
            SELECT l.facility_id, l.order_id, l.line_no, NULL, l.line_id, l.delivery_no, {_content("l")}
            FROM line AS l
            WHERE superseded_by IS NULL AND order_key IN (SELECT order_key FROM suspect)
        )
        SELECT *, row_number() OVER key AS version, lead(delivery_no) OVER key AS next_delivery_no
        FROM found
        WINDOW key AS (PARTITION BY facility_id, order_id, line_no ORDER BY line_id IS NULL, delivery_no)
        """
    )
    _settle(con)


def judge_encounters(con: duckdb.DuckDBPyConnection, first: int, last: int) -> None:
    """Fill ``fate`` and ``replaced`` for a wave of whole encounters (deliveries ``first`` to ``last``)."""
    _number_versions(con, first, last)
    _watch(con)
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE suspect AS
        SELECT order_key FROM version WHERE NOT applied OR withdrawn OR known OR version > 1
        UNION
        SELECT order_key FROM wave GROUP BY order_key, line_no HAVING count(*) > 1
        UNION
        SELECT order_key FROM line WHERE superseded_by IS NULL AND order_key IN (SELECT order_key FROM version)
        """
    )
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE occurrence AS
        WITH newest AS (SELECT * FROM version WHERE applied)
        SELECT w.facility_id, w.order_id, w.line_no, w.row_id, CAST(NULL AS BIGINT) AS line_id, w.delivery_no,
               {_content("w")} AS content, v.version, n.delivery_no AS next_delivery_no
        FROM wave AS w
        LEFT JOIN watched AS u USING (facility_id, order_id, line_no)
        JOIN newest AS v ON v.delivery_no = w.delivery_no AND v.encounter_no = w.encounter_no AND NOT v.withdrawn
                        AND v.line_no = coalesce(u.line_no, 0)
        LEFT JOIN newest AS n ON n.facility_id = v.facility_id AND n.order_id = v.order_id
                             AND n.line_no = v.line_no AND n.version = v.version + 1
        WHERE w.order_key IN (SELECT order_key FROM suspect)
        QUALIFY row_number() OVER (PARTITION BY w.facility_id, w.order_id, w.line_no, v.version
                                   ORDER BY w.row_number DESC) = 1
        UNION ALL
        SELECT l.facility_id, l.order_id, l.line_no, NULL, l.line_id, l.delivery_no, {_content("l")}, 0, n.delivery_no
        FROM line AS l
        LEFT JOIN watched AS u USING (facility_id, order_id, line_no)
        JOIN newest AS n ON n.order_key = l.order_key AND n.facility_id = l.facility_id AND n.order_id = l.order_id
                        AND n.line_no = coalesce(u.line_no, 0) AND n.version = 1
        WHERE l.superseded_by IS NULL
        """
    )
    _settle(con)
    con.execute(
        """
        UPDATE fate SET outcome = CASE WHEN v.applied THEN 'withdrawn' ELSE 'outdated' END
        FROM wave AS w
        LEFT JOIN watched AS u USING (facility_id, order_id, line_no)
        JOIN version AS v ON v.delivery_no = w.delivery_no AND v.encounter_no = w.encounter_no
                         AND v.line_no = coalesce(u.line_no, 0)
        WHERE w.row_id = fate.row_id AND (v.withdrawn OR NOT v.applied)
        """
    )
    _remember(con)


def _number_versions(con: duckdb.DuckDBPyConnection, first: int, last: int) -> None:
    """``applied``: not older than what is known, in the order of arrival; an unknown date always applies."""
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE version AS
        WITH named AS (
            SELECT f.delivery_no, f.encounter_no, coalesce(a.facility_id, f.facility_id) AS facility_id, f.order_id,
                   f.filed_on, f.withdrawn
            FROM filed AS f LEFT JOIN facility_alias AS a ON a.alias = f.facility_id
            WHERE f.delivery_no BETWEEN ? AND ?
        ), compared AS (
            SELECT n.*, e.order_id IS NOT NULL AS known,
                   coalesce(n.filed_on >= greatest(e.filed_on, max(n.filed_on) OVER earlier), true) AS applied
            FROM named AS n LEFT JOIN encounter AS e ON e.facility_id = n.facility_id AND e.order_id = n.order_id
            WINDOW earlier AS (PARTITION BY n.facility_id, n.order_id ORDER BY n.delivery_no, n.encounter_no
                               ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
        )
        SELECT 0 AS line_no, *, {order_key("facility_id", "order_id")} AS order_key,
               row_number() OVER (PARTITION BY facility_id, order_id, applied
                                  ORDER BY delivery_no, encounter_no) AS version
        FROM compared
        """,
        [first, last],
    )


def _watch(con: duckdb.DuckDBPyConnection) -> None:
    """Lines that came and could not be read: nothing is known of them from that version, so it does not count for
    them, and an older one that comes late may. ``version`` gets their own numbering; line_no 0: all other lines.
    """
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE unread AS
        SELECT DISTINCT v.facility_id, v.order_id, l.line_no, v.delivery_no, v.encounter_no
        FROM landed AS l JOIN version AS v ON v.delivery_no = l.delivery_no AND v.encounter_no = l.encounter_no
        WHERE l.problem IS NOT NULL AND l.line_no IS NOT NULL AND NOT v.withdrawn
          AND NOT EXISTS (FROM wave AS w WHERE w.delivery_no = l.delivery_no AND w.encounter_no = l.encounter_no
                          AND w.line_no = l.line_no)
        """
    )
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE watched AS
        WITH met AS (
            SELECT e.*, e.order_id IS NOT NULL AS known, v.facility_id AS own_facility_id, v.order_id AS own_order_id
            FROM (SELECT DISTINCT facility_id, order_id FROM version) AS v
            LEFT JOIN encounter AS e ON e.facility_id = v.facility_id AND e.order_id = v.order_id
        ), before AS (
            SELECT facility_id, order_id, unnest(unread, recursive := true) FROM met WHERE known
        )
        SELECT facility_id, order_id, line_no, known_on, true AS before FROM before
        UNION ALL
        SELECT DISTINCT u.facility_id, u.order_id, u.line_no, m.filed_on, false
        FROM unread AS u JOIN met AS m ON m.own_facility_id = u.facility_id AND m.own_order_id = u.order_id
        WHERE NOT EXISTS (FROM before AS b WHERE b.facility_id = u.facility_id AND b.order_id = u.order_id
                          AND b.line_no = u.line_no)
        """
    )
    con.execute(
        """
        INSERT INTO version BY NAME
        WITH compared AS (
            SELECT v.* EXCLUDE (version) REPLACE (u.line_no AS line_no,
                   coalesce(v.filed_on >= greatest(u.known_on, max(v.filed_on) OVER earlier), true) AS applied)
            FROM watched AS u JOIN version AS v ON v.facility_id = u.facility_id AND v.order_id = u.order_id
            WHERE NOT EXISTS (FROM unread AS n WHERE n.delivery_no = v.delivery_no AND n.encounter_no = v.encounter_no
                              AND n.line_no = u.line_no)
            WINDOW earlier AS (PARTITION BY u.facility_id, u.order_id, u.line_no ORDER BY v.delivery_no, v.encounter_no
                               ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
        )
        SELECT *, row_number() OVER (PARTITION BY facility_id, order_id, line_no, applied
                                     ORDER BY delivery_no, encounter_no) AS version
        FROM compared
        """
    )


def _settle(con: duckdb.DuckDBPyConnection) -> None:
    """Equal neighbours are one line: its first version is kept, the others are duplicates."""
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE kept AS
        WITH marked AS (
            SELECT *, CAST(lag(version) OVER key = version - 1 AND lag(content) OVER key = content AS BOOLEAN) AS same
            FROM occurrence WINDOW key AS (PARTITION BY facility_id, order_id, line_no ORDER BY version)
        ), numbered AS (
            SELECT *, sum(CASE WHEN same THEN 0 ELSE 1 END) OVER key AS stretch
            FROM marked WINDOW key AS (PARTITION BY facility_id, order_id, line_no ORDER BY version)
        )
        SELECT arg_min_null(row_id, version) AS row_id, arg_min_null(line_id, version) AS line_id,
               arg_max_null(next_delivery_no, version) AS superseded_by
        FROM numbered GROUP BY facility_id, order_id, line_no, stretch
        """
    )
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE fate AS
        SELECT w.row_id, CASE WHEN k.row_id IS NULL THEN 'duplicate' ELSE 'loaded' END AS outcome, k.superseded_by
        FROM wave AS w LEFT JOIN kept AS k ON k.row_id = w.row_id
        WHERE w.order_key IN (SELECT order_key FROM suspect)
        """
    )
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE replaced AS
        SELECT line_id, superseded_by FROM kept WHERE line_id IS NOT NULL AND superseded_by IS NOT NULL
        """
    )


def _remember(con: duckdb.DuckDBPyConnection) -> None:
    """Keep what the next delivery has to be compared with, withdrawn encounters too."""
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE newest AS
        SELECT facility_id, order_id, filed_on, delivery_no, encounter_no, withdrawn FROM version
        WHERE applied AND line_no = 0
        QUALIFY row_number() OVER (PARTITION BY facility_id, order_id ORDER BY version DESC) = 1
        """
    )
    con.execute(
        "DELETE FROM encounter USING newest AS n "
        "WHERE encounter.facility_id = n.facility_id AND encounter.order_id = n.order_id"
    )
    con.execute("INSERT INTO encounter BY NAME SELECT * EXCLUDE (encounter_no) FROM newest")
    con.execute(
        """
        UPDATE encounter SET unread = f.unread
        FROM (
            SELECT u.facility_id, u.order_id, list({'line_no': u.line_no, 'known_on': greatest(u.known_on, v.known_on)}
                                                   ORDER BY u.line_no) AS unread
            FROM watched AS u
            LEFT JOIN newest AS n ON n.facility_id = u.facility_id AND n.order_id = u.order_id
            LEFT JOIN unread AS r ON r.delivery_no = n.delivery_no AND r.encounter_no = n.encounter_no
                                 AND r.line_no = u.line_no
            LEFT JOIN (SELECT facility_id, order_id, line_no, max(filed_on) AS known_on FROM version
                       WHERE applied GROUP BY ALL) AS v
                ON v.facility_id = u.facility_id AND v.order_id = u.order_id AND v.line_no = u.line_no
            WHERE r.line_no IS NOT NULL OR (n.order_id IS NULL AND u.before)
            GROUP BY ALL
        ) AS f
        WHERE encounter.facility_id = f.facility_id AND encounter.order_id = f.order_id
        """
    )
