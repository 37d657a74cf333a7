"""The orders behind the figures."""

from __future__ import annotations

from dedup.reporting.tables import Column, Section, mark

__all__ = ["ORDERS", "ORDERS_SHOWN"]

#: As many rows as leave a hospital's HTML page well under a megabyte.
ORDERS_SHOWN = 1200

ORDERS = Section(
    "orders",
    mark("The orders behind the figures"),
    mark("Avoidable ones first, the newest first. All of them: dedup export flags."),
    (
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
    ),
    f"""
SELECT unit, scope, verdict, reason, facility_id, order_id, line_no, ordered_at, test_id, department, ordered_by,
       person_id, prior_facility_id, prior_order_id, prior_collected_at, hours_since_prior, valid_until, rule_id,
       price_vnd, chain_avoidable
FROM unit_repeat
QUALIFY row_number() OVER (
  PARTITION BY unit
  ORDER BY list_position(['avoidable', 'review', 'unrecognised', 'justified', 'pending'], verdict), ordered_at DESC,
           facility_id, order_id, line_no, scope
) <= {ORDERS_SHOWN}
ORDER BY unit, list_position(['avoidable', 'review', 'unrecognised', 'justified', 'pending'], verdict), ordered_at DESC,
         facility_id, order_id, line_no, scope
""",
)
