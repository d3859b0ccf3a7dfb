from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from mailsluice.cli.begin import begun
from mailsluice.cli.main import Settings
from mailsluice.config.example import example_text


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr("mailsluice.obs.log.configure", lambda *_: None)  # which would undo `capture_logs`
    path = tmp_path / "mailsluice.toml"
    path.write_text(example_text())
    path.chmod(0o644)
    return Settings(path)


def test_each_warning_is_an_event_with_what_to_do(settings: Settings, tmp_path: Path) -> None:
    settings.path.chmod(0o664)
    tmp_path.chmod(0o770)
    with capture_logs() as events:
        assert begun(settings).mailboxes
    assert [(event["event"], event["log_level"]) for event in events] == [
        ("configuration warning", "warning")
    ] * 2
    assert f"{tmp_path} can be written by the group " in events[0]["warning"]
    assert [event["remedy"] for event in events] == [f"chmod g-w {tmp_path}", f"chmod g-w {settings.path}"]


def test_there_is_none_where_nothing_is_in_doubt(settings: Settings) -> None:
    with capture_logs() as events:
        begun(settings)
    assert events == []
