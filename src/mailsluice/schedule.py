"""WHEN: each mailbox is polled on its own interval or cron line, or later if it fails.

Owns the timetable and the pool of threads polls run in; the only module that knows APScheduler. Must never
know what a poll is: it runs a callable and asks it for a delay.

APScheduler lives by the wall clock (facts: APScheduler). So the trigger is our own and never catches up on
what was missed, and `follow_clock` moves the timetable along when the clock is set.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from hashlib import sha256

from apscheduler.events import EVENT_SCHEDULER_STARTED
from apscheduler.executors.pool import BasePoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.blocking import BlockingScheduler
from apscheduler.triggers.base import BaseTrigger
from cronsim import CronSim

from mailsluice.clock import Clock
from mailsluice.config.models import Mailbox
from mailsluice.errors import Disposition

LONGEST_DELAY = timedelta(minutes=15)
"""However long a fault lasts, a mailbox is tried at least so often."""

START_SPREAD = timedelta(seconds=30)
"""The first polls of a starting daemon are spread over so much, or one interval if that is shorter."""

CLOCK_STEP = timedelta(seconds=2)
"""A wall clock that runs away from the monotonic one by more has been set."""


def delay_after(disposition: Disposition, failures: int, interval: timedelta, jitter: float) -> timedelta:
    """How long to wait after the `failures`-th failure in a row; `jitter` is between 0 and 1.

    RETRY keeps the usual time. BACK_OFF doubles from twice a minute's worth, OPERATOR and BUG from four
    times, each up to LONGEST_DELAY, less up to a fifth so that mailboxes failing together part ways.
    """
    usual = min(interval, LONGEST_DELAY)
    if disposition is Disposition.RETRY:
        return usual
    doublings = failures if disposition is Disposition.BACK_OFF else failures + 1
    longest = min(interval, timedelta(minutes=1)) * (1 << min(doublings, 20))
    return max(usual, min(longest, LONGEST_DELAY) * (1 - jitter / 5))


def phase(name: str) -> float:
    """A number between 0 and 1 that is always the same for one mailbox and spread evenly over many."""
    return int.from_bytes(sha256(name.encode()).digest()[:8], "big") / 2**64


class IntervalTrigger(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """Fires on a grid of whole intervals, shifted by a phase; what lies in the past is never caught up on."""

    def __init__(self, interval: timedelta, phase: float) -> None:
        self._seconds = interval.total_seconds()
        self._offset = phase * self._seconds

    def get_next_fire_time(self, _previous: datetime | None, now: datetime) -> datetime:
        """The first point of the grid after `now`."""
        points = (now.timestamp() - self._offset) // self._seconds + 1
        return datetime.fromtimestamp(points * self._seconds + self._offset, now.tzinfo)


class CronTrigger(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """Fires by a cron line in local time, as Debian's cron reads it; nothing is caught up on."""

    def __init__(self, line: str) -> None:
        self._line = line

    def get_next_fire_time(self, _previous: datetime | None, now: datetime) -> datetime:
        """The first moment after `now` that the line names."""
        local = now.astimezone()
        return next(CronSim(self._line, local))


class _Threads(BasePoolExecutor):  # type: ignore[misc]  # APScheduler has no types
    """Jobs run in a pool of ours, so that we can wait for it without APScheduler's locks held."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        super().__init__(pool)


class Schedule:
    """The timetable of all mailboxes. Polls begin with `start` and are asked to end with `stop`.

    A job is called in a thread of its own, never twice at once for one mailbox, at most `max_sessions`
    at once over all. It returns the delay until its next call, or None for its usual time.
    """

    def __init__(self, max_sessions: int, clock: Clock) -> None:
        # Polls skipped because the last one still runs are the timetable working, not worth a warning.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        self._clock = clock
        self._lead = self._wall_lead()
        self._pool = ThreadPoolExecutor(max_sessions, thread_name_prefix="session")
        self._scheduler = BlockingScheduler(
            executors={"default": _Threads(self._pool)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone="UTC",
        )
        self._thread = threading.Thread(target=self._scheduler.start, name="schedule", daemon=True)

    def add(self, mailbox: Mailbox, job: Callable[[], timedelta | None]) -> None:
        """Put a mailbox on the timetable."""
        spread = phase(mailbox.name)
        if mailbox.cron is not None:
            trigger: BaseTrigger = CronTrigger(mailbox.cron)
            first = trigger.get_next_fire_time(None, self._clock.now())
        else:
            interval = interval_of(mailbox)
            trigger = IntervalTrigger(interval, spread)
            first = self._clock.now() + min(interval, START_SPREAD) * spread
        self._scheduler.add_job(
            self._run, trigger, args=(mailbox.name, job), id=mailbox.name, next_run_time=first
        )

    def next_poll(self, name: str) -> datetime | None:
        """When a mailbox is due next."""
        job = self._scheduler.get_job(name)
        due: datetime | None = job.next_run_time if job else None
        return due

    def start(self) -> None:
        """Begin to poll."""
        started = threading.Event()
        self._scheduler.add_listener(lambda _: started.set(), EVENT_SCHEDULER_STARTED)
        self._thread.start()
        started.wait()

    @property
    def alive(self) -> bool:
        """Whether the timetable is still being followed."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Begin no more polls, and wait for those that run."""
        # Waiting is the pool's business: shutdown(wait=True) waits with the job store's lock held, which
        # a job that ends needs for its own due time.
        self._scheduler.shutdown(wait=False)
        self._pool.shutdown(wait=True)
        self._thread.join()

    def follow_clock(self) -> None:
        """Move every due time along if the wall clock was set since the last call."""
        lead = self._wall_lead()
        step = timedelta(seconds=lead - self._lead)
        if abs(step) < CLOCK_STEP:
            return
        self._lead = lead
        for job in self._scheduler.get_jobs():
            job.modify(next_run_time=job.next_run_time + step)

    def _wall_lead(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()

    def _run(self, name: str, job: Callable[[], timedelta | None]) -> None:
        delay = job()
        if delay is not None:
            with suppress(JobLookupError):  # the timetable was stopped meanwhile
                self._scheduler.modify_job(name, next_run_time=self._clock.now() + delay)


def interval_of(mailbox: Mailbox) -> timedelta:
    """The time between two polls of a mailbox; for a cron line, that of its shortest useful delay."""
    return mailbox.every if mailbox.every is not None else LONGEST_DELAY
