"""A server that follows a script: one connection over TLS on loopback, in a thread of its own."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import trustme

from mailsluice.config.models import Mailbox

HOST = "127.0.0.1"
PATIENCE = 20.0
"""Seconds after which a test gives up: only a broken one waits so long."""

Script = Callable[["Wire"], None]
Cut = Callable[[bytes], list[bytes]]


class HandClock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.seconds


class Wire:
    """The server's end of a connection."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._unread = b""

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def line(self) -> bytes:
        """The next line; what there is of it if the client goes."""
        while b"\n" not in self._unread and (data := self._socket.recv(65536)):
            self._unread += data
        line, end, self._unread = self._unread.partition(b"\n")
        return line + end

    def octet(self) -> bytes:
        return self._socket.recv(1)

    def expect(self, *lines: bytes) -> None:
        """Read these lines, as they must come."""
        for line in lines:
            assert self.line() == line + b"\r\n"

    def expect_no_more(self) -> None:
        """Nothing else was sent in one go with the lines read last."""
        assert self._unread == b""

    def play(self, transcript: str) -> None:
        """Follow a transcript: `C: ` lines must come from the client, `S: ` lines are sent."""
        for entry in transcript.strip().splitlines():
            who, _, line = entry.strip().partition(" ")
            if who == "C:":
                self.expect(line.encode())
            else:
                assert who == "S:"
                self.send(line.encode() + b"\r\n")

    def log_in(self, *capabilities: str) -> None:
        """Greet, accept USER and PASS, and say the capabilities."""
        self.send(b"+OK ready\r\n")
        self.play("C: USER a@x.example\nS: +OK\nC: PASS canary-password\nS: +OK")
        self.expect(b"CAPA")
        self.send(b"+OK\r\n" + "".join(f"{name}\r\n" for name in capabilities).encode() + b".\r\n")

    def until_closed(self) -> bytes:
        """Whatever else the client says before it goes."""
        said, self._unread = self._unread, b""
        with contextlib.suppress(ConnectionError):
            while data := self._socket.recv(65536):
                said += data
        return said

    def reset(self) -> None:
        """Break the connection off, as a firewall does."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        self._socket.close()


class ScriptedServer:
    """Serves one connection by its script. Leaving it raises what went wrong in there.

    With `context` None it speaks no TLS. `refused` tells that the handshake is meant to fail.
    """

    def __init__(self, script: Script, context: ssl.SSLContext | None, *, refused: bool = False) -> None:
        self._script = script
        self._context = context
        self._refused = refused
        self._error: BaseException | None = None
        self._listener = socket.create_server((HOST, 0))
        self._listener.settimeout(PATIENCE)
        self._thread = threading.Thread(target=self._serve)

    @property
    def port(self) -> int:
        port = self._listener.getsockname()[1]
        assert isinstance(port, int)
        return port

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.join(PATIENCE)
        self._listener.close()
        if self._error is not None:
            raise self._error

    def _serve(self) -> None:
        try:
            sock, _ = self._listener.accept()
            with sock:
                sock.settimeout(PATIENCE)
                self._speak(sock)
        except BaseException as error:  # noqa: BLE001  it is raised in the test's own thread
            self._error = error

    def _speak(self, sock: socket.socket) -> None:
        if self._context is None:
            self._follow(sock)
            return
        try:
            secured = self._context.wrap_socket(sock, server_side=True)
        except OSError:
            if not self._refused:
                raise
            return
        with secured:
            self._follow(secured)

    def _follow(self, sock: socket.socket) -> None:
        wire = Wire(sock)
        try:
            self._script(wire)
        finally:
            wire.close()


def server_context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


def mailbox(port: int, ca_file: Path | None, host: str = HOST) -> Mailbox:
    return Mailbox.model_validate(
        {
            "name": "invoices",
            "address": "a@x.example",
            "credential": "acme",
            "host": host,
            "port": port,
            "sink": {"kind": "spool", "path": "/nowhere"},
            "ca_file": str(ca_file) if ca_file else None,
        }
    )


def playing(*transcripts: str) -> Script:
    """A script that follows these transcripts, and then waits for the client to go."""

    def script(wire: Wire) -> None:
        for transcript in transcripts:
            wire.play(transcript)
        wire.until_closed()

    return script
