"""A lean server in a process of its own: it lists as many messages as it is told, and costs very little.

Owns the answers of such a mailbox. The sandbox and Dovecot list 100,000 messages more slowly than a poll
reads them, so that the server would be measured. Must never do any work for an answer that could be done
before. It takes any password, keeps no state but the counts, and ends with the process that started it.
"""

from __future__ import annotations

import multiprocessing
import socket
import ssl
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Self

import trustme

HOST = "localhost"
MESSAGE = b"Subject: one more\r\n\r\n" + 80 * (b"x" * 48 + b"\r\n")
SIZE = len(MESSAGE)
FIRST_UIDL = 1_000_000


def uidl(number: int) -> bytes:
    """The UIDL of the message of this number: a whole number, as Exchange Online has it."""
    return b"%d" % (FIRST_UIDL + number)


class LeanServer:
    """A context manager. `hold` says how many messages a mailbox has; none until then."""

    name = "lean"

    def __init__(self, home: Path) -> None:
        self.ca_file = home / "lean-ca.pem"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.ca_file))
        certificate = home / "lean.pem"
        authority.issue_cert(HOST, "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(certificate))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._ours, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.get_context("fork").Process(
            target=_serve, args=(self._listener, certificate, theirs), daemon=True
        )

    def __enter__(self) -> Self:
        self._process.start()
        self._listener.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._process.kill()
        self._process.join()

    def hold(self, address: str, messages: int) -> list[bytes]:
        """From now on this mailbox has so many; their UIDLs."""
        self._ours.send((address, messages))
        self._ours.recv()
        return [uidl(number) for number in range(1, messages + 1)]


class _Mailboxes:
    """How many messages each has, and the listings made of that."""

    def __init__(self) -> None:
        self._bodies: dict[str, tuple[bytes, bytes]] = {}

    def hold(self, address: str, messages: int) -> None:
        numbers = range(1, messages + 1)
        uidls = b"".join(b"%d %b\r\n" % (number, uidl(number)) for number in numbers)
        sizes = b"".join(b"%d %d\r\n" % (number, SIZE) for number in numbers)
        self._bodies[address] = (b"+OK\r\n" + uidls + b".\r\n", b"+OK\r\n" + sizes + b".\r\n")

    def listing(self, address: str, place: int) -> bytes:
        return self._bodies.get(address, (b"+OK\r\n.\r\n",) * 2)[place]


def _serve(listener: socket.socket, certificate: Path, orders: Connection) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    mailboxes = _Mailboxes()
    threading.Thread(target=_accept, args=(listener, context, mailboxes), daemon=True).start()
    with suppress(EOFError):
        while True:
            mailboxes.hold(*orders.recv())
            orders.send(None)


def _accept(listener: socket.socket, context: ssl.SSLContext, mailboxes: _Mailboxes) -> None:
    while True:
        plain, _ = listener.accept()
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_converse, args=(plain, context, mailboxes), daemon=True).start()


def _converse(plain: socket.socket, context: ssl.SSLContext, mailboxes: _Mailboxes) -> None:
    with (
        suppress(OSError),
        context.wrap_socket(plain, server_side=True) as wire,
        wire.makefile("rb") as lines,
    ):
        wire.sendall(b"+OK ready\r\n")
        address = ""
        for line in lines:
            verb, _, argument = line.strip().partition(b" ")
            if verb == b"USER":
                address = argument.decode()
            wire.sendall(_answer(verb, address, mailboxes))
            if verb == b"QUIT":
                break


def _answer(verb: bytes, address: str, mailboxes: _Mailboxes) -> bytes:
    match verb:
        case b"CAPA":
            return b"+OK\r\nTOP\r\nUIDL\r\nSASL PLAIN XOAUTH2\r\nUSER\r\n.\r\n"
        case b"UIDL":
            return mailboxes.listing(address, 0)
        case b"LIST":
            return mailboxes.listing(address, 1)
        case b"RETR":
            return b"+OK\r\n" + MESSAGE + b".\r\n"
        case _:
            return b"+OK\r\n"
