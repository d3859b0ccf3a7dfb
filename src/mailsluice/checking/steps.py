"""The steps of a check, and how each went: told to whoever watches, as it happens.

Owns the names of the steps, their states, and the time each took. Must never do what a step does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from mailsluice.clock import Clock
from mailsluice.errors import DeadlineExceeded, MailsluiceError, Obstacle, ServerError, Stopped, TokenError


class Step(StrEnum):
    """What is tried, in this order. The value is its name for people."""

    CONFIG = "config"
    LEDGER = "ledger"
    SECRET = "secret"  # noqa: S105  a step's name
    TOKEN = "token"  # noqa: S105  as above
    CLAIMS = "claims"
    SINK = "sink"
    DNS = "DNS"
    TCP = "TCP"
    PROXY = "proxy"
    TLS = "TLS"
    GREETING = "greeting"
    CAPA = "CAPA"
    CONNECT = "connect"
    AUTH = "AUTH"
    STAT = "STAT"
    QUIT = "QUIT"
    IMAP = "IMAP"
    SMTP = "SMTP"
    CAUSE = "cause"
    """What is asked at the end, to explain an error."""


class State(StrEnum):
    """How a step went. The value is its word for people, and in JSON."""

    OK = "ok"
    DOUBT = "doubt"
    """It works, but something about it is probably wrong."""
    FAILED = "failed"
    NO_ANSWER = "no answer yet"
    """It was cut short. So it says nothing about what is wrong."""
    LEFT_OUT = "left out"
    """It was not tried: what it needs has failed, or somebody else is at it."""


@dataclass(frozen=True, slots=True)
class Line:
    """A step that has ended. `subject` is a mailbox, `credentials.NAME`, or a server. `seconds` it took."""

    subject: str
    step: Step
    state: State
    seconds: float
    detail: str


class Watcher(Protocol):
    """Somebody who watches a check. Called from several threads, but never by two at once.

    May raise OSError: then it is told nothing more, and `Journal.heard` raises that.
    """

    def began(self, subject: str, step: Step) -> None:
        """A step has begun."""
        ...

    def ended(self, line: Line) -> None:
        """A step has ended."""
        ...


class Unwatched:
    """Nobody watches."""

    def began(self, subject: str, step: Step) -> None:
        """Do nothing."""

    def ended(self, line: Line) -> None:
        """Do nothing."""


class Note:
    """What a step has found, while it goes on."""

    def __init__(self) -> None:
        self.state = State.OK
        self.detail = ""

    def say(self, detail: str) -> None:
        """Note what was found."""
        self.detail = detail

    def doubt(self, detail: str) -> None:
        """Note what was found, and that it is probably wrong."""
        self.state, self.detail = State.DOUBT, detail


class Journal:
    """All steps of one check, for its watcher and for its end. Safe among threads."""

    def __init__(self, clock: Clock, watcher: Watcher) -> None:
        self._clock = clock
        self._watcher = watcher
        self._lock = threading.Lock()
        self._lines: list[Line] = []
        self._unheard: OSError | None = None
        self._closed = False

    @property
    def lines(self) -> tuple[Line, ...]:
        """The steps that have ended, in this order."""
        with self._lock:
            return tuple(self._lines)

    def heard(self) -> None:
        """Raise the OSError with which the watcher has ended, if it has: its terminal or its reader is gone.

        Not where the step ends: there it would look like an error of the connection.
        """
        if self._unheard is not None:
            raise self._unheard

    def close(self) -> None:
        """Tell the watcher nothing more, because the program ends while threads are still at work."""
        with self._lock:
            self._closed = True

    def begin(self, subject: str, step: Step) -> float:
        """Note that a step begins. Returns when, in monotonic seconds."""
        with self._lock:
            self._tell(lambda: self._watcher.began(subject, step))
        return self._clock.monotonic()

    def end(self, subject: str, step: Step, begun: float, state: State, detail: str) -> None:
        """Note how a step went that began at `begun`."""
        line = Line(subject, step, state, round(self._clock.monotonic() - begun, 3), detail)
        with self._lock:
            self._lines.append(line)
            self._tell(lambda: self._watcher.ended(line))

    def leave_out(self, subject: str, step: Step, why: str) -> None:
        """Note that a step is not tried."""
        self.end(subject, step, self._clock.monotonic(), State.LEFT_OUT, why)

    def _tell(self, tell: Callable[[], None]) -> None:
        """Tell the watcher, if there still is one. The lock is held."""
        if self._closed or self._unheard is not None:
            return
        try:
            tell()
        except OSError as error:
            self._unheard = error

    @contextmanager
    def step(self, subject: str, step: Step) -> Iterator[Note]:
        """A step that goes on while this context lasts. A MailsluiceError is noted, and goes on its way."""
        note, begun = Note(), self.begin(subject, step)
        try:
            yield note
        except MailsluiceError as error:
            self.end(subject, step, begun, state_of(error), str(error))
            raise
        self.end(subject, step, begun, note.state, note.detail)


def state_of(error: MailsluiceError) -> State:
    """How a step went that ended with this error."""
    silent = isinstance(error, ServerError | TokenError) and error.obstacle is Obstacle.SILENT
    if silent or isinstance(error, DeadlineExceeded | Stopped):
        return State.NO_ANSWER
    return State.FAILED
