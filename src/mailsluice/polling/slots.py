"""Slots: how many sessions there may be at once.

Owns the count, and which mailboxes their server opened once only. Must never let sessions that only help
others keep polls from beginning: those have half of all slots to themselves.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mailsluice.clock import Clock
from mailsluice.model import MailboxKey

ALONE = 3600.0
"""Seconds for which a mailbox has one session, once its server refused it another."""


class Slots:
    """At most `size` sessions at once, at most half of them extra ones of a poll. Safe among threads."""

    def __init__(self, size: int, clock: Clock) -> None:
        self._size = size
        self._freed = threading.Condition()
        self._taken = 0
        self._extra = 0
        self._waiting = 0
        self._clock = clock
        self._alone_until: dict[MailboxKey, float] = {}

    def resize(self, size: int) -> None:
        """Have so many slots from now on; whoever has one keeps it."""
        with self._freed:
            self._size = size
            self._freed.notify_all()

    @contextmanager
    def own(self) -> Iterator[None]:
        """A slot for a poll's own session; waits only while extra sessions of others have them all."""
        with self._freed:
            if self._taken >= self._size:
                self._waiting += 1
                self._freed.wait_for(lambda: self._taken < self._size)
                self._waiting -= 1
            self._taken += 1
        try:
            yield
        finally:
            with self._freed:
                self._taken -= 1
                self._freed.notify()

    @property
    def crowded(self) -> bool:
        """Whether a poll waits for a slot: extra sessions end after the batch that they are at."""
        return self._waiting > 0

    @contextmanager
    def extra(self, key: MailboxKey) -> Iterator[bool]:
        """A slot for one more session of this mailbox: whether there is one."""
        with self._freed:
            free = (
                self._clock.monotonic() >= self._alone_until.get(key, 0)
                and self._extra < self._size // 2
                and self._taken < self._size
            )
            self._extra += free
            self._taken += free
        try:
            yield free
        finally:
            with self._freed:
                self._extra -= free
                self._taken -= free
                self._freed.notify()

    def leave_alone(self, key: MailboxKey) -> bool:
        """Note that the server does not open this mailbox more than once: no extra session for an hour.

        Whether that is news.
        """
        now = self._clock.monotonic()
        is_news = now >= self._alone_until.get(key, 0)
        self._alone_until[key] = now + ALONE
        return is_news
