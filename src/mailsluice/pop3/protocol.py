"""The POP3 protocol, client side, without I/O.

Owns a session's state and the order of answers. Commands go in at `send`, octets go in at `receive_data`, and
`next_event` says what happened. `TRANSITIONS` has the states and what changes them. It also decides what may
be sent and what a server may answer. Must never know a socket, a clock or a thread.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import deque
from collections.abc import Mapping
from enum import StrEnum
from typing import NoReturn

from mailsluice.errors import ConnectionLost, Phase, ProtocolViolation
from mailsluice.pop3.commands import Command, Verb
from mailsluice.pop3.events import Answered, BodyChunk, Challenged, Closed, Event, Greeted, TurnedAway
from mailsluice.pop3.lines import DotUnstuffer, readable

_LONGEST_REPLY = 8192
"""The most octets of a line outside a body. A reply has up to 512 (RFC 2449 §4); a SASL challenge may be
longer."""


class LocalProtocolError(Exception):
    """We tried something that the session's state forbids: a bug in this program."""


class State(StrEnum):
    """The states of a session (RFC 1939 §3). SASL is ours: a challenge came and waits for a response."""

    GREETING = "greeting"
    AUTHORIZATION = "authorization"
    SASL = "sasl"
    TRANSACTION = "transaction"
    UPDATE = "update"
    CLOSED = "closed"


class Answer(StrEnum):
    """The words that can begin a server's reply."""

    OK = "+OK"
    ERR = "-ERR"
    CONTINUE = "+"


def _stays(state: State, *verbs: Verb) -> dict[tuple[State, Verb | None, Answer], State]:
    return {(state, verb, answer): state for verb in verbs for answer in (Answer.OK, Answer.ERR)}


TRANSITIONS: Mapping[tuple[State, Verb | None, Answer], State] = {
    (State.GREETING, None, Answer.OK): State.AUTHORIZATION,
    (State.GREETING, None, Answer.ERR): State.CLOSED,
    **_stays(State.AUTHORIZATION, Verb.CAPA, Verb.USER),
    (State.AUTHORIZATION, Verb.PASS, Answer.OK): State.TRANSACTION,
    (State.AUTHORIZATION, Verb.PASS, Answer.ERR): State.AUTHORIZATION,
    (State.AUTHORIZATION, Verb.AUTH_XOAUTH2, Answer.CONTINUE): State.SASL,
    (State.AUTHORIZATION, Verb.AUTH_XOAUTH2, Answer.ERR): State.AUTHORIZATION,
    (State.AUTHORIZATION, Verb.QUIT, Answer.OK): State.CLOSED,
    (State.AUTHORIZATION, Verb.QUIT, Answer.ERR): State.CLOSED,
    (State.SASL, Verb.SASL_RESPONSE, Answer.CONTINUE): State.SASL,
    (State.SASL, Verb.SASL_RESPONSE, Answer.OK): State.TRANSACTION,
    (State.SASL, Verb.SASL_RESPONSE, Answer.ERR): State.AUTHORIZATION,
    **_stays(State.TRANSACTION, Verb.CAPA, Verb.STAT, Verb.UIDL, Verb.LIST, Verb.RETR, Verb.TOP, Verb.DELE),
    # RFC 1939 §6: -ERR means that some messages were not deleted. The session is over all the same.
    (State.TRANSACTION, Verb.QUIT, Answer.OK): State.UPDATE,
    (State.TRANSACTION, Verb.QUIT, Answer.ERR): State.UPDATE,
}
"""The state after each answer. A key is: the state before, the command that is answered (None for the
greeting), and the answer. A combination that is not here is forbidden."""

_SENDABLE = frozenset((state, verb) for state, verb, _ in TRANSITIONS)
"""The commands that may be sent in each state."""

_STAYING = _SENDABLE - {key[:2] for key, after in TRANSITIONS.items() if after is not key[0]}
"""The commands that do not change the state, whatever the answer. Another command may be sent before these
are answered: the state in which it arrives is known."""

_REPLY = re.compile(rb"(\+OK|-ERR|\+)(?:[ \t]+(.*))?", re.DOTALL)
_ANSWERS = {answer.encode(): answer for answer in Answer}
_TAG = re.compile(rb"\[([A-Za-z0-9+/=]+)\]")


