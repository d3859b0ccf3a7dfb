"""The composition root: builds every part from a configuration, and owns signals and stopping.

Must never know how any part does its work. The outermost door of every polling thread is here, and the
only `except Exception`.
"""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from random import random
from types import FrameType
from typing import Self

import structlog

from mailsluice.auth.credentials import Credentials
from mailsluice.auth.secrets import Secrets
from mailsluice.clock import Clock, SystemClock
from mailsluice.config.models import Config, Mailbox
from mailsluice.errors import Bug, ConfigurationError, MailsluiceError
from mailsluice.ledger.ledger import Ledger
from mailsluice.obs import events
from mailsluice.policy import Plan
from mailsluice.pop3.client import connect
from mailsluice.pop3.transport import Connections
from mailsluice.schedule import Schedule, delay_after, interval_of
from mailsluice.session.parts import NobodyWatches, Parts, Progress
from mailsluice.session.run import poll, preview
from mailsluice.session.tally import Polled, Tally
from mailsluice.session.triage import triage
from mailsluice.sink.sinks import open_sink, sink_at

GRACE = 20.0
"""Seconds that messages in flight have to arrive after a request to stop; then connections are cut."""

_log = structlog.get_logger(__name__)


class Service:
    """All parts, put together for one configuration. A context manager; leaving it stops everything.

    Raises LedgerError where the state directory cannot be used.
    """

    def __init__(
        self, config: Config, *, clock: Clock | None = None, progress: Progress | None = None
    ) -> None:
        self._config = config
        self._clock = clock or SystemClock()
        self._connections = Connections()
        self._ledger = Ledger(config.service.state_dir)
        self._failures: Counter[str] = Counter()
        self._schedule = Schedule(config.service.max_sessions, self._clock)
        self._stop = threading.Event()
        self._cutter = threading.Timer(GRACE, self._connections.abort_all)
        self._cutter.daemon = True
        self._parts = Parts(
            credentials=Credentials(
                config.credentials, Secrets(config.service.state_dir).resolve, self._clock
            ),
            connect=partial(connect, clock=self._clock, connections=self._connections),
            ledger=self._ledger,
            open_sink=lambda mailbox: open_sink(mailbox, self._ledger.staging_owner(mailbox.key)),
            sink_at=lambda spec, key: sink_at(spec, self._ledger.staging_owner(key)),
            clock=self._clock,
            stop=self._stop,
            progress=progress or NobodyWatches(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._cutter.cancel()
        self._ledger.close()

    def stop(self) -> None:
        """Ask every session to end after the message in flight; after GRACE its connection is cut.

        Returns at once.
        """
        if not self._stop.is_set():
            self._stop.set()
            self._cutter.start()

    def round(self, mailboxes: Iterable[Mailbox]) -> list[Polled]:
        """Poll these once each, at most `max_sessions` at a time; how each went, in their order."""
        with ThreadPoolExecutor(self._config.service.max_sessions, "session") as pool:
            return list(pool.map(self._poll, mailboxes))

    def preview(self, mailbox: Mailbox) -> Plan:
        """What a poll would fetch and delete. Raises MailsluiceError."""
        return preview(mailbox, self._parts)

    def start(self) -> None:
        """Begin to poll every mailbox on its schedule."""
        for mailbox in self._config.mailboxes.values():
            self._schedule.add(mailbox, partial(self._poll_on_schedule, mailbox))
            self._note_next_poll(mailbox, None)
        self._schedule.start()

    def tend(self) -> None:
        """To be called every second or so: follows the clock; raises Bug if the timetable has died."""
        self._schedule.follow_clock()
        if not self._schedule.alive:
            message = "the schedule has ended by itself"
            raise Bug(message)

    def finish(self) -> None:
        """Stop, and wait until every session has ended."""
        self.stop()
        self._schedule.stop()

    def _poll_on_schedule(self, mailbox: Mailbox) -> timedelta | None:
        if self._stop.is_set():
            return None
        polled = self._poll(mailbox)
        delay = None
        if polled.disposition is None:
            self._failures.pop(mailbox.name, None)
        else:
            self._failures[mailbox.name] += 1
            failures = self._failures[mailbox.name]
            delay = delay_after(polled.disposition, failures, interval_of(mailbox), random())  # noqa: S311
        self._note_next_poll(mailbox, delay)
        return delay

    def _note_next_poll(self, mailbox: Mailbox, delay: timedelta | None) -> None:
        due = self._schedule.next_poll(mailbox.name) if delay is None else self._clock.now() + delay
        try:
            self._ledger.note_next_poll(mailbox.key, mailbox.name, due)
        except MailsluiceError as error:
            _log.warning(events.STATUS_NOT_NOTED, mailbox=mailbox.name, error=str(error))

    def _poll(self, mailbox: Mailbox) -> Polled:
        try:
            return poll(mailbox, self._parts)
        except Exception as error:  # noqa: BLE001  the thread's outermost door
            _log.exception(events.BUG, mailbox=mailbox.name)
            bug = Bug(f"{type(error).__name__} in the poll of {mailbox.name}")
            return Tally(mailbox.name, self._clock).polled(bug, triage(bug))


class Signals:
    """What the operating system asks: SIGTERM and SIGINT to stop, SIGHUP to reload."""

    def __init__(self) -> None:
        self.stop = False
        self.reload = False
        self._wake = threading.Event()

    def install(self, on_stop: Callable[[], None] = lambda: None) -> None:
        """Take over the signals; `on_stop` is called in the main thread at the first request to stop."""
        self._on_stop = on_stop
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stopped)
        signal.signal(signal.SIGHUP, self._reloaded)

    def wait(self, seconds: float) -> None:
        """Sleep so long, or until a signal comes."""
        self._wake.wait(seconds)
        self._wake.clear()

    def _stopped(self, _number: int, _frame: FrameType | None) -> None:
        self.stop = True
        self._on_stop()
        self._wake.set()

    def _reloaded(self, _number: int, _frame: FrameType | None) -> None:
        self.reload = True
        self._wake.set()


def serve(load: Callable[[], Config]) -> None:
    """Run until SIGTERM, building everything anew at SIGHUP. Raises MailsluiceError, at the start only.

    A configuration that is wrong at SIGHUP is reported, and the one in force stays.
    """
    signals = Signals()
    signals.install()
    config = load()
    while not signals.stop:
        with Service(config) as service:
            service.start()
            _log.info(events.STARTED, mailboxes=len(config.mailboxes))
            config = _tend(service, signals, config, load)
            _log.info(events.STOPPING)
            service.finish()
    _log.info(events.STOPPED)


def _tend(service: Service, signals: Signals, config: Config, load: Callable[[], Config]) -> Config:
    """Watch over a running service until it is to end; the configuration to go on with."""
    while not signals.stop:
        signals.wait(1.0)
        service.tend()
        if signals.reload:
            signals.reload = False
            try:
                config = load()
            except ConfigurationError as error:
                _log.error(events.RELOAD_REFUSED, mistakes=error.mistakes)
            else:
                _log.info(events.RELOADED)
                return config
    return config
