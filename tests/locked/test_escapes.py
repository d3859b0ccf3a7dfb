"""What a stranger says does nothing to the terminal of whoever reads it, or the program that parses it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from e2e.conftest import Site
from mailsluice.ledger.ledger import Ledger
from mailsluice.model import Listed, MailboxKey
from mailsluice.obs.clean import json_text
from mailsluice_sandbox import Fault, Garbage, Refuse, Sandbox
from support.failing import fail
from support.program import run_program
from support.terminal import run_on_terminal

EVIL = "owned\x1b[2J\x1b]0;owned\x07\x1b[5;45m\x1bc\x1b[6n\x9b31m\x7f\u202e\u2066\u2028\nforged\b"
"""CSI, OSC, BEL, a colour, a reset, a question, C1, DEL, bidi overrides, line ends, backspace."""
EVIL_UIDL = b"owned\x1b[2J\x1b]0;\x07\x9b31m\x7f\xe2\x80\xae"
"""With C1 as an octet of its own, as a terminal in Latin-1 obeys it."""
EVIL_HEADER = (
    f"From: {EVIL.replace(chr(10), '')}@b.example\r\nSubject: {EVIL.replace(chr(10), '')} "
    "=?utf-8?q?owned=1B[2J=C2=9B=7F=E2=80=AE=0Aforged?=\r\n"
    "Message-ID: <\x1b[2J@b.example>\r\n\r\nbody\r\n"
).encode()

GREETED = ("greeting", "garbage")
MAILBOXES = ("header", "login", "uidl", "retr", "helper")

_OURS = re.compile(r"\x1b\[[0-9;?]*[mKAlh]|\r")
"""The colours and the movements of the bars that the program itself sends to a terminal."""


def harmless(text: str) -> bool:
    return all(line.isprintable() and not line.startswith("forged") for line in text.split("\n"))


def harmless_on_a_terminal(text: str) -> bool:
    return "\x1b[5;45m" not in text and harmless(_OURS.sub("", text))


@pytest.mark.parametrize(
    "one", ["\x1b[2J", "\x1b]0;", "\x07", "\x1b[5;45m", "\x1bc", "\x1b[6n", "\nforged", "\b"]
)
def test_these_tests_would_notice_what_a_terminal_obeys(one: str) -> None:
    assert not harmless_on_a_terminal(f"before{one}after")


@pytest.mark.parametrize("one", ["\x9b", "\x7f", "\u202e", "\u2066", "\u2028", "\udc9b"])
def test_these_tests_would_notice_what_is_not_seen(one: str) -> None:
    assert not harmless_on_a_terminal(f"before{one}after")


@pytest.fixture
def hostile(site: Site, sandbox: Sandbox) -> Site:
    """A site whose every mailbox meets a server, or a helper, that speaks to the terminal."""
    for name in (*GREETED, *MAILBOXES):
        sandbox.mailbox(f"{name}@acme.example").deliver(EVIL_HEADER)
    add = sandbox.faults.add
    add(Fault("LOGIN", Refuse(EVIL), mailbox="login@acme.example", times=None))
    add(Fault("RETR", Refuse(EVIL), mailbox="retr@acme.example", times=None))
    add(Fault("RETR", Refuse(EVIL), mailbox="uidl@acme.example", times=None))
    listing = b"+OK\r\n1 %b\r\n.\r\n" % EVIL_UIDL
    add(Fault("UIDL", Garbage(listing), mailbox="uidl@acme.example", times=None))
    site.configure(*GREETED, *MAILBOXES)
    helper = site.folder / "helper"
    helper.write_text(f"#!/bin/sh\nprintf '%b' '{escaped(EVIL)}' >&2\nexit 1\n")
    helper.chmod(0o700)
    text = site.config.read_text() + f'[credentials.helper]\nkind = "command"\ncommand = ["{helper}"]\n'
    mine = 'address = "helper@acme.example"\n'
    site.config.write_text(text.replace(mine, mine + 'credential = "helper"\n'))
    return site


def escaped(text: str) -> str:
    return "".join(f"\\0{octet:03o}" for octet in text.encode())


def on_terminal(site: Site, *arguments: str | Path) -> str:
    return run_on_terminal("-c", site.config, *arguments)


def set_aside(site: Site) -> None:
    """As if that server's message had been refused in such words for a day, while others came."""
    key = MailboxKey(site.sandbox.host, "uidl@acme.example")
    bad, now = Listed(1, EVIL_UIDL, 1), datetime.now(UTC)
    with Ledger(site.folder / "state") as ledger:
        for failures in (2, 1):
            fail(ledger.failures, key, {bad: EVIL}, failures, now - (failures - 1) * timedelta(days=1))
        ledger.failures.note_header(key, EVIL_UIDL, EVIL_HEADER)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_neither_log_nor_status_nor_dry_run_lets_anything_through(hostile: Site) -> None:
    piped = run_program("-c", hostile.config, "poll", "--json", *MAILBOXES)
    seen = [on_terminal(hostile, "poll", *MAILBOXES)]
    set_aside(hostile)
    seen += [on_terminal(hostile, "poll", "--dry-run", *MAILBOXES), on_terminal(hostile, "status")]
    seen += [on_terminal(hostile, "quarantine", "list")]
    programs = [
        run_program("-c", hostile.config, *arguments, "--json")
        for arguments in (("poll", "--dry-run", *MAILBOXES), ("status",), ("quarantine", "list"))
    ]

    for text in seen:
        assert "owned" in text
        assert harmless_on_a_terminal(text)
    for ended in (piped, *programs):
        assert "owned" in ended.stdout + ended.stderr
        assert harmless(ended.stdout)
        assert ended.stdout.isascii()
        assert harmless(ended.stderr)
        json.loads(ended.stdout)
    assert {line["event"] for line in map(json.loads, piped.stderr.splitlines())} >= {"session"}
    for description in hostile.spool("header").glob("*.json"):
        assert harmless(description.read_text())


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("greeting", [Refuse(EVIL), Garbage(EVIL.encode("latin-1", "ignore") + b"\r\n")])
def test_a_greeting_does_not(hostile: Site, sandbox: Sandbox, greeting: Refuse | Garbage) -> None:
    sandbox.faults.add(Fault("GREETING", greeting, times=None))

    text = on_terminal(hostile, "poll", "greeting")

    assert "owned" in text
    assert harmless_on_a_terminal(text)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_an_identity_provider_s_refusal_does_not(hostile: Site, sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault("TOKEN", Refuse(EVIL), times=None))

    text = on_terminal(hostile, "poll", "header")

    assert "owned" in text
    assert harmless_on_a_terminal(text)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_mistake_in_the_configuration_does_not(site: Site) -> None:
    site.config.write_text(f"[defaults]\n{json_text(EVIL)} = 1\n")

    text = on_terminal(site, "status")

    assert "owned" in text
    assert harmless_on_a_terminal(text)
