"""The composition root: builds every part from a configuration, and owns stopping.

Must never know how any part does its work.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property, partial
from random import random
from typing import Self

from mailsluice.auth.credentials import Credentials
from mailsluice.auth.expiries import Expiries
from mailsluice.auth.proxies import Proxies
from mailsluice.auth.renewal import Renewals
from mailsluice.auth.secrets import secrets_of
from mailsluice.clock import Clock, SystemClock
from mailsluice.config.change import Change
from mailsluice.config.models import Config, Mailbox
from mailsluice.errors import LedgerError, LedgerReplaced, NoThread, SecretError
from mailsluice.ledger import open_ledger
from mailsluice.model import MailboxKey
from mailsluice.net.connections import Connections
from mailsluice.net.proxy import Route
from mailsluice.net.trials import Trials
from mailsluice.obs import events
from mailsluice.obs.logger import get_logger
from mailsluice.policy.plan import Plan
from mailsluice.polling.accounting import Accounting
from mailsluice.polling.answers import Answers
from mailsluice.polling.notes import Notes
from mailsluice.polling.pacing import Pacing
from mailsluice.polling.regular import GRACE, RegularPolls, Watch
from mailsluice.polling.round import Round
from mailsluice.polling.slots import Slots
from mailsluice.polling.under_way import UnderWay
from mailsluice.polling.upkeep import Upkeep
from mailsluice.pop3.client import Client, connect
from mailsluice.session.context import Context
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

_FIRST_LOOK = 60.0
"""Seconds after the start: by then the first polls have read each certificate."""

_BETWEEN_LOOKS = 3600.0
"""Seconds between two looks at when credentials end."""

_log = get_logger(__name__)


class Service:
    """All parts, built for one configuration. A context manager: leaving it stops everything.

    `under_way` has the polls that run now. `ledger` replaces the ledger of the state directory. Raises
    LedgerError if the state directory cannot be used.
    """

    def __init__(
        self,
        config: Config,
        *,
        clock: Clock | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        self.config = config
        allow_for(config.service.max_sessions)
        self._clock = clock or SystemClock()
        self.under_way = UnderWay(self._clock)
        self._connections = Connections()
        self._ledger = ledger or self._opened_ledger()
        self._notes = Notes(self._ledger.reports.flush)
        self._stop = threading.Event()
        self._stops = [self._stop.set]  # how to ask every session to end
        self._cutter = threading.Timer(GRACE, self._connections.abort_all)
        self._cutter.daemon = True
        # It runs the last callback first, and goes on if one raises. The ledger is closed last, because the
        # others still write to it.
        self._ends = ExitStack()
        self._ends.callback(self._ledger.close)
        self._ends.callback(self._notes.write)
        self._ends.callback(self._cutter.cancel)
        self._trials = Trials(self._clock)
        self._proxies = Proxies(config, secrets_of(config), self._trials)
        self._renewals = Renewals(config.service.state_dir)
        self._expiries = Expiries(config.service.state_dir, self._clock)
        self._tokens = self._credentials(config)
        self._look_at_ends = self._clock.monotonic()
        sinks = Sinks(self._ledger.id, self._ledger.staging_owner, config.service.state_dir)
        self._context = Context(
            credentials=self._tokens,
            connect=self._connect_by(self._connections),
            ledger=self._ledger,
            open_sink=sinks.open,
            sink_at=sinks.at,
            clock=self._clock,
            stop=self._stop,
            slots=Slots(config.service.max_sessions, self._clock),
            progress=self.under_way,
            live=_by_key(config),
            configured=config.credentials,
        )
        self._upkeep = Upkeep(
            lambda: is_due(self._context), lambda: tidy(self.config.mailboxes.values(), self._context)
        )
        self._ends.callback(self._upkeep.join)

    def _opened_ledger(self) -> Ledger:
        ledger = open_ledger(self.config.service)
        if ledger.is_new:
            _log.warning(events.LEDGER_BEGUN, directory=str(self.config.service.state_dir))
        return ledger

    def _credentials(self, config: Config, former: Credentials | None = None) -> Credentials:
        return Credentials(
            config.credentials,
            secrets_of(config),
            self._clock,
            former,
            state_dir=config.service.state_dir,
            find_route=self._route_to_provider,
            note_end=self._expiries.note,
        )

    def _connect_by(self, connections: Connections) -> partial[Client]:
        return partial(connect, clock=self._clock, connections=connections, route=self._route_to_server)

    # Tokens outlive a reload, and with them what asks for them: so both look up the proxies of today.
    def _route_to_provider(self, host: str, port: int) -> Route:
        return self._proxies.to_provider(host, port)

    def _route_to_server(self, mailbox: Mailbox) -> Route:
        return self._proxies.to_server(mailbox)

    @cached_property
    def _regular(self) -> RegularPolls:
        """The polls of a started service. Built late, because `mailsluice poll` needs no APScheduler."""
        from mailsluice.polling.schedule import Schedule  # noqa: PLC0415  see above

        mailboxes = self.config.mailboxes
        answers = Answers(mailboxes.values())
        pacing = Pacing(mailboxes.values(), self._clock.monotonic(), random)
        schedule = Schedule(self.config.service.max_sessions, self._clock, answers.is_aside)
        self._ends.callback(schedule.stop)
        regular = RegularPolls(
            self.config,
            self._poll_watched,
            schedule=schedule,
            accounting=Accounting(
                mailboxes,
                answers=answers,
                pacing=pacing,
                schedule=schedule,
                note_next_poll=self._ledger.reports.note_next_poll,
                clock=self._clock,
            ),
            answers=answers,
            connections=self._connections,
            clock=self._clock,
        )
        self._stops.append(regular.stop)
        return regular

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._ends:
            self.stop()

    def stop(self) -> None:
        """Ask every session to end after the message that is arriving. After GRACE its connection is cut.

        Returns at once. Not for a signal handler, because it takes locks. If no thread can be started to wait
        for GRACE, connections are cut at once: a message that is cut off is fetched again, but nothing else
        would end a session that hangs.
        """
        if not self._stop.is_set():
            for stop in self._stops:
                stop()
            try:
                self._cutter.start()
            except (RuntimeError, MemoryError):
                self._connections.abort_all()

    def round(self, mailboxes: Iterable[Mailbox], signals: Signals) -> list[Polled]:
        """Poll each of these once. Returns how each went, in the same order; a failure is a result, too."""

        def look() -> None:
            if signals.stop:
                self.stop()
            self._notes.write()

        mailboxes = list(mailboxes)
        self._tokens.foresee(mailboxes)
        polls = Round(
            lambda mailbox: poll(mailbox, self._context),
            look,
            max_sessions=self.config.service.max_sessions,
            connections=self._connections,
            clock=self._clock,
        ).run(mailboxes)
        self._upkeep.run_if_due()
        self._expiries.warn(self.config.credentials)
        return [self._polled(mailbox, polled) for mailbox, polled in zip(mailboxes, polls, strict=True)]

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
        """Let this ledger feed the mailbox's sink, and no other one. Raises MailsluiceError."""
        adopt(mailbox, self._context)

    def forget(self, mailbox: Mailbox) -> int:
        """Give up what was half done in a sink that is gone. Returns how many messages these were.

        Raises MailsluiceError.
        """
        with self._ledger.leases.hold(mailbox.key):
            return forget(mailbox, self._context)

    def settle(self, mailbox: Mailbox, way: Way) -> Settled:
        """Settle the messages on the server in the way an administrator chose. Raises MailsluiceError."""
        return settle(mailbox, way, self._context)

    def prepare(self) -> None:
        """Load what only a token that has to be asked for needs, and what only an error needs.

        Raises SecretError.
        """
        import mailsluice.diagnosis.history  # noqa: PLC0415
        import mailsluice.diagnosis.judgement  # noqa: F401, PLC0415

        self._tokens.prepare()

    def start(self) -> None:
        """Begin to poll every mailbox on its schedule. Raises NoThread, SecretError.

        A keyring that does not work yet is reported: it may be unlocked later.
        """
        try:
            secrets_of(self.config).test()
        except SecretError as error:
            _log.error(events.KEYRING_UNUSABLE, error=str(error), remedy=error.remedy)
        self.prepare()  # a later import would find the files of another version, if they are upgraded
        self._regular.start()
        self._expiries.warn(self.config.credentials, again=True)
        self._look_at_ends = self._clock.monotonic() + _FIRST_LOOK

    def follow(self, config: Config) -> Change:
        """Continue with this configuration. Returns what differs from the last one.

        Both have the same state directory. Mailboxes that are polled as before are not affected
        (`RegularPolls.follow`). Raises SecretError; then nothing has changed.
        """
        # What may fail comes first, so that a refused configuration changes nothing.
        change = Change.between(self.config, config)
        moved = config.keyring != self.config.keyring
        if moved:
            secrets_of(config).test()
        proxies = Proxies(config, secrets_of(config), self._trials)
        # What asked for the former tokens reads its secrets in the former keyring.
        credentials = self._credentials(config, None if moved else self._tokens)
        credentials.prepare()
        allow_for(config.service.max_sessions)

        def switch() -> None:
            self.config, self._tokens, self._proxies = config, credentials, proxies
            self._context = replace(
                self._context,
                credentials=credentials,
                live=_by_key(config),
                configured=config.credentials,
            )
            self._context.slots.resize(config.service.max_sessions)
            self._connections.authorities.forget()  # an authority that was removed is trusted no longer

        self._regular.follow(config, change, switch)
        if moved:
            self._renewed(config.credentials)
        return change

    def tend(self) -> None:
        """Follow the clock, and write what `status` shows. To be called about once a second.

        Raises LedgerReplaced if the ledger has to be opened again, Bug if the timetable has died.
        """
        try:
            self._ledger.check()
        except LedgerReplaced:
            raise
        except LedgerError:
            pass  # it cannot be read now: the next session that uses it reports that
        self._renewed(self._renewals.look(self.config, self._regular.refused()))
        self._regular.tend()
        self._notes.write()
        self._upkeep.tend()
        if self._clock.monotonic() >= self._look_at_ends:
            self._look_at_ends = self._clock.monotonic() + _BETWEEN_LOOKS
            self._expiries.warn(self.config.credentials)

    def _renewed(self, credentials: Collection[str]) -> None:
        """Try again what was refused of these credentials: they have new secrets, or another keyring."""
        if credentials:
            self._tokens.renewed(credentials)
            self._regular.renewed(credentials)

    def _poll_watched(self, watch: Watch) -> Polled:
        connect_here = self._connect_by(watch.connections)
        return poll(watch.mailbox, replace(self._context, stop=watch.stop, connect=connect_here))


def _by_key(config: Config) -> Mapping[MailboxKey, Mailbox]:
    return {mailbox.key: mailbox for mailbox in config.mailboxes.values()}
