"""An office of fifty mailboxes: its servers, its people, and the daemon that polls them, on a clock that leaps.

All is the daemon's but the loop, which is APScheduler's otherwise, and the wire. Polls take no time.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from unittest.mock import patch

from mailsluice import app
from mailsluice.app import Service
from mailsluice.config.load import load
from mailsluice.config.models import Config, Mailbox
from mailsluice.errors import DeadlineExceeded, Phase, ServerError, ServerUntrusted
from mailsluice.ledger.ledger import Ledger
from mailsluice.polling.schedule import Schedule
from mailsluice.session.context import Context
from mailsluice.session.counts import Polled
from mailsluice.session.run import poll
from session.fakes import FakeClient, FakeCredentials, FakeServer
from support.day import START, LeapingClock
from support.tenants import Tenants

HOUR = timedelta(hours=1)
EVERY = 30
"""Minutes between two polls of a mailbox."""


class Clock(LeapingClock):
    """It tells the uptime, too, which the ledger goes by."""

    def uptime(self) -> tuple[str, float]:
        return "one boot", self.passed.total_seconds()


class Quota(set[bytes]):
    """The UIDLs that a server refuses: all, once it has handed out so many in a session."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most, self.given = most, 0

    def __contains__(self, uidl: object) -> bool:
        return self.given >= self.most or super().__contains__(uidl)

    def count(self, _uidl: bytes) -> None:
        self.given += 1


