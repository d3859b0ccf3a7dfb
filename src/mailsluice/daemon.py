"""The composition root: builds every part from a configuration, and owns signals and stopping.

Must never know how any part does its work.
"""

from __future__ import annotations

import resource
import signal
import threading
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Future, wait
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from queue import Empty, SimpleQueue
from random import random
from types import FrameType
from typing import TYPE_CHECKING, Self

from mailsluice.auth.credentials import Credentials
from mailsluice.auth.secrets import Secrets
from mailsluice.clock import Clock, SystemClock
from mailsluice.config.models import Config, Mailbox
from mailsluice.errors import Bug, LedgerError, LedgerReplaced, MailsluiceError, NoThread
from mailsluice.ledger.database import is_begun
from mailsluice.ledger.ledger import Ledger
from mailsluice.ledger.lock import ServiceLock
from mailsluice.obs import events
from mailsluice.obs.logger import get_logger
from mailsluice.pacing import Pacing, SlowDown
from mailsluice.policy import Plan
from mailsluice.pool import Pool
from mailsluice.pop3.client import connect
from mailsluice.pop3.transport import Connections
from mailsluice.session.feeding import adopt
from mailsluice.session.parts import NobodyWatches, Parts, Progress
from mailsluice.session.places import Places
from mailsluice.session.recovery import forget
from mailsluice.session.run import poll, preview
from mailsluice.session.seen import Settled, Way, settle
from mailsluice.session.tally import Polled, Tally
from mailsluice.session.tidying import is_due, tidy
from mailsluice.session.triage import triage
from mailsluice.sink.sinks import Sinks
from mailsluice.upkeep import Upkeep

if TYPE_CHECKING:
    from mailsluice.schedule import Schedule

GRACE = 20.0
"""Seconds that messages in flight have to arrive after a request to stop; then connections are cut."""

_FILES_A_SESSION = 1024
"""Descriptors worth having for each session: if there are 16, `sink.durable` then syncs its most at once."""

_LOOK_AROUND = 1.0
"""Seconds between two looks at the clock and the signals, when nothing else happens."""

_BETWEEN_TRIES = 15.0
"""Seconds between two tries to open a ledger that was replaced: as systemd waits to restart the unit."""

_log = get_logger(__name__)


