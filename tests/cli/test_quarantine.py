"""What `quarantine` shows of what the ledger has."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mailsluice.cli.main import Settings
from mailsluice.cli.quarantine import command
from mailsluice.failure import TRIES
from mailsluice.ledger.ledger import Ledger
from mailsluice.model import Listed, MailboxKey
from mailsluice.session.quarantine import KEPT
from support.failing import fail

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = MailboxKey("pop.example", "a@acme.example")
HEADER = b"From: Ann <ann@x>\r\nSubject: Invoice \x1b[2J 7\r\n\r\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "mailsluice.toml"
    path.write_text(f"""
service.state_dir = "{tmp_path}/state"
credentials.c = {{ kind = "command", command = ["/bin/true"] }}
[mailboxes.a]
address = "a@acme.example"
host = "pop.example"
credential = "c"
sink = {{ kind = "spool", path = "{tmp_path}/spool" }}
""")
    return path


@pytest.fixture
def filled(config: Path) -> Path:
    with Ledger(config.parent / "state") as ledger:
        for n in range(TRIES):
            at = NOW - (TRIES - 1 - n) * timedelta(hours=12)
            fail(ledger.failures, KEY, {Listed(1, b"u1", 10): "refused \x1b[31m"}, 1, at)
            fail(ledger.failures, KEY, {Listed(2, b"\xff\x07", 20): "lost"}, 1, at)
        fail(ledger.failures, KEY, {Listed(3, b"u3", 30): "only once"}, 1, NOW)
        ledger.failures.note_header(KEY, b"u1", HEADER)
    return config


def run(config: Path, *arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "300"}).invoke(command, arguments, obj=Settings(config))


def test_before_the_first_poll_nothing_is_in_quarantine(config: Path) -> None:
    assert "Nothing is in quarantine" in run(config, "list").output
    assert not (config.parent / "state").exists()


def test_the_list_has_what_was_set_aside_and_nothing_else(filled: Path) -> None:
    rows = json.loads(run(filled, "list", "--json").output)

    assert {(row["mailbox"], row["uidl"], row["octets"]) for row in rows} == {
        ("a", "u1", 10),
        ("a", r"\xff\x07", 20),
    }
    assert {row["last_tried"] for row in rows} == {"2026-03-01T12:00:00+00:00"}


def test_the_list_names_subject_and_error(filled: Path) -> None:
    shown = run(filled, "list").output

    assert "Invoice" in shown
    assert "refused" in shown


def test_no_terminal_obeys_what_is_shown(filled: Path) -> None:
    for arguments in (["list"], ["list", "--json"], ["show", "a", "u1"], ["show", "a", "u1", "--json"]):
        assert "\x1b" not in run(filled, *arguments).output


def test_a_message_is_shown_with_its_error_and_its_header(filled: Path) -> None:
    shown = run(filled, "show", "a", "u1").output.splitlines()

    assert shown[0].startswith("refused")
    assert "From: Ann <ann@x>" in shown


def test_what_a_program_is_told_has_the_header_in_parts(filled: Path) -> None:
    (row,) = [row for row in json.loads(run(filled, "list", "--json").output) if row["uidl"] == "u1"]

    assert (row["subject"], row["from"], row["from_addresses"]) == (
        "Invoice \ufffd[2J 7",
        "Ann <ann@x>",
        ["ann@x"],
    )
    assert (row["to"], row["cc"]) == ("", "")
    assert "header_truncated" not in row


def test_a_header_of_which_the_ledger_has_a_part_is_said_to_be_truncated(filled: Path) -> None:
    with Ledger(filled.parent / "state") as ledger:
        ledger.failures.note_header(KEY, b"u1", (b"Subject: x\r\n" * KEPT)[:KEPT])

    (row,) = [row for row in json.loads(run(filled, "list", "--json").output) if row["uidl"] == "u1"]
    assert (row["subject"], row["header_truncated"]) == ("x", True)


def test_a_message_without_a_header_is_shown_all_the_same(filled: Path) -> None:
    assert "next poll asks for its header" in run(filled, "show", "a", r"\xff\x07").output
    with Ledger(filled.parent / "state") as ledger:
        ledger.failures.note_header(KEY, b"\xff\x07", b"")
    assert "does not give its header" in run(filled, "show", "a", r"\xff\x07").output


@pytest.mark.parametrize(
    "arguments", [["show", "a", "u3"], ["show", "b", "u1"], ["retry", "b"], ["retry", "a", "u3"]]
)
def test_what_is_not_there_is_an_error_that_says_so(filled: Path, arguments: list[str]) -> None:
    result = run(filled, *arguments)

    assert result.exit_code == 2
    assert "in quarantine; see" in result.output or "there are: a" in result.output


@pytest.mark.parametrize(("named", "left"), [([], {b"u3"}), (["u1"], {b"u3", b"\xff\x07"})])
def test_retry_lets_all_or_those_named_be_tried_again(
    filled: Path, named: list[str], left: set[bytes]
) -> None:
    assert run(filled, "retry", "a", *named).exit_code == 0

    with Ledger(filled.parent / "state", read_only=True) as ledger:
        assert set(ledger.failures.read(KEY)) == left


def test_retry_is_for_one_mailbox_or_for_all(filled: Path) -> None:
    assert run(filled, "retry", "--all").output == "2 messages of a will be tried again by the next poll\n"
    assert run(filled, "retry").exit_code != 0
    assert run(filled, "retry", "a", "--all").exit_code != 0
