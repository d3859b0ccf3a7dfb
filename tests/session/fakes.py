"""What a poll meets: a POP3 server in memory that can be told to fail, logins, and a clock moved by hand.

`tests/contracts/test_client_contract.py` holds the client to what the real one promises.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from mailsluice.config.models import Mailbox
from mailsluice.errors import (
    CommandRefused,
    ConnectionLost,
    LoginRefused,
    MessageTooLarge,
    Phase,
    TokenUnavailable,
)
from mailsluice.model import BearerToken, DeletePermit, Lines, Listed, Listing, Login, Window
from mailsluice_sandbox import mail

_PIECE = 16


class HandClock:
    """Each look at the wall clock is a microsecond later than the one before; the rest is done by hand."""

    def __init__(self) -> None:
        self._now = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self._seconds = 0.0

    def now(self) -> datetime:
        now = self._now
        self._now += timedelta(microseconds=1)
        return now

    @property
    def next(self) -> datetime:
        """What the next look will show."""
        return self._now

    def monotonic(self) -> float:
        return self._seconds

    def uptime(self) -> tuple[str, float]:
        return "this boot", self._seconds

    def set(self, by: timedelta) -> None:
        """Set the wall clock; no time passes."""
        self._now += by

    def advance(self, by: timedelta) -> None:
        self._now += by
        self._seconds += by.total_seconds()


class FakeCredentials:
    """Satisfies `session.ports.Credentials`. `rejected` is what it was told that a server did not accept."""

    def __init__(self) -> None:
        self.available = True
        self.claims: Mapping[str, object] = {}
        """What a token says of itself; if it is empty, a token says nothing that anybody can read."""
        self.asked = 0
        self.rejected: list[Login] = []
        self.let_in: list[Login] = []

    def login(self, mailbox: Mailbox) -> Login:
        self.asked += 1
        if not self.available:
            raise TokenUnavailable(f"nobody to ask about {mailbox.address}")
        said = base64.urlsafe_b64encode(json.dumps(self.claims).encode()).decode() if self.claims else ""
        return BearerToken(f"canary-{self.asked}" + (f".{said}.canary" if said else ""))

    def accepted(self, mailbox: Mailbox, login: Login) -> None:
        assert mailbox.name
        self.let_in.append(login)

    def refused(self, mailbox: Mailbox, login: Login) -> None:
        assert mailbox.name
        self.rejected.append(login)


class FakeServer:
    """One mailbox on a POP3 server. Its bound `connect` satisfies `session.ports.Connect`."""

    has_top = True
    """Whether TOP is among what the server says that it can do."""

    unusable_lines = 0
    """Lines of the listing that name no message."""

    deletes = True
    """Whether QUIT deletes what is marked."""

    headers_refused = False
    """Whether TOP is answered by -ERR."""

    refused_login = ""

    gives_sizes = True
    """Whether LIST is answered."""

    quit_goes_unanswered = False
    """The deletions are carried out, and then the connection breaks."""

    refused_with = "not this one"
    """The words of that."""

    def __init__(self) -> None:
        self.mail: dict[bytes, bytes] = {}
        self._delivered = 0
        self.said: list[str] = []
        """Every connection and command, in order."""
        self.sizes: dict[bytes, int] = {}
        """What LIST says, where that is not the message's size."""
        self.arranged: Callable[[int, list[bytes]], list[bytes]] = lambda _, uidls: uidls
        """What a session lists, by its number from 1 and the UIDLs there are: in which order, all or some."""
        self.listed_twice: set[bytes] = set()
        """The message after each of these is shown under the same UIDL."""
        self.most_sessions: int | None = None
        """How many may be logged in at once; one more is refused."""
        self.crowded = "[IN-USE] one at a time"
        """The words of that."""
        self.sessions = 0
        """How many are logged in."""
        self.headers_cut: set[bytes] = set()
        """The connection breaks when TOP asks for these."""
        self.refused: set[bytes] = set()
        """RETR of these is answered by -ERR."""
        self.substituted: set[bytes] = set()
        """These cannot be rendered: RETR and TOP give a notice in their place."""
        self.cut: set[bytes] = set()
        """The connection breaks in the middle of these, once."""
        self.quit_fails: CommandRefused | ConnectionLost | None = None
        """What QUIT raises: nothing is deleted then."""
        self.deletion_cut: set[bytes] = set()
        """The connection breaks when these are to be deleted."""
        self.tired_after: int | None = None
        """How many messages, handed out or marked for deletion, make a session expiring."""
        self.on_top: Callable[[bytes], None] = lambda _: None
        """Called when a header is asked for."""
        self.on_retrieved: Callable[[bytes], None] = lambda _: None
        """Called when a message has been handed out whole."""

    def connect(self, mailbox: Mailbox) -> FakeClient:
        assert mailbox.host
        self.said.append("CONNECT")
        return FakeClient(self)

    def deliver(self, octets: bytes) -> bytes:
        self._delivered += 1
        uidl = b"u%d" % self._delivered
        self.mail[uidl] = octets
        return uidl

    def count(self, command: str) -> int:
        return self.said.count(command)


