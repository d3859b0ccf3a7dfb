"""What a poll has read of the ledger. What is recalled: tests/contracts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mailsluice.ledger.ledger import Ledger
from mailsluice.model import MailboxKey, Staged, Stored
from support.confirming import confirm

NOW = datetime(2026, 3, 1, 12, 30, 45, 123456, tzinfo=UTC)
KEY = MailboxKey("host.example", "a@b.example")
DAY = timedelta(days=1)
COUNT = 2_000


def steps(ledger: Ledger) -> int:
    """How many steps SQLite takes to recall an empty listing, in hundreds."""
    taken: list[None] = []
    ledger._database._connection.set_progress_handler(lambda: taken.append(None), 100)
    ledger.messages.half_done(KEY)
    ledger.messages.quiet(KEY, b"digest", NOW)
    ledger.messages.recall(KEY, [])
    ledger._database._connection.set_progress_handler(None, 0)
    return len(taken)


@pytest.mark.parametrize("ago", [timedelta(), 2 * DAY])
def test_messages_that_went_cost_a_poll_nothing(ledger: Ledger, ago: timedelta) -> None:
    before = steps(ledger)
    messages = [Staged(b"%d" % number, f"n{number}", 1) for number in range(COUNT)]
    ledger.messages.record(KEY, messages, "spool:/x", NOW)
    ledger.messages.commit(KEY, [Stored(each.uidl, each.name) for each in messages], NOW)
    assert steps(ledger) > before + COUNT / 100
    confirm(ledger.messages, KEY, [], [], NOW - ago)

    assert steps(ledger) < before + COUNT / 400
