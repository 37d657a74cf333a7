"""What dedup doctor says of the inbox and of what loading is told to use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dedup.loading.checking import check_inputs
from dedup.settings import InboxSettings, LoadingSettings, Settings

REGISTER = "facility_id,name,tier\n01001,Bệnh viện Thử,provincial\n"
MAPPING = "".join(
    f'[columns.{name}]\ncolumn = "{name}"\n'
    for name in ("facility_id", "order_id", "patient_id", "test_code", "ordered_at", "status")
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "inbox" / "01001").mkdir(parents=True)
    (tmp_path / "register.csv").write_text(REGISTER, encoding="utf-8")
    (tmp_path / "own.toml").write_text(MAPPING, encoding="utf-8")
    return Settings(
        inbox=InboxSettings(path=tmp_path / "inbox", archive=tmp_path / "archive", bad=tmp_path / "bad"),
        loading=LoadingSettings(facilities=tmp_path / "register.csv", mapping=tmp_path / "own.toml"),
    )


def bad(settings: Settings) -> list[str]:
    return [one.question for one in check_inputs(settings) if one.outcome == "bad"]


def test_what_is_in_order_is_good(tmp_path: Path, settings: Settings) -> None:
    assert [(one.question, one.outcome) for one in check_inputs(settings)] == [
        (question, "good") for question in ("inbox", "archive", "bad", "register", "mapping")
    ]
    assert check_inputs(Settings()) == []
    assert not (tmp_path / "archive").exists()


def test_a_run_that_must_fail_is_foretold(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "register.csv").write_text(REGISTER + "01001,,nowhere\n", encoding="utf-8")
    assert bad(settings) == ["register"]
    (tmp_path / "register.csv").unlink()
    (tmp_path / "own.toml").write_text("=", encoding="utf-8")
    (tmp_path / "archive").write_text("")
    assert bad(settings) == ["archive", "register", "mapping"]
    same = settings.inbox.model_copy(update={"archive": settings.inbox.path})
    assert bad(Settings(inbox=same)) == ["inbox"]
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "01001" and Path(path) != tmp_path)
    assert bad(Settings(inbox=settings.inbox)) == ["archive", "bad", "moving"]
    monkeypatch.undo()
    (tmp_path / "inbox" / "01001").rmdir()
    (tmp_path / "inbox").rmdir()
    assert bad(Settings(inbox=settings.inbox)) == ["inbox", "archive"]
