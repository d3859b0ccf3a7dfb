"""What the ledgers of the contract tests are told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from mailsluice.model import MailboxKey, Staged, State, Stored
from mailsluice.session.ports import Messages

NOW = datetime(2026, 3, 1, 12, 30, 45, 123456, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
KEY = MailboxKey("host.example", "a@b.example")
OTHER = MailboxKey("host.example", "c@b.example")
STAGED = (Staged(b"u1", "n1", 10, 9), Staged(b"u2", "n2", 20, None))
STORED = (Stored(b"u1", "n1"), Stored(b"u2", "n2"))
SINK = "spool:/x"


def states(messages: Messages) -> dict[bytes, State]:
    return {uidl: known.state for uidl, known in messages.known(KEY).items()}
