"""What we say to a server: one frozen value a command, imperative.

Owns how a command looks on the wire, and what it says of its answer. Must never know a session's state,
nor show a secret in a repr.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import ClassVar

from mailsluice.errors import Phase

_CONTROLS = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


class Command:
    """A line from us to the server.

    `phase` is the word errors use for it; `multiline` says whether `+OK` is followed by a body that ends
    with a dot (RFC 1939 §3).
    """

    __slots__ = ()

    verb: ClassVar[str]
    phase: ClassVar[Phase]
    multiline: ClassVar[bool] = False

    def encode(self) -> bytes:
        """The line as it is sent, with its CRLF."""
        return f"{self.verb}\r\n".encode()

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """What of this command no error may quote, should the server echo it."""
        return ()


@dataclass(frozen=True, slots=True)
class Capa(Command):
    """Ask for the server's capabilities (RFC 2449 §5)."""

    verb = "CAPA"
    phase = Phase.CAPABILITIES
    multiline = True


@dataclass(frozen=True, slots=True)
class AuthXoauth2(Command):
    """Begin XOAUTH2; never with an initial response.

    Exchange Online closes the connection on the one-line form, and a token is longer than the 255 octets
    a command may have (RFC 2449 §4).
    """

    verb = "AUTH XOAUTH2"
    phase = Phase.AUTH


@dataclass(frozen=True, slots=True)
class SaslResponse(Command):
    """Answer a SASL challenge (RFC 5034 §4); an empty payload is the empty line.

    `secret` is the part of the payload that a server might echo by itself.
    """

    verb = "the SASL response"
    phase = Phase.AUTH

    payload: bytes = field(repr=False)
    secret: bytes = field(default=b"", repr=False)

    def encode(self) -> bytes:
        """The payload in base64 on one unbroken line, however long."""
        return base64.b64encode(self.payload) + b"\r\n"

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """The secret, plain and within the encoded line."""
        return tuple(filter(None, (base64.b64encode(self.payload), self.secret)))


@dataclass(frozen=True, slots=True)
class User(Command):
    """Name the mailbox (RFC 1939 §7)."""

    verb = "USER"
    phase = Phase.AUTH

    name: str

    def __post_init__(self) -> None:
        refuse_controls(self.name)

    def encode(self) -> bytes:
        """The line as it is sent, in UTF-8."""
        return f"{self.verb} {self.name}\r\n".encode()


@dataclass(frozen=True, slots=True)
class Pass(Command):
    """Give the password (RFC 1939 §7); spaces belong to it."""

    verb = "PASS"
    phase = Phase.AUTH

    password: str = field(repr=False)

    def __post_init__(self) -> None:
        refuse_controls(self.password)

    def encode(self) -> bytes:
        """The line as it is sent, in UTF-8."""
        return f"{self.verb} {self.password}\r\n".encode()

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """The password."""
        return tuple(filter(None, (self.password.encode(),)))


@dataclass(frozen=True, slots=True)
class Stat(Command):
    """Ask for the number of messages and their octets (RFC 1939 §5)."""

    verb = "STAT"
    phase = Phase.LISTING


@dataclass(frozen=True, slots=True)
class Uidl(Command):
    """Ask for the unique-id of every message (RFC 1939 §7)."""

    verb = "UIDL"
    phase = Phase.LISTING
    multiline = True


@dataclass(frozen=True, slots=True)
class List_(Command):  # noqa: N801  the command's name is a Python type's
    """Ask for the size of every message (RFC 1939 §5): an estimate on Exchange Online."""

    verb = "LIST"
    phase = Phase.LISTING
    multiline = True


@dataclass(frozen=True, slots=True)
class Retr(Command):
    """Fetch a message (RFC 1939 §5)."""

    verb = "RETR"
    phase = Phase.RETRIEVE
    multiline = True

    number: int

    def encode(self) -> bytes:
        """The line as it is sent."""
        return f"{self.verb} {self.number}\r\n".encode()


@dataclass(frozen=True, slots=True)
class Top(Command):
    """Fetch a message's header and its first `lines` lines (RFC 1939 §7)."""

    verb = "TOP"
    phase = Phase.RETRIEVE
    multiline = True

    number: int
    lines: int

    def encode(self) -> bytes:
        """The line as it is sent."""
        return f"{self.verb} {self.number} {self.lines}\r\n".encode()


@dataclass(frozen=True, slots=True)
class Dele(Command):
    """Mark a message, which QUIT then deletes (RFC 1939 §5)."""

    verb = "DELE"
    phase = Phase.DELETE

    number: int

    def encode(self) -> bytes:
        """The line as it is sent."""
        return f"{self.verb} {self.number}\r\n".encode()


@dataclass(frozen=True, slots=True)
class Quit(Command):
    """End the session; from TRANSACTION, delete what is marked (RFC 1939 §6)."""

    verb = "QUIT"
    phase = Phase.QUIT


def refuse_controls(argument: str) -> None:
    """Raise ValueError for what would break out of its line, or has no UTF-8.

    The argument is not quoted, for it may be secret.
    """
    if _CONTROLS.search(argument):
        raise ValueError("it has control characters in it")
