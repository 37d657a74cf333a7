"""What the figures rest on: deliveries, rejected rows, rules, and how sure the matching of patients is."""

from __future__ import annotations

from dedup.reporting.tables import Column, Section, mark

__all__ = ["DELIVERIES", "MATCHING", "REJECTED", "RULES", "SKIPPED"]

_DELIVERY = Column("source_name", mark("Delivery"), "text")

DELIVERIES = Section(
    "deliveries",
    mark("Deliveries"),
    mark("Rows read = loaded + rejected + duplicate + skipped, for every delivery."),
    (
        _DELIVERY,
        Column("format", mark("Format"), "text"),
        Column("received_at", mark("Received"), "moment"),
        Column("rows_read", mark("Rows read"), "count"),
        Column("rows_loaded", mark("Loaded"), "count"),
        Column("rows_rejected", mark("Rejected"), "count"),
        Column("rows_duplicate", mark("Duplicate"), "count"),
        Column("rows_skipped", mark("Skipped"), "count"),
    ),
    """
SELECT DISTINCT unit, source_name, format, received_at, rows_read, rows_loaded, rows_rejected, rows_duplicate,
       rows_skipped
FROM (SELECT DISTINCT unit, delivery_id FROM unit_delivery) JOIN delivery USING (delivery_id)
ORDER BY ALL
""",
)

REJECTED = Section(
    "rejected",
    mark("Rejected rows"),
    mark("What did not load, and why. The rows stay in the source; their values are not kept here."),
    (
        _DELIVERY,
        Column("column_name", mark("Column"), "text"),
        Column("reason", mark("Reason"), "word"),
        Column("rows", mark("Rows"), "count"),
        Column("first_row", mark("First row number"), "count"),
    ),
    """
SELECT unit, source_name, column_name, reason, count(*), min(row_number)
FROM (SELECT DISTINCT unit, delivery_id FROM unit_delivery)
JOIN delivery USING (delivery_id) JOIN rejected_row USING (delivery_id)
GROUP BY unit, source_name, column_name, reason
ORDER BY unit, source_name, count(*) DESC, column_name, reason
""",
)

SKIPPED = Section(
    "skipped",
    mark("Skipped rows"),
    mark("Rows set aside on purpose."),
    (_DELIVERY, Column("reason", mark("Reason"), "word"), Column("rows", mark("Rows"), "count")),
    """
SELECT unit, source_name, entry.key, sum(CAST(entry.value AS BIGINT))
FROM (
  SELECT unit, source_name, unnest(map_entries(CAST(skipped AS MAP(VARCHAR, BIGINT)))) AS entry
  FROM (SELECT DISTINCT unit, delivery_id FROM unit_delivery) JOIN delivery USING (delivery_id)
)
GROUP BY unit, source_name, entry.key
ORDER BY unit, source_name, entry.key
""",
)

RULES = Section(
    "rules",
    mark("Rules used"),
    mark("The validity rules behind the repeats, with their sources."),
    (
        Column("rule_id", mark("Rule"), "text"),
        Column("applies_to", mark("Applies to"), "test"),
        Column("setting", mark("Setting"), "word"),
        Column("valid_hours", mark("Valid hours"), "text"),
        Column("condition", mark("Condition"), "word"),
        Column("repeats", mark("Repeats"), "count"),
        Column("source", mark("Source of the rule"), "text"),
    ),
    """
SELECT r.unit, r.rule_id, u.test_id, coalesce(u.setting, ''), u.valid_hours, coalesce(u.condition, ''), r.repeats,
       coalesce(u.source, '')
FROM (SELECT unit, rule_id, count(*) AS repeats FROM unit_repeat GROUP BY unit, rule_id) AS r
LEFT JOIN (
  SELECT rule_id, min(test_id) AS test_id, min(setting) AS setting, min(valid_hours) AS valid_hours,
         min("condition") AS "condition", min(source) AS source
  FROM rule WHERE kind = 'validity' GROUP BY rule_id
) AS u USING (rule_id)
ORDER BY r.unit, r.repeats DESC, r.rule_id
""",
)

MATCHING = Section(
    "matching",
    mark("How sure the matching of patients is"),
    mark("How the patient record behind each repeat elsewhere joined its person."),
    (
        Column("match_method", mark("Matched by"), "word"),
        Column("repeats", mark("Repeats"), "count"),
        Column("avoidable", mark("Avoidable"), "count"),
        Column("lowest", mark("Lowest probability"), "share"),
        Column("mean", mark("Mean probability"), "share"),
    ),
    """
SELECT unit, match_method, count(*), count(*) FILTER (verdict = 'avoidable'), min(match_probability),
       sum(CAST(match_probability * 1000000 AS BIGINT)) / count(match_probability) / 1000000
FROM unit_repeat WHERE scope = 'elsewhere'
GROUP BY unit, match_method
ORDER BY unit, count(*) DESC, match_method
""",
)