class Service:
    """All parts, put together for one configuration. A context manager; leaving it stops everything.

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
        _allow_files(_FILES_A_SESSION * config.service.max_sessions)
        self._clock = clock or SystemClock()
        self._connections = Connections()
        self._ledger = ledger or self._opened_ledger()
        self._pacing = Pacing(config.mailboxes.values(), self._clock.monotonic(), random)
        self._status_is_old = False
        self._stop = threading.Event()
        self._cutter = threading.Timer(GRACE, self._connections.abort_all)
        self._cutter.daemon = True
        self._ends = ExitStack()  # from the last to the first, whatever one of them raises
        self._ends.callback(self._ledger.close)
        self._ends.callback(self._flush)
        self._ends.callback(self._cutter.cancel)
        sinks = Sinks(self._ledger.id, self._ledger.staging_owner, config.service.state_dir)
        self._parts = Parts(
            credentials=Credentials(
                config.credentials, Secrets(config.service.state_dir).reader, self._clock
            ),
            connect=partial(connect, clock=self._clock, connections=self._connections),
            ledger=self._ledger,
            open_sink=sinks.open,
            sink_at=sinks.at,
            clock=self._clock,
            stop=self._stop,
            places=Places(config.service.max_sessions, self._clock),
            progress=progress or NobodyWatches(),
            live=frozenset(mailbox.key for mailbox in config.mailboxes.values()),
        )
        mailboxes = config.mailboxes.values()
        self._upkeep = Upkeep(partial(is_due, self._parts), partial(tidy, mailboxes, self._parts))
        self._ends.callback(self._upkeep.join)

    def _opened_ledger(self) -> Ledger:
        ledger = Ledger(self.config.service.state_dir)
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
        from mailsluice.schedule import Schedule  # noqa: PLC0415  as said

        schedule = Schedule(self.config.service.max_sessions, self._clock)
        self._ends.callback(schedule.stop)
        return schedule

    def stop(self) -> None:
        """Ask every session to end after the message in flight; after GRACE its connection is cut.

        Returns at once. Not for a signal handler: it takes locks. Where no thread can be had to wait for
        that, connections are cut at once: what is cut is fetched again, and what hangs would hang on.
        """
        if not self._stop.is_set():
            self._stop.set()
            try:
                self._cutter.start()
            except (RuntimeError, MemoryError):
                self._connections.abort_all()

    def round(self, mailboxes: Iterable[Mailbox], signals: Signals) -> list[Polled]:
        """Poll these once each, at most `max_sessions` at a time, which their credentials share.

        How each went, in their order.
        """
        with Pool(self.config.service.max_sessions) as pool:
            lanes = [(mailbox, pool.lane(mailbox.credential)) for mailbox in mailboxes]
            polls = [lane.submit(poll, mailbox, self._parts) for mailbox, lane in lanes]
            while wait(polls, timeout=_LOOK_AROUND).not_done:
                if signals.stop:
                    self.stop()
                self._flush()
            self._flush()
            self._upkeep.run_if_due()
            return [self._polled(mailbox, polled) for (mailbox, _), polled in zip(lanes, polls, strict=True)]

    def _polled(self, mailbox: Mailbox, polled: Future[Polled]) -> Polled:
        try:
            return polled.result()
        except NoThread as error:
            _log.error(events.POLL_LEFT_OUT, mailbox=mailbox.name, error=str(error), remedy=error.remedy)
            return Tally(mailbox.name, self._clock).polled(error, triage(error))

    def preview(self, mailbox: Mailbox) -> Plan:
        """What a poll would fetch and delete. Raises MailsluiceError."""
        return preview(mailbox, self._parts)

    def adopt(self, mailbox: Mailbox) -> None:
        """Let this ledger feed the mailbox's sink in the place of any other. Raises MailsluiceError."""
        adopt(mailbox, self._parts)

    def forget(self, mailbox: Mailbox) -> int:
        """Give up what was half done in a sink that is gone; how many messages. Raises MailsluiceError."""
        with self._ledger.lock(mailbox.key):
            return forget(mailbox, self._parts)

    def settle(self, mailbox: Mailbox, way: Way) -> Settled:
        """Settle what is on the server the way an administrator chose. Raises MailsluiceError."""
        return settle(mailbox, way, self._parts)

    def start(self) -> None:
        """Begin to poll every mailbox on its schedule. Raises NoThread."""
        for mailbox in self.config.mailboxes.values():
            due = self._schedule.add(mailbox, partial(self._poll_on_schedule, mailbox))
            self._note_next_poll(mailbox, due)
        self._schedule.start()

    def tend(self) -> None:
        """To be called every second or so: follows the clock, and writes what `status` shows.

        Raises LedgerReplaced if the ledger has to be opened anew, Bug if the timetable has died.
        """
        try:
            self._ledger.check_files()
        except LedgerReplaced:
            raise
        except LedgerError:
            pass  # it cannot be looked at now: whoever uses it says so
        if self._schedule.follow_clock():
            self._leave_alone(self.config.mailboxes.values())
        self._flush()
        self._upkeep.tend()
        if not self._schedule.alive:
            raise Bug("the schedule has ended by itself")

    def _poll_on_schedule(self, mailbox: Mailbox) -> None:
        if self._stop.is_set():
            return
        if wait := self._pacing.begin(mailbox.name, self._clock.monotonic()):
            self._schedule.set_due(mailbox.name, wait)
            self._note_next_poll(mailbox, self._schedule.next_poll(mailbox.name))
            return
        polled = poll(mailbox, self._parts)
        if polled.served:
            if self._pacing.served(mailbox.name):
                _log.info(events.CREDENTIAL_RECOVERED, credential=mailbox.credential)
        elif polled.disposition is not None:
            now = self._clock.monotonic()
            slow = self._pacing.failed(
                mailbox.name, polled.disposition, now, of_credential=polled.of_credential
            )
            if slow is not None:
                self._slow_down(mailbox.credential, slow, polled.report.detail)
        self._leave_alone([mailbox])

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
        self._leave_alone(
            [mailbox for mailbox in self.config.mailboxes.values() if mailbox.credential == credential]
        )

    def _leave_alone(self, mailboxes: Collection[Mailbox]) -> None:
        now = self._clock.monotonic()
        for mailbox in mailboxes:
            self._schedule.postpone(mailbox.name, self._pacing.wait(mailbox.name, now))
            self._note_next_poll(mailbox, self._schedule.next_poll(mailbox.name))

    def _note_next_poll(self, mailbox: Mailbox, due: datetime | None) -> None:
        self._ledger.note_next_poll(mailbox.key, mailbox.name, due)

    def _flush(self) -> None:
        """Write what `status` shows. What fails is said once, and tried again as long as it fails."""
        try:
            self._ledger.flush()
        except LedgerError as error:
            if not self._status_is_old:
                _log.warning(events.STATUS_NOT_NOTED, error=str(error), remedy=error.remedy)
            self._status_is_old = True
        else:
            if self._status_is_old:
                _log.info(events.STATUS_NOTED)
            self._status_is_old = False


