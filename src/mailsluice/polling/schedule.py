"""The schedule: each mailbox is polled on its own interval or cron line, or later if it fails.

Owns the timetable and the pool of threads that polls run in. It is the only module that knows APScheduler.
Must never know what a poll is: it runs callables, and puts off the mailboxes that it is told to.

APScheduler goes by the wall clock. So the triggers are our own and never make up for missed polls, and
`follow_clock` rebuilds the timetable when the clock is set.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from hashlib import sha256
from itertools import count
from typing import Any

from apscheduler.events import EVENT_SCHEDULER_STARTED
from apscheduler.executors.pool import BasePoolExecutor
from apscheduler.job import Job
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.blocking import BlockingScheduler
from apscheduler.triggers.base import BaseTrigger
from cronsim import CronSim

from mailsluice.clock import Clock
from mailsluice.config.models import Mailbox
from mailsluice.errors import Bug, NoThread
from mailsluice.obs import events
from mailsluice.obs.logger import get_logger
from mailsluice.polling.pacing import interval_of
from mailsluice.polling.pool import Lane, Pool

START_SPREAD = timedelta(seconds=30)
"""The first polls after a start are spread over this time, or over one interval if that is shorter."""

CLOCK_STEP = timedelta(seconds=2)
"""If the wall clock moves away from the monotonic clock by more than this, it was set."""

_log = get_logger(__name__)

_EPOCH = datetime.fromtimestamp(0, UTC)


def phase(name: str) -> float:
    """A number between 0 and 1 that is always the same for one mailbox and spread evenly over many."""
    return int.from_bytes(sha256(name.encode()).digest()[:8], "big") / 2**64


class IntervalTrigger(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """Fires at every whole interval since 1970, shifted by a phase. Missed polls are not made up for.

    Calculates in whole microseconds, as datetime does. A float could be rounded to `now` itself, and that
    poll would be due again at once, for ever.
    """

    def __init__(self, interval: timedelta, phase: float) -> None:
        self._interval = interval
        self._origin = _EPOCH + interval * phase

    def get_next_fire_time(self, _previous: datetime | None, now: datetime) -> datetime:
        """The first of these moments after `now`."""
        points = (now - self._origin) // self._interval + 1
        return (self._origin + points * self._interval).astimezone(now.tzinfo)


class CronTrigger(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """Fires by a cron line in local time, as Debian's cron reads it. Missed polls are not made up for.

    Local time is a zone with its rules. With today's offset, every line would be an hour wrong after daylight
    saving begins or ends.
    """

    def __init__(self, line: str, zone: tzinfo) -> None:
        self._line = line
        self._zone = zone

    def get_next_fire_time(self, _previous: datetime | None, now: datetime) -> datetime:
        """The first moment after `now` that the line names."""
        return next(CronSim(self._line, now.astimezone(self._zone)))


class _Entry:
    """A lane, with the `submit` that APScheduler expects of a pool.

    APScheduler submits a function of its own, and the job is the first argument.
    """

    def __init__(self, lane: Lane, is_aside: Callable[[str], bool]) -> None:
        self._lane = lane
        self._is_aside = is_aside

    def submit(self, call: Callable[..., Any], job: Job, *args: object) -> Future[Any]:
        """Call this in the lane; aside, if the mailbox is polled aside."""
        name = job.id.split(maxsplit=1)[0]
        return self._lane.submit_as(name, partial(call, job, *args), aside=self._is_aside(name))


class _Threads(BasePoolExecutor):  # type: ignore[misc]  # APScheduler has no types
    """Runs jobs in a lane of our pool, so that we can wait for it without holding APScheduler's locks."""

    def __init__(self, entry: _Entry) -> None:
        super().__init__(entry)

    def shutdown(self, wait: bool = True) -> None:  # noqa: FBT001, FBT002  as APScheduler has it
        """Do nothing: the schedule shuts the pool down."""

    def _run_job_error(self, job_id: str, error: NoThread, _traceback: object = None) -> None:
        """Log why a poll did not begin. Its mailbox is polled again at its next time.

        An error that the job itself raises does not come here: APScheduler catches and logs it.
        """
        # It frees the job: APScheduler does not begin a job that it counts as running.
        self._run_job_success(job_id, [])
        _log.error(
            events.POLL_LEFT_OUT, mailbox=job_id.split(maxsplit=1)[0], error=str(error), remedy=error.remedy
        )


