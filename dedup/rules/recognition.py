"""Whose results a facility's laboratory must accept: levels and ISO 15189, each on the day of the new order."""

from __future__ import annotations

from dedup.rules.resolving import DAY_ZERO

__all__ = ["LABORATORY"]

#: SELECT giving one row for each period in which a facility's laboratory has a level or ISO 15189; days are
#: numbered from DAY_ZERO. A facility or a day without a row counts as level 0. Reads facility, facility_number.
LABORATORY = f"""
SELECT f.facility_no AS facility,
       coalesce(date_diff('day', DATE '{DAY_ZERO}', r.level_from), -2147483648) AS first_day,
       coalesce(date_diff('day', DATE '{DAY_ZERO}', r.level_to), 2147483647) AS last_day,
       coalesce(r.lab_level, 0) AS level,
       coalesce(r.iso15189, false) AS iso
FROM facility AS r
JOIN facility_number AS f ON f.facility_id = r.facility_id
WHERE r.registered AND (r.lab_level >= 1 OR r.iso15189)
"""
