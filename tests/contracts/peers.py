"""Servers with one mailbox, for the contract of clients: the sandbox, and the fake."""

from __future__ import annotations

from functools import partial
from typing import Protocol

from mailsluice.clock import SystemClock
from mailsluice.config.models import Mailbox
from mailsluice.errors import (
    CommandRefused,
    Phase,
)
from mailsluice.model import BearerToken, DeletePermit, Listed, Login
from mailsluice.net.connections import Connections
from mailsluice.pop3.client import connect
from mailsluice.session.ports import Arrival, Client, Connect
from mailsluice_sandbox import Close, Fault, Refuse, Relist, Sandbox
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
    def cut_deletion(self, uidl: bytes) -> None: ...
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

    def cut_deletion(self, uidl: bytes) -> None:
        self._sandbox.faults.add(Fault("DELE", Close(), uidl=uidl))

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

    def cut_deletion(self, uidl: bytes) -> None:
        self._server.deletion_cut.add(uidl)

    def list_second_as_first(self) -> None:
        self._server.listed_twice.add(next(iter(self._server.mail)))

    def refuse_quit(self) -> None:
        self._server.quit_fails = CommandRefused("refused", phase=Phase.QUIT, reply="not this one")


def permits(*uidls: bytes) -> list[DeletePermit]:
    return [DeletePermit(uidl) for uidl in uidls]


def read(arrival: Arrival) -> bytes:
    return b"".join(arrival.chunks)


def fetched(client: Client, messages: tuple[Listed, ...]) -> list[bytes]:
    return [read(arrival) for arrival in client.retrieve(messages, LARGEST)]
