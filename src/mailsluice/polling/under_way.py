"""Under way: the polls that run now, and how far each has come.

Owns these counts, for everything that shows them. Must never keep anything of a poll that has ended.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from mailsluice.clock import Clock
from mailsluice.config.models import Mailbox
from mailsluice.errors import Phase
from mailsluice.model import MailboxKey


@dataclass(frozen=True, slots=True)
class Running:
    """A poll that began at `since`: its phase, and how far it has come.

    `message` of `messages` messages have come, with `octets` octets. `messages` grows if a poll finds out
    later that it has to fetch more. `message` may stay below it, because the server may refuse messages.
    """

    since: datetime
    phase: Phase = Phase.SINK
    message: int = 0
    messages: int = 0
    octets: int = 0


class UnderWay:
    """The polls of this process (a `session.context.Progress`). Safe among threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._polls: dict[MailboxKey, Running] = {}

    def now(self) -> Mapping[MailboxKey, Running]:
        """The polls that run now, the oldest first."""
        with self._lock:
            return self._polls.copy()

    @contextmanager
    def polling(self, mailbox: Mailbox) -> Iterator[None]:
        """A poll of this mailbox runs while this context lasts."""
        key = mailbox.key
        with self._lock:
            self._polls[key] = Running(self._clock.now())
        try:
            yield
        finally:
            with self._lock:
                del self._polls[key]

    def phase(self, mailbox: Mailbox, phase: Phase) -> None:
        """Note that the poll is in this phase from now on."""
        self._note(mailbox, lambda running: replace(running, phase=phase))

    def planned(self, mailbox: Mailbox, messages: int) -> None:
        """Note that this many messages more are to be fetched."""
        self._note(mailbox, lambda running: replace(running, messages=running.messages + messages))

    def arrived(self, mailbox: Mailbox, octets: int) -> None:
        """Note that one message of this many octets has come."""
        self._note(
            mailbox,
            lambda running: replace(running, message=running.message + 1, octets=running.octets + octets),
        )

    def _note(self, mailbox: Mailbox, change: Callable[[Running], Running]) -> None:
        key = mailbox.key
        with self._lock:
            if running := self._polls.get(key):
                self._polls[key] = change(running)
