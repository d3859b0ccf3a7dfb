"""Slots: how many sessions there may be at once.

Owns the count, and which mailboxes a server does not open more than once. Must never let extra sessions keep
polls from beginning: half of all slots is for the polls' own sessions.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mailsluice.clock import Clock
from mailsluice.model import MailboxKey

ALONE = 3600.0
"""Seconds for which a mailbox has only one session, after its server has refused a second one."""


class Slots:
    """At most `size` sessions at once, and at most half of them extra sessions. Safe among threads."""

    def __init__(self, size: int, clock: Clock) -> None:
        self._size = size
        self._freed = threading.Condition()
        self._taken = 0
        self._extra = 0
        self._waiting = 0
        self._clock = clock
        self._alone_until: dict[MailboxKey, float] = {}

    def resize(self, size: int) -> None:
        """Set the number of slots. A session that has one keeps it."""
        with self._freed:
            self._size = size
            self._freed.notify_all()

    @contextmanager
    def own(self) -> Iterator[None]:
        """A slot for a poll's own session. Waits while there is none.

        The pool begins no more polls than there are slots, so this waits only for extra sessions of others.
        """
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
        """Whether a poll waits for a slot. Extra sessions then end after their present batch."""
        return self._waiting > 0

    @contextmanager
    def extra(self, key: MailboxKey) -> Iterator[bool]:
        """A slot for one more session of this mailbox. Gives False if there is none."""
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
        """Note that the server does not open this mailbox twice: it gets no extra session for an hour.

        Returns whether that was not known yet.
        """
        now = self._clock.monotonic()
        with self._freed:
            is_news = now >= self._alone_until.get(key, 0)
            self._alone_until[key] = now + ALONE
        return is_news
