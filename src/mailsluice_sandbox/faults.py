"""How the sandbox is told to misbehave.

Owns the faults in place and when each of them strikes; carrying one out is the business of whoever is
struck. Must never touch a socket.

A fault is an occasion and an action: `Fault("RETR", Close(after_octets=1000))` cuts the first RETR after
1,000 octets of its answer; `Fault("LOGIN", Refuse("..."), times=3)` is three failed logins that heal.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, get_args

When = Literal[
    "CONNECT",
    "GREETING",
    "CAPA",
    "AUTH",
    "USER",
    "LOGIN",
    "LISTING",
    "STAT",
    "LIST",
    "UIDL",
    "RETR",
    "TOP",
    "DELE",
    "RSET",
    "NOOP",
    "QUIT",
    "TOKEN_CONNECT",
    "DISCOVERY",
    "TOKEN",
]
"""An occasion. POP3: CONNECT is before TLS, LOGIN when a credential has come (the line after AUTH, or PASS),
LISTING when the session's snapshot is taken, the others are commands. Entra: TOKEN_CONNECT is before TLS,
DISCOVERY and TOKEN are requests.
"""


class Hangup(Enum):
    """How a connection ends."""

    NOTIFY = "with TLS's close_notify, then FIN"
    FIN = "FIN alone, which TLS calls a truncation"
    RESET = "a TCP reset"


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer `-ERR text` (Entra: 401 `invalid_client` with this description) and do nothing else."""

    text: str


@dataclass(frozen=True, slots=True)
class Close:
    """End the connection: before the command is carried out (None), or after so many octets of its answer.

    0 is the command carried out and its whole answer lost.
    """

    how: Hangup = Hangup.FIN
    after_octets: int | None = None


@dataclass(frozen=True, slots=True)
class Silence:
    """Say nothing until released, then go on.

    It begins before the command is carried out (None), or after so many octets of its answer.
    """

    after_octets: int | None = None


@dataclass(frozen=True, slots=True)
class Drip:
    """Answer one octet at a time, each in a TLS record of its own, `pause` seconds apart."""

    pause: float = 0.0


@dataclass(frozen=True, slots=True)
class Garbage:
    """Answer these octets as they are, once or until the client hangs up, and do nothing else."""

    octets: bytes
    endless: bool = False


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Carry the command out, and send what `pieces` makes of its answer instead, each in a record of its own.

    They may have no end: then they are sent until the client hangs up.
    """

    pieces: Callable[[bytes], Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class Pretend:
    """Answer `+OK` and do nothing: a DELE that marks nothing, a QUIT that deletes nothing."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer a request to Entra with this HTTP status, body and headers."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Relist(Enum):
    """Show a session another listing than the mailbox has."""

    EMPTY = "no message"
    SHRUNK = "only the first half of the messages"
    RENUMBERED = "every message under a UIDL never seen before"
    DUPLICATED = "the second message under the UIDL of the first"


SERVER_UNAVAILABLE = Refuse("Server Unavailable. 21")
"""What Exchange says when its back end cannot be reached."""
AUTHENTICATION_FAILURE = Refuse("Authentication failure: unknown user name or bad password.")
"""What Exchange says to a token, for whatever reason; also when it throttles."""

Action = Refuse | Close | Silence | Drip | Garbage | Rewrite | Pretend | Answer | Relist

_ON_THE_WIRE = (Close, Silence, Drip, Garbage, Rewrite)
_SPECIAL: Mapping[str, tuple[type, ...]] = {
    "CONNECT": (Close, Silence),
    "TOKEN_CONNECT": (Close, Silence),
    "GREETING": (Refuse, *_ON_THE_WIRE),
    "LISTING": (Relist,),
    "DELE": (Refuse, Pretend, *_ON_THE_WIRE),
    "QUIT": (Refuse, Pretend, *_ON_THE_WIRE),
    "DISCOVERY": (Refuse, Answer, *_ON_THE_WIRE),
    "TOKEN": (Refuse, Answer, *_ON_THE_WIRE),
}
_COMMAND = (Refuse, *_ON_THE_WIRE)


@dataclass(frozen=True, slots=True)
class Fault:
    """Do this when that happens: to `mailbox` and the message `uidl` alone, if they are given.

    Strikes `times` times (None: always) after `skip` occasions were let pass. A mailbox is known from LOGIN
    on, a message at RETR, TOP and DELE. Raises ValueError for an action that its occasion cannot have.
    """

    when: When
    do: Action
    mailbox: str | None = None
    uidl: bytes | None = None
    times: int | None = 1
    skip: int = 0

    def __post_init__(self) -> None:
        if self.when not in get_args(When):
            raise ValueError(f"no such occasion: {self.when}")
        if not isinstance(self.do, _SPECIAL.get(self.when, _COMMAND)):
            raise ValueError(  # noqa: TRY004  both are of their types; it is the pair that is wrong
                f"{type(self.do).__name__} cannot happen at {self.when}"
            )

    def concerns(self, when: str, mailbox: str | None, uidl: bytes | None) -> bool:
        """Whether this occasion is one of the fault's."""
        return (
            when == self.when
            and (self.mailbox is None or self.mailbox.lower() == mailbox)
            and (self.uidl is None or self.uidl == uidl)
        )


class ArmedFault:
    """A fault in place: how often it has struck, and the hand on its silences."""

    def __init__(self, fault: Fault, closed: threading.Event) -> None:
        self.fault = fault
        self._changed = threading.Condition()
        self._occasions = 0
        self._fired = 0
        self._released = False
        self._closed = closed

    @property
    def fired(self) -> int:
        """How often it has struck so far."""
        with self._changed:
            return self._fired

    def wait(self, timeout: float, *, fired: int = 1) -> bool:
        """Wait until it has struck `fired` times; False when `timeout` seconds passed before."""
        with self._changed:
            return self._changed.wait_for(lambda: self._fired >= fired, timeout)

    def release(self) -> None:
        """End its silences, those to come as well."""
        with self._changed:
            self._released = True
            self._changed.notify_all()

    def strike(self) -> bool:
        """Count one of its occasions; whether it strikes at this one."""
        with self._changed:
            self._occasions += 1
            struck = self._occasions - self.fault.skip
            if struck < 1 or (self.fault.times is not None and struck > self.fault.times):
                return False
            self._fired += 1
            self._changed.notify_all()
            return True

    def hold(self, seconds: float | None = None) -> None:
        """Wait until released, or the sandbox closes, or `seconds` have passed."""
        with self._changed:
            self._changed.wait_for(lambda: self._released or self._closed.is_set(), seconds)


class Faults:
    """The faults of a sandbox, in the order in which they were added. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._armed: list[ArmedFault] = []

    def add(self, fault: Fault) -> ArmedFault:
        """Put a fault in place."""
        armed = ArmedFault(fault, self._closed)
        with self._lock:
            self._armed.append(armed)
        return armed

    def clear(self) -> None:
        """Behave again: no fault strikes any more, and every silence ends."""
        with self._lock:
            armed, self._armed = self._armed, []
        for fault in armed:
            fault.release()

    def close(self) -> None:
        """End every silence, for good."""
        self._closed.set()
        with self._lock:
            armed = list(self._armed)
        for fault in armed:
            fault.release()

    def take(self, when: str, mailbox: str | None = None, uidl: bytes | None = None) -> ArmedFault | None:
        """The first fault that strikes on this occasion."""
        with self._lock:
            armed = [one for one in self._armed if one.fault.concerns(when, mailbox, uidl)]
        return next((one for one in armed if one.strike()), None)
