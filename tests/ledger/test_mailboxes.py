"""The quiet listing, beyond one process. What ends it: tests/contracts."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailsluice.errors import LedgerError
from mailsluice.ledger.ledger import Ledger
from mailsluice.model import MailboxKey, Quiet, Staged
from support.confirming import confirm

NOW = datetime(2026, 3, 1, 12, 30, 45, 123456, tzinfo=UTC)
KEY = MailboxKey("host.example", "a@b.example")
QUIET = Quiet(b"digest", NOW + timedelta(days=1))


def test_a_quiet_listing_is_so_for_the_next_process(state_dir: Path) -> None:
    with Ledger(state_dir) as ledger:
        confirm(ledger.messages, KEY, [], [], NOW, QUIET)
    with Ledger(state_dir) as again:
        assert again.messages.quiet(KEY, b"digest", NOW) is not None


def test_what_another_process_writes_ends_it(ledger: Ledger, state_dir: Path) -> None:
    confirm(ledger.messages, KEY, [], [], NOW, QUIET)
    with Ledger(state_dir) as other:
        other.messages.record(KEY, [Staged(b"u1", "n1", 1)], "spool:/x", NOW)
    assert ledger.messages.quiet(KEY, b"digest", NOW) is None


def test_a_write_that_fails_leaves_it_quiet(ledger: Ledger) -> None:
    confirm(ledger.messages, KEY, [], [], NOW, QUIET)
    connection = ledger._database._connection
    connection.set_authorizer(
        lambda action, *_: sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_INSERT else sqlite3.SQLITE_OK
    )
    with pytest.raises(LedgerError):
        ledger.messages.note_oversize(KEY, {}, NOW)
    connection.set_authorizer(None)
    assert ledger.messages.quiet(KEY, b"digest", NOW) is not None


def test_a_quiet_listing_that_is_confirmed_is_one_commit(ledger: Ledger) -> None:
    said: list[str] = []
    ledger._database._connection.set_trace_callback(said.append)
    confirm(ledger.messages, KEY, [], [], NOW, QUIET)
    assert said.count("COMMIT") == 1
