"""A case: what one hostile server does, and what must become of the poll that meets it.

Owns the vocabulary of the corpus. A case is played in some polls: those before (if `known` or `refused`); one
while the server is hostile; and one after, when it behaves again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import trustme

from mailsluice.pop3.deadlines import Deadlines
from mailsluice_sandbox import Fault

QUICK = Deadlines(
    connect=1,
    tls=1,
    greeting=1,
    auth=1,
    listing=1,
    retrieve=1,
    progress=1092,  # the pace that the program asks for: 64 KiB in 60 s
    delete=1,
    quit=1,
    deletion=0,
    session=12,
    expiring=10,
)
"""For servers that let us wait: short, so that the end comes soon."""

PATIENT = Deadlines(
    connect=10,
    tls=10,
    greeting=10,
    auth=10,
    listing=20,
    retrieve=10,
    progress=10_923,
    delete=10,
    quit=10,
    session=40,
    expiring=30,
)
"""For servers that do not: long enough for a busy machine."""


OWN_TIME = 1.5
"""Seconds that a poll may take beside the deadline that ends it."""

PROMPT = 9.0
"""Seconds that a poll may take of a server that lets nobody wait: fewer than any of PATIENT's deadlines."""


def letter(number: int, *, octets: int = 0) -> bytes:
    """A message unlike any other, with dots where they hurt; at least so many octets."""
    lines = (octets // 72 + 1) * (b"." + b"x" * 69 + b"\r\n")
    received = b"Received: by b.example; Mon, 1 Jun 2026 08:00:00 +0000 (%d)\r\n" % number
    return b"Subject: letter %d\r\n%b\r\n.\r\n..%d\r\n%b" % (number, received, number, lines)


MAIL = tuple(letter(number) for number in range(3))
"""What is in a mailbox, unless a case says otherwise."""

Door = Callable[[trustme.CA], AbstractContextManager[int]]
"""A server that is no sandbox: opened, with an authority that the client trusts, it gives its port."""


@dataclass(frozen=True, slots=True)
class Case:
    """One hostile server. `name` says what it does.

    `outcomes` are the words that the hostile poll may end with, and `says` a part of what it tells people.
    """

    name: str
    outcomes: tuple[str, ...]
    says: str = ""
    events: tuple[str, ...] = ()
    """What else the log must have."""
    faults: tuple[Fault, ...] = ()
    door: Door | None = None
    """Asked instead of the sandbox in the hostile poll."""
    deadlines: Deadlines = PATIENT
    mail: tuple[bytes, ...] = MAIL
    uidls: tuple[bytes, ...] | None = None
    """The messages' UIDLs; without, they are numbers."""
    known: bool = False
    """Whether the mail was stored before the server turned hostile."""
    refused: bool = False
    """Whether RETR of the first message is refused, in the polls before as well: this one sets it aside."""
    keep: bool = False
    """Whether mail is left on the server."""
    token: bool = False
    """Whether the hostile poll logs in with a token: what it knows no sandbox takes."""
    max_message: int = 20 * 2**20
    stored: int = 0
    """How many messages the hostile poll stores."""
    gone: int = 0
    """How many stored messages are thought to have left the server by then."""
    kept: tuple[bytes, ...] | None = None
    """What the spool has in the end, where that is not the mail, each once."""
    remain: int = 0
    """How many messages stay on the server in the end, of a mailbox that keeps none."""
    within: float = 0
    """The deadline, in seconds, of the phase that the server draws out; 0 if it lets nobody wait."""
    always: bool = False
    """Whether the bounded form plays it, too, come what may."""
    full: bool = False
    """Whether it takes so long that only the full form plays it, unless it is always played."""

    @property
    def limit(self) -> float:
        """Seconds after which the poll must have ended."""
        return self.within + OWN_TIME if self.within else PROMPT


def once(when: str, do: object) -> tuple[Fault, ...]:
    """The fault that strikes the first time."""
    return (Fault(when, do),)  # type: ignore[arg-type]  # checked by Fault itself


def names(cases: Sequence[Case]) -> list[str]:
    return [case.name for case in cases]
