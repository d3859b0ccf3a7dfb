"""The world around a sink: the real flow, policy and ledger, and a simulated server, login and consumer."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from mailsluice.clock import SystemClock
from mailsluice.config.models import Mailbox, MaildirSink, SpoolSink
from mailsluice.ledger.ledger import Ledger
from mailsluice.model import (
    BearerToken,
    DeletePermit,
    Lines,
    Listed,
    Listing,
    Login,
    MailboxKey,
    Window,
)
from mailsluice.polling.slots import Slots
from mailsluice.polling.under_way import UnderWay
from mailsluice.session.context import Context
from mailsluice.session.counts import Counts
from mailsluice.session.ports import Arrival, Sink
from mailsluice.session.run import run
from support.sinks import sinks_of
from support.staging import staged_in

MAIL = {b"u1": b"Subject: 1\r\n\r\none\r\n", b"u2": b"Subject: 2\r\n\r\ntwo\r\n"}


class Logins:
    def login(self, mailbox: Mailbox, /) -> Login:  # noqa: ARG002  the port's signature
        return BearerToken("x")

    def accepted(self, mailbox: Mailbox, login: Login) -> None:
        pass

    def refused(self, mailbox: Mailbox, login: Login) -> None:  # noqa: ARG002  the port's signature
        raise AssertionError


class OneArrival:
    def __init__(self, listed: Listed, octets: bytes) -> None:
        self.listed = listed
        self.chunks = iter([octets[:5], octets[5:]])


class Server:
    """A POP3 server's mailbox; it deletes at QUIT."""

    def __init__(self) -> None:
        self.mail = dict(MAIL)


class Client:
    expiring = False

    def __init__(self, server: Server) -> None:
        self._server = server
        self._marked: set[bytes] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        pass

    def authenticate(self, address: str, login: Login) -> None:
        pass

    deleting: bytes | None = None

    def tell_apart(self, uidls: Mapping[int, bytes]) -> Listing:  # noqa: ARG002  the port's signature
        raise AssertionError

    def listing(self, window: Window | None = None) -> Listing:
        assert window is not None
        messages = tuple(Listed(n, u, len(m)) for n, (u, m) in enumerate(self._server.mail.items(), 1))
        return Listing(repr(messages).encode(), len(messages), lambda: Lines(messages))

    def retrieve(self, messages: Iterable[Listed], ceiling: int) -> Generator[Arrival, None, None]:
        assert ceiling > 0
        for listed in messages:
            yield OneArrival(listed, self._server.mail[listed.uidl])

    def header(self, listed: Listed) -> bytes:
        head, _, _ = self._server.mail[listed.uidl].partition(b"\r\n\r\n")
        return head + b"\r\n\r\n"

    def has_top(self) -> bool:
        return True

    def delete(self, permits: Sequence[DeletePermit]) -> None:
        self._marked |= {permit.uidl for permit in permits}

    @property
    def deleted(self) -> int:
        return len(self._marked)

    @property
    def undeleted(self) -> int:
        return 0

    def abandon(self) -> None:
        self._marked.clear()

    def quit(self) -> None:
        for uidl in self._marked:
            del self._server.mail[uidl]


class Sinks(Protocol):
    """Where a poll finds its sinks."""

    def open(self, mailbox: Mailbox, /) -> Sink: ...

    def at(self, spec: str, key: MailboxKey, section: str, /) -> Sink: ...


class World:
    """One mailbox, its server, its sink, its state directory, and a consumer that takes what it sees."""

    def __init__(self, home: Path, kind: str) -> None:
        self.server = Server()
        self.disk_root = home / "disk"
        self.disk_root.mkdir()
        self.place = self.disk_root / "sink"
        self._state = home / "state"
        sink = SpoolSink(path=self.place) if kind == "spool" else MaildirSink(path=self.place)
        self.mailbox = Mailbox(name="inv", address="a@b.example", credential="c", host="h.example", sink=sink)
        self.taken: list[bytes] = []

    def poll(self) -> None:
        with Ledger(self._state) as ledger, ledger.leases.hold(self.mailbox.key):
            sinks = self.sinks(ledger)
            context = Context(
                credentials=Logins(),
                connect=lambda _: Client(self.server),
                ledger=ledger,
                open_sink=sinks.open,
                sink_at=sinks.at,
                clock=SystemClock(),
                stop=threading.Event(),
                slots=Slots(16, SystemClock()),
                progress=UnderWay(SystemClock()),
            )
            run(self.mailbox, context, Counts("inv", context.clock))

    def sinks(self, ledger: Ledger) -> Sinks:
        """Those that a poll opens."""
        return sinks_of(ledger)

    def consume(self) -> None:
        """Take every message that is visible, as a consumer may at any moment."""
        for path in [*self.place.glob("*.eml"), *self.place.glob("new/*")]:
            described = not path.suffix or path.with_suffix(".json").exists() or path.parent.name == "new"
            assert described, "a .eml without its .json"
            self.taken.append(path.read_bytes().replace(b"\r\n", b"\n"))
            path.unlink()

    def recover(self) -> None:
        """Poll as after a restart; everything must have left server and staging then."""
        self.poll()
        self.consume()
        assert self.server.mail == {}
        assert self.staged() == []

    def staged(self) -> list[str]:
        return [path.name for path in staged_in(self.place)]

    def copies(self) -> list[int]:
        """How often each message came, all of them whole."""
        count = Counter(self.taken)
        assert set(count) <= {message.replace(b"\r\n", b"\n") for message in MAIL.values()}
        return [count[message.replace(b"\r\n", b"\n")] for message in MAIL.values()]
