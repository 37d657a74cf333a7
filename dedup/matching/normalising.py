"""From identities as written to identities that can be compared: one SELECT, in named steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dedup.matching import identifiers, names, places, spelling
from dedup.matching.steps import in_steps

if TYPE_CHECKING:
    import duckdb

__all__ = ["drop", "normalise_sql", "prepare"]

#: A child this young is still booked under its mother's name, marked or not.
_NEWBORN_DAYS = 28


def prepare(con: duckdb.DuckDBPyConnection, source: str) -> None:
    """Register what ``normalise_sql`` of ``source`` looks up: today's places, and its names word by word."""
    places.prepare(con)
    spelling.prepare(con, source)


def drop(con: duckdb.DuckDBPyConnection) -> None:
    """Drop what ``prepare`` made."""
    spelling.drop(con)
    places.drop(con)


def normalise_sql(source: str) -> str:
    """SELECT normalising the rows of ``source``, a table with the columns of patient_identity.

    Gives patient_record_id, facility_id, patient_id and the columns IDENTITY of variants.py, with the hashes of texts
    that blocking.py makes its keys of. ``name`` is folded and NULL for placeholders; ``marked`` is the name with its
    diacritics, NULL when written without; ``id_grade`` is 0, 1 or 2 (identifiers.py). Distinct names and addresses
    are normalised once; ``prepare`` must have looked at those of ``source`` before.
    """
    compact = {
        "id_number": identifiers.compact_sql("national_id"),
        "local_phone": identifiers.local_phone_sql("phone"),
    }
    return f"""
WITH {_name_steps()}, {places.steps_sql(source)}, typed AS (
  SELECT n.* EXCLUDE (national_id, insurance_id, phone, sex, province, address, full_name, local_phone),
    {identifiers.id_type_sql("n.id_number")} AS id_type, {identifiers.insurance_sql("n.insurance_id")} AS cards,
    {identifiers.phone_sql("n.local_phone")} AS phone, coalesce(n.sex, 'unknown') AS sex,
    p.* EXCLUDE (full_name, stand_in), place.* EXCLUDE (source_province, source_address),
    coalesce(p.stand_in, false)
      OR coalesce(n.birth_precision = 'day'
                  AND date_diff('day', n.birth_date, CAST(n.first_ordered_at AS DATE)) BETWEEN -1 AND {_NEWBORN_DAYS},
                  false) AS newborn
  FROM {in_steps(source, compact)} AS n
  LEFT JOIN parted AS p ON p.full_name = n.full_name
  LEFT JOIN place ON source_province IS NOT DISTINCT FROM n.province AND source_address IS NOT DISTINCT FROM n.address
)
SELECT patient_record_id, facility_id, patient_id, id_type, id_number, number,
  CAST({identifiers.grade_sql("id_type", "number", "birth_date", "sex", "newborn")} AS TINYINT) AS id_grade,
  CASE WHEN len(cards) > 0 THEN cards END AS insurance_numbers, name, marked, family_name, middle_name, given_name,
  birth_date, birth_precision, sex, phone, province, ward, newborn,
  name_hash, family_hash, given_hash, bag_hash, skeleton_hash, province_hash, ward_hash
FROM {in_steps("typed", {"number": identifiers.number_sql("id_type", "id_number")})}"""


def _name_steps() -> str:
    """``parted``: every distinct full_name, folded, taken to pieces."""
    return f"""piece AS (
  SELECT *, string_split(name, ' ') AS token FROM name_folding
), part AS (
  SELECT folded, stand_in, name, CASE WHEN len(token) > 1 THEN token[1] END AS family_name,
    nullif({names.informative_sql("array_to_string(token[2:-2], ' ')")}, '') AS middle_name,
    CASE WHEN len(token) > 2 OR token[-1] NOT IN ('thi', 'van', '') THEN token[-1] END AS given_name,
    array_to_string(list_sort(token), ' ') AS bag, skeleton
  FROM piece
), hashed AS (
  SELECT * EXCLUDE (bag, skeleton),
    {names.hash_sql("name")} AS name_hash, {names.hash_sql("family_name")} AS family_hash,
    {names.hash_sql("given_name")} AS given_hash, {names.hash_sql("bag")} AS bag_hash,
    {names.hash_sql("skeleton")} AS skeleton_hash
  FROM part
), parted AS (
  SELECT s.full_name, p.* EXCLUDE (folded),
    CASE WHEN p.name IS NOT NULL AND s.marked <> s.folded AND NOT s.half_marked
      THEN CASE WHEN p.name = p.folded THEN s.marked ELSE nullif({names.untitled_sql("s.marked")}, p.name) END
      END AS marked
  FROM name_spelling AS s JOIN hashed AS p ON p.folded = s.folded
)"""