class Pop3Protocol:
    """One session. `peer` is the server's name in errors."""

    def __init__(self, peer: str) -> None:
        self.state = State.GREETING
        self.phase = Phase.GREETING
        """The phase of the command whose answer comes next. If none is due: of the one answered last."""
        self._peer = peer
        self._buffer = b""
        self._at = 0  # the octets of the buffer before this position are used up
        self._eof = False
        self._outstanding: deque[Command] = deque()
        self._body: DotUnstuffer | None = None
        self._secrets: list[bytes] = []
        self._last_refusal = ""

    @property
    def idle(self) -> bool:
        """Whether every command has its whole answer."""
        return not self._outstanding

    def send(self, command: Command) -> bytes:
        """The octets to send. Several commands may be under way; answers come in their order (RFC 2449 §6.6).

        Raises LocalProtocolError if the state forbids the command. Raises ProtocolViolation if the server
        has sent something already: what came before a command cannot be the answer to it.
        """
        if not self._allowed(command):
            raise LocalProtocolError(f"{command.verb.value} in state {self.state.value}")
        if not self._outstanding and (rest := self._buffer[self._at :]):
            self._violate("spoke unasked", rest)
        self._outstanding.append(command)
        self._secrets.extend(command.secrets)
        self.phase = self._outstanding[0].verb.phase
        return command.line

    def receive_data(self, data: bytes | memoryview) -> None:
        """Take what the server sent. `data` is copied."""
        self._buffer = b"".join((self._buffer[self._at :], data))
        self._at = 0

    def receive_eof(self) -> None:
        """Note that the server will send no more."""
        self._eof = True

    def next_event(self) -> Event | None:
        """What happened next, or None if more octets are needed to tell.

        Raises ProtocolViolation, or ConnectionLost if the server closed the connection too early. The session
        is over after either.
        """
        event = self._next_of_body(self._body) if self._body is not None else self._next_reply()
        if event is None and self._eof:
            return self._end()
        if self._outstanding:
            self.phase = self._outstanding[0].verb.phase
        return event

    def quotable(self, said: bytes) -> str:
        """What the server said, fit for an error: without the secrets that we sent, printable, and short."""
        # Secrets go first: a cut through one would leave a part that is no longer found.
        for secret in self._secrets:
            said = said.replace(secret, b"***")
        return readable(said)

    def _allowed(self, command: Command) -> bool:
        """Whether the command may be sent now, and may still be when all answers under way have come."""
        # Looking at the last command is enough: it was only sent because those before it change no state.
        last = self._outstanding[-1] if self._outstanding else None
        settled = last is None or (self.state, last.verb) in _STAYING
        return settled and (self.state, command.verb) in _SENDABLE

    def _next_of_body(self, body: DotUnstuffer) -> BodyChunk | None:
        data, self._at = body.feed(self._buffer, self._at)
        if body.ended:
            self._outstanding.popleft()
            self._body = None
            if not self._outstanding and (rest := self._buffer[self._at :]):
                # A server that does not stuff dots ends a message at its first line with a single dot. The
                # rest comes here. Without this check, half a message would be stored, and the mail deleted.
                self._violate("sent more after the end of what was asked for", rest)
            return BodyChunk(data, last=True)
        return BodyChunk(data, last=False) if data else None

    def _next_reply(self) -> Event | None:
        end = self._buffer.find(b"\n", self._at)
        length = (end if end >= 0 else len(self._buffer)) - self._at
        if length > _LONGEST_REPLY:
            self._violate(f"sent a reply of more than {_LONGEST_REPLY} octets", self._buffer[self._at :])
        if end < 0:
            return None
        line = self._buffer[self._at : end].rstrip(b"\r")
        self._at = end + 1
        command = self._outstanding[0] if self._outstanding else None
        found = _REPLY.fullmatch(line)
        if found is None:
            self._violate("sent a line that is no POP3 reply", line)
        answer = _ANSWERS[found[1]]
        state = TRANSITIONS.get((self.state, command.verb if command else None, answer))
        if state is None:
            self._violate("sent a reply that is not allowed at this point", line)
        self.state = state
        return self._event(command, answer, found[2] or b"")

    def _event(self, command: Command | None, answer: Answer, text: bytes) -> Event:
        accepted, shown = answer is Answer.OK, self.quotable(text)
        self._last_refusal = shown if answer is Answer.ERR else ""
        if command is None:
            return Greeted(shown, _tag(text)) if accepted else TurnedAway(shown)
        if accepted and command.verb.multiline:
            self._body = DotUnstuffer()
        else:
            self._outstanding.popleft()
        if accepted or answer is Answer.ERR:
            return Answered(command, shown, accepted)
        return Challenged(command, text)

    def _end(self) -> Closed:
        if self.state in {State.UPDATE, State.CLOSED} and not self._outstanding:
            self.state = State.CLOSED
            return Closed()
        self.state = State.CLOSED
        # A server may refuse a command, then close, and we meet the end one command later: that refusal is
        # the reason. Exchange Online does so ("-ERR Protocol error. Connection is closed. 10").
        reply = self.quotable(self._buffer[self._at :]) or self._last_refusal
        last_words = f"; its last words were {reply!r}" if reply else ""
        raise ConnectionLost(
            f"{self._peer} closed the connection in phase {self.phase.value}{last_words}",
            phase=self.phase,
            reply=reply,
        )

    def _violate(self, what: str, line: bytes) -> NoReturn:
        self.state = State.CLOSED
        reply = self.quotable(line)
        raise ProtocolViolation(
            f"{self._peer} {what} in phase {self.phase.value}: {reply!r}", phase=self.phase, reply=reply
        )


def _tag(greeting: bytes) -> str:
    """See `Greeted.tag`. Empty unless it is ASCII in base64 of UTF-16LE: other servers use brackets too."""
    found = _TAG.search(greeting)
    if found is None:
        return ""
    try:
        name = base64.b64decode(found[1], validate=True).decode("utf-16-le")
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return readable(name.encode()) if name.isascii() else ""
