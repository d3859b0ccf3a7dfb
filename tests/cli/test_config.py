from __future__ import annotations

import json
from pathlib import Path

import pytest

from mailsluice import invocation
from mailsluice.cli.main import main
from mailsluice.config.example import example_text, schema_text
from support.program import run_program
from support.secrecy import CANARY


@pytest.fixture
def right(tmp_path: Path) -> Path:
    path = tmp_path / "right.toml"
    path.write_text(example_text())
    path.chmod(0o644)
    return path


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    path = tmp_path / "wrong.toml"
    path.write_text(
        f'[service]\nmax_sessions = 0\n[credentials.a]\nkind = "password"\npassword = "{CANARY}"\n'
    )
    return path


def ok(path: Path) -> str:
    """The lines for a right configuration with one mailbox, without cron lines."""
    invocation.note_file(path)
    return f"{path}: ok, 1 mailbox\nsyntax and values only; `{invocation.command('check')}` tries them\n"


def test_check_says_ok_and_how_many_mailboxes_and_that_nothing_was_tried(
    right: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["-c", str(right), "config", "check"]) == 0
    assert capsys.readouterr() == (ok(right), "")


def test_check_says_every_mistake_on_a_line_and_ends_with_78(
    wrong: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["-c", str(wrong), "config", "check"]) == 78
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split(": ")[:2] for line in err.splitlines()] == [
        [str(wrong), "service.max_sessions"],
        [str(wrong), "credentials.a.password"],
    ]
    assert CANARY not in err


def test_check_json_of_a_right_one(right: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-c", str(right), "config", "check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "ok": True,
        "mailboxes": 1,
        "mistakes": [],
        "warnings": [],
        "zone": None,
        "checked": "syntax and values",
    }


@pytest.mark.parametrize("tz", ["CET-1CEST,M3.5.0,M10.5.0/3", "Europe/Berlin"])
def test_check_says_in_which_local_time_cron_lines_are_read(
    right: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tz: str
) -> None:
    monkeypatch.setenv("TZ", tz)
    right.write_text(right.read_text().replace("#cron", "cron"))
    assert main(["-c", str(right), "config", "check"]) == 0
    assert capsys.readouterr().out == f"{ok(right)}cron lines are in local time: {tz}, by TZ\n"
    assert main(["-c", str(right), "config", "check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["zone"] == f"{tz}, by TZ"


def test_check_says_its_warnings_and_ends_with_0_all_the_same(
    right: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    right.chmod(0o664)
    assert main(["-c", str(right), "config", "check"]) == 0
    out, err = capsys.readouterr()
    assert out == ok(right)
    assert err.startswith(f"warning: {right} can be written by the group ")
    assert err.endswith(f"; chmod g-w {right}\n")


def test_check_json_has_the_warnings(right: Path, capsys: pytest.CaptureFixture[str]) -> None:
    right.chmod(0o664)
    assert main(["-c", str(right), "config", "check", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"]
    assert [warning.split("; ")[1] for warning in answer["warnings"]] == [f"chmod g-w {right}"]


def test_check_json_of_a_wrong_one(wrong: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-c", str(wrong), "config", "check", "--json"]) == 78
    out, err = capsys.readouterr()
    answer = json.loads(out)
    assert (answer["ok"], answer["mailboxes"], len(answer["mistakes"])) == (False, 0, 2)
    assert (err, CANARY in out) == ("", False)


def test_check_without_a_file_says_where_it_looked(tmp_path: Path) -> None:
    ended = run_program("config", "check", cwd=tmp_path)
    assert ended.code == 78
    assert "/etc/mailsluice/mailsluice.toml" in ended.stderr
    assert "mailsluice config example" in ended.stderr


def test_the_environment_names_the_file(right: Path) -> None:
    ended = run_program("config", "check", environment={"MAILSLUICE_CONFIG": str(right)})
    assert ended.stdout == ok(right)


def test_example_and_schema_are_printed_without_any_configuration(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILSLUICE_CONFIG", "/nonexistent")
    assert main(["config", "example"]) == 0
    assert capsys.readouterr().out == example_text()
    assert main(["config", "schema"]) == 0
    assert capsys.readouterr().out == schema_text()