class Schedule:
    """The timetable of all mailboxes. Polls begin after `start`; `stop` waits until they have ended.

    Each job is called in a thread of its own, and never twice at once for one mailbox. At most `max_sessions`
    run at once, and the credentials share these. Mailboxes for which `is_aside` is true are polled aside
    (`polling/pool.py`).
    """

    def __init__(
        self, max_sessions: int, clock: Clock, is_aside: Callable[[str], bool] = lambda _: False
    ) -> None:
        # APScheduler warns if it skips a poll because the last one still runs. That is usual here. Only this
        # logger is changed, because `obs.log` sets the level of the whole library.
        logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)
        self._clock = clock
        self._lead = self._wall_lead()  # how far the wall clock was ahead when last looked at
        self._pool = Pool(max_sessions)
        self._is_aside = is_aside
        self._shares: Counter[str] = Counter()  # mailboxes by credential
        self._jobs: dict[str, Job] = {}
        self._numbers = count()
        self._scheduler = BlockingScheduler(
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone="UTC",
        )
        self._thread = threading.Thread(target=self._scheduler.start, name="schedule", daemon=True)

    def add(self, mailbox: Mailbox, job: Callable[[], None], zone: tzinfo = UTC) -> datetime:
        """Put a mailbox on the timetable. Returns when it is first due. `zone` is for cron lines."""
        credential = mailbox.credential
        if credential not in self._shares:
            entry = _Entry(self._pool.lane(credential), self._is_aside)
            self._scheduler.add_executor(_Threads(entry), credential)
        self._shares[credential] += 1
        trigger, first = self._trigger(mailbox, zone)
        # With a number: APScheduler begins no job while one of the same id runs, even if that was removed.
        self._jobs[mailbox.name] = self._scheduler.add_job(
            job,
            trigger,
            id=f"{mailbox.name} {next(self._numbers)}",
            next_run_time=first,
            executor=credential,
        )
        return first

    def remove(self, name: str) -> None:
        """Take a mailbox off the timetable. A poll that runs, or waits for its turn, is not affected."""
        job = self._jobs.pop(name)
        credential: str = job.executor
        job.remove()
        self._shares[credential] -= 1
        if not self._shares[credential]:
            del self._shares[credential]
            self._scheduler.remove_executor(credential, shutdown=False)
            self._pool.close_lane(credential)

    def resize(self, max_sessions: int) -> None:
        """Set how many sessions may run at once. Those that run are not ended."""
        self._pool.resize(max_sessions)

    def _trigger(self, mailbox: Mailbox, zone: tzinfo) -> tuple[BaseTrigger, datetime]:
        now = self._clock.now()
        if mailbox.cron is not None:
            trigger = CronTrigger(mailbox.cron, zone)
            return trigger, trigger.get_next_fire_time(None, now)
        interval, spread = interval_of(mailbox), phase(mailbox.name)
        return IntervalTrigger(interval, spread), now + min(interval, START_SPREAD) * spread

    def next_poll(self, name: str) -> datetime | None:
        """When a mailbox is due next. None if it is not on the timetable, or the timetable is stopped."""
        job = self._scheduler.get_job(self._jobs[name].id) if name in self._jobs else None
        due: datetime | None = job.next_run_time if job else None
        return due

    def postpone(self, name: str, delay: timedelta) -> None:
        """Leave a mailbox alone for at least `delay`. Its next poll never comes sooner than planned."""
        due = self.next_poll(name)
        if due is not None and delay and self._clock.now() + delay > due:
            self.set_due(name, delay)

    def set_due(self, name: str, delay: timedelta) -> None:
        """Poll a mailbox when `delay` has passed, whatever its timetable says."""
        with suppress(JobLookupError):  # the timetable was stopped meanwhile
            self._jobs[name].modify(next_run_time=self._clock.now() + delay)

    def resume(self, name: str) -> None:
        """Poll a mailbox that was put off at its usual time again, if that comes sooner."""
        with suppress(JobLookupError):
            job = self._jobs.get(name)
            if job is not None and self.next_poll(name) is not None:
                usual = job.trigger.get_next_fire_time(None, self._clock.now())
                job.modify(next_run_time=min(job.next_run_time, usual))

    def waiting(self) -> list[str]:
        """The mailboxes that are due and wait for a session, without those aside."""
        return self._pool.waiting()

    def start(self) -> None:
        """Begin to poll. Raises NoThread, and Bug if APScheduler ends at once."""
        started = threading.Event()
        self._scheduler.add_listener(lambda _: started.set(), EVENT_SCHEDULER_STARTED)
        try:
            self._thread.start()
        except (RuntimeError, MemoryError) as error:
            raise NoThread(f"no thread could be started for the schedule: {error}") from error
        while not started.wait(1.0):
            if not self.alive:
                raise Bug("the schedule did not start")

    @property
    def alive(self) -> bool:
        """Whether the timetable is being followed."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Begin no more polls, and wait for those that run. Works even if the timetable has died."""
        followed = self.alive
        try:
            if followed:
                # The pool waits, not APScheduler: shutdown(wait=True) holds the job store's lock meanwhile,
                # and a job that ends needs that lock to set its own due time.
                self._scheduler.shutdown(wait=False)
        finally:
            self._pool.shutdown()
        if followed:
            self._thread.join()

    def follow_clock(self) -> bool:
        """Rebuild the timetable if the wall clock was set since the last call. Returns whether it was.

        This forgets delays. The caller must postpone again what still has to wait. Due times are not simply
        shifted by the step, because some may have been set after it.
        """
        lead = self._wall_lead()
        if abs(lead - self._lead) < CLOCK_STEP.total_seconds():
            return False
        self._lead = lead
        now = self._clock.now()
        for job in self._scheduler.get_jobs():
            with suppress(JobLookupError):
                job.modify(next_run_time=job.trigger.get_next_fire_time(None, now))
        return True

    def _wall_lead(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()
