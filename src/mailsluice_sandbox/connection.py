"""One connection of the sandbox's servers: it reads lines, sends answers and carries out faults.

Owns the octets on the wire and the ways to end a connection. Must never know POP3 or HTTP.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from typing import NoReturn

from mailsluice_sandbox.faults import ArmedFault, Close, Drip, Garbage, Hangup, Rewrite, Silence

_CHUNK = 65_536
_LINGER_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of 0 seconds: closing sends a reset (socket(7))
_FAREWELL_SECONDS = 1.0


class HungUp(ConnectionError):
    """The sandbox ended the connection."""


class LineTooLong(Exception):
    """The client sent more octets than a line may have."""


class Connection:
    """The server's end of a connection. Every method raises OSError once the client is gone."""

    def __init__(self, tls: ssl.SSLSocket | socket.socket) -> None:
        self._tls = tls
        self._buffer = bytearray()

    def readline(self, limit: int) -> bytes | None:
        """The next line without its line end. None if the client ended the connection.

        `limit` is in octets, with the line end. Raises LineTooLong.
        """
        while (end := self._buffer.find(b"\n")) < 0 and len(self._buffer) <= limit:
            octets = self._tls.recv(_CHUNK)
            if not octets:
                return None
            self._buffer += octets
        if not 0 <= end < limit:
            raise LineTooLong
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line.removesuffix(b"\r")

    def forestall(self, armed: ArmedFault) -> bool:
        """Do what a fault does before a command is carried out. True if the client gets nothing more.

        Raises HungUp if the fault ends the connection.
        """
        match armed.fault.do:
            case Close(how=how, after_octets=None):
                self.hang_up(how)
            case Silence(after_octets=None):
                armed.hold()
            case Garbage(octets=octets, endless=endless):
                self._tls.sendall(octets)
                while endless:
                    self._tls.sendall(octets)
                return True
        return False

    def send(self, answer: bytes, armed: ArmedFault | None = None) -> None:
        """Send an answer in the way of the fault. Raises HungUp if the fault ends the connection."""
        match armed.fault.do if armed else None:
            case Close(how=how, after_octets=int() as octets):
                self._tls.sendall(answer[:octets])
                self.hang_up(how)
            case Silence(after_octets=int() as octets) if armed:
                self._tls.sendall(answer[:octets])
                armed.hold()
                self._tls.sendall(answer[octets:])
            case Drip(pause=pause) if armed:
                for octet in answer:
                    self._tls.sendall(bytes((octet,)))
                    armed.hold(pause)
            case Rewrite(pieces=pieces):
                for piece in pieces(answer):
                    self._tls.sendall(piece)
            case _:
                self._tls.sendall(answer)

    def hang_up(self, how: Hangup) -> NoReturn:
        """End the connection, and raise HungUp. The server that accepted the socket closes it.

        What the client still sends is read and discarded: TCP sends a reset if a socket is closed with unread
        octets.
        """
        if how is Hangup.RESET:
            self._tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
            raise HungUp(how.value)
        if how is Hangup.NOTIFY and isinstance(self._tls, ssl.SSLSocket):
            self._tls.setblocking(False)
            with contextlib.suppress(OSError):
                self._tls.unwrap()
        # The methods of the plain socket: those of SSLSocket would speak TLS again.
        socket.socket.shutdown(self._tls, socket.SHUT_WR)
        self._tls.settimeout(_FAREWELL_SECONDS)
        while socket.socket.recv(self._tls, _CHUNK):
            pass
        raise HungUp(how.value)
