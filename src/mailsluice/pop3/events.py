"""What a server did: one frozen value an event, past tense.

Owns nothing but the values. Every `text` is safe to print: control characters replaced, secrets concealed,
length bounded. What is not stays out of a repr.
"""

from __future__ import annotations

from dataclasses import dataclass

from mailsluice.pop3.commands import Command


@dataclass(frozen=True, slots=True)
class Greeted:
    """The server said `+OK` first.

    `tag` is the name of the machine that answered, where the greeting has it: Exchange Online puts it in
    brackets as the base64 of UTF-16LE; its support asks for it.
    """

    text: str
    tag: str = ""


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """The server said `-ERR` first: no session."""

    text: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The server said `+OK` to `command`, or `-ERR`. To what is multi-line and accepted, a body follows."""

    command: Command
    text: str
    accepted: bool


@dataclass(frozen=True, slots=True)
class Challenged:
    """The server asks for a SASL response; `challenge` is still in base64 and as hostile as it came."""

    command: Command
    challenge: bytes

    def __repr__(self) -> str:
        """Without the challenge."""
        return f"Challenged({self.command!r})"


@dataclass(frozen=True, slots=True)
class BodyChunk:
    """Some octets of a body, dots unstuffed; none only at its end. `last` says that the terminator came."""

    data: bytes
    last: bool

    def __repr__(self) -> str:
        """Without the octets."""
        return f"BodyChunk(last={self.last})"


@dataclass(frozen=True, slots=True)
class Closed:
    """The server closed the connection after QUIT, as it should."""


Event = Greeted | TurnedAway | Answered | Challenged | BodyChunk | Closed
