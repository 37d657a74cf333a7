"""What the files of a rule catalogue look like: their columns, what a cell may hold, what identifies a row.

The columns are the contract's. Two additions: ``specimens.csv``, how hospitals write a specimen and which catalogue
specimen is meant; and ``same_encounter`` in ``exemptions.csv``, which tells a series within one stay from a repeat.
"""

from __future__ import annotations

from dataclasses import dataclass

from dedup.schema import CODE_SYSTEMS, ORDER_REASONS, SETTINGS

__all__ = ["CLASSES", "CONDITIONS", "FILES", "NOT_IN_VERSION", "PRIOR_FLAGS", "File"]

CLASSES = ("routine", "monitoring", "timed", "culture", "transfusion", "point_of_care", "sensitive")
CONDITIONS = ("positive_only", "normal_only")
PRIOR_FLAGS = ("abnormal", "critical")

#: Columns that say where a row stands or how a number was written, not what the rule is.
NOT_IN_VERSION = ("file_line", "origin", "valid_hours")


@dataclass(frozen=True)
class File:
    """One file: its columns with the kind of their cells, and the columns that identify a row.

    Kinds: text, folded, slug, decimal (đồng), hours, days, date, boolean, duration, level, or a tuple of the words
    allowed.
    """

    name: str
    columns: dict[str, str | tuple[str, ...]]
    filled: tuple[str, ...]  #: columns that must be there and never blank
    key: tuple[str, ...]  #: rows of a site replace the rows that share these (of a panel: all its components)
    required: bool = False  #: the file itself must be there


FILES: dict[str, File] = {
    file.name: file
    for file in (
        File(
            "tests",
            {
                "test_id": "slug",
                "name_vi": "text",
                "name_en": "text",
                "discipline": "slug",
                "specimen": "slug",
                "loinc": "text",
                "class": CLASSES,
                "price_vnd": "decimal",
                "source": "text",
            },
            filled=("test_id",),
            key=("test_id",),
            required=True,
        ),
        File(
            "codes",
            {
                "code_system": CODE_SYSTEMS,
                "code": "text",
                "test_id": "slug",
                "method": "text",
                "facility_id": "text",
                "source": "text",
            },
            filled=("code_system", "code", "test_id"),
            key=("code_system", "code", "facility_id"),
        ),
        File(
            "panels",
            {"test_id": "slug", "component_id": "slug", "required": "boolean"},
            filled=("test_id", "component_id", "required"),
            key=("test_id",),
        ),
        File(
            "validity",
            {
                "profile": "text",
                "test_id": "text",
                "setting": SETTINGS,
                "valid_hours": "hours",
                "condition": CONDITIONS,
                "valid_from": "date",
                "valid_to": "date",
                "rule_id": "text",
                "source": "text",
                "note": "text",
            },
            filled=("profile", "test_id"),
            key=("profile", "test_id", "setting", "condition", "valid_from"),
            required=True,
        ),
        File(
            "exemptions",
            {
                "reason": "slug",
                "verdict": ("justified", "review"),
                "test_id": "slug",
                "discipline": "slug",
                "class": CLASSES,
                "setting": SETTINGS,
                "prior_flag": PRIOR_FLAGS,
                "max_age_days": "days",
                "order_reason": ORDER_REASONS,
                "same_encounter": "boolean",  # an addition: true asks for a prior of the same stay or visit
                "profile": "text",
                "valid_from": "date",
                "valid_to": "date",
                "rule_id": "text",
                "source": "text",
                "note": "text",
            },
            filled=("reason", "verdict"),
            key=("rule_id",),
        ),
        File(
            "specimens",
            {"text": "folded", "specimen": "slug", "source": "text"},
            filled=("text", "specimen"),
            key=("text",),
        ),
    )
}
