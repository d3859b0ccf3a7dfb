"""A day of the daemon in seconds: its own timetable and pacing, on a clock that leaps to whatever is due."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from unittest.mock import patch

from mailsluice import app
from mailsluice.app import Service
from mailsluice.config.models import Config, Mailbox
from mailsluice.errors import MailsluiceError
from mailsluice.polling.schedule import Schedule
from mailsluice.session.context import Context
from mailsluice.session.counts import Counts, Polled
from mailsluice.session.run import poll
from mailsluice.session.triage import triage

Server = Callable[[Mailbox, timedelta], MailsluiceError | None]
"""What a poll of this mailbox meets, so long after the start of the day: an error, or nothing amiss."""

START = datetime(2026, 3, 2, tzinfo=UTC)
"""A Monday."""


class LeapingClock:
    """Wall clock and monotonic clock of a simulated day."""

    def __init__(self) -> None:
        self.passed = timedelta()

    def now(self) -> datetime:
        return START + self.passed

    def monotonic(self) -> float:
        return self.passed.total_seconds()


class Day:
    """What happened in a simulated day: when each mailbox was attempted, and how each attempt went.

    All is the daemon's but the loop, which is APScheduler's otherwise, and polls take no time.
    """

    def __init__(self) -> None:
        self.attempts: dict[str, list[timedelta]] = defaultdict(list)
        self.outcomes: dict[str, list[str]] = defaultdict(list)
        self._clock = LeapingClock()
        self._end = timedelta()

    def run(self, config: Config, server: Server | None = None, *, hours: float = 24) -> Day:
        """Live through the day, with polls that meet this `server`, or else the one that is configured."""
        self._end = timedelta(hours=hours)

        def attempt(mailbox: Mailbox, context: Context) -> Polled:
            self.attempts[mailbox.name].append(self._clock.passed)
            polled = poll(mailbox, context) if server is None else self._met(server, mailbox)
            self.outcomes[mailbox.name].append(polled.report.outcome)
            return polled

        with (
            patch.object(app, "poll", attempt),
            patch.object(Schedule, "start"),
            Service(config, clock=self._clock) as service,
        ):
            service.start()
            self._follow(service, START + self._end)
        return self

    def _met(self, server: Server, mailbox: Mailbox) -> Polled:
        counts = Counts(mailbox.name, self._clock)
        error = server(mailbox, self._clock.passed)
        return counts.polled() if error is None else counts.polled(error, triage(error))

    def _follow(self, service: Service, end: datetime) -> None:
        while True:
            job = min(service._regular._schedule._scheduler.get_jobs(), key=lambda job: job.next_run_time)
            if job.next_run_time >= end:
                return
            self._clock.passed = max(self._clock.passed, job.next_run_time - START)
            job.modify(next_run_time=job.trigger.get_next_fire_time(None, self._clock.now()))
            job.func()

    def count(self, tenant: str) -> int:
        """How often the mailboxes of a tenant were attempted, all together."""
        return sum(len(times) for name, times in self.attempts.items() if name.startswith(f"{tenant}-"))

    def each(self, tenant: str) -> tuple[int, int]:
        """The fewest and the most attempts that a mailbox of a tenant had."""
        counts = [len(times) for name, times in self.attempts.items() if name.startswith(f"{tenant}-")]
        return min(counts), max(counts)

    def longest_gap(self, tenant: str, *, after: timedelta = timedelta()) -> timedelta:
        """The longest time without an attempt of any one mailbox of a tenant, that ended after this.

        From the day's beginning to its end: who is given up has a long gap.
        """
        return max(
            later - earlier
            for name, times in self.attempts.items()
            if name.startswith(f"{tenant}-")
            for earlier, later in pairwise((timedelta(), *times, self._end))
            if later >= after
        )

    def busiest_minute(self, tenant: str) -> int:
        """The most attempts of a tenant within one minute of the clock."""
        minutes = Counter(
            time // timedelta(minutes=1)
            for name, times in self.attempts.items()
            if name.startswith(f"{tenant}-")
            for time in times
        )
        return max(minutes.values())