def _allow_files(wanted: int) -> None:
    """Let this process have so many descriptors if it may: the more, the more files share their syncs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < min(wanted, hard):
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


class Signals:
    """What the operating system asks: SIGTERM and SIGINT to stop, SIGHUP to reload.

    Takes them over where it is made, in the main thread. A handler may run inside another, or inside any
    call of the main thread, so it takes no lock: it sets a flag and fills a queue that allows for that.
    """

    def __init__(self) -> None:
        self.stop = False
        self.reload = False
        self._wake: SimpleQueue[None] = SimpleQueue()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stopped)
        signal.signal(signal.SIGHUP, self._reloaded)

    def wait(self, seconds: float) -> None:
        """Sleep so long, or until a signal comes."""
        with suppress(Empty):
            self._wake.get(timeout=seconds)

    def _stopped(self, _number: int, _frame: FrameType | None) -> None:
        self.stop = True
        self._wake.put(None)

    def _reloaded(self, _number: int, _frame: FrameType | None) -> None:
        self.reload = True
        self._wake.put(None)


def serve(load: Callable[[], Config]) -> None:
    """Run until SIGTERM, building everything anew at SIGHUP. Raises MailsluiceError at the start.

    Later only NoThread, where a reload finds the system short of threads for the new timetable.

    A configuration that cannot be used at SIGHUP is reported, and the one in force stays. So it is done where
    the ledger was replaced, but for that nothing is polled until it is open again. No other daemon can serve
    the same state directory meanwhile.
    """
    signals = Signals()
    successor: tuple[ServiceLock, Service] | None = _built(load, ServiceLock.take)
    while successor is not None:
        lock, service = successor
        build = partial(_built, load, lock.following)
        with lock:
            replaced = False
            with service:
                service.start()
                _log.info(events.STARTED, mailboxes=len(service.config.mailboxes))
                try:
                    successor = _tend(service, signals, build)
                except LedgerReplaced as error:
                    replaced = True
                    _log.error(events.LEDGER_REPLACED, error=str(error), remedy=error.remedy)
                _log.info(events.STOPPING)
            if replaced:  # and closed: SQLite could not open it a second time before
                successor = _rebuilt(signals, partial(build, service.config.service.state_dir))
    _log.info(events.STOPPED)


def _built(
    load: Callable[[], Config], take: Callable[[Path], ServiceLock], had_ledger: Path | None = None
) -> tuple[ServiceLock, Service]:
    """A service, and before it the lock on its state directory. Raises MailsluiceError.

    `had_ledger` is a state directory in which no new ledger is to begin.
    """
    config = load()
    if config.service.state_dir == had_ledger:
        is_begun(had_ledger, promised=True)
    with ExitStack() as undo:
        lock = undo.enter_context(take(config.service.state_dir))
        service = Service(config)
        undo.pop_all()
    return lock, service


def _rebuilt(
    signals: Signals, build: Callable[[], tuple[ServiceLock, Service]]
) -> tuple[ServiceLock, Service] | None:
    """What is built, as soon as it can be; None if asked to stop before."""
    while not signals.stop:
        signals.reload = False
        try:
            return build()
        except MailsluiceError as error:
            _log.error(events.LEDGER_NOT_REOPENED, error=str(error), remedy=error.remedy)
        signals.wait(_BETWEEN_TRIES)
    return None


def _tend(
    service: Service, signals: Signals, build: Callable[[], tuple[ServiceLock, Service]]
) -> tuple[ServiceLock, Service] | None:
    """Watch over a running service until it is to end; the one to go on with, if any."""
    while not signals.stop:
        signals.wait(_LOOK_AROUND)
        service.tend()
        if signals.reload:
            signals.reload = False
            try:
                successor = build()
            except MailsluiceError as error:
                _log.error(events.RELOAD_REFUSED, mistakes=str(error).splitlines(), remedy=error.remedy)
            else:
                _log.info(events.RELOADED)
                return successor
    return None
