"""What every client promises: `session.ports.Client`, on the real one against the sandbox, and the fake."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Protocol

import pytest

from mailsluice.clock import SystemClock
from mailsluice.config.models import Mailbox
from mailsluice.errors import (
    CommandRefused,
    ConnectionLost,
    LoginRefused,
    MessageTooLarge,
    Phase,
    ServerError,
)
from mailsluice.model import BearerToken, DeletePermit, Listed, Login
from mailsluice.pop3.client import connect
from mailsluice.pop3.transport import Connections
from mailsluice.sandbox import Close, Dialect, Fault, Refuse, Relist, Sandbox
from mailsluice.session.ports import Arrival, Client, Connect
from session.fakes import FakeServer

ADDRESS = "invoices@acme.example"
MAIL = tuple(b"Subject: %d\r\n\r\n.\r\n..\r\nbody of %d\r\n" % (n, n) for n in (1, 2, 3))
LARGEST = 10_000
PLENTY = b"0123456789abcde\r\n" * 5_000


class Peer(Protocol):
    """A server with one mailbox, as a test wants it."""

    login: Login
    connect: Connect

    def mailbox(self) -> Mailbox: ...
    def deliver(self, octets: bytes) -> bytes: ...
    def remaining(self) -> list[bytes]: ...
    def refuse_login(self, words: str) -> None: ...
    def refuse(self, uidl: bytes, words: str) -> None: ...
    def refuse_headers(self) -> None: ...
    def cut(self, uidl: bytes) -> None: ...
    def list_second_as_first(self) -> None: ...
    def refuse_quit(self) -> None: ...


def mailbox(**keys: object) -> Mailbox:
    usual = {
        "name": "m",
        "address": ADDRESS,
        "credential": "c",
        "host": "h",
        "sink": {"kind": "spool", "path": "/s"},
    }
    return Mailbox.model_validate(usual | keys)


class SandboxPeer:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._mailbox = sandbox.mailbox(ADDRESS)
        self.login: Login = BearerToken(sandbox.entra.tokens.mint())
        self.connect: Connect = partial(connect, clock=SystemClock(), connections=Connections())

    def mailbox(self) -> Mailbox:
        sandbox = self._sandbox
        return mailbox(host=sandbox.host, port=sandbox.pop3_port, ca_file=str(sandbox.ca_file))

    def deliver(self, octets: bytes) -> bytes:
        return self._mailbox.deliver(octets)

    def remaining(self) -> list[bytes]:
        return list(self._mailbox.remaining())

    def refuse_login(self, words: str) -> None:
        self._sandbox.faults.add(Fault("LOGIN", Refuse(words)))

    def refuse(self, uidl: bytes, words: str) -> None:
        self._sandbox.faults.add(Fault("RETR", Refuse(words), uidl=uidl))

    def refuse_headers(self) -> None:
        self._sandbox.faults.add(Fault("TOP", Refuse("no TOP here")))

    def cut(self, uidl: bytes) -> None:
        self._sandbox.faults.add(Fault("RETR", Close(after_octets=25), uidl=uidl))

    def list_second_as_first(self) -> None:
        self._sandbox.faults.add(Fault("LISTING", Relist.DUPLICATED))

    def refuse_quit(self) -> None:
        self._sandbox.faults.add(Fault("QUIT", Refuse("not this one")))


class FakePeer:
    def __init__(self) -> None:
        self._server = FakeServer()
        self.login: Login = BearerToken("canary")
        self.connect: Connect = self._server.connect

    def mailbox(self) -> Mailbox:
        return mailbox()

    def deliver(self, octets: bytes) -> bytes:
        return self._server.deliver(octets)

    def remaining(self) -> list[bytes]:
        return list(self._server.mail)

    def refuse_login(self, words: str) -> None:
        self._server.refused_login = words

    def refuse(self, uidl: bytes, words: str) -> None:
        assert words == "not this one"
        self._server.refused.add(uidl)

    def refuse_headers(self) -> None:
        self._server.headers_refused = True

    def cut(self, uidl: bytes) -> None:
        self._server.cut.add(uidl)

    def list_second_as_first(self) -> None:
        self._server.listed_twice.add(next(iter(self._server.mail)))

    def refuse_quit(self) -> None:
        self._server.quit_fails = CommandRefused("refused", phase=Phase.QUIT, reply="not this one")


@pytest.fixture(params=["exchange", "pipelining", "fake"])
def peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    if request.param == "fake":
        yield FakePeer()
        return
    with Sandbox(dialect=Dialect(pipelining=request.param == "pipelining")) as sandbox:
        yield SandboxPeer(sandbox)


@pytest.fixture
def uidls(peer: Peer) -> list[bytes]:
    return [peer.deliver(octets) for octets in MAIL]


@pytest.fixture
def greeted(peer: Peer) -> Iterator[Client]:
    with peer.connect(peer.mailbox()) as client:
        yield client


@pytest.fixture
def client(peer: Peer, uidls: list[bytes], greeted: Client) -> Client:
    """Logged in, with three messages."""
    greeted.authenticate(ADDRESS, peer.login)
    return greeted


def permits(*uidls: bytes) -> list[DeletePermit]:
    return [DeletePermit(uidl) for uidl in uidls]


def read(arrival: Arrival) -> bytes:
    return b"".join(arrival.chunks)


def fetched(client: Client, messages: tuple[Listed, ...]) -> list[bytes]:
    return [read(arrival) for arrival in client.retrieve(messages, LARGEST)]


def test_a_refused_login_carries_the_servers_words(peer: Peer, greeted: Client) -> None:
    peer.refuse_login("Authentication failure: unknown user name or bad password.")
    with pytest.raises(LoginRefused) as refusal:
        greeted.authenticate(ADDRESS, peer.login)
    assert refusal.value.reply == "Authentication failure: unknown user name or bad password."
    assert refusal.value.phase is Phase.AUTH


def test_a_listing_has_every_message_in_order_with_an_estimated_size(
    client: Client, uidls: list[bytes]
) -> None:
    listing = client.listing()
    assert [(listed.number, listed.uidl) for listed in listing] == list(enumerate(uidls, 1))
    assert all(listed.size for listed in listing)


def test_an_empty_mailbox_has_an_empty_listing(peer: Peer, greeted: Client) -> None:
    greeted.authenticate(ADDRESS, peer.login)
    assert tuple(greeted.listing()) == ()


def test_a_listing_is_known_by_its_digest_as_long_as_it_is_the_same(peer: Peer, uidls: list[bytes]) -> None:
    def digest() -> bytes:
        with peer.connect(peer.mailbox()) as client:
            client.authenticate(ADDRESS, peer.login)
            return client.listing().digest

    before = digest()
    assert digest() == before
    peer.deliver(MAIL[0])
    assert digest() != before


def test_a_uidl_of_two_messages_is_listed_for_both(peer: Peer, greeted: Client, uidls: list[bytes]) -> None:
    peer.list_second_as_first()
    greeted.authenticate(ADDRESS, peer.login)
    assert [listed.uidl for listed in greeted.listing()] == [uidls[0], uidls[0], uidls[2]]


def test_messages_come_in_the_order_asked_octet_for_octet(client: Client) -> None:
    first, second, third = client.listing()
    assert fetched(client, (third, first, second)) == [MAIL[2], MAIL[0], MAIL[1]]


def test_an_arrival_says_which_message_it_is(client: Client) -> None:
    listing = client.listing()
    seen = []
    for arrival in client.retrieve(listing, LARGEST):
        seen.append(arrival.listed)
        read(arrival)
    assert seen == list(listing)


def test_a_message_that_is_not_read_is_passed_over(client: Client) -> None:
    arrivals = client.retrieve(client.listing(), LARGEST)
    next(arrivals)
    next(next(arrivals).chunks)
    assert read(next(arrivals)) == MAIL[2]


def test_retrieving_nothing_asks_for_nothing(client: Client) -> None:
    client.listing()
    assert fetched(client, ()) == []
    client.quit()


def test_a_retrieval_that_is_closed_early_leaves_the_session_fit(
    client: Client, uidls: list[bytes], peer: Peer
) -> None:
    arrivals = client.retrieve(client.listing(), LARGEST)
    read(next(arrivals))
    arrivals.close()
    client.delete(permits(uidls[0]))
    assert client.deleted == 1
    client.quit()
    assert peer.remaining() == uidls[1:]


def test_a_refused_message_raises_before_its_first_octet_and_the_session_lives_on(
    client: Client, uidls: list[bytes], peer: Peer
) -> None:
    peer.refuse(uidls[1], "not this one")
    came = []
    for arrival in client.retrieve(client.listing(), LARGEST):
        if arrival.listed.uidl == uidls[1]:
            with pytest.raises(CommandRefused) as refusal:
                next(arrival.chunks)
            assert refusal.value.reply == "not this one"
            assert refusal.value.phase is Phase.RETRIEVE
        else:
            came.append(read(arrival))
    assert came == [MAIL[0], MAIL[2]]
    client.quit()


def test_a_message_of_exactly_the_ceiling_comes_whole(client: Client) -> None:
    (first, *_) = client.listing()
    arrivals = client.retrieve((first,), len(MAIL[0]))
    assert read(next(arrivals)) == MAIL[0]


def test_a_message_beyond_the_ceiling_ends_the_session_and_tells_how_much_came(
    peer: Peer, greeted: Client
) -> None:
    peer.deliver(PLENTY)
    greeted.authenticate(ADDRESS, peer.login)
    arrivals = greeted.retrieve(greeted.listing(), LARGEST)
    with pytest.raises(MessageTooLarge) as error:
        read(next(arrivals))
    assert LARGEST < error.value.octets <= len(PLENTY)
    arrivals.close()
    with pytest.raises(ServerError):
        greeted.quit()


def test_a_connection_that_breaks_in_a_message_is_lost_for_good(
    client: Client, uidls: list[bytes], peer: Peer
) -> None:
    peer.cut(uidls[1])
    arrivals = client.retrieve(client.listing(), LARGEST)
    assert read(next(arrivals)) == MAIL[0]
    with pytest.raises(ConnectionLost) as error:
        read(next(arrivals))
    assert error.value.phase is Phase.RETRIEVE
    arrivals.close()
    with pytest.raises(ServerError):
        client.quit()


def test_a_header_comes_without_its_message_and_the_session_goes_on(client: Client) -> None:
    listed = client.listing()[0]

    assert client.header(listed).split(b"\r\n\r\n", 1)[0] == MAIL[0].split(b"\r\n\r\n", 1)[0]
    assert b"body" not in client.header(listed)
    assert len(client.listing()) == len(MAIL)


def test_a_header_that_is_refused_leaves_the_session_alive(peer: Peer, client: Client) -> None:
    peer.refuse_headers()
    listed = client.listing()[0]

    with pytest.raises(CommandRefused):
        client.header(listed)
    assert len(client.listing()) == len(MAIL)


def test_what_is_marked_is_deleted_at_quit(client: Client, uidls: list[bytes], peer: Peer) -> None:
    client.listing()
    client.delete(permits(uidls[0], uidls[2]))
    assert client.deleted == 2
    assert peer.remaining() == uidls
    client.quit()
    assert peer.remaining() == [uidls[1]]


def test_without_a_quit_nothing_is_deleted(uidls: list[bytes], peer: Peer) -> None:
    with peer.connect(peer.mailbox()) as client:
        client.authenticate(ADDRESS, peer.login)
        client.listing()
        client.delete(permits(*uidls))
    assert peer.remaining() == uidls


def test_a_session_that_is_given_up_in_a_message_deletes_nothing_and_is_over(
    client: Client, uidls: list[bytes], peer: Peer
) -> None:
    listing = client.listing()
    client.delete(permits(uidls[0]))
    arrivals = client.retrieve(listing[1:], LARGEST)
    next(next(arrivals).chunks)
    client.abandon()
    arrivals.close()
    with pytest.raises(ServerError):
        client.quit()
    assert peer.remaining() == uidls


def test_a_permit_for_what_is_not_listed_is_passed_over(
    client: Client, uidls: list[bytes], peer: Peer
) -> None:
    client.listing()
    client.delete(permits(b"elsewhere", uidls[1]))
    assert client.deleted == 1
    client.quit()
    assert peer.remaining() == [uidls[0], uidls[2]]


def test_a_permit_for_what_is_listed_twice_is_passed_over(
    peer: Peer, greeted: Client, uidls: list[bytes]
) -> None:
    peer.list_second_as_first()
    greeted.authenticate(ADDRESS, peer.login)
    greeted.listing()
    greeted.delete(permits(uidls[0], uidls[2]))
    assert greeted.deleted == 1
    greeted.quit()
    assert peer.remaining() == uidls[:2]


def test_deleting_nothing_is_well(client: Client) -> None:
    client.listing()
    client.delete([])
    assert client.deleted == 0


def test_a_refused_quit_says_so_and_deletes_nothing(client: Client, uidls: list[bytes], peer: Peer) -> None:
    peer.refuse_quit()
    client.listing()
    client.delete(permits(*uidls))
    with pytest.raises(CommandRefused) as refusal:
        client.quit()
    assert refusal.value.phase is Phase.QUIT
    assert refusal.value.reply == "not this one"
    assert peer.remaining() == uidls


def test_a_session_is_over_once_it_is_left(peer: Peer) -> None:
    with peer.connect(peer.mailbox()) as client:
        client.authenticate(ADDRESS, peer.login)
    with pytest.raises(ServerError):
        client.listing()


def test_a_young_session_is_not_tired(client: Client) -> None:
    assert not client.tired
