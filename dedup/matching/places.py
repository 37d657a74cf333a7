"""Provinces and wards as they are since July 2025: 63 provinces became 34, about 10,000 wards 3,321.

``data/provinces.csv`` gives the code of today's province for every old and new name and old code (Circular
07/2016/TT-BCA for the old ones) and for the districts whose name only one province had; ``data/wards.csv`` today's ward
for an old one, with the district where the ward's name alone is ambiguous (districts and wards derived from the
MIT-licensed package vietnamadminunits 1.0.4).
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from dedup.matching import names
from dedup.matching.names import hash_sql
from dedup.matching.steps import in_steps

__all__ = ["drop", "prepare", "steps_sql"]

_DATA = Path(__file__).parent / "data"
_BREAK = "[,;]|\\s[-–]\\s"
_NAME = f"\\s*([^,;]+?)\\s*(?:{_BREAK}|\\s(?:quận|huyện|q\\.|h\\.)|$)"
_WARD = f"(?i)(?:phường|xã|thị trấn|đặc khu|phuong|xa|thi tran|\\bp\\.|\\bx\\.|\\btt\\b\\.?){_NAME}"
_DISTRICT = f"(?i)(?:quận|huyện|thị xã|quan|huyen|thi xa|\\bq\\.|\\bh\\.|\\btx\\.){_NAME}"
_END = f"^(?:.*(?:{_BREAK}))?\\s*([^,;]+?)[\\s,;.-]*$"
_COUNTRY = f"(?i)(?:{_BREAK})\\s*(?:việt nam|viet nam|vn)[\\s.]*$"
_TEXTS = ("written_province", "written_district", "written_ward")
_WRITTEN = ("told", *_TEXTS)


def prepare(con: duckdb.DuckDBPyConnection) -> None:
    """Put the two tables of places into temporary tables ``place_province`` and ``place_ward``."""
    from pyarrow import csv

    # Not by the engine: once it has read foreign files it can reach no others.
    for name in ("province", "ward"):
        file = _DATA / f"{name}s.csv"
        columns = file.read_text(encoding="utf-8").partition("\n")[0].split(",")
        texts = csv.ConvertOptions(column_types=dict.fromkeys(columns, "string"), strings_can_be_null=True)
        con.register("place", csv.read_csv(file, convert_options=texts))
        con.execute(f"CREATE OR REPLACE TEMP TABLE place_{name} AS FROM place")
        con.unregister("place")


def drop(con: duckdb.DuckDBPyConnection) -> None:
    """Drop what ``prepare`` made."""
    con.execute("DROP TABLE IF EXISTS place_province")
    con.execute("DROP TABLE IF EXISTS place_ward")


def _written_sql() -> str:
    """What an address says of its place, as written: SQL of the province, whether it is told as one or may only be at
    the address's end, the district and the ward."""
    end = f"nullif(regexp_extract(regexp_replace(address, '{_COUNTRY}', ''), '{_END}', 1), '')"
    written = {
        "told": "province IS NOT NULL",
        "written_province": f"CASE WHEN told THEN province ELSE {end} END",
        "written_district": f"nullif(regexp_extract(address, '{_DISTRICT}', 1), '')",
        "written_ward": f"nullif(regexp_extract(address, '{_WARD}', 1), '')",
    }
    return ", ".join(f"{sql} AS {name}" for name, sql in written.items())


def steps_sql(source: str) -> str:
    """The steps up to ``place``: every distinct province and address of ``source`` → today's code and ward.

    Gives source_province, source_address, province, ward, and 64 bits of each of the two (NULL of NULL). A province
    that is in no table keeps its folded name, unless it says that nobody knows it. Without a province the end of the
    address tells it, if it is in the table. A ward that is not in the table is taken for one of today's. A ward without
    a province says nothing.
    """
    written, district = ", ".join(_WRITTEN), "named"
    decoded = in_steps("(FROM written_text WHERE text IS NOT NULL)", *names.decoding("text"))
    for short, long in {"h": "huyen", "q": "quan", "tx": "thi xa"}.items():
        district = f"regexp_replace({district}, '^{short} ', '{long} ')"
    return f"""written AS (
  SELECT province AS source_province, address AS source_address, {_written_sql()}
  FROM (SELECT DISTINCT province, address FROM {source})
), written_place AS (SELECT DISTINCT {written} FROM written),
written_text AS (SELECT DISTINCT unnest([{", ".join(_TEXTS)}]) AS text FROM written_place),
folded_text AS (SELECT text, {names.fold_sql("decoded")} AS folded FROM {decoded}),
folded_place AS (
  SELECT w.*, regexp_replace(p.folded, '^(tinh|thanh pho|tp|t)( |$)', '') AS named,
    CASE WHEN regexp_full_match(named, '0*[1-9][0-9]?') THEN lpad(ltrim(named, '0'), 2, '0') ELSE {district} END
      AS key,
    d.folded AS district, x.folded AS ward
  FROM written_place AS w
  LEFT JOIN folded_text AS p ON p.text = w.written_province
  LEFT JOIN folded_text AS d ON d.text = w.written_district
  LEFT JOIN folded_text AS x ON x.text = w.written_ward
), known_place AS (
  SELECT {", ".join(f"f.{name}" for name in _WRITTEN)},
    coalesce(p.province, CASE WHEN f.told AND NOT {names.placeholder_sql("f.named")} THEN f.named END) AS today,
    CASE WHEN today IS NOT NULL THEN nullif(coalesce(exact.ward, plain.ward, f.ward), '') END AS ward
  FROM folded_place AS f
  LEFT JOIN place_province AS p ON p.name = f.key
  LEFT JOIN place_ward AS exact
    ON exact.province = p.province AND exact.old_ward = f.ward AND exact.district = f.district
  LEFT JOIN place_ward AS plain
    ON plain.province = p.province AND plain.old_ward = f.ward AND plain.district IS NULL
), place AS (
  SELECT w.source_province, w.source_address, k.today AS province, k.ward,
    {hash_sql("k.today")} AS province_hash, {hash_sql("k.ward")} AS ward_hash
  FROM written AS w JOIN known_place AS k
    ON {" AND ".join(f"k.{name} IS NOT DISTINCT FROM w.{name}" for name in _WRITTEN)}
)"""
