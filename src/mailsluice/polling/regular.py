"""Regular polls: every mailbox of a configuration, polled on its schedule.

Owns which mailboxes are polled under which configuration, and that none is polled twice at once, even during
a reload. Must never know what a poll is or how it is built: it calls one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, timedelta
from functools import partial
from typing import TYPE_CHECKING

from mailsluice.clock import Clock
from mailsluice.config.change import Change
from mailsluice.config.models import Config, Mailbox
from mailsluice.errors import Bug
from mailsluice.model import MailboxKey
from mailsluice.net.connections import Connections
from mailsluice.polling.accounting import Accounting, Result
from mailsluice.polling.answers import Answers
from mailsluice.polling.giving_way import let_give_way

if TYPE_CHECKING:
    from mailsluice.polling.schedule import Schedule

GRACE = 20.0
"""Seconds after a request to stop in which a message may still arrive. Then connections are cut."""


@dataclass(frozen=True, slots=True)
class Watch:
    """A mailbox as it is polled under one configuration. `stop` and `connections` end its sessions only."""

    mailbox: Mailbox
    stop: threading.Event
    connections: Connections


class RegularPolls:
    """The polls of a running service. `poll` is called in a thread of its own.

    Only `schedule` makes threads, and its owner stops it.
    """

    def __init__(
        self,
        config: Config,
        poll: Callable[[Watch], Result],
        *,
        schedule: Schedule,
        accounting: Accounting,
        answers: Answers,
        connections: Connections,
        clock: Clock,
    ) -> None:
        self._config = config
        self._poll = poll
        self._schedule = schedule
        self._accounting = accounting
        self._answers = answers
        self._connections = connections
        self._clock = clock
        self._lock = threading.Lock()  # for all that a reload changes; never held while a poll runs
        self._watches: dict[str, Watch] = {}
        self._at_work: set[MailboxKey] = set()
        self._leaving: list[tuple[float, Watch]] = []  # asked to end, and when their connections are cut

    def start(self) -> None:
        """Begin to poll every mailbox. Raises NoThread."""
        for mailbox in self._config.mailboxes.values():
            self._begin(mailbox)
        self._schedule.start()

    def stop(self) -> None:
        """Ask every session to end after the message that is arriving. Returns at once."""
        for watch in self._watches.values():
            watch.stop.set()

    def follow(self, config: Config, change: Change, switch: Callable[[], None]) -> None:
        """Continue with this configuration. `change` is how it differs from the last one.

        Mailboxes that are polled as before keep their sessions, due times and pacing. Sessions of the others
        end after the message that is arriving; after GRACE they are cut. `switch` replaces what polls work
        with. It is called after the old sessions were asked to end, and before any new mailbox begins.
        """
        with self._lock:
            for name in change.ends:
                self._end(name)
            switch()
            self._config = config
            self._schedule.resize(config.service.max_sessions)
            self._accounting.follow(config.mailboxes, change.begins)
            for name in change.begins:
                self._begin(config.mailboxes[name])

    def tend(self) -> None:
        """To be called about once a second. Raises Bug if the timetable has died."""
        if self._schedule.follow_clock():
            with self._lock:
                self._accounting.leave_all_alone()
        with self._lock:
            self._accounting.try_renewed()
        self._cut_who_should_have_left()
        self._let_give_way()
        if not self._schedule.alive:
            raise Bug("the schedule has ended by itself")

    def refused(self) -> set[str]:
        """The credentials with a mailbox that is refused because of its secret or its login."""
        with self._lock:
            return self._accounting.refused()

    def renewed(self, credentials: Collection[str]) -> None:
        """Poll what was refused of these credentials again, soon: their secrets were renewed."""
        with self._lock:
            self._accounting.renewed(credentials)

    def poll_due(self, watch: Watch) -> None:
        """Poll a mailbox whose time has come, if it may be polled now."""
        if not self._may_begin(watch):
            return
        result = None
        try:
            result = self._poll(watch)
        finally:
            with self._lock:
                self._at_work.remove(watch.mailbox.key)
                # A poll that was asked to end says nothing about the mailbox, and its name may be gone.
                if watch.stop.is_set():
                    self._hand_over(watch.mailbox.key)
                elif result is not None:
                    self._accounting.end(watch.mailbox, result)

    def _begin(self, mailbox: Mailbox) -> None:
        watch = self._watches[mailbox.name] = Watch(mailbox, threading.Event(), self._connections.part())
        zone = self._config.zone.tzinfo if self._config.zone else UTC
        self._schedule.add(mailbox, partial(self.poll_due, watch), zone)
        self._accounting.note_due(mailbox)

    def _end(self, name: str) -> None:
        watch = self._watches.pop(name)
        self._schedule.remove(name)
        self._accounting.note_due(watch.mailbox)
        watch.stop.set()
        self._leaving.append((self._clock.monotonic() + GRACE, watch))

    def _may_begin(self, watch: Watch) -> bool:
        with self._lock:
            if watch.stop.is_set():
                self._hand_over(watch.mailbox.key)
                return False
            if watch.mailbox.key in self._at_work:
                return False  # under the former configuration: `_hand_over` follows when that poll has ended
            if not self._accounting.begin(watch.mailbox):
                return False
            self._at_work.add(watch.mailbox.key)
            return True

    def _hand_over(self, key: MailboxKey) -> None:
        """Poll this mailbox at once under the present configuration: a former one has stopped doing so.

        With a `cron` line, it might otherwise wait until tomorrow.
        """
        for watch in self._watches.values():
            if watch.mailbox.key == key and not watch.stop.is_set():
                self._schedule.set_due(watch.mailbox.name, timedelta())

    def _let_give_way(self) -> None:
        most = self._config.service.max_sessions
        let_give_way(self._connections, self._answers, self._schedule.waiting(), most, self._clock)

    def _cut_who_should_have_left(self) -> None:
        now = self._clock.monotonic()
        for when, watch in self._leaving:
            if when <= now:
                watch.connections.abort_all()
        self._leaving = [(when, watch) for when, watch in self._leaving if when > now]