class FakeClient:
    """Satisfies `session.ports.Client`."""

    def __init__(self, server: FakeServer) -> None:
        self._server = server
        self._alive = True
        self._shown: dict[bytes, int] = {}
        self._numbers: dict[int, bytes] = {}
        self._session = server.count("CONNECT")
        self._marked: list[bytes] = []
        self.deleting: bytes | None = None
        self._listing = Listing(b"", 0, lambda: Lines(()))
        self._retrieved = 0
        self._in = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._alive = False
        self._server.sessions -= self._in
        self._in = False

    def authenticate(self, address: str, login: Login) -> None:
        self.say("AUTH", Phase.AUTH)
        assert address
        assert login.value
        if words := self._server.refused_login:
            raise LoginRefused(f"refused: {words}", phase=Phase.AUTH, reply=words)
        if self._server.sessions == self._server.most_sessions:
            raise LoginRefused("refused: in use", phase=Phase.AUTH, reply=self._server.crowded)
        self._server.sessions += 1
        self._in = True

    def listing(self, window: Window | None = None) -> Listing:
        self.say("UIDL", Phase.LISTING)
        uidls = self._server.arranged(self._session, list(self._server.mail))
        self._numbers = dict(enumerate(uidls, 1))
        for place, before in enumerate(tuple(uidls[:-1]), 1):
            if before in self._server.listed_twice:
                uidls[place] = before
        self._shown = {uidl: place for place, uidl in enumerate(uidls, 1) if uidls.count(uidl) == 1}
        sizes = {uidl: len(octets) for uidl, octets in self._server.mail.items()} | self._server.sizes
        messages = tuple(
            Listed(place, uidl, sizes[uidl] if self._server.gives_sizes else None)
            for place, uidl in enumerate(uidls, 1)
        )
        total = len(messages) + self._server.unusable_lines
        kept = messages
        if window and total > window.first + window.last:
            kept = messages[: window.first] + messages[len(messages) - window.last :]
        usable = Lines(kept, self._server.unusable_lines, ("no line",))
        self._listing = Listing(repr(messages).encode(), total, lambda: usable, len(messages) - len(kept))
        return self._listing

    def tell_apart(self, uidls: Mapping[int, bytes]) -> Listing:
        self._listing = self._listing.renamed(uidls)
        counted = Counter(each.uidl for each in self._listing)
        self._shown = {each.uidl: each.number for each in self._listing if counted[each.uidl] == 1}
        return self._listing

    def retrieve(self, messages: Iterable[Listed], ceiling: int) -> Generator[FakeArrival, None, None]:
        for listed in messages:
            arrival = FakeArrival(listed, self._octets(self._numbers[listed.number], ceiling))
            yield arrival
            with suppress(CommandRefused):
                for _ in arrival.chunks:
                    pass

    def _octets(self, uidl: bytes, ceiling: int) -> Iterator[bytes]:
        self.say(f"RETR {uidl.decode()}", Phase.RETRIEVE)
        if uidl in self._server.refused:
            raise CommandRefused("refused", phase=Phase.RETRIEVE, reply=self._server.refused_with)
        octets = self._given(uidl)
        for start in range(0, len(octets), _PIECE):
            if uidl in self._server.cut and start >= len(octets) // 2:
                self._server.cut.remove(uidl)
                raise self._break(Phase.RETRIEVE)
            if start + _PIECE > ceiling and len(octets) > ceiling:
                self._alive = False
                raise MessageTooLarge("too large", octets=min(start + _PIECE, len(octets)))
            yield octets[start : start + _PIECE]
        self._retrieved += 1
        self._server.on_retrieved(uidl)

    def header(self, listed: Listed) -> bytes:
        self.say(f"TOP {listed.uidl.decode()}", Phase.RETRIEVE)
        self._server.on_top(listed.uidl)
        if self._server.headers_refused:
            raise CommandRefused("refused", phase=Phase.RETRIEVE, reply="no TOP here")
        if listed.uidl in self._server.headers_cut:
            raise self._break(Phase.RETRIEVE)
        self._retrieved += 1
        head, _, _ = self._given(self._numbers[listed.number]).partition(b"\r\n\r\n")
        return head + b"\r\n\r\n"

    def _given(self, uidl: bytes) -> bytes:
        return mail.substitute(752) if uidl in self._server.substituted else self._server.mail[uidl]

    def has_top(self) -> bool:
        return self._server.has_top

    def delete(self, permits: Sequence[DeletePermit]) -> None:
        uidls = [permit.uidl for permit in permits if permit.uidl in self._shown]
        for uidl in uidls:
            there = self._numbers[self._shown[uidl]]
            self.say(f"DELE {there.decode()}", Phase.DELETE)
            if there in self._server.deletion_cut:
                self.deleting = uidl
                raise self._break(Phase.DELETE)
            self._marked.append(there)

    @property
    def deleted(self) -> int:
        return len(self._marked)

    @property
    def undeleted(self) -> int:
        return 0

    def quit(self) -> None:
        self.say("QUIT", Phase.QUIT)
        if failure := self._server.quit_fails:
            raise failure
        for uidl in self._marked if self._server.deletes else ():
            del self._server.mail[uidl]
        if self._server.quit_goes_unanswered:
            raise self._break(Phase.QUIT)

    def abandon(self) -> None:
        self._alive = False

    @property
    def expiring(self) -> bool:
        done = self._retrieved + len(self._marked)
        return self._server.tired_after is not None and done >= self._server.tired_after

    def say(self, command: str, phase: Phase) -> None:
        if not self._alive:
            raise ConnectionLost("closed already", phase=phase)
        self._server.said.append(command)

    def _break(self, phase: Phase) -> ConnectionLost:
        self._alive = False
        return ConnectionLost(f"lost in phase {phase.value}", phase=phase)


class FakeArrival:
    """Satisfies `session.ports.Arrival`."""

    def __init__(self, listed: Listed, chunks: Iterator[bytes]) -> None:
        self.listed = listed
        self.chunks = chunks
