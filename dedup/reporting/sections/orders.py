"""The orders behind the figures."""

from __future__ import annotations

from dedup.reporting.tables import Column, Section, mark

__all__ = ["ORDERS", "ORDERS_IN_FILES", "ORDERS_SHOWN", "orders"]

#: As many rows as leave a hospital's HTML page well under a megabyte.
ORDERS_SHOWN = 1200
#: As many as a spreadsheet opens without complaint and a small machine writes.
ORDERS_IN_FILES = 50_000

_ORDER = "list_position(['avoidable', 'review', 'unrecognised', 'justified', 'pending'], verdict), ordered_at DESC, "
_ORDER += "facility_id, order_id, line_no, scope"
_COLUMNS = (
    Column("scope", mark("Earlier result"), "word"),
    Column("verdict", mark("Verdict"), "word"),
    Column("reason", mark("Reason"), "word"),
    Column("facility_id", mark("Ordering facility"), "facility"),
    Column("order_id", mark("Order"), "text"),
    Column("line_no", mark("Line"), "count"),
    Column("ordered_at", mark("Ordered"), "moment"),
    Column("test_id", mark("Test"), "test"),
    Column("department", mark("Department"), "text"),
    Column("ordered_by", mark("Orderer"), "text"),
    Column("person_id", mark("Person"), "text"),
    Column("prior_facility_id", mark("Source"), "facility"),
    Column("prior_order_id", mark("Earlier order"), "text"),
    Column("prior_collected_at", mark("Collected"), "moment"),
    Column("hours_since_prior", mark("Hours since"), "hours"),
    Column("valid_until", mark("Valid until"), "moment"),
    Column("rule_id", mark("Rule"), "text"),
    Column("price_vnd", mark("Price"), "vnd"),
    Column("chain_avoidable", mark("Still avoidable in its chain"), "yes"),
)
_WHO = (Column("patient_id", mark("Patient number"), "text"), Column("full_name", mark("Name"), "text"))


_JOIN_WHO = """LEFT JOIN (SELECT patient_record_id, patient_id, full_name FROM patient_identity) AS who
USING (patient_record_id)"""


def orders(limit: int, *, identified: bool = False) -> Section:
    """The section with at most ``limit`` orders a unit; ``identified``: with the patient's number and name."""
    columns = (*_COLUMNS, *(_WHO if identified else ()))
    return Section(
        "orders",
        mark("The orders behind the figures"),
        mark("Avoidable ones first, the newest first."),
        columns,
        f"""
WITH shown AS (
  FROM unit_repeat
  QUALIFY row_number() OVER (PARTITION BY unit ORDER BY {_ORDER}) <= {limit}
)
SELECT unit, {", ".join(column.name for column in columns)} FROM shown {_JOIN_WHO if identified else ""}
ORDER BY unit, {_ORDER}
""",
    )


ORDERS = orders(ORDERS_SHOWN)
