"""The client: a whole poll's dialogue with a server that says what it likes, on a connection without a socket.

Where the engine has no words for a turn, the server says what an honest one would: so a fault is met late, too.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from fuzz.feed import Feed, cut, unstuffed
from mailsluice.errors import CommandRefused, ConnectionLost, MessageTooLarge, Phase, ServerError
from mailsluice.model import BearerToken, DeletePermit, Listed, Login, Password
from mailsluice.net.connection import Connection
from mailsluice.net.deadlines import Patience
from mailsluice.net.endpoint import Endpoint
from mailsluice.pop3.client import Client
from mailsluice.pop3.deadlines import Deadlines
from mailsluice.pop3.events import Greeted
from mailsluice.pop3.exchange import Exchange

SECRET = "canary-secret"
TURN = b"\xff\xff"
CEILING = 64
PERMITTED = (b"a", b"c", b"nowhere")

HONEST = {
    b"CAPA": b"+OK\r\nUSER\r\nSASL XOAUTH2\r\nPIPELINING\r\n.\r\n",
    b"AUTH": b"+\r\n",
    b"UIDL": b"+OK\r\n1 a\r\n2 b\r\n3 c\r\n.\r\n",
    b"LIST": b"+OK\r\n1 10\r\n2 20\r\n3 30\r\n.\r\n",
    b"RETR": b"+OK\r\nSubject: x\r\n\r\n..\r\n.\r\n",
    b"STAT": b"+OK 3 60\r\n",
}
ONE_BY_ONE = b"\x00\x00\x00" + TURN + b"+OK\r\nUSER\r\n.\r\n" + TURN * 3
"""Of a server without PIPELINING; what it says to UIDL follows, then to LIST, and to each RETR and DELE."""

SEEDS = (
    b"\x00\x10\x20\x30",
    b"\x01\x10\x20\x30",
    b"\x06\x80\x90\xa0",
    b"\x01" + ONE_BY_ONE + b"+OK\r\n1 a\r\n2 a\r\n3 c\r\n.\r\n",
    b"\x01" + ONE_BY_ONE + TURN * 2 + b"+OK\r\n" + b"x" * 66 + b"\r\n.\r\n",
    b"\x01" + ONE_BY_ONE + TURN * 2 + b"-ERR\r\n" + TURN + b"+OK\r\n.\r\n",
    b"\x01" + ONE_BY_ONE + TURN * 5 + b"-ERR\r\n" + TURN * 2 + b"-ERR some not deleted\r\n",
    b"\x00\x00\x00\x00" + TURN * 3 + b"+ eyJzdGF0dXMiOiI0MDAifQ==\r\n" + TURN + b"-ERR Logon failure\r\n",
    b"\x01\x00\x00\x00" + TURN + b"-ERR\r\n" + TURN * 2 + b"-ERR canary-secret\r\n",
    b"\x01\x00\x00\x00"
    + TURN * 4
    + b"+OK\r\n1 a\r\n2 c\r\n.\r\n-ERR\r\n"
    + TURN
    + b"+OK\r\na\r\n.\r\n-ERR\r\n",
)
WORDS = (
    b"+OK",
    b"-ERR",
    b"+ ",
    b"\r\n",
    b".\r\n",
    b"\r\n.\r\n",
    TURN,
    TURN * 3,
    b"1 a\r\n",
    b"PIPELINING",
    b"canary-secret",
)


class Clock:
    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        return 0.0


class Server(Connection):
    """Both ends of a connection: what we send moves it to its next turn."""

    def __init__(self, turns: list[bytes], places: bytes) -> None:
        self.endpoint = Endpoint("pop.acme.example", 995)
        self.sent: list[bytes] = []
        self.said = b""
        self._turns = turns
        self._places = places
        self._on_its_way = cut(self._turn(b"+OK\r\n"), places)
        self._ended = False

    def _turn(self, honest: bytes) -> bytes:
        said = (self._turns.pop(0) if self._turns else b"") or honest
        self.said += said
        return said

    @property
    def closed(self) -> bool:
        return self._ended

    def close(self) -> None:
        self._ended = True

    def check(self, phase: Phase) -> None:
        if self._ended:
            raise ConnectionLost("closed already", phase=phase)

    def send(self, data: bytes, phase: Phase, patience: Patience) -> None:
        lines = data.split(b"\r\n")[:-1]
        self.sent += lines
        honest = b"".join(HONEST.get(line[:4], b"+OK\r\n") for line in lines)
        self._on_its_way += cut(self._turn(honest), self._places)

    def receive(self, phase: Phase, patience: Patience) -> memoryview:
        return memoryview(self._on_its_way.pop(0) if self._on_its_way else b"")


def check(data: bytes) -> None:
    feed = Feed(data)
    form, places = feed.octet(), feed.take(3)
    login: Login = Password(SECRET) if form & 1 else BearerToken(SECRET)
    turns = feed.rest().split(TURN)
    server = Server([turn.replace(SECRET.encode(), b"?") for turn in turns[:3]] + turns[3:], places)
    try:
        _poll(server, login, form)
    except ServerError as error:
        assert server.closed
        assert SECRET not in f"{error} {error.reply} {error.remedy}"
        assert str(error).isprintable()
        assert error.reply.isprintable()
    assert sum(line.startswith(b"QUIT") for line in server.sent) <= 1


def _poll(server: Server, login: Login, form: int) -> None:
    clock, deadlines = Clock(), Deadlines()
    exchange = Exchange(server, Patience(60))
    greeting = exchange.next_event()
    if not isinstance(greeting, Greeted):
        return
    with Client(exchange, greeting, opened=0, clock=clock, deadlines=deadlines) as client:
        client.authenticate("a@x.example", login)
        if form & 2:
            messages, octets = client.stat()
            assert min(messages, octets) >= 0
        listing = client.listing()[:]
        assert all(listed.number > 0 and listed.uidl for listed in listing)
        assert len({listed.number for listed in listing}) == len(listing)
        _retrieve(client, server, listing[:5], stop=form >> 2 & 3)
        before = len(server.sent)
        client.delete([DeletePermit(uidl) for uidl in PERMITTED])
        _check_deletions(server.sent[before:], listing, client.deleted + client.undeleted)
        client.quit()
    assert server.closed


def _retrieve(client: Client, server: Server, listing: tuple[Listed, ...], stop: int) -> None:
    """Read the messages, all or up to one that is left in the middle; then all is read away, so that the session goes on."""
    arrivals = client.retrieve(listing, CEILING)
    for number, arrival in enumerate(arrivals):
        if number == stop - 1:
            break
        try:
            body = b"".join(arrival.chunks)
        except CommandRefused:
            assert not server.closed
            continue
        except MessageTooLarge as error:
            assert server.closed
            assert CEILING < error.octets <= len(server.said)
            raise
        assert 0 < len(body) <= CEILING
        assert _is_body(body, server.said)
    arrivals.close()


def _is_body(body: bytes, said: bytes) -> bool:
    """Whether somewhere in what the server said a body begins that the slow way reads like this."""
    starts = (place + 1 for place, octet in enumerate(said) if octet == ord("\n"))
    return any(unstuffed(said[start:])[:2] == (body, True) for start in starts)


def _check_deletions(sent: list[bytes], listing: tuple[Listed, ...], marked: int) -> None:
    """DELE goes out for what is permitted and listed once, and for nothing else.

    For several, CAPA may be asked before, if it was not yet.
    """
    if sent[:1] == [b"CAPA"]:
        assert len(sent) > 2
        sent = sent[1:]
    times = Counter(listed.uidl for listed in listing)
    numbers = {listed.uidl: listed.number for listed in listing if times[listed.uidl] == 1}
    assert sent == [b"DELE %d" % numbers[uidl] for uidl in PERMITTED if uidl in numbers]
    assert marked == len(sent)
