"""What the other tests of this folder take for granted about Dovecot and its fixture.

Spoken over a plain TLS socket, so that nothing here depends on a POP3 client.
"""

from __future__ import annotations

import base64
import json
import socket
import ssl
from collections.abc import Callable
from contextlib import ExitStack
from typing import Self

import pytest

from peers.dovecot import Dovecot, DovecotError, PeerMailbox
from peers.tokens import new_key


class Session:
    """A POP3 session by hand. A context manager: leaving closes the connection, without QUIT."""

    def __init__(self, server: Dovecot, host: str = "localhost") -> None:
        context = ssl.create_default_context(cafile=str(server.ca_file))
        raw = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        self._socket = context.wrap_socket(raw, server_hostname=host)
        self._reader = self._socket.makefile("rb")
        self.greeting = self.line()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()
        self._socket.close()

    def line(self) -> bytes:
        return self._reader.readline().removesuffix(b"\r\n")

    def ask(self, command: str) -> bytes:
        self._socket.sendall(command.encode() + b"\r\n")
        return self.line()

    def ask_lines(self, command: str) -> list[bytes]:
        """The lines of a multi-line answer, dots unstuffed. Lines end with CRLF and nothing else (RFC 1939 §3)."""
        assert self.ask(command).startswith(b"+OK")
        lines, line = [], b""
        while line != b".\r\n":
            line = self._reader.readline()
            while not line.endswith(b"\r\n"):
                line += self._reader.readline()
            lines.append(line.removeprefix(b"."))
        return lines[:-1]

    def retrieve(self, number: int) -> bytes:
        return b"".join(self.ask_lines(f"RETR {number}"))

    def xoauth2(self, address: str, token: str) -> bytes:
        """Two-line AUTH; the server's word on the token."""
        assert self.ask("AUTH XOAUTH2") == b"+ "
        return self.ask(base64.b64encode(f"user={address}\x01auth=Bearer {token}\x01\x01".encode()).decode())


def logged_in(server: Dovecot, peer: PeerMailbox) -> Session:
    session = Session(server)
    assert session.xoauth2(peer.address, server.token()) == b"+OK Logged in."
    return session


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_greets_behind_a_certificate_that_is_good_for_its_names(dovecot: Dovecot, host: str) -> None:
    with Session(dovecot, host) as session:
        assert session.greeting.startswith(b"+OK")


def test_advertises_pipelining_uidl_and_xoauth2(dovecot: Dovecot) -> None:
    with Session(dovecot) as session:
        capabilities = session.ask_lines("CAPA")
    assert {b"PIPELINING\r\n", b"UIDL\r\n", b"SASL XOAUTH2 OAUTHBEARER PLAIN\r\n"} <= set(capabilities)


def test_an_app_only_token_opens_any_mailbox(dovecot: Dovecot) -> None:
    token = dovecot.token()
    for address in ("one@contoso.test", "two@fabrikam.test"):
        dovecot.mailbox(address)
        with Session(dovecot) as session:
            assert session.xoauth2(address, token) == b"+OK Logged in."


def test_a_delegated_token_opens_its_own_mailbox(dovecot: Dovecot, peer: PeerMailbox) -> None:
    with Session(dovecot) as session:
        assert session.xoauth2(peer.address, dovecot.token(peer.address)) == b"+OK Logged in."


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(lambda _: "no-token", id="no-token"),
        pytest.param(lambda server: server.token(expires_in=-1), id="expired"),
        pytest.param(lambda server: server.token(key=new_key()), id="another-key"),
        pytest.param(lambda server: server.token(iss="https://sts.test/other"), id="another-issuer"),
        pytest.param(lambda server: server.token("somebody@contoso.test"), id="delegated-by-another"),
    ],
)
def test_a_bad_token_is_answered_by_a_challenge_and_then_refused(
    dovecot: Dovecot, peer: PeerMailbox, token: Callable[[Dovecot], str]
) -> None:
    with Session(dovecot) as session:
        challenge = session.xoauth2(peer.address, token(dovecot))
        assert challenge.startswith(b"+ ")
        assert json.loads(base64.b64decode(challenge[2:]))["status"] == "401"
        assert session.ask("") == b"-ERR [AUTH] Authentication failed."


def test_a_refused_session_may_try_again(dovecot: Dovecot, peer: PeerMailbox) -> None:
    with Session(dovecot) as session:
        session.xoauth2(peer.address, "no-token")
        session.ask("")
        assert session.xoauth2(peer.address, dovecot.token()) == b"+OK Logged in."


def test_the_password_opens_any_mailbox_and_another_does_not(dovecot: Dovecot, peer: PeerMailbox) -> None:
    with Session(dovecot) as session:
        session.ask(f"USER {peer.address}")
        assert session.ask("PASS wrong") == b"-ERR [AUTH] Authentication failed."
        session.ask(f"USER {peer.address}")
        assert session.ask(f"PASS {dovecot.password}") == b"+OK Logged in."


def test_lists_messages_as_delivered_by_the_uidl_deliver_returned(
    dovecot: Dovecot, peer: PeerMailbox
) -> None:
    uidls = peer.deliver_many(b"Subject: %d\r\n\r\n" % number for number in range(12))
    expected = [b"%d %s\r\n" % (number, uidl) for number, uidl in enumerate(uidls, 1)]
    for _ in range(2):
        with logged_in(dovecot, peer) as session:
            assert session.ask_lines("UIDL") == expected


