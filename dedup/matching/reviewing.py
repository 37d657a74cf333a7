"""Pairs for a human: out as a file with both sides and the evidence, decisions back in, which bind from then on."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from dedup.errors import ConfigError, InputError, Problem, UsageError
from dedup.matching.comparing import FIELDS
from dedup.matching.deciding import GUARDS, METHODS
from dedup.quoting import no_formula

if TYPE_CHECKING:
    from dedup.settings import Settings
    from dedup.warehouse import Run, Warehouse

__all__ = ["Wording", "review_export", "review_import"]

#: What a human writes into the column ``decision``.
DECISIONS = {"same": True, "different": False}
_KEYS = ("facility_a", "patient_a", "facility_b", "patient_b")
_SIDES = ("id_type", "id_number", "insurance_numbers", "name", "birth_date", "sex", "phone", "province", "address")
#: As the facility sent it: a folded name has lost the marks that tell Hùng from Hưng.
_AS_SENT = {"name": "full_name", "province": "province", "address": "address"}
_HEADER = (
    *_KEYS, "probability", "why", "guard", "evidence_for", "evidence_against", "decision", "decided_by",
    *(f"{name}_{side}" for name in _SIDES for side in "ab"),
)  # fmt: skip
#: Numbers are shown by their last digits, names by their initials, unless the export is asked for identities.
_MASKS = {"id_number": 3, "insurance_numbers": 3, "phone": 3}


class Wording(Protocol):
    """The words of the file, in the language of who decides."""

    def evidence(self, field: str, level: str, bits: float) -> str:
        """One comparison: what was found, and its bits."""
        ...

    def why(self, method: str, guard: str | None) -> str:
        """Why the pair waits."""
        ...


def review_export(
    warehouse: Warehouse,
    settings: Settings,
    target: Path,
    wording: Wording,
    *,
    identified: bool = False,
    limit: int | None = None,
) -> int:
    """Write the pairs that wait for a human to ``target`` (CSV or XLSX), the most likely first; their number.

    One row for each pair of identities, by one record of each side; of an identity that a human parted, for each part.
    Pairs already decided, by whichever of their records, and pairs that are one person anyway, are left out. Masked
    unless ``identified``. Raises UsageError for another kind of file.
    """
    rows = _waiting(warehouse, settings, limit)
    table = [_shown(row, wording, identified) for row in rows]
    if target.suffix == ".csv":
        _write_csv(target, table)
    elif target.suffix == ".xlsx":
        _write_xlsx(target, table)
    else:
        raise UsageError(f"{target} must end in .csv or .xlsx.")
    return len(table)


def _waiting(warehouse: Warehouse, settings: Settings, limit: int | None) -> list[dict[str, Any]]:
    from dedup.matching import decided, state
    from dedup.matching.edges import Scorer
    from dedup.matching.variants import read_variants

    con = warehouse.con
    sides = ", ".join(f"{side}.{name} AS {name}_{side}" for name in ("facility", "patient", *_SIDES) for side in "ab")
    shown = ", ".join(f"sent.{_AS_SENT[name]} AS {name}" if name in _AS_SENT else f"r.{name}" for name in _SIDES)
    parts = decided.parts(con, settings.matching)
    part = {record: part for record, (_, part) in parts.of_record.items() if part}
    left = [(number, *held) for number, held in parts.left.items()]
    con.execute(
        f"""
      CREATE OR REPLACE TEMP TABLE waiting AS
      WITH part AS (SELECT unnest(CAST(? AS BIGINT[])) AS patient_record_id, unnest(CAST(? AS BIGINT[])) AS part),
      named AS (
        SELECT patient_record_id, variant_no, coalesce(part, 0) AS part
        FROM match_record LEFT JOIN part USING (patient_record_id)),
      holder AS (
        SELECT variant_no, part, min(patient_record_id) AS patient_record_id FROM named GROUP BY variant_no, part),
      one_way AS (
        SELECT (a.variant_no, a.part) AS a, (b.variant_no, b.part) AS b FROM match_decision
        JOIN named AS a ON a.patient_record_id = record_a JOIN named AS b ON b.patient_record_id = record_b),
      decided AS (SELECT a, b FROM one_way UNION SELECT b, a FROM one_way),
      edge AS (
        SELECT variant_a, variant_b, method, guard, bits FROM match_edge
        UNION ALL SELECT number, number, method, -1, bits FROM (SELECT unnest(CAST(? AS INTEGER[])) AS number,
          unnest(CAST(? AS TINYINT[])) AS method, unnest(CAST(? AS DOUBLE[])) AS bits)),
      pair AS (
        SELECT e.*, x.patient_record_id AS record_a, y.patient_record_id AS record_b
        FROM edge AS e
        JOIN holder AS x ON x.variant_no = e.variant_a
        JOIN holder AS y ON y.variant_no = e.variant_b
        JOIN match_person AS p ON p.patient_record_id = x.patient_record_id
        JOIN match_person AS q ON q.patient_record_id = y.patient_record_id
        ANTI JOIN decided AS d ON d.a = (x.variant_no, x.part) AND d.b = (y.variant_no, y.part)
        WHERE p.person_id <> q.person_id AND (e.variant_a <> e.variant_b OR x.part < y.part)),
      shown AS (
        SELECT patient_record_id, sent.facility_id AS facility, sent.patient_id AS patient, {shown}
        FROM patient_record AS r JOIN patient_identity AS sent USING (patient_record_id)
        WHERE patient_record_id IN (SELECT record_a FROM pair UNION SELECT record_b FROM pair))
      SELECT e.variant_a, e.variant_b, e.method, e.guard, e.bits, {sides}
      FROM pair AS e
      JOIN shown AS a ON a.patient_record_id = e.record_a
      JOIN shown AS b ON b.patient_record_id = e.record_b
      ORDER BY e.bits DESC, facility_a, patient_a, facility_b, patient_b
      {"" if limit is None else f"LIMIT {limit:d}"}""",
        [list(part), list(part.values()), *([row[at] for row in left] for at in range(3))],
    )
    found = con.execute("SELECT * FROM waiting ORDER BY bits DESC, facility_a, patient_a, facility_b, patient_b")
    names = [column[0] for column in found.description]
    rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    if rows:
        card = state.serving(con)
        both = "SELECT variant_a AS variant_no FROM waiting UNION SELECT variant_b FROM waiting"
        v = read_variants(con, f"SEMI JOIN ({both}) AS w USING (variant_no)")
        ends = [v.positions(np.array([row[end] for row in rows])) for end in ("variant_a", "variant_b")]
        levels = Scorer(v, card, settings.matching).levels(*ends)
        for at, row in enumerate(rows):
            row["evidence"] = [
                (name, FIELDS[name][column[at]], card.weights[name][FIELDS[name][column[at]]])
                for name, column in levels.items()
                if column[at]
            ]
    con.execute("DROP TABLE waiting")
    return rows


def _shown(row: dict[str, Any], wording: Wording, identified: bool) -> dict[str, str]:
    """One line of the file: the evidence in words, the sides masked."""
    told = sorted(row["evidence"], key=lambda part: (-abs(part[2]), part[0]))
    guard = None if row["guard"] < 0 else list(GUARDS)[row["guard"]]
    shown = {key: row[key] for key in _KEYS} | {
        "probability": f"{1 / (1 + 2.0 ** -row['bits']):.4f}",
        "why": wording.why(METHODS[row["method"]], guard),
        "guard": guard or "",
        "evidence_for": "; ".join(wording.evidence(*part) for part in told if part[2] > 0),
        "evidence_against": "; ".join(wording.evidence(*part) for part in told if part[2] < 0),
        "decision": "",
        "decided_by": "",
    }
    for name in _SIDES:
        for side in "ab":
            shown[f"{name}_{side}"] = _masked(name, row[f"{name}_{side}"], identified)
    return shown


def _masked(name: str, value: Any, identified: bool) -> str:
    if value is None:
        return ""
    text = " ".join(value) if isinstance(value, list) else str(value)
    if identified:
        return text
    if name in _MASKS:
        return " ".join("•" * max(len(part) - _MASKS[name], 0) + part[-_MASKS[name] :] for part in text.split())
    if name == "name":
        return " ".join(f"{word[0]}." for word in text.split())
    return {"birth_date": text[:4], "address": ""}.get(name, text)


def _write_csv(target: Path, table: list[dict[str, str]]) -> None:
    aside = target.with_name(target.name + ".part")
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, _HEADER)
        writer.writeheader()
        writer.writerows({name: no_formula(value) for name, value in row.items()} for row in table)
    aside.replace(target)


def _write_xlsx(target: Path, table: list[dict[str, str]]) -> None:
    import xlsxwriter

    aside = target.with_name(target.name + ".part")
    os.close(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    with xlsxwriter.Workbook(str(aside), {"strings_to_formulas": False, "strings_to_urls": False}) as book:
        sheet = book.add_worksheet("review")
        sheet.freeze_panes(1, 0)
        for column, name in enumerate(_HEADER):
            sheet.write_string(0, column, name)
        for number, row in enumerate(table, start=1):
            for column, name in enumerate(_HEADER):
                sheet.write_string(number, column, row[name])
        sheet.data_validation(1, _HEADER.index("decision"), max(len(table), 1), _HEADER.index("decision"),
                              {"validate": "list", "source": list(DECISIONS)})  # fmt: skip
    aside.replace(target)


def review_import(warehouse: Warehouse, run: Run, settings: Settings, source: Path) -> int:
    """Take in the decisions of a reviewed file (CSV or XLSX); the number of pairs decided.

    Reads facility_a, patient_a, facility_b, patient_b, decision (``same``, ``different`` or blank for not yet) and,
    if there is one, decided_by. A later decision on the same pair replaces the earlier. The records are put into
    todo, so that the next ``match`` acts on it. Nothing is taken in when any row is wrong, or contradicts what was
    decided of other records with the same identities.

    Raises ConfigError with every wrong row (file and line), InputError when the file cannot be read.
    """
    from dedup.matching.decided import contradictory

    rows = _read_decisions(source)
    con = warehouse.con
    known = {
        (facility, patient): record
        for facility, patient, record in con.execute(
            "SELECT facility_id, patient_id, patient_record_id FROM patient_identity SEMI JOIN "
            "(SELECT unnest(?) AS facility_id, unnest(?) AS patient_id) AS asked USING (facility_id, patient_id) "
            "WHERE patient_record_id IN (SELECT patient_record_id FROM match_person)",
            [[row[key] for row in rows for key in ("facility_a", "facility_b")],
             [row[key] for row in rows for key in ("patient_a", "patient_b")]],
        ).fetchall()
    }  # fmt: skip
    problems = []
    decisions: dict[tuple[int, int], tuple[dict[str, Any], bool]] = {}
    for row in rows:
        ends = [known.get((row[f"facility_{side}"], row[f"patient_{side}"])) for side in "ab"]
        if row["decision"] not in DECISIONS:
            problems.append(Problem(source, row["line"], "decision must be same, different or blank"))
        elif ends[0] is None or ends[1] is None or ends[0] == ends[1]:
            problems.append(Problem(source, row["line"], "does not name two patient records of this warehouse"))
        else:
            same = DECISIONS[row["decision"]]
            first, said = decisions.setdefault((min(ends[0], ends[1]), max(ends[0], ends[1])), (row, same))
            if said != same:
                problems.append(Problem(source, row["line"], f"contradicts line {first['line']} on the same pair"))
    with warehouse.transaction():
        for pair, (row, same) in decisions.items():
            con.execute("DELETE FROM match_decision WHERE record_a = ? AND record_b = ?", pair)
            con.execute(
                "INSERT INTO match_decision VALUES (?, ?, ?, ?, ?)", [*pair, same, row["decided_by"], run.run_id]
            )
            con.execute(
                "INSERT INTO todo SELECT 'match', unnest(?) AS record, NULL EXCEPT FROM todo WHERE stage = 'match'",
                [pair],
            )
        torn = contradictory(con, settings.matching) if decisions else set()
        problems += [
            Problem(
                source,
                row["line"],
                "contradicts other decisions: by them two of these records, or of others with the same identities, are "
                "and are not one person",
            )
            for pair, (row, _) in decisions.items()
            if torn & {*pair}
        ]
        if problems:
            raise ConfigError(problems)
    return len(decisions)


def _read_decisions(source: Path) -> list[dict[str, Any]]:
    """The rows with a decision, each with its line."""
    from dedup.workbook import WorkbookError

    try:
        table = list(_table(source))
    except (OSError, UnicodeDecodeError, csv.Error, WorkbookError) as error:
        advice = " Save it as CSV UTF-8 or as XLSX." if isinstance(error, UnicodeDecodeError) else ""
        raise InputError(f"{source} cannot be read: {type(error).__name__}.{advice}") from None
    header = [name.strip().lower() for name in table[0][1]] if table else []
    read = {*_KEYS, "decision", "decided_by"}
    missing = read - {"decided_by"} - set(header)
    if missing:
        raise InputError(f"{source} lacks the columns {', '.join(sorted(missing))}.")
    twice = sorted(name for name in read if header.count(name) > 1)
    if twice:
        raise InputError(f"{source} has the columns {', '.join(twice)} twice; only one of each can be meant.")
    rows = [
        (line, dict(zip_longest(header, map(str.strip, cells[: len(header)]), fillvalue="")))
        for line, cells in table[1:]
    ]
    return [
        {key: row[key] for key in _KEYS}
        | {"decision": row["decision"].lower(), "decided_by": row.get("decided_by", ""), "line": line}
        for line, row in rows
        if row["decision"]
    ]


def _table(source: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of a file as a spreadsheet program saves it, each with its line; blank rows of a workbook count none."""
    from dedup import workbook

    with source.open("rb") as file:
        head = file.read(4096)
    if workbook.is_workbook(head):
        yield from enumerate(workbook.rows(source), start=1)
        return
    with source.open(encoding="utf-8-sig", newline="") as text:
        delimiter = max(",;\t", key=text.readline().count)
        text.seek(0)
        reader = csv.reader(text, delimiter=delimiter)
        for cells in reader:
            yield reader.line_num, [cell.removeprefix("'") for cell in cells]
