"""What a server did: one frozen value for each event, named in the past tense.

Owns these values. Every `text` is safe to print: control characters are replaced, secrets are concealed, and
the length is limited. Must never show in a repr what is not safe to print.
"""

from __future__ import annotations

from dataclasses import dataclass

from mailsluice.pop3.commands import Command


@dataclass(frozen=True, slots=True)
class Greeted:
    """The server said `+OK` first.

    `tag` is the name of the machine that answered, or empty. Exchange Online puts it into the greeting, in
    brackets, as base64 of UTF-16LE. Microsoft's support asks for it.
    """

    text: str
    tag: str = ""


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """The server said `-ERR` first: there is no session."""

    text: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The server said `+OK` to `command`, or `-ERR`. After `+OK` to a multi-line command a body follows."""

    command: Command
    text: str
    accepted: bool


@dataclass(frozen=True, slots=True)
class Challenged:
    """The server asks for a SASL response. `challenge` is still in base64, and not checked."""

    command: Command
    challenge: bytes

    def __repr__(self) -> str:
        """Without the challenge."""
        return f"Challenged({self.command!r})"


@dataclass(frozen=True, slots=True)
class BodyChunk:
    """Some octets of a body, dots unstuffed. `last`: the terminator came; only then `data` may be empty."""

    data: bytes
    last: bool

    def __repr__(self) -> str:
        """Without the octets."""
        return f"BodyChunk(last={self.last})"


@dataclass(frozen=True, slots=True)
class Closed:
    """The server closed the connection after QUIT, as it should."""


Event = Greeted | TurnedAway | Answered | Challenged | BodyChunk | Closed
