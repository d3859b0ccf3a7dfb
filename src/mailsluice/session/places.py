"""Places: how many sessions there may be at once.

Owns the count, and which mailboxes their server opened once only. Must never let sessions that only help
others keep polls from beginning: those have half of all places to themselves.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from mailsluice.clock import Clock
from mailsluice.model import MailboxKey

ALONE = 3600.0
"""Seconds for which a mailbox has one session, once its server refused it another."""


class Places:
    """At most `size` sessions at once, at most half of them further ones of a poll. Safe among threads."""

    def __init__(self, size: int, clock: Clock) -> None:
        self._free = threading.BoundedSemaphore(size)
        self._for_further = threading.BoundedSemaphore(size // 2) if size > 1 else None
        self._lock = threading.Lock()
        self._waiting = 0
        self._clock = clock
        self._alone_until: dict[MailboxKey, float] = {}

    @contextmanager
    def own(self) -> Iterator[None]:
        """A place for a poll's own session; waits only while further sessions of others have them all."""
        if not self._free.acquire(blocking=False):
            with self._lock:
                self._waiting += 1
            self._free.acquire()
            with self._lock:
                self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()

    @property
    def crowded(self) -> bool:
        """Whether a poll waits for a place: further sessions end after the batch that they are at."""
        return self._waiting > 0

    @contextmanager
    def further(self, key: MailboxKey) -> Iterator[bool]:
        """A place for one more session of this mailbox: whether there is one."""
        with ExitStack() as taken:
            yield self._clock.monotonic() >= self._alone_until.get(key, 0) and all(
                _take(semaphore, taken) for semaphore in (self._for_further, self._free)
            )

    def leave_alone(self, key: MailboxKey) -> bool:
        """Note that the server does not open this mailbox more than once: no further session for an hour.

        Whether that is news.
        """
        now = self._clock.monotonic()
        is_news = now >= self._alone_until.get(key, 0)
        self._alone_until[key] = now + ALONE
        return is_news


def _take(semaphore: threading.Semaphore | None, taken: ExitStack) -> bool:
    if semaphore is None or not semaphore.acquire(blocking=False):
        return False
    taken.callback(semaphore.release)
    return True
