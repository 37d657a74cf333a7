"""From identities as written to identities that can be compared: one SELECT, in named steps."""

from __future__ import annotations

from dedup.matching import identifiers, names, places

__all__ = ["NORMALISED", "normalise_sql"]

#: The columns of the result, beside patient_record_id, facility_id, patient_id and first_ordered_at.
NORMALISED = (
    "id_type", "id_number", "id_grade", "insurance_numbers", "name", "marked", "family_name", "middle_name",
    "given_name", "birth_date", "birth_precision", "sex", "phone", "province", "ward", "newborn",
)  # fmt: skip

#: A child this young is still booked under its mother's name, marked or not.
_NEWBORN_DAYS = 28


def normalise_sql(source: str) -> str:
    """SELECT normalising the rows of ``source``, a table or view with the columns of patient_identity.

    ``name`` is folded and NULL for placeholders; ``marked`` is the name with its diacritics, NULL when it has
    none; ``id_grade`` is 0, 1 or 2 (identifiers.py). Distinct names are normalised once.
    """
    written = ", ".join(f"{sql} AS {name}" for name, sql in places.written_sql("i.province", "i.address").items())
    untitled = names.untitled_sql("folded")
    return f"""
WITH spelling AS (
  SELECT full_name, {names.fold_sql("full_name")} AS folded, {names.marked_sql("full_name")} AS marked
  FROM (SELECT DISTINCT full_name FROM {source} WHERE full_name IS NOT NULL)
), named AS (
  SELECT full_name, {names.newborn_sql("folded")} AS stand_in,
    CASE WHEN NOT {names.placeholder_sql("folded")} THEN {untitled} END AS name,
    CASE WHEN marked <> folded THEN marked END AS marked
  FROM spelling
), parted AS (
  SELECT full_name, stand_in, name, CASE WHEN name IS NOT NULL THEN marked END AS marked,
    CASE WHEN contains(name, ' ') THEN split_part(name, ' ', 1) END AS family_name,
    nullif({names.informative_sql("array_to_string(string_split(name, ' ')[2:-2], ' ')")}, '') AS middle_name,
    nullif(regexp_replace(split_part(name, ' ', -1), '^(thi|van)$', ''), '') AS given_name
  FROM named
), numbered AS (
  SELECT i.*, {written},
    {identifiers.compact_sql("i.national_id")} AS id_number,
    {identifiers.local_phone_sql("i.phone")} AS local_phone,
    coalesce(i.sex, 'unknown') AS known_sex
  FROM {source} AS i
), {places.steps_sql("numbered")}, typed AS (
  SELECT n.* EXCLUDE (insurance_id, national_id, phone, sex, province, full_name),
    {identifiers.id_type_sql("n.id_number")} AS id_type, {identifiers.phone_sql("n.local_phone")} AS phone,
    n.known_sex AS sex, {identifiers.insurance_sql("n.insurance_id")} AS cards, p.name, p.marked, p.family_name, p.middle_name, p.given_name,
    place.province, place.ward,
    coalesce(p.stand_in, false)
      OR coalesce(n.birth_precision = 'day'
                  AND date_diff('day', n.birth_date, CAST(n.first_ordered_at AS DATE)) BETWEEN -1 AND {_NEWBORN_DAYS},
                  false) AS newborn
  FROM numbered AS n
  LEFT JOIN parted AS p ON p.full_name = n.full_name
  LEFT JOIN place ON place.written_province IS NOT DISTINCT FROM n.written_province
                 AND place.written_district IS NOT DISTINCT FROM n.written_district
                 AND place.written_ward IS NOT DISTINCT FROM n.written_ward
)
SELECT patient_record_id, facility_id, patient_id, first_ordered_at, id_type, id_number,
  {identifiers.grade_sql("id_type", "id_number", "birth_date", "sex", "newborn")} AS id_grade,
  CASE WHEN len(cards) > 0 THEN cards END AS insurance_numbers, name, marked, family_name, middle_name,
  given_name, birth_date, birth_precision, sex, phone, province, ward, newborn
FROM typed"""
