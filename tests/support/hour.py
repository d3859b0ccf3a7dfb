"""An hour of the daemon in seconds: its own timetable, pool and pacing, with polls that last.

The threads are real; one runs at a time, and the clock leaps once all of them sleep.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise
from math import floor, inf
from random import Random
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

from mailsluice import app
from mailsluice.app import Service
from mailsluice.config.models import Config, Mailbox
from mailsluice.errors import DeadlineExceeded, GaveWay, MailsluiceError, Phase, Stopped
from mailsluice.net.connection import Connection
from mailsluice.polling import pool
from mailsluice.polling.schedule import Schedule
from mailsluice.pop3.deadlines import Deadlines
from mailsluice.session.context import Context
from mailsluice.session.counts import Counts, Polled
from mailsluice.session.triage import triage
from support.day import START, LeapingClock

Server = Callable[[str, float], dict[Phase, float]]
"""For how long a server is silent in each phase of a poll of this mailbox, begun at this second of the hour."""

LATE = Deadlines()
ALLOWED = {
    Phase.GREETING: LATE.greeting,
    Phase.AUTH: LATE.auth,
    Phase.LISTING: LATE.listing,
    Phase.QUIT: LATE.quit,
}


class Sleepers:
    """Threads that wait for a simulated time; the hour knows when all of them do."""

    def __init__(self, clock: LeapingClock) -> None:
        self._changed = threading.Condition()
        self._running = 0
        self._until: dict[threading.Event, float] = {}
        self._clock = clock

    def thread(self, target: Callable[..., None], args: tuple[object, ...], name: str) -> SimpleNamespace:
        """In the place of `threading.Thread`."""

        def run() -> None:
            target(*args)
            self._run(-1)

        def start() -> None:
            self._run(+1)
            threading.Thread(target=run, name=name).start()

        return SimpleNamespace(start=start)

    def sleep(self, seconds: float, alarm: threading.Event) -> None:
        """Sleep so long, or until `wake`."""
        with self._changed:
            self._until[alarm] = self._clock.monotonic() + seconds
            self._running -= 1
            self._changed.notify_all()
        alarm.wait()

    def wake(self, alarm: threading.Event) -> None:
        """Let this one go on now."""
        with self._changed:
            if self._until.pop(alarm, None) is not None:
                self._running += 1
                alarm.set()

    def settle(self) -> float:
        """Wait until all sleep; when the first is to be woken."""
        with self._changed:
            assert self._changed.wait_for(lambda: not self._running, 60)
            return min(self._until.values(), default=inf)

    def wake_due(self) -> None:
        """Let those go on whose time has come, one after the other."""
        now = self._clock.monotonic()
        while self.settle() <= now:
            self.wake(min(self._until, key=lambda alarm: self._until[alarm]))
        self.settle()

    def _run(self, change: int) -> None:
        with self._changed:
            self._running += change
            self._changed.notify_all()


class Wait:
    """In the place of a connection that waits for its server."""

    def __init__(self, owner: str, phase: Phase, since: float, sleepers: Sleepers) -> None:
        self.owner = owner
        self.waits = (phase, since)
        self.gave_way = False
        self.alarm = threading.Event()
        self._sleepers = sleepers

    def give_way(self, _since: float) -> None:
        self.gave_way = True
        self._sleepers.wake(self.alarm)

    def abort(self) -> None:
        self._sleepers.wake(self.alarm)


class Hour:
    """What happened: when the polls of each mailbox began, how long they lasted, and their outcomes."""

    seed = 3

    def __init__(self, config: Config, server: Server) -> None:
        self.polls: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
        self.most: Counter[str] = Counter()
        self._config = config
        self._server = server
        self._clock = LeapingClock()
        self._sleepers = Sleepers(self._clock)
        self._under_way: dict[str, Future[Any]] = {}

    @contextmanager
    def service(self) -> Iterator[Service]:
        """The daemon of this hour."""
        threads = SimpleNamespace(Thread=self._sleepers.thread, Condition=threading.Condition)
        with (
            patch.object(pool, "threading", threads),
            patch.object(Schedule, "start"),
            patch.object(app, "random", Random(self.seed).random),
        ):
            service = Service(self._config, clock=self._clock)

            def attempt(mailbox: Mailbox, _parts: Context) -> Polled:
                return self._poll(mailbox, service)

            with patch.object(app, "poll", attempt), service:
                yield service
                service.stop()
                service._connections.abort_all()

    def run(self, minutes: float) -> Hour:
        """Live through so many minutes."""
        with self.service() as service:
            service.start()
            end = minutes * 60
            tick = 0.0
            while self._clock.monotonic() < end:
                jobs = service._regular._schedule._scheduler.get_jobs()
                due = min((job.next_run_time - START).total_seconds() for job in jobs)
                now = max(self._clock.monotonic(), min(due, tick, self._sleepers.settle()))
                self._clock.passed = timedelta(milliseconds=floor(now * 1000) + 1)
                self._sleepers.wake_due()
                if now >= tick:
                    service._regular._let_give_way()
                    tick = now + 1
                self._sleepers.settle()
                for job in jobs:
                    if job.next_run_time is not None and job.next_run_time <= self._clock.now():
                        self._submit(service, job)
                        self._sleepers.settle()
        return self

    def _submit(self, service: Service, job: Any) -> None:
        job.modify(next_run_time=job.trigger.get_next_fire_time(None, self._clock.now()))
        before = self._under_way.get(job.id)
        if before is None or before.done():
            entry = service._regular._schedule._scheduler._lookup_executor(job.executor)._pool
            self._under_way[job.id] = entry.submit(lambda job: job.func(), job)

    def _poll(self, mailbox: Mailbox, service: Service) -> Polled:
        began, counts = self._clock.monotonic(), Counts(mailbox.name, self._clock)
        error = None
        for phase, silent in self._server(mailbox.name, began).items():
            error = self._wait(mailbox.name, phase, silent, service)
            if error is not None:
                break
        polled = counts.polled() if error is None else counts.polled(error, triage(error))
        self.polls[mailbox.name].append((began, self._clock.monotonic() - began, polled.report.outcome))
        return polled

    def _wait(self, name: str, phase: Phase, silent: float, service: Service) -> MailsluiceError | None:
        wait = Wait(name, phase, self._clock.monotonic(), self._sleepers)
        service._connections._open.add(cast("Connection", wait))
        self._sleepers.sleep(min(silent, ALLOWED[phase]), wait.alarm)
        service._connections._open.discard(cast("Connection", wait))
        if service._stop.is_set():
            return Stopped("the hour is over")
        if wait.gave_way:
            return GaveWay("gave way", phase=phase)
        return DeadlineExceeded("silent", phase=phase) if silent > ALLOWED[phase] else None

    def served(self, name: str) -> list[float]:
        """When the polls began that went well."""
        return [began for began, _, outcome in self.polls[name] if outcome == "ok"]

    def longest_gap(self, name: str, *, since: float = 0.0) -> float:
        """The most seconds between two polls of a mailbox that went well, and before the first."""
        times = [since, *(time for time in self.served(name) if time > since), self._clock.monotonic()]
        return max(later - earlier for earlier, later in pairwise(times))

    def full(self, name: str, seconds: float) -> list[float]:
        """When the polls began that waited for at least so long."""
        return [began for began, lasted, _ in self.polls[name] if lasted >= seconds]

    def longest_wait(self, name: str) -> float:
        """The most seconds between two polls of a mailbox, however they went."""
        times = [0.0, *(began for began, _, _ in self.polls[name]), self._clock.monotonic()]
        return max(later - earlier for earlier, later in pairwise(times))
