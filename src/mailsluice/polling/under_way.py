"""Under way: the polls that go on now, and how far each has come.

Owns these counts, for whoever shows them. Must never keep anything of a poll that has ended.
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
    """A poll that began at `since`: what it does now, and how far it has come.

    So far `message` of `messages` have come, with so many octets. `messages` grows where a poll finds out
    only on its way what it has to fetch; what the server refuses does not come.
    """

    since: datetime
    phase: Phase = Phase.SINK
    message: int = 0
    messages: int = 0
    octets: int = 0


class UnderWay:
    """The polls of one program; keeps the promises of `session.context.Progress`. Safe among threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._polls: dict[MailboxKey, Running] = {}

    def now(self) -> Mapping[MailboxKey, Running]:
        """The polls that go on now, the oldest first."""
        with self._lock:
            return self._polls.copy()

    @contextmanager
    def polling(self, mailbox: Mailbox) -> Iterator[None]:
        """A poll of this mailbox goes on while this lasts."""
        key = mailbox.key
        with self._lock:
            self._polls[key] = Running(self._clock.now())
        try:
            yield
        finally:
            with self._lock:
                del self._polls[key]

    def phase(self, mailbox: Mailbox, phase: Phase) -> None:
        """The poll is in this phase from now on."""
        self._note(mailbox, lambda running: replace(running, phase=phase))

    def planned(self, mailbox: Mailbox, messages: int) -> None:
        """So many messages more are to be fetched."""
        self._note(mailbox, lambda running: replace(running, messages=running.messages + messages))

    def arrived(self, mailbox: Mailbox, octets: int) -> None:
        """One message of so many octets has come."""
        self._note(
            mailbox,
            lambda running: replace(running, message=running.message + 1, octets=running.octets + octets),
        )

    def _note(self, mailbox: Mailbox, change: Callable[[Running], Running]) -> None:
        key = mailbox.key
        with self._lock:
            if running := self._polls.get(key):
                self._polls[key] = change(running)
