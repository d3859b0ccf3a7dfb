"""What the sandbox's tests share: a clock moved by hand, and a POP3 client that takes nothing for granted."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from mailsluice_sandbox import Sandbox

ADDRESS = "invoices@acme.example"


class HandClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self._now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._now.timestamp()

    def advance(self, by: timedelta) -> None:
        self._now += by


def credential(address: str, token: str) -> bytes:
    return base64.b64encode(f"user={address}\x01auth=Bearer {token}\x01\x01".encode())


class RawClient:
    """Connected and through the handshake from the start; the greeting is still to be read."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        context = ssl.create_default_context(cafile=str(sandbox.ca_file))
        with contextlib.ExitStack() as stack:
            plain = stack.enter_context(
                socket.create_connection(("127.0.0.1", sandbox.pop3_port), timeout=10)
            )
            self.tls = stack.enter_context(
                context.wrap_socket(
                    plain,
                    server_hostname=sandbox.host,
                    suppress_ragged_eofs=False,
                    do_handshake_on_connect=False,
                )
            )
            self.tls.do_handshake()
            stack.pop_all()
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.tls.close()

    def send(self, octets: bytes) -> None:
        self.tls.sendall(octets)

    def line(self) -> bytes:
        while b"\n" not in self._buffer:
            octets = self.tls.recv(65_536)
            if not octets:
                raise EOFError(self._buffer)
            self._buffer += octets
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line + b"\n"

    def exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            octets = self.tls.recv(65_536)
            if not octets:
                raise EOFError(self._buffer)
            self._buffer += octets
        octets, self._buffer = self._buffer[:count], self._buffer[count:]
        return octets

    def rest(self) -> bytes:
        """Everything up to the end of the connection, which has to be an orderly one."""
        while octets := self.tls.recv(65_536):
            self._buffer += octets
        octets, self._buffer = self._buffer, b""
        return octets

    def ask(self, command: bytes) -> bytes:
        self.send(command + b"\r\n")
        return self.line()

    def ask_many(self, command: bytes) -> list[bytes]:
        """The lines of a multi-line answer, without the first and the last."""
        first = self.ask(command)
        assert first.startswith(b"+OK"), first
        lines: list[bytes] = []
        while (line := self.line()) != b".\r\n":
            lines.append(line)
        return lines

    def log_in(self, address: str, token: str | None = None) -> bytes:
        """Read the greeting and authenticate; the answer to the credential."""
        self.line()
        assert self.ask(b"AUTH XOAUTH2") == b"+ \r\n"
        return self.ask(credential(address, token or self._sandbox.entra.tokens.mint()))
