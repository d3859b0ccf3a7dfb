"""What we say to a server: one frozen value for each command.

Owns how a command looks on the wire, and what is known about its answer beforehand. Must never know a
session's state, nor show a secret in a repr.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from mailsluice.errors import Phase
from mailsluice.net.argument import refuse_controls


class Verb(StrEnum):
    """What a command asks for. Errors use its value and its phase.

    `multiline`: whether a body that ends with a dot follows `+OK` (RFC 1939 §3).
    """

    CAPA = "CAPA", Phase.CAPABILITIES, True
    AUTH_XOAUTH2 = "AUTH XOAUTH2", Phase.AUTH
    SASL_RESPONSE = "the SASL response", Phase.AUTH
    USER = "USER", Phase.AUTH
    PASS = "PASS", Phase.AUTH
    STAT = "STAT", Phase.LISTING
    UIDL = "UIDL", Phase.LISTING, True
    LIST = "LIST", Phase.LISTING, True
    RETR = "RETR", Phase.RETRIEVE, True
    TOP = "TOP", Phase.RETRIEVE, True
    DELE = "DELE", Phase.DELETE
    QUIT = "QUIT", Phase.QUIT

    phase: Phase
    multiline: bool

    def __new__(cls, word: str, phase: Phase, multiline: bool = False) -> Self:  # noqa: FBT001, FBT002  a table's column
        """A row of the table above."""
        verb = str.__new__(cls, word)
        verb._value_ = word
        verb.phase = phase
        verb.multiline = multiline
        return verb


@dataclass(frozen=True, slots=True, repr=False)
class Command:
    """A line from us to the server, with its CRLF.

    `secrets` are the parts of the line that no error may quote: a server may echo them.
    """

    verb: Verb
    line: bytes
    secrets: tuple[bytes, ...] = ()

    def __repr__(self) -> str:
        """The verb alone: an argument may be secret."""
        return f"<{self.verb}>"


CAPA = Command(Verb.CAPA, b"CAPA\r\n")
"""Ask for the server's capabilities (RFC 2449 §5)."""

AUTH_XOAUTH2 = Command(Verb.AUTH_XOAUTH2, b"AUTH XOAUTH2\r\n")
"""Begin XOAUTH2, without an initial response.

Exchange Online closes the connection on the one-line form, and a token is longer than the 255 octets a
command may have (RFC 2449 §4).
"""

STAT = Command(Verb.STAT, b"STAT\r\n")
"""Ask for the number of messages and their octets (RFC 1939 §5)."""

UIDL = Command(Verb.UIDL, b"UIDL\r\n")
"""Ask for the unique-id of every message (RFC 1939 §7)."""

LIST = Command(Verb.LIST, b"LIST\r\n")
"""Ask for the size of every message (RFC 1939 §5): an estimate on Exchange Online."""

QUIT = Command(Verb.QUIT, b"QUIT\r\n")
"""End the session. After a login, the server then deletes the marked messages (RFC 1939 §6)."""


def sasl_response(payload: bytes, secret: bytes = b"") -> Command:
    """Answer a SASL challenge (RFC 5034 §4): base64 on one line of any length. Empty for an empty payload.

    `secret` is the part of the payload that a server might echo alone, without base64.
    """
    encoded = base64.b64encode(payload)
    return Command(Verb.SASL_RESPONSE, encoded + b"\r\n", tuple(filter(None, (encoded, secret))))


def user(name: str) -> Command:
    """Name the mailbox (RFC 1939 §7), in UTF-8. Raises ValueError as `refuse_controls` does."""
    refuse_controls(name)
    return Command(Verb.USER, f"USER {name}\r\n".encode())


def password(secret: str) -> Command:
    """Give the password (RFC 1939 §7), in UTF-8. It may contain spaces.

    Raises ValueError as `refuse_controls` does.
    """
    refuse_controls(secret)
    # An empty password is no secret: to conceal it would put *** between all characters of an error.
    return Command(Verb.PASS, f"PASS {secret}\r\n".encode(), tuple(filter(None, (secret.encode(),))))


def retr(number: int) -> Command:
    """Fetch a message (RFC 1939 §5)."""
    return Command(Verb.RETR, b"RETR %d\r\n" % number)


def top(number: int, lines: int) -> Command:
    """Fetch a message's header and its first `lines` lines (RFC 1939 §7)."""
    return Command(Verb.TOP, b"TOP %d %d\r\n" % (number, lines))


def dele(number: int) -> Command:
    """Mark a message for deletion at QUIT (RFC 1939 §5)."""
    return Command(Verb.DELE, b"DELE %d\r\n" % number)
