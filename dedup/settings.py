"""dedup.toml as frozen, validated settings.

Every error is reported at once, with file and line. A missing file means the defaults below.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dedup.errors import ConfigError, Problem

__all__ = [
    "FhirSettings",
    "InboxSettings",
    "LoadingSettings",
    "MatchingSettings",
    "RecognitionSettings",
    "ReportSettings",
    "RulesSettings",
    "Settings",
    "WarehouseSettings",
    "read_settings",
]

Share = Annotated[float, Field(ge=0, le=1, strict=True)]
Count = Annotated[int, Field(ge=1, strict=True)]
Days = Annotated[int, Field(ge=1, le=36_500, strict=True)]  #: a hundred years: dates reach no further back


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WarehouseSettings(_Section):
    """How much of the machine a run may take."""

    path: Path = Path("dedup.duckdb")
    threads: Count | None = None  #: None: all cores
    memory_limit: Annotated[str, Field(pattern=r"^\d+(\.\d+)?\s*(MB|MiB|GB|GiB)$")] | None = None
    temp_directory: Path | None = None  #: None: beside the warehouse
    keep_days: Days | None = None  #: ``dedup vacuum`` drops older order lines; None: none
    key_file: Path | None = None  #: holds the key of an encrypted warehouse; None: DEDUP_KEY, else not encrypted


class LoadingSettings(_Section):
    """What a delivery may contain."""

    max_rejected_share: Share = 0.05  #: above it, in any delivery, the run ends with exit code 3
    #: the legal basis for keeping HIV results; None: they are dropped
    sensitive_legal_basis: Annotated[str, Field(pattern=r"\S")] | None = None
    register_path: Path | None = Field(default=None, alias="facilities")  #: the facility register
    mapping: Path | None = None  #: how hospitals lay out their own tables: a mapping file, or a folder of them


class FhirSettings(_Section):
    """Which identifiers in FHIR mean what.

    An entry in capitals is a type code (HL7 table 0203), any other a part of the identifier's system.
    """

    national_id: tuple[str, ...] = ("cccd", "cmnd", "citizen", "national", "NI", "NNVNM", "PPN")
    insurance_id: tuple[str, ...] = ("bhyt", "bhxh", "insurance", "HC", "SN", "MB")
    patient_id: tuple[str, ...] = ("MR", "PI", "MRT")  #: none of these: the first that is neither of the above
    facility_id: tuple[str, ...] = ("cskcb",)  #: of an Organization; none: its first identifier
    shared_id: tuple[str, ...] = ("ACSN", "accession")  #: several requests have it: never the number of an order


class InboxSettings(_Section):
    """The folder that hospitals drop files into; ``dedup run`` without INPUT takes it."""

    path: Path | None = None
    settle_seconds: Annotated[int, Field(ge=0, strict=True)] = (
        60  #: files changed more recently are left for the next run
    )
    archive: Path | None = None  #: where loaded files go; None: they stay
    bad: Path | None = None  #: where unreadable files go, and those with too many rejected rows
    silent_days: Days = 3  #: a facility that sends nothing for longer is named


class MatchingSettings(_Section):
    """How sure a match must be."""

    match_probability: Share = 0.95  #: at or above: one person
    review_probability: Share = 0.5  #: between the two: a human decides
    block_cap: Annotated[int, Field(ge=2, strict=True)] = 1000  #: larger blocks are skipped, counted and named

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.review_probability > self.match_probability:
            raise ValueError("review_probability is above match_probability")
        return self


class RulesSettings(_Section):
    """Which rules judge."""

    catalogue: Path | None = None  #: a folder that replaces the shipped catalogue
    overlay: Path | None = None  #: a folder whose rows replace single rows
    profile: str = "moh-draft-2026-08"


class RecognitionSettings(_Section):
    """Whose results a laboratory must accept."""

    policy: Literal["level", "all"] | None = None  #: None: level when there is a register, else all


class ReportSettings(_Section):
    """How reports speak."""

    lang: Literal["vi", "en"] = "vi"


class Settings(_Section):
    """All settings, frozen."""

    warehouse: WarehouseSettings = WarehouseSettings()
    loading: LoadingSettings = LoadingSettings()
    fhir: FhirSettings = FhirSettings()
    inbox: InboxSettings = InboxSettings()
    matching: MatchingSettings = MatchingSettings()
    rules: RulesSettings = RulesSettings()
    recognition: RecognitionSettings = RecognitionSettings()
    report: ReportSettings = ReportSettings()


def read_settings(path: Path | None) -> Settings:
    """Read ``path``, or return the defaults when it is None.

    Raises ConfigError with every problem found, each with its line.
    """
    if path is None:
        return Settings()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(path, 1, f"cannot be read: {type(error).__name__}")]) from None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        where = int(line[1]) if line else max(text.count("\n"), 1)
        raise ConfigError([Problem(path, where, "is not valid TOML")]) from None
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        raise ConfigError([_problem(path, text, dict(entry)) for entry in error.errors()]) from None
    return _beside(settings, path.parent)


def _problem(path: Path, text: str, entry: dict[str, Any]) -> Problem:
    place = [str(part) for part in entry["loc"]]
    return Problem(path, _line_of(text, place), f"{'.'.join(place)}: {entry['msg']}")


def _line_of(text: str, place: list[str]) -> int:
    """The line of ``[section]`` or of ``key =`` within it; 1 when it is written some other way."""
    section, found = "", 1
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[\s*([\w.]+)\s*\]", line)
        if header:
            section = header[1]
            if section == place[0]:
                found = number
        elif section == place[0]:
            if len(place) > 1 and re.match(rf"\s*{re.escape(place[1])}\s*=", line):
                return number
        elif not section and re.match(rf"\s*{re.escape(place[0])}\b", line):
            return number
    return found


def _beside(settings: Settings, folder: Path) -> Settings:
    """Paths in a settings file are meant from where the file stands."""

    def moved(section: _Section) -> _Section:
        paths = {name: folder / value for name, value in section if isinstance(value, Path)}
        return section.model_copy(update=paths)

    return settings.model_copy(update={name: moved(section) for name, section in settings})