class Desk:
    """One mailbox: who writes to it, and what becomes of it on the server."""

    def __init__(self, name: str, kind: str) -> None:
        self.name, self.kind = name, kind
        self.server = FakeServer()
        self.quota: Quota | None = None
        self.away: list[bytes] = []
        """What a clerk filed away."""
        self.sent: list[bytes] = []
        self.taken: list[bytes] = []
        """What consumers took out of the spool."""
        self.trouble: ServerError | None = None
        """What a connection meets instead of a greeting."""

    def limit(self, most: int) -> None:
        """Hand out no more messages than this in a session."""
        self.quota = Quota(most)
        self.server.refused = self.quota
        self.server.on_retrieved = self.quota.count

    def connect(self, mailbox: Mailbox) -> FakeClient:
        if self.trouble is not None:
            raise self.trouble
        if self.quota is not None:
            self.quota.given = 0
        return self.server.connect(mailbox)

    def file_away(self, part: int) -> None:
        """Move the oldest out of the inbox: a half, or a third, or so."""
        for uidl in list(self.server.mail)[: len(self.server.mail) // part]:
            self.away.append(self.server.mail.pop(uidl))

    def move_back(self, messages: int) -> None:
        """Move some into the inbox again, where they get new UIDLs."""
        for _ in range(min(messages, len(self.away))):
            self.server.deliver(self.away.pop(0))

    def renumber(self) -> None:
        """Move the mailbox to another server: all its UIDLs and sizes are others."""
        mail = list(self.server.mail.values())
        self.server.mail = {}
        for octets in mail:
            self.server.sizes[self.server.deliver(octets)] = len(octets) + 7


class Office:
    """The desks, the configuration, and what happened. `live` plays a span of time."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.chance = Random(12)
        self.desks: dict[str, Desk] = {}
        self.polls: Counter[str] = Counter()
        self.failed: dict[str, Counter[str]] = defaultdict(Counter)
        self._folder = folder
        self._tenants = Tenants(folder)
        self._diary: list[tuple[timedelta, int, Callable[[], None]]] = []
        self._changes: list[tuple[str, str]] = []
        self._written = 0

    def hire(self, kind: str, count: int) -> list[Desk]:
        """So many desks of a kind, which is a credential of its own."""
        names = self._tenants.add(kind, count, every=f"{EVERY}m")
        desks = [Desk(name, kind) for name in names]
        self.desks.update((desk.name, desk) for desk in desks)
        return desks

    def configure(self, old: str, new: str) -> None:
        """Change the configuration from the next reload on."""
        self._changes.append((old, new))

    def config(self) -> Config:
        file = self._folder / "mailsluice.toml"
        self._tenants.config()
        text = file.read_text()
        for old, new in self._changes:
            assert old in text, old
            text = text.replace(old, new)
        file.write_text(text)
        return load(file)

    def at(self, *, day: int, hour: float, do: Callable[[], None]) -> None:
        """Note what happens on a day of the week, the first being 0."""
        when = timedelta(days=day, hours=hour)
        self._diary.append((when, len(self._diary), do))

    def write(
        self, desk: Desk, *, fields: str = "Message-ID: <{n}@x>\r\nDate: {date}\r\n", body: str = "{n}"
    ) -> None:
        """A message for a desk, like no other: the last server notes when it came."""
        self._written += 1
        date = self.clock.now().strftime("%a, %d %b %Y %H:%M:%S +0000")
        received = f"Received: by mx.example with SMTP id {self._written}; {date}\r\n"
        head = f"{received}{fields}Subject: for {desk.name}\r\n\r\n".format(n=self._written, date=date)
        message = f"{head}{body.format(n=self._written)}\r\n".encode()
        desk.sent.append(message)
        desk.server.deliver(message)

    def live(self, days: int) -> None:
        """Live through so many days, with a reload each midnight."""
        for day in range(days):
            self.at(day=day, hour=0, do=lambda: None)

        def attempt(mailbox: Mailbox, context: Context) -> Polled:
            desk = self.desks[mailbox.name]
            polled = poll(mailbox, replace(context, connect=desk.connect, credentials=FakeCredentials()))
            self.polls[desk.kind] += 1
            if polled.report.outcome != "ok":
                self.failed[desk.kind][polled.report.outcome] += 1
            return polled

        with (
            patch.object(app, "poll", attempt),
            patch.object(Schedule, "start"),
            Service(
                self.config(), clock=self.clock, ledger=Ledger(self._folder / "state", clock=self.clock)
            ) as service,
        ):
            service.start()
            for when, _, do in sorted(self._diary):
                self._poll_until(service, START + when)
                self.clock.passed = max(self.clock.passed, when)
                do()
                if not when % timedelta(days=1):
                    service._notes.write()
                    service.follow(self.config())
            self._poll_until(service, START + timedelta(days=days))

    def _poll_until(self, service: Service, end: datetime) -> None:
        jobs = service._regular._schedule._scheduler.get_jobs
        while (job := min(jobs(), key=lambda job: job.next_run_time)).next_run_time < end:
            self.clock.passed = max(self.clock.passed, job.next_run_time - START)
            job.modify(next_run_time=job.trigger.get_next_fire_time(None, self.clock.now()))
            job.func()

    def spool(self, desk: Desk) -> list[Path]:
        return sorted((self._folder / desk.name).glob("*.eml"))

    def take_all(self, desks: Iterable[Desk]) -> None:
        """The night's consumer: takes whatever is in these spools."""
        for desk in desks:
            for path in self.spool(desk):
                desk.taken.append(path.read_bytes())
                path.unlink()

    def counts(self, desk: Desk) -> tuple[int, int, int]:
        """How many of a desk's messages came out once, how many came beside that, and how many never."""
        came = Counter(desk.taken) + Counter(path.read_bytes() for path in self.spool(desk))
        once = sum(came[message] == 1 for message in desk.sent)
        never = sum(came[message] == 0 for message in desk.sent)
        return once, came.total() - (len(desk.sent) - never), never

    def held(self, desk: Desk) -> int:
        """How many messages are held, by the ledger's report."""
        with Ledger(self._folder / "state", read_only=True) as ledger:
            return sum(
                sum(report.held.values())
                for report in ledger.reports.read().values()
                if report.name == desk.name
            )


def hanging() -> ServerError:
    return DeadlineExceeded("no answer to the login", phase=Phase.AUTH)


def untrusted() -> ServerError:
    return ServerUntrusted("the certificate has expired", phase=Phase.CONNECT)
