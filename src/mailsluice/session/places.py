"""Places: how many sessions there may be at once.

Owns the count, and which mailboxes their server opened once only. Must never make anybody wait for a session
that only helps another.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mailsluice.clock import Clock
from mailsluice.model import MailboxKey

ALONE = 3600.0
"""Seconds for which a mailbox has one session, once its server refused it another."""


class Places:
    """At most `size` sessions at once. Safe among threads."""

    def __init__(self, size: int, clock: Clock) -> None:
        self._free = threading.BoundedSemaphore(size)
        self._clock = clock
        self._alone_until: dict[MailboxKey, float] = {}

    @contextmanager
    def own(self) -> Iterator[None]:
        """A place for a poll's own session; waits only while further sessions of others have them all."""
        with self._free:
            yield

    @contextmanager
    def further(self, key: MailboxKey) -> Iterator[bool]:
        """A place for one more session of this mailbox: whether there is one."""
        if self._clock.monotonic() < self._alone_until.get(key, 0) or not self._free.acquire(blocking=False):
            yield False
            return
        try:
            yield True
        finally:
            self._free.release()

    def leave_alone(self, key: MailboxKey) -> None:
        """Note that the server does not open this mailbox more than once: no further session for an hour."""
        self._alone_until[key] = self._clock.monotonic() + ALONE
