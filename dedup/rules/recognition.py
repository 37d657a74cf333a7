"""Whose results a facility's laboratory must accept: levels and ISO 15189, each on the day of the new order."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import pyarrow as pa

from dedup.rules.resolving import DAY_ZERO

__all__ = ["Laboratories", "laboratories"]

_FIRST_DAY = f"coalesce(date_diff('day', DATE '{DAY_ZERO}', r.level_from), -2147483648)"
_LAST_DAY = f"coalesce(date_diff('day', DATE '{DAY_ZERO}', r.level_to), 2147483647)"


@dataclass(frozen=True)
class Laboratories:
    """What is known of laboratories; days are numbered from DAY_ZERO.

    - ``levels(facility, first_day, last_day, level, iso, limited)``: one row for each period in which a facility's
      laboratory has a level or ISO 15189; a facility or a day without a row counts as level 0.
    - ``accredited(facility, first_day, test)``: the tests that a ``limited`` accreditation of that period is for.
    """

    levels: pa.Table
    accredited: pa.Table


def laboratories(con: duckdb.DuckDBPyConnection) -> Laboratories:
    """Read the register. Needs the temporary tables facility_number and test_number."""
    levels = f"""
SELECT f.facility_no AS facility, {_FIRST_DAY} AS first_day, {_LAST_DAY} AS last_day,
       coalesce(r.lab_level, 0) AS level, coalesce(r.iso15189, false) AS iso, r.accredited_tests IS NOT NULL AS limited
FROM facility AS r JOIN facility_number AS f ON f.facility_id = r.facility_id
WHERE r.registered AND (r.lab_level >= 1 OR r.iso15189)"""
    accredited = f"""
SELECT f.facility_no AS facility, {_FIRST_DAY} AS first_day, CAST(t.test AS INTEGER) AS test
FROM (SELECT *, unnest(accredited_tests) AS test_id FROM facility WHERE registered) AS r
JOIN facility_number AS f ON f.facility_id = r.facility_id
JOIN test_number AS t ON t.test_id = r.test_id"""
    return Laboratories(con.execute(levels).to_arrow_table(), con.execute(accredited).to_arrow_table())
