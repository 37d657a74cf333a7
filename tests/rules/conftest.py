"""A small catalogue that is right in every respect, for tests to break."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dedup.rules.reading import Catalogue, read_catalogue

SMALL = {
    "tests": """\
test_id,name_vi,name_en,discipline,specimen,loinc,class,price_vnd,source
sodium,Natri,Sodium,biochemistry,blood,2951-2,routine,10000,list
potassium,Kali,Potassium,biochemistry,blood,2823-3,routine,10000,list
electrolytes,Điện giải đồ,Electrolytes,biochemistry,blood,,routine,30200,list
culture,Cấy máu,Blood culture,microbiology,blood,,culture,,list
""",
    "codes": """\
code_system,code,test_id,method,facility_id,source
loinc,2951-2,sodium,,,LOINC
loinc,2823-3,potassium,,,LOINC
local,NA,sodium,,79001,site
""",
    "panels": """\
test_id,component_id,required
electrolytes,sodium,true
electrolytes,potassium,true
""",
    "validity": """\
profile,test_id,setting,valid_hours,condition,valid_from,valid_to,rule_id,source,note
p,discipline:biochemistry,,24,,,,p.biochemistry,list,
p,sodium,,12.5,,,2025-12-31,p.sodium.old,list,
p,sodium,,36,,2026-01-01,,p.sodium,list,
p,sodium,icu,0,,,,p.sodium.icu,list,
p,culture,,lifetime,positive_only,,,p.culture,list,
""",
    "exemptions": """\
reason,verdict,test_id,discipline,class,setting,prior_flag,max_age_days,order_reason,profile,valid_from,valid_to,rule_id,source,note
neonate,review,,,,,,28,,,,,x.neonate,list,
culture,justified,,,culture,,,,,,,,x.culture,list,
""",
    "specimens": """\
text,specimen,source
Huyết thanh,blood,own
""",
}

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a catalogue folder: the small one, with whole files replaced (None: left out)."""

    def write(name: str = "rules", *, base: dict[str, str] | None = None, **files: str | None) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        for stem, text in ((SMALL if base is None else base) | files).items():
            if text is not None:
                (folder / f"{stem}.csv").write_text(text, encoding="utf-8")
        return folder

    return write


@pytest.fixture(scope="session")
def shipped() -> Catalogue:
    return read_catalogue()
