"""The faults: how to make the sandbox misbehave.

Owns the faults in place and when each one strikes. The servers carry them out. Must never touch a socket.

A fault is an occasion and an action. `Fault("RETR", Close(after_octets=1000))` ends the connection after
1,000 octets of the answer to the first RETR. `Fault("LOGIN", Refuse("..."), times=3)` refuses three logins,
and then no more.
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
    "IDENTITY",
    "IMAP_CONNECT",
    "SMTP_CONNECT",
]
"""An occasion.

In POP3, CONNECT is before TLS, LOGIN is when a credential came (the line after AUTH, or PASS), LISTING is
when the session's snapshot is taken, and the others are commands. At Entra, TOKEN_CONNECT is before TLS, and
DISCOVERY and TOKEN are requests. IDENTITY is a request to a machine's own service for tokens.
IMAP_CONNECT and SMTP_CONNECT are before anything is said at the other two doors of the mail host.
"""


class Hangup(Enum):
    """The ways to end a connection."""

    NOTIFY = "with TLS's close_notify, then FIN"
    FIN = "FIN alone, which TLS calls a truncation"
    RESET = "a TCP reset"


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer `-ERR text` (Entra: 401 `invalid_client` with this description) and do nothing else."""

    text: str


@dataclass(frozen=True, slots=True)
class Close:
    """End the connection: before the command is carried out (None), or after this many octets of its answer.

    With 0 the command is carried out, and its whole answer is lost.
    """

    how: Hangup = Hangup.FIN
    after_octets: int | None = None


@dataclass(frozen=True, slots=True)
class Silence:
    """Say nothing until released, then go on.

    It begins before the command is carried out (None), or after this many octets of its answer.
    """

    after_octets: int | None = None


@dataclass(frozen=True, slots=True)
class Drip:
    """Answer one octet at a time, each in its own TLS record, `pause` seconds apart."""

    pause: float = 0.0


@dataclass(frozen=True, slots=True)
class Garbage:
    """Answer these octets as they are, once or until the client hangs up. Do nothing else."""

    octets: bytes
    endless: bool = False


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Carry the command out, and send the `pieces` made from its answer, each in its own TLS record.

    There may be endlessly many pieces: then they are sent until the client hangs up.
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
    """Show a session a listing that differs from the mailbox."""

    EMPTY = "no message"
    SHRUNK = "only the first half of the messages"
    RENUMBERED = "every message under a UIDL never seen before"
    DUPLICATED = "the second message under the UIDL of the first"


SERVER_UNAVAILABLE = Refuse("Server Unavailable. 21")
"""Exchange's words when its back end cannot be reached."""
AUTHENTICATION_FAILURE = Refuse("Authentication failure: unknown user name or bad password.")
"""Exchange's words when it refuses a token, for any reason, and also when it throttles."""

Action = Refuse | Close | Silence | Drip | Garbage | Rewrite | Pretend | Answer | Relist

_ON_THE_WIRE = (Close, Silence, Drip, Garbage, Rewrite)
_SPECIAL: Mapping[str, tuple[type, ...]] = {
    "CONNECT": (Close, Silence),
    "TOKEN_CONNECT": (Close, Silence),
    "IMAP_CONNECT": (Close, Silence),
    "SMTP_CONNECT": (Close, Silence),
    "GREETING": (Refuse, *_ON_THE_WIRE),
    "LISTING": (Relist,),
    "DELE": (Refuse, Pretend, *_ON_THE_WIRE),
    "QUIT": (Refuse, Pretend, *_ON_THE_WIRE),
    "DISCOVERY": (Refuse, Answer, *_ON_THE_WIRE),
    "TOKEN": (Refuse, Answer, *_ON_THE_WIRE),
    "IDENTITY": (Answer, *_ON_THE_WIRE),
}
_COMMAND = (Refuse, *_ON_THE_WIRE)


@dataclass(frozen=True, slots=True)
class Fault:
    """An action for an occasion; only for `mailbox` and the message `uidl` if they are given.

    The fault skips `skip` occasions, then strikes `times` times (None: always). The mailbox is known from
    LOGIN on, the message at RETR, TOP and DELE. Raises ValueError if the occasion cannot have this action.
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
            raise ValueError(  # noqa: TRY004  both types are right; the pair is wrong
                f"{type(self.do).__name__} cannot happen at {self.when}"
            )

    def concerns(self, when: str, mailbox: str | None, uidl: bytes | None) -> bool:
        """Whether the fault is for this occasion."""
        return (
            when == self.when
            and (self.mailbox is None or self.mailbox.lower() == mailbox)
            and (self.uidl is None or self.uidl == uidl)
        )


class ArmedFault:
    """A fault in place: it counts its strikes, and can end its silences."""

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
        """Wait until it has struck `fired` times. False if `timeout` seconds passed before that."""
        with self._changed:
            return self._changed.wait_for(lambda: self._fired >= fired, timeout)

    def release(self) -> None:
        """End its silences, the present one and all future ones."""
        with self._changed:
            self._released = True
            self._changed.notify_all()

    def strike(self) -> bool:
        """Count one of its occasions. Returns whether it strikes now."""
        with self._changed:
            self._occasions += 1
            struck = self._occasions - self.fault.skip
            if struck < 1 or (self.fault.times is not None and struck > self.fault.times):
                return False
            self._fired += 1
            self._changed.notify_all()
            return True

    def hold(self, seconds: float | None = None) -> None:
        """Wait until `release`, until the sandbox closes, or until `seconds` have passed."""
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
        """Remove all faults, and end every silence."""
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
        """The first fault that strikes on this occasion. None if no fault does."""
        with self._lock:
            concerned = [armed for armed in self._armed if armed.fault.concerns(when, mailbox, uidl)]
        return next((armed for armed in concerned if armed.strike()), None)
