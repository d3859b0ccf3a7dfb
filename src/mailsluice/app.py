"""The composition root: builds every part from a configuration, and owns reloading and stopping.

Must never know how any part does its work.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import Future, wait
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from random import random
from typing import TYPE_CHECKING, NamedTuple, Self

from mailsluice.auth.credentials import Credentials
from mailsluice.auth.secrets import Secrets
from mailsluice.clock import Clock, SystemClock
from mailsluice.config.change import Change
from mailsluice.config.models import Config, Mailbox
from mailsluice.errors import Bug, LedgerError, LedgerReplaced, NoThread
from mailsluice.ledger import open_ledger
from mailsluice.model import MailboxKey
from mailsluice.net.connection import Connections
from mailsluice.obs import events
from mailsluice.obs.logger import get_logger
from mailsluice.outcome import Answer
from mailsluice.policy.plan import Plan
from mailsluice.polling.answers import Answers
from mailsluice.polling.giving_way import let_give_way
from mailsluice.polling.notes import Notes
from mailsluice.polling.pacing import Pacing, SlowDown
from mailsluice.polling.pool import Pool
from mailsluice.polling.slots import Slots
from mailsluice.polling.upkeep import Upkeep
from mailsluice.pop3.client import connect
from mailsluice.session.context import Context, NobodyWatches, Progress
from mailsluice.session.counts import Counts, Polled
from mailsluice.session.feeding import adopt
from mailsluice.session.ports import Ledger
from mailsluice.session.recovery import forget
from mailsluice.session.run import poll, preview
from mailsluice.session.seen import Settled, Way, settle
from mailsluice.session.tidying import is_due, tidy
from mailsluice.session.triage import triage
from mailsluice.sink.sinks import Sinks
from mailsluice.system.descriptors import allow_for
from mailsluice.system.signals import Signals

if TYPE_CHECKING:
    from mailsluice.polling.schedule import Schedule

GRACE = 20.0
"""Seconds that messages in flight have to arrive after a request to stop; then connections are cut."""

_LOOK_AROUND = 1.0
"""Seconds between two looks at the signals during a round."""

_log = get_logger(__name__)


class _Watch(NamedTuple):
    """A mailbox as it is polled under one configuration, and what ends its sessions: all of these alone."""

    mailbox: Mailbox
    stop: threading.Event
    connections: Connections


class Service:
    """All context, put together for one configuration. A context manager; leaving it stops everything.

    `ledger` is given where it is not to be the state directory's own. Raises LedgerError where the state
    directory cannot be used.
    """

    def __init__(
        self,
        config: Config,
        *,
        clock: Clock | None = None,
        progress: Progress | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        self.config = config
        allow_for(config.service.max_sessions)
        self._clock = clock or SystemClock()
        self._connections = Connections()
        self._ledger = ledger or self._opened_ledger()
        self._answers = Answers(config.mailboxes.values())
        self._pacing = Pacing(config.mailboxes.values(), self._clock.monotonic(), random)
        self._notes = Notes(self._ledger.reports.flush)
        self._lock = threading.Lock()  # of what a reload changes; held for moments only
        self._watches: dict[str, _Watch] = {}
        self._at_work: set[MailboxKey] = set()
        self._leaving: list[tuple[float, _Watch]] = []  # who was asked to end, and when that is cut
        self._stop = threading.Event()
        self._cutter = threading.Timer(GRACE, self._connections.abort_all)
        self._cutter.daemon = True
        self._ends = ExitStack()  # from the last to the first, whatever one of them raises
        self._ends.callback(self._ledger.close)
        self._ends.callback(self._notes.write)
        self._ends.callback(self._cutter.cancel)
        self._tokens = self._credentials(config)
        sinks = Sinks(self._ledger.id, self._ledger.staging_owner, config.service.state_dir)
        self._context = Context(
            credentials=self._tokens,
            connect=partial(connect, clock=self._clock, connections=self._connections),
            ledger=self._ledger,
            open_sink=sinks.open,
            sink_at=sinks.at,
            clock=self._clock,
            stop=self._stop,
            slots=Slots(config.service.max_sessions, self._clock),
            progress=progress or NobodyWatches(),
            live=_keys(config),
        )
        self._upkeep = Upkeep(
            lambda: is_due(self._context), lambda: tidy(self.config.mailboxes.values(), self._context)
        )
        self._ends.callback(self._upkeep.join)

    def _credentials(self, config: Config, former: Credentials | None = None) -> Credentials:
        return Credentials(config.credentials, Secrets(config.service.state_dir).reader, self._clock, former)

    def _opened_ledger(self) -> Ledger:
        ledger = open_ledger(self.config.service)
        if ledger.is_new:
            _log.warning(events.LEDGER_BEGUN, directory=str(self.config.service.state_dir))
        return ledger

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._ends:
            self.stop()

    @cached_property
    def _schedule(self) -> Schedule:
        """The timetable, of a service that is started: what polls once does without APScheduler."""
        from mailsluice.polling.schedule import Schedule  # noqa: PLC0415  as said

        schedule = Schedule(self.config.service.max_sessions, self._clock, self._answers.is_aside)
        self._ends.callback(schedule.stop)
        return schedule

    def stop(self) -> None:
        """Ask every session to end after the message in flight; after GRACE its connection is cut.

        Returns at once. Not for a signal handler: it takes locks. Where no thread can be had to wait for
        that, connections are cut at once: what is cut is fetched again, and what hangs would hang on.
        """
        if not self._stop.is_set():
            self._stop.set()
            for watch in self._watches.values():
                watch.stop.set()
            try:
                self._cutter.start()
            except (RuntimeError, MemoryError):
                self._connections.abort_all()

    def round(self, mailboxes: Iterable[Mailbox], signals: Signals) -> list[Polled]:
        """Poll these once each, at most `max_sessions` at a time, which their credentials share.

        How each went, in their order. Those that gave way to others are polled again after them.
        """
        with Pool(self.config.service.max_sessions) as pool:
            lanes = [(mailbox, pool.lane(mailbox.credential)) for mailbox in mailboxes]

            def submit(place: int) -> Future[Polled]:
                mailbox, lane = lanes[place]
                return lane.submit_as(mailbox.name, lambda: self._attempt(mailbox))

            polls = [submit(place) for place in range(len(lanes))]
            self._watch(polls, signals, pool)
            again = [place for place, polled in enumerate(polls) if _gave_way(polled)]
            for place in again:
                polls[place] = submit(place)
            self._watch(polls, signals)
            self._upkeep.run_if_due()
            return [self._polled(mailbox, polled) for (mailbox, _), polled in zip(lanes, polls, strict=True)]

    def _attempt(self, mailbox: Mailbox) -> Polled:
        self._answers.begin(mailbox.name, self._clock.monotonic())
        polled = poll(mailbox, self._context)
        self._answers.end(mailbox.name, polled.answer, served=polled.served)
        return polled

    def _watch(self, polls: Sequence[Future[Polled]], signals: Signals, pool: Pool | None = None) -> None:
        """Wait for the end of all; in a `pool`, those whose server is silent give way to others."""
        while wait(polls, timeout=_LOOK_AROUND).not_done:
            if signals.stop:
                self.stop()
            if pool is not None:
                self._let_give_way(pool.waiting())
            self._notes.write()
        self._notes.write()

    def _polled(self, mailbox: Mailbox, polled: Future[Polled]) -> Polled:
        try:
            return polled.result()
        except NoThread as error:
            _log.error(events.POLL_LEFT_OUT, mailbox=mailbox.name, error=str(error), remedy=error.remedy)
            return Counts(mailbox.name, self._clock).polled(error, triage(error))

    def preview(self, mailbox: Mailbox) -> Plan:
        """What a poll would fetch and delete. Raises MailsluiceError."""
        return preview(mailbox, self._context)

    def adopt(self, mailbox: Mailbox) -> None:
        """Let this ledger feed the mailbox's sink in the place of any other. Raises MailsluiceError."""
        adopt(mailbox, self._context)

    def forget(self, mailbox: Mailbox) -> int:
        """Give up what was half done in a sink that is gone; how many messages. Raises MailsluiceError."""
        with self._ledger.leases.hold(mailbox.key):
            return forget(mailbox, self._context)

    def settle(self, mailbox: Mailbox, way: Way) -> Settled:
        """Settle what is on the server the way an administrator chose. Raises MailsluiceError."""
        return settle(mailbox, way, self._context)

    def start(self) -> None:
        """Begin to poll every mailbox on its schedule. Raises NoThread."""
        for mailbox in self.config.mailboxes.values():
            self._begin(mailbox)
        self._schedule.start()

    def follow(self, config: Config) -> Change:
        """Go on with this configuration, which has the same state directory; what differs from the last.

        Sessions, due times and pacing of mailboxes that are polled as before stay as they are. Sessions of
        the others end after the message in flight; after GRACE they are cut. Raises SecretError; then all
        goes on as before.
        """
        change = Change.between(self.config, config)
        credentials = self._credentials(config, self._tokens)
        allow_for(config.service.max_sessions)
        with self._lock:
            self.config, self._tokens = config, credentials
            self._context = self._context._replace(credentials=credentials, live=_keys(config))
            self._context.slots.resize(config.service.max_sessions)
            self._schedule.resize(config.service.max_sessions)
            self._connections.authorities.forget()
            for name in change.ends:
                self._end(name)
            self._pacing.follow(config.mailboxes.values(), self._clock.monotonic(), change.begins)
            self._answers.follow(config.mailboxes.values())
            for name in change.begins:
                self._begin(config.mailboxes[name])
        return change

    def _begin(self, mailbox: Mailbox) -> None:
        watch = self._watches[mailbox.name] = _Watch(mailbox, threading.Event(), self._connections.part())
        zone = self.config.zone.tzinfo if self.config.zone else UTC
        due = self._schedule.add(mailbox, partial(self._poll_on_schedule, watch), zone)
        self._note_next_poll(mailbox, due)

    def _end(self, name: str) -> None:
        watch = self._watches.pop(name)
        self._schedule.remove(name)
        self._note_next_poll(watch.mailbox, None)
        watch.stop.set()
        self._leaving.append((self._clock.monotonic() + GRACE, watch))

    def tend(self) -> None:
        """To be called every second or so: follows the clock, and writes what `status` shows.

        Raises LedgerReplaced if the ledger has to be opened anew, Bug if the timetable has died.
        """
        try:
            self._ledger.check()
        except LedgerReplaced:
            raise
        except LedgerError:
            pass  # it cannot be looked at now: whoever uses it says so
        if self._schedule.follow_clock():
            with self._lock:
                self._leave_alone(self.config.mailboxes.values())
        self._cut_who_should_have_left()
        self._let_give_way(self._schedule.waiting())
        self._notes.write()
        self._upkeep.tend()
        if not self._schedule.alive:
            raise Bug("the schedule has ended by itself")

    def _cut_who_should_have_left(self) -> None:
        now = self._clock.monotonic()
        for when, watch in self._leaving:
            if when <= now:
                watch.connections.abort_all()
        self._leaving = [(when, watch) for when, watch in self._leaving if when > now]

    def _poll_on_schedule(self, watch: _Watch) -> None:
        mailbox = watch.mailbox
        if not self._may_begin(watch):
            return
        polled = None
        try:
            context = self._context._replace(
                stop=watch.stop,
                connect=partial(connect, clock=self._clock, connections=watch.connections),
            )
            polled = poll(mailbox, context)
        finally:
            with self._lock:
                self._at_work.remove(mailbox.key)
                if watch.stop.is_set():
                    self._hand_over(mailbox.key)
                elif polled is not None:
                    self._account(mailbox, polled)

    def _may_begin(self, watch: _Watch) -> bool:
        mailbox = watch.mailbox
        with self._lock:
            if watch.stop.is_set():
                self._hand_over(mailbox.key)
                return False
            if mailbox.key in self._at_work:
                return False  # under the former configuration: it hands over when it has ended
            if wait := self._pacing.begin(mailbox.name, self._clock.monotonic()):
                self._schedule.set_due(mailbox.name, wait)
                self._note_next_poll(mailbox, self._schedule.next_poll(mailbox.name))
                return False
            self._answers.begin(mailbox.name, self._clock.monotonic())
            self._at_work.add(mailbox.key)
            return True

    def _hand_over(self, key: MailboxKey) -> None:
        """Let who polls this mailbox now go on at once where a former configuration left off."""
        for watch in self._watches.values():
            if watch.mailbox.key == key and not watch.stop.is_set():
                self._schedule.set_due(watch.mailbox.name, timedelta())

    def _account(self, mailbox: Mailbox, polled: Polled) -> None:
        back = self._answers.end(mailbox.name, polled.answer, served=polled.served)
        self._pacing.forgive(back)
        if polled.served:
            if self._pacing.served(mailbox.name):
                _log.info(events.CREDENTIAL_RECOVERED, credential=mailbox.credential)
                if self._pacing.was_silent(mailbox.name):
                    back = [*back, *(other.name for other in self._of(mailbox.credential))]
        else:
            now = self._clock.monotonic()
            slow = self._pacing.failed(
                mailbox.name,
                polled.disposition,
                now,
                of_credential=polled.of_credential,
                answer=polled.answer,
            )
            if slow is not None:
                self._slow_down(mailbox.credential, slow, polled.report.detail)
        for name in back:
            self._schedule.resume(name)
        self._leave_alone([mailbox, *(self.config.mailboxes[name] for name in back)])

    def _let_give_way(self, waiting: Sequence[str]) -> None:
        most = self.config.service.max_sessions
        let_give_way(self._connections, self._answers, waiting, most, self._clock)

    def _of(self, credential: str) -> list[Mailbox]:
        return [mailbox for mailbox in self.config.mailboxes.values() if mailbox.credential == credential]

    def _slow_down(self, credential: str, slow: SlowDown, cause: str) -> None:
        """Put off the mailboxes of a credential that was found throttled."""
        if slow.level == 1:
            until = self._clock.now() + timedelta(seconds=slow.until - self._clock.monotonic())
            _log.warning(
                events.CREDENTIAL_SLOWED,
                credential=credential,
                cause=cause,
                until=until.isoformat(timespec="seconds"),
            )
        self._leave_alone(self._of(credential))

    def _leave_alone(self, mailboxes: Collection[Mailbox]) -> None:
        now = self._clock.monotonic()
        for mailbox in mailboxes:
            self._schedule.postpone(mailbox.name, self._pacing.wait(mailbox.name, now))
            self._note_next_poll(mailbox, self._schedule.next_poll(mailbox.name))

    def _note_next_poll(self, mailbox: Mailbox, due: datetime | None) -> None:
        self._ledger.reports.note_next_poll(mailbox.key, mailbox.name, due)


def _keys(config: Config) -> frozenset[MailboxKey]:
    return frozenset(mailbox.key for mailbox in config.mailboxes.values())


def _gave_way(polled: Future[Polled]) -> bool:
    return polled.exception() is None and polled.result().answer is Answer.NOT_AWAITED
