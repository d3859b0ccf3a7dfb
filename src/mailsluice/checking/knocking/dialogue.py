"""The dialogue: lines to a server and lines from it, for protocols other than POP3.

Owns the limits of what a server may send, and how its words are quoted. Must never know a protocol. Every
octet may be hostile: a line is cut off nowhere but at its end, and its words never carry a secret of ours.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import NoReturn, Protocol

from mailsluice.errors import ConnectionLost, Phase, ProtocolViolation
from mailsluice.net.deadlines import Patience
from mailsluice.net.dialing import ATTEMPT_DELAY
from mailsluice.pop3.lines import readable

_LONGEST_LINE = 16 * 1024
"""Octets of a line, more than any of these protocols has: 12,288 in an SMTP login (RFC 4954 §4)."""
_MOST_LINES = 200
"""Lines of one answer."""


class Wire(Protocol):
    """What carries the octets: `net.connection.Connection`, or `Clear`."""

    def send(self, data: bytes, phase: Phase, patience: Patience, /) -> None:
        """Send all of `data`."""
        ...

    def receive(self, phase: Phase, patience: Patience, /) -> bytes | memoryview:
        """Some octets, at least one; empty at the end of the connection."""
        ...


class Clear:
    """A socket without TLS yet. It gives one line at a time, and leaves what comes behind it in the socket.

    So nothing that came in clear can count later: what is still there breaks the TLS handshake
    (RFC 3207 §4.2). `left` is as in `net.endpoint.AskForTls`. Its methods raise OSError.
    """

    def __init__(self, plain: socket.socket, left: Callable[[], float]) -> None:
        self._plain = plain
        self._left = left

    def send(self, data: bytes, _phase: Phase, _patience: Patience) -> None:
        """Send all of `data`."""
        self._plain.settimeout(self._left())
        self._plain.sendall(data)

    def receive(self, _phase: Phase, _patience: Patience) -> bytes:
        """Octets up to the end of the line, or fewer."""
        while True:
            self._plain.settimeout(min(ATTEMPT_DELAY, self._left()))  # often enough to hear of a stop
            try:
                seen = self._plain.recv(_LONGEST_LINE, socket.MSG_PEEK)
            except TimeoutError:
                continue
            return self._plain.recv(seen.find(b"\n") + 1 or len(seen)) if seen else b""


class Dialogue:
    """Lines over a wire. `peer` is the server's name in errors.

    Set `phase` and `patience` for each step: how long it may still wait. Every method raises what the wire
    raises.
    """

    def __init__(self, wire: Wire, peer: str, patience: Patience) -> None:
        self.peer = peer
        self.phase = Phase.GREETING
        self.patience = patience
        self._wire = wire
        self._buffer = b""
        self._lines = 0
        self._secrets: list[bytes] = []

    def begin(self, phase: Phase, seconds: float) -> None:
        """Begin the next phase, which may wait so long."""
        self.phase, self.patience = phase, Patience(seconds)

    def say(self, line: bytes, *secrets: bytes) -> None:
        """Send a line. No error quotes any of `secrets`."""
        self._secrets += secrets
        self._lines = 0
        self._wire.send(line + b"\r\n", self.phase, self.patience)

    def line(self) -> bytes:
        """The next line, without its end. Raises ConnectionLost if there is none, and ProtocolViolation."""
        while (end := self._buffer.find(b"\n")) < 0 and len(self._buffer) <= _LONGEST_LINE:
            octets = self._wire.receive(self.phase, self.patience)
            if not octets:
                raise ConnectionLost(
                    f"{self.peer} closed the connection in phase {self.phase.value}", phase=self.phase
                )
            self._buffer += octets
        if not 0 <= end <= _LONGEST_LINE:
            self.violated(f"sent a line of more than {_LONGEST_LINE} octets", self._buffer)
        line, self._buffer = self._buffer[:end].removesuffix(b"\r"), self._buffer[end + 1 :]
        self._lines += 1
        if self._lines > _MOST_LINES:
            self.violated(f"sent an answer of more than {_MOST_LINES} lines", line)
        return line

    def quoted(self, said: bytes) -> str:
        """What the server said, fit for an error: without the secrets that we sent, printable, and short."""
        for secret in self._secrets:
            said = said.replace(secret, b"***")
        return readable(said)

    def violated(self, what: str, line: bytes) -> NoReturn:
        """Raise ProtocolViolation: the server did `what`, with this line."""
        reply = self.quoted(line)
        raise ProtocolViolation(
            f"{self.peer} {what} in phase {self.phase.value}: {reply!r}", phase=self.phase, reply=reply
        )
