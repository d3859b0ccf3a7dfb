"""One mailbox with a real ledger and a real spool, polled on a server in memory."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest
import structlog

from mailsluice.clock import SystemClock
from mailsluice.config.credentials import Credential
from mailsluice.config.models import Mailbox
from mailsluice.ledger.ledger import Ledger
from mailsluice.model import MailboxKey
from mailsluice.polling.slots import Slots
from mailsluice.polling.under_way import UnderWay
from mailsluice.report import MailboxReport
from mailsluice.session.context import Context, Progress
from mailsluice.session.counts import Polled
from mailsluice.session.run import poll
from mailsluice.sink.durable import DurableBatch
from session.fakes import FakeCredentials, FakeServer, HandClock
from support.sinks import sinks_of
from support.staging import staged_in

ONE, TWO, THREE = (
    b"Subject: %d\r\nReceived: by a; Mon, 1 Jun 2026 08:00:0%d +0000\r\n\r\nbody of message %d\r\n"
    % (n, n, n)
    for n in (1, 2, 3)
)
BIG = (
    b"Subject: big\r\nReceived: by a; Mon, 1 Jun 2026 09:00:00 +0000\r\n\r\n" + 100 * b"0123456789abcdef\r\n"
)


class World:
    """`log` is what all polls logged."""

    def __init__(self, home: Path, ledger: Ledger, clock: HandClock) -> None:
        self.home = home
        self.server = FakeServer()
        self.credentials = FakeCredentials()
        self.clock = clock
        self.stop = Event()
        self.progress: Progress = UnderWay(SystemClock())
        self.ledger = ledger
        self.slots = Slots(16, clock)
        self.live: dict[MailboxKey, Mailbox] = {}
        """The mailboxes that are configured."""
        self.configured: dict[str, Credential] = {}
        """The credentials that are configured."""
        self.log: list[structlog.typing.EventDict] = []
        self.configure()
        self.began = clock.next
        """When the first poll begins."""

    def configure(self, **keys: object) -> None:
        usual = {
            "name": "invoices",
            "address": "invoices@acme.example",
            "credential": "acme",
            "host": "pop.acme.example",
            "sink": {"kind": "spool", "path": str(self.home / "sink")},
        }
        self.mailbox = Mailbox.model_validate(usual | keys)

    @property
    def context(self) -> Context:
        return Context(
            credentials=self.credentials,
            connect=self.server.connect,
            ledger=self.ledger,
            open_sink=sinks_of(self.ledger).open,
            sink_at=sinks_of(self.ledger).at,
            clock=self.clock,
            stop=self.stop,
            slots=self.slots,
            progress=self.progress,
            live=self.live,
            configured=self.configured,
        )

    def deliver(self, *messages: bytes) -> list[bytes]:
        return [self.server.deliver(message) for message in messages]

    def poll(self) -> Polled:
        with structlog.testing.capture_logs() as log:
            try:
                return poll(self.mailbox, self.context)
            finally:
                self.log += log

    def outcome(self) -> tuple[str, int]:
        """Poll; the outcome and the exit code."""
        polled = self.poll()
        return polled.report.outcome, polled.exit_code

    def pass_days(self, days: int) -> None:
        self.clock.advance(timedelta(days=days))

    def report(self) -> MailboxReport:
        """What `status` shows of the mailbox."""
        self.ledger.reports.flush()
        return self.ledger.reports.read()[self.mailbox.key]

    def stored(self, folder: str = "sink") -> list[bytes]:
        """The messages in the spool, in the order of their arrival."""
        return [path.read_bytes() for path in sorted((self.home / folder).glob("*.eml"))]

    def staged(self) -> list[Path]:
        return [path for place in self.home.iterdir() for path in staged_in(place)]

    def logged(self, event: str) -> list[structlog.typing.EventDict]:
        return [entry for entry in self.log if entry["event"] == event]


def die(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def interrupted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A poll that ends after its messages were recorded."""
    with monkeypatch.context() as patch:
        patch.setattr(DurableBatch, "publish", die)
        with pytest.raises(KeyboardInterrupt):
            world.poll()
