"""Messages that could not be fetched, as a session notes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from mailsluice.failure import Failure
from mailsluice.model import Listed, MailboxKey
from mailsluice.session.ports import Ledger


def fail(
    ledger: Ledger, key: MailboxKey, errors: Mapping[Listed, str], failures: int, now: datetime
) -> Sequence[Listed]:
    """Note that the server refused each of these, so many times more; those that are held by that."""
    return ledger.note_failures(
        key, {each: Failure(failures, now, error, tried=now) for each, error in errors.items()}
    )
