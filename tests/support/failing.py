"""Messages that could not be fetched, as a session notes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from mailsluice.failure import Failure
from mailsluice.model import Listed, MailboxKey
from mailsluice.session.ports import Failures


def fail(
    failures: Failures, key: MailboxKey, errors: Mapping[Listed, str], times: int, now: datetime
) -> Sequence[Listed]:
    """Note that the server refused each of these, so many times more; those that are held by that."""
    return failures.note(key, {each: Failure(times, now, error, tried=now) for each, error in errors.items()})