def test_each_session_sees_what_was_delivered_before_it(dovecot: Dovecot, peer: PeerMailbox) -> None:
    for count in range(1, 6):
        peer.deliver(b"Subject: x\r\n\r\n")
        with logged_in(dovecot, peer) as session:
            assert session.ask("STAT").startswith(b"+OK %d " % count)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"plain\r\n", id="plain"),
        pytest.param(bytes(range(0x80, 0x100)) + b"\r\n", id="8-bit"),
        pytest.param(bytes(set(range(0x80)) - {0x0A}) + b"\r\n", id="controls-and-nul"),
        pytest.param(b"x" * 300_000 + b"\r\n", id="long-line"),
        pytest.param(b".\r\n..\r\n.leading\r\n", id="leading-dots"),
        pytest.param(b"a\rb\r\r\n\rc\r.\r\n", id="bare-cr"),
        pytest.param(b"\r\n\r\n\r\n", id="blank-lines-at-the-end"),
    ],
)
def test_a_message_comes_back_octet_for_octet(dovecot: Dovecot, peer: PeerMailbox, body: bytes) -> None:
    message = b"Subject: x\r\n\r\n" + body
    peer.deliver(message)
    with logged_in(dovecot, peer) as session:
        assert session.retrieve(1) == message


@pytest.mark.parametrize(
    ("delivered", "retrieved"),
    [
        pytest.param(b"S: x\n\na\n", b"S: x\r\n\r\na\r\n", id="bare-lf"),
        pytest.param(b"S: x\r\n\r\na\n.\n", b"S: x\r\n\r\na\r\n.\r\n", id="bare-lf-around-a-dot"),
        pytest.param(b"S: x\r\n\r\nend", b"S: x\r\n\r\nend\r\n", id="no-end-of-line-at-the-end"),
        pytest.param(b"S: x\r\n\r\nend\r", b"S: x\r\n\r\nend\r\r\n", id="cr-at-the-end"),
        pytest.param(b"", b"\r\n", id="nothing"),
    ],
)
def test_dovecot_repairs_line_ends_and_only_those(
    dovecot: Dovecot, peer: PeerMailbox, delivered: bytes, retrieved: bytes
) -> None:
    peer.deliver(delivered)
    with logged_in(dovecot, peer) as session:
        assert session.retrieve(1) == retrieved


def test_deletes_what_was_marked_once_quit_is_answered(dovecot: Dovecot, peer: PeerMailbox) -> None:
    peer.deliver_many([b"S: 1\r\n\r\n", b"S: 2\r\n\r\n", b"S: 3\r\n\r\n"])
    with logged_in(dovecot, peer) as session:
        session.ask("DELE 2")
        assert len(peer.remaining()) == 3
        assert session.ask("QUIT") == b"+OK Logging out, messages deleted."
    assert peer.remaining() == [b"S: 1\r\n\r\n", b"S: 3\r\n\r\n"]


def test_deletes_nothing_without_quit(dovecot: Dovecot, peer: PeerMailbox) -> None:
    peer.deliver(b"S: 1\r\n\r\n")
    with logged_in(dovecot, peer) as session:
        session.ask("DELE 1")
    with logged_in(dovecot, peer) as session:
        assert session.ask_lines("UIDL") == [b"1 0000000001.peer\r\n"]


def test_an_emptied_mailbox_never_uses_a_uidl_again(dovecot: Dovecot, peer: PeerMailbox) -> None:
    before = peer.deliver(b"S: 1\r\n\r\n")
    with logged_in(dovecot, peer):
        peer.empty()
    after = peer.deliver(b"S: 2\r\n\r\n")
    with logged_in(dovecot, peer) as session:
        assert session.ask_lines("UIDL") == [b"1 %s\r\n" % after]
    assert before != after


def test_reset_empties_every_mailbox(dovecot: Dovecot, peer: PeerMailbox) -> None:
    peer.deliver(b"S: 1\r\n\r\n")
    dovecot.reset()
    assert peer.remaining() == []


def test_two_thousand_messages_are_delivered_listed_and_deleted(dovecot: Dovecot, peer: PeerMailbox) -> None:
    uidls = peer.deliver_many(b"S: %d\r\n\r\nx\r\n" % number for number in range(2000))
    with logged_in(dovecot, peer) as session:
        assert [line.split()[1] for line in session.ask_lines("UIDL")] == uidls
        for number in range(1, 2001):
            session.ask(f"DELE {number}")
        session.ask("QUIT")
    assert peer.remaining() == []


def test_hundreds_of_sessions_from_one_address_are_served(dovecot: Dovecot, peer: PeerMailbox) -> None:
    for _ in range(200):
        with logged_in(dovecot, peer) as session:
            assert session.ask("QUIT") == b"+OK Logging out."


def test_fifty_sessions_at_once_are_served(dovecot: Dovecot, peer: PeerMailbox) -> None:
    with ExitStack() as open_sessions:
        sessions = [open_sessions.enter_context(logged_in(dovecot, peer)) for _ in range(50)]
        assert {session.ask("NOOP") for session in sessions} == {b"+OK"}


def test_a_second_server_knows_nothing_of_the_first(dovecot: Dovecot, peer: PeerMailbox) -> None:
    peer.deliver(b"S: 1\r\n\r\n")
    with Dovecot() as other, Session(other) as session:
        assert other.port != dovecot.port
        assert session.xoauth2(peer.address, dovecot.token()).startswith(b"+ ")


def test_a_server_that_ends_before_the_tests_is_an_error(dovecot: Dovecot) -> None:
    other = Dovecot().__enter__()
    assert other._process is not None
    other._process.terminate()
    other._process.wait()
    with pytest.raises(DovecotError, match="ended before the tests did"):
        other.__exit__(None, None, None)


def test_a_server_that_cannot_start_says_why(dovecot: Dovecot) -> None:
    other = Dovecot()
    other._accounts["internal_user"] = "no-such-user"
    with pytest.raises(DovecotError, match="no-such-user"):
        other.__enter__()
