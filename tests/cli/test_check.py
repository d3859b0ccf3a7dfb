"""`mailsluice check`: what it prints where, what it ends with, and that it changes nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from mailsluice.config.load import load
from mailsluice.ledger import open_ledger
from mailsluice_sandbox import Fault, Refuse, Sandbox, SandboxMailbox, Silence, mail
from support.checks import check, configured
from support.interrupting import interrupt_after
from support.secrecy import leaks
from support.users import NOBODY, NOGROUP, common_ground, given, need_root


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def theirs(sandbox: Sandbox) -> SandboxMailbox:
    found = sandbox.mailbox("a@acme.example")
    sandbox.mailbox("b@acme.example")
    found.deliver(mail.invoice(1))
    return found


@pytest.fixture
def config(sandbox: Sandbox, theirs: SandboxMailbox, tmp_path: Path) -> Path:
    theirs.full_access = True
    return configured(tmp_path, sandbox, "a", "b")


Capture = pytest.CaptureFixture[str]


def test_a_line_for_each_step_and_the_end_says_that_all_is_well(config: Path, capsys: Capture) -> None:
    found = check(capsys, config)

    assert found.code == 0
    assert found.err == ""
    steps = [line.split()[:3] for line in found.out.splitlines() if " s" in line][:3]
    assert steps == [
        ["service", "config", "ok"],
        ["service", "ledger", "ok"],
        ["credentials.acme", "secret", "ok"],
    ]
    assert found.out.splitlines()[0].endswith(f"{config}, 2 mailboxes")
    assert found.out.splitlines()[-1] == "a, b: everything works. Nothing was fetched or changed."


def test_only_the_named_mailboxes_are_tried_each_once(config: Path, capsys: Capture) -> None:
    found = check(capsys, config, "a", "a", "--json").json
    assert [one["mailbox"] for one in found["mailboxes"]] == ["a"]


def test_a_mailbox_that_is_not_configured_is_wrong_usage(config: Path, capsys: Capture) -> None:
    found = check(capsys, config, "nobody")
    assert found.code == 64
    assert "there are: a, b" in found.err


def test_a_configuration_that_cannot_be_read_is_an_answer(config: Path, capsys: Capture) -> None:
    config.write_text("nonsense")
    assert check(capsys, config).code == 78


def test_what_is_odd_about_the_configuration_is_a_doubt(config: Path, capsys: Capture) -> None:
    config.chmod(0o660)
    assert f"service: doubt about config: {config} can be written by the group" in check(capsys, config).out


def test_nothing_is_fetched_marked_or_written(theirs: SandboxMailbox, config: Path, capsys: Capture) -> None:
    before = set(config.parent.rglob("*"))

    check(capsys, config)

    assert len(theirs.messages) == 1
    assert set(config.parent.rglob("*")) == before


def test_no_file_is_made_in_a_state_directory_and_no_report_is_noted(config: Path, capsys: Capture) -> None:
    with open_ledger(load(config).service) as ledger:
        before = ledger.reports.read()
    state = config.parent / "state"
    files = {path.name for path in state.rglob("*")}

    found = check(capsys, config)

    assert found.code == 0
    assert {path.name for path in state.rglob("*")} == files
    with open_ledger(load(config).service) as ledger:
        assert ledger.reports.read() == before


def test_beside_a_poll_no_session_is_opened_and_its_last_outcome_is_told(
    theirs: SandboxMailbox, config: Path, capsys: Capture
) -> None:
    before = len(theirs.sessions)
    loaded = load(config)
    with open_ledger(loaded.service) as ledger, ledger.leases.hold(loaded.mailboxes["a"].key):
        found = check(capsys, config)

    assert found.code == 0
    assert len(theirs.sessions) == before
    assert "a: a poll of it goes on, so no session was opened. It was never polled before." in found.out


@pytest.mark.parametrize("octets", [b"no database", b""], ids=["broken", "empty"])
def test_a_broken_ledger_is_a_finding_and_everything_else_is_tried(
    config: Path, capsys: Capture, octets: bytes
) -> None:
    open_ledger(load(config).service).close()
    for path in (config.parent / "state").glob("ledger.db*"):
        path.write_bytes(octets * 1000)

    found = check(capsys, config)

    assert found.code not in {0, 70}
    assert "a, b: ledger failed" in found.out
    assert found.out.count("is let in") == 2


def test_a_ledger_of_a_newer_version_is_a_finding(config: Path, capsys: Capture) -> None:
    import sqlite3

    open_ledger(load(config).service).close()
    database = sqlite3.connect(config.parent / "state" / "ledger.db", isolation_level=None)
    database.execute("PRAGMA user_version = 9999")
    database.close()

    found = check(capsys, config, "--json").json

    assert {one["step"] for one in found["mailboxes"]} == {"ledger"}
    assert "newer" in found["mailboxes"][0]["error"]


def test_root_must_call_it_as_the_user_of_the_daemon(sandbox: Sandbox, capsys: Capture) -> None:
    need_root()
    with common_ground() as folder:
        config = configured(folder, sandbox, "a")
        given(folder / "state", NOBODY, 0o700) if (folder / "state").exists() else (folder / "state").mkdir()
        os.chown(folder / "state", NOBODY, NOGROUP)

        found = check(capsys, config)

    assert found.code == 77
    assert "check as that user: " in found.err
    assert found.out == ""


def test_the_worst_finding_decides_the_exit_code(
    theirs: SandboxMailbox, config: Path, capsys: Capture
) -> None:
    theirs.full_access = False
    found = check(capsys, config)
    assert found.code == 77
    assert "a: AUTH with credentials.acme failed. One of " in found.out
    assert found.out.splitlines()[-1].startswith("b: everything works.")


FORM = {
    "": {"ok", "steps", "mailboxes"},
    "steps": {"subject", "step", "state", "seconds", "detail"},
    "mailboxes": {
        *(
            "mailbox",
            "address",
            "ok",
            "polled_now",
            "last_outcome",
            "step",
            "error",
            "remedy",
            "no_answer_yet",
        ),
        *("certain", "causes", "known", "exit_code"),
    },
    "causes": {"cause", "means", "remedy", "look", "shows", "mend", "page"},
}
"""The keys of the JSON. Programs of others read them: `docs/operations.md` names each."""


def test_the_json_has_its_form(theirs: SandboxMailbox, config: Path, capsys: Capture) -> None:
    theirs.full_access = False

    found = check(capsys, config, "--json")

    assert found.err == ""
    assert set(found.json) == FORM[""]
    assert all(set(step) == FORM["steps"] for step in found.json["steps"])
    first, second = found.json["mailboxes"]
    assert set(first) == set(second) == FORM["mailboxes"]
    assert (first["ok"], first["step"], first["exit_code"]) == (False, "AUTH", 77)
    assert (second["ok"], second["step"], second["error"], second["causes"]) == (True, None, "", [])
    assert all(set(cause) == FORM["causes"] for cause in first["causes"])


def test_the_manual_names_each_key_of_the_json() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    missing = {key for keys in FORM.values() for key in keys if f"`{key}`" not in manual}
    assert missing == set()


ECHO = "canary\x1b[2J\x9b eyJhbGciOi12.eyJhdWQiOi12.sig auth=Bearer x"


@pytest.mark.parametrize("option", [(), ("--json",), ("--report",)], ids=["text", "json", "report"])
def test_what_a_hostile_server_says_is_shown_without_secrets_and_escapes(
    sandbox: Sandbox, config: Path, capsys: Capture, option: tuple[str, ...]
) -> None:
    token = "eyJhbGciOiJub25l.eyJhdWQiOiJjYW5h.c2ln"
    sandbox.faults.add(Fault("AUTH", Refuse(f"\x1b[2J\x9b you sent Bearer {token}")))

    found = check(capsys, config, "a", *option)

    assert "did not accept the login" in found.out
    assert leaks(found.out) == []
    assert all(line.isprintable() for line in found.out.splitlines())


def test_ctrl_c_ends_it_without_a_traceback(sandbox: Sandbox, config: Path, capsys: Capture) -> None:
    armed = sandbox.faults.add(Fault("AUTH", Silence()))
    interrupt_after(armed.wait)

    found = check(capsys, config, "a")
    armed.release()

    assert found.code == 130
    assert "Traceback" not in found.out + found.err


def test_a_bug_has_its_exit_code(config: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("mailsluice.checking.run.try_sink", fail)
    found = check(capsys, config)
    assert found.code == 70
    assert "This is a bug in mailsluice" in found.err


def test_it_writes_no_log(config: Path, capsys: Capture) -> None:
    with capture_logs() as events:
        check(capsys, config)
    assert events == []


def test_progress_is_on_standard_error_if_that_alone_is_a_terminal(
    config: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")

    found = check(capsys, config, "--json")

    assert json.loads(found.out)["ok"] is True
    assert "credentials.acme  token" in found.err


def test_without_a_terminal_json_is_all_that_is_printed(config: Path, capsys: Capture) -> None:
    found = check(capsys, config, "--json")
    assert found.err == ""
    assert found.out.startswith("{")
