"""Rules, and what changing them does, as CSV; the listed rules as one printable HTML page that needs nothing else."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Literal

from dedup.quoting import no_formula
from dedup.rules.listing import COLUMNS, ListedRule, is_unsourced

__all__ = ["rows_csv", "rules_csv", "rules_html", "say_condition", "say_validity"]

Lang = Literal["vi", "en"]

WORDS: dict[str, dict[str, str]] = {
    "en": {
        "title": "Rules on the reuse of results",
        "validity": "How long a result may be reused",
        "exemption": "When a repeat is justified or for review",
        "target": "Test",
        "setting": "Setting",
        "valid": "Valid for",
        "condition": "Condition",
        "verdict": "Verdict",
        "reason": "Reason",
        "from": "From",
        "to": "To",
        "source": "Source",
        "note": "Note",
        "rule_id": "Rule",
        "any": "any",
        "outpatient": "out-patient",
        "inpatient": "in-patient",
        "emergency": "emergency",
        "icu": "intensive care",
        "screening": "health check",
        "unknown": "not known",
        "lifetime": "a lifetime",
        "never": "never reused",
        "day": "day",
        "days": "days",
        "hour": "hour",
        "hours": "hours",
        "unsourced": "no public source",
        "site": "site rule",
        "profile": "Profile",
        "version": "Catalogue",
        "count": "rules",
        "warning": "Every rule needs the sign-off of a clinician before it is relied on.",
        "loinc": "LOINC® codes: © Regenstrief Institute, Inc., https://loinc.org/license",
        "positive_only": "positive results only",
        "normal_only": "normal results only",
        "abnormal": "earlier result abnormal",
        "critical": "earlier result critical",
        "age": "age at most {} days",
        "order_reason": "order reason: {}",
        "same_encounter": "within one stay",
        "justified": "justified",
        "review": "review",
    },
    "vi": {
        "title": "Quy tắc sử dụng lại kết quả xét nghiệm",
        "validity": "Kết quả được dùng lại trong bao lâu",
        "exemption": "Khi nào việc làm lại là có lý do hoặc cần xem xét",
        "target": "Xét nghiệm",
        "setting": "Nơi chỉ định",
        "valid": "Giá trị trong",
        "condition": "Điều kiện",
        "verdict": "Kết luận",
        "reason": "Lý do",
        "from": "Từ ngày",
        "to": "Đến ngày",
        "source": "Nguồn",
        "note": "Ghi chú",
        "rule_id": "Quy tắc",
        "any": "mọi nơi",
        "outpatient": "ngoại trú",
        "inpatient": "nội trú",
        "emergency": "cấp cứu",
        "icu": "hồi sức",
        "screening": "khám sức khoẻ",
        "unknown": "không rõ",
        "lifetime": "suốt đời",
        "never": "không dùng lại",
        "day": "ngày",
        "days": "ngày",
        "hour": "giờ",
        "hours": "giờ",
        "unsourced": "không có nguồn công bố",
        "site": "quy tắc của cơ sở",
        "profile": "Bộ quy tắc",
        "version": "Danh mục",
        "count": "quy tắc",
        "warning": "Mỗi quy tắc cần được bác sĩ chuyên môn duyệt trước khi áp dụng.",
        "loinc": "Mã LOINC®: © Regenstrief Institute, Inc., https://loinc.org/license",
        "positive_only": "chỉ kết quả dương tính",
        "normal_only": "chỉ kết quả bình thường",
        "abnormal": "kết quả trước bất thường",
        "critical": "kết quả trước nguy hiểm",
        "age": "tuổi không quá {} ngày",
        "order_reason": "lý do chỉ định: {}",
        "same_encounter": "trong cùng một đợt điều trị",
        "justified": "có lý do",
        "review": "cần xem xét",
    },
}


def say_validity(hours: str | None, lang: Lang) -> str:
    """``1440`` as “60 days”, ``0`` as “never reused”; blank for an exemption."""
    words = WORDS[lang]
    if hours is None:
        return ""
    if hours == "lifetime":
        return words["lifetime"]
    number = Decimal(hours)
    if number == 0:
        return words["never"]
    unit = "hour"
    if number >= 48 and number % 24 == 0:
        number, unit = number / 24, "day"
    text = f"{number.normalize():f}"
    return f"{text} {words[unit if number == 1 else unit + 's']}"


def say_condition(rule: ListedRule, lang: Lang) -> str:
    """All a rule asks for beside its test and setting, in words."""
    words = WORDS[lang]
    parts = [words[rule.condition]] if rule.condition else []
    if rule.max_age_days is not None:
        parts.append(words["age"].format(rule.max_age_days))
    if rule.order_reason is not None:
        parts.append(words["order_reason"].format(rule.order_reason))
    if rule.same_encounter:
        parts.append(words["same_encounter"])
    return "; ".join(parts)


def rules_csv(rules: Sequence[ListedRule]) -> str:
    """One line a rule."""
    return rows_csv(COLUMNS, [asdict(rule) for rule in rules])


def rows_csv(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """One line a row, with a header and a byte order mark; no text can become a formula in a spreadsheet."""
    out = io.StringIO()
    out.write("\ufeff")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([_harmless(row[name]) for name in columns] for row in rows)
    return out.getvalue()


def _harmless(cell: object) -> object:
    if isinstance(cell, Decimal):  # đồng, without needless decimals
        return f"{cell.normalize():f}"
    return no_formula(cell) if isinstance(cell, str) else cell


def rules_html(rules: Sequence[ListedRule], *, profile: str, version: str, lang: Lang = "vi") -> str:
    """A page to print and sign: validity and exemptions, each row with its source; no script, nothing fetched."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("dedup.rules", "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("rules.html").render(
        words=WORDS[lang],
        lang=lang,
        profile=profile,
        version=version,
        groups={kind: [rule for rule in rules if rule.kind == kind] for kind in ("validity", "exemption")},
        validity=lambda rule: say_validity(rule.valid_hours, lang),
        condition=lambda rule: say_condition(rule, lang),
        name=lambda rule: (rule.name_vi if lang == "vi" else rule.name_en) or rule.name_vi or rule.name_en or "",
        unsourced=is_unsourced,
    )
