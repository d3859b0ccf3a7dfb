"""The exchange: the protocol core and the transport joined, one question and answer at a time.

Owns the pump between the two, and that a session which failed is closed at once. Must never know what a
question is for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mailsluice.errors import CommandRefused, MailsluiceError, ProtocolViolation
from mailsluice.net.connection import Connection
from mailsluice.net.deadlines import Patience
from mailsluice.pop3.commands import Command
from mailsluice.pop3.events import Answered, BodyChunk, Challenged, Event
from mailsluice.pop3.protocol import LocalProtocolError, Pop3Protocol


class Exchange:
    """Commands in, events out. `patience` is what the current phase may still cost; set it for each.

    Every error but a refusal closes the connection before it is raised: the session is over.
    """

    def __init__(self, connection: Connection, patience: Patience) -> None:
        self.patience = patience
        self._connection = connection
        self._protocol = Pop3Protocol(str(connection.endpoint))

    @property
    def peer(self) -> str:
        """What errors call the server."""
        return str(self._connection.endpoint)

    @property
    def closed(self) -> bool:
        """Whether the connection is closed."""
        return self._connection.closed

    @property
    def idle(self) -> bool:
        """Whether every answer has come."""
        return self._protocol.idle

    def quotable(self, said: bytes) -> str:
        """See `Pop3Protocol.quotable`."""
        return self._protocol.quotable(said)

    def send(self, *commands: Command) -> None:
        """Send commands, in one go."""
        self._connection.check(commands[0].verb.phase)
        with self.fatal():
            data = b"".join([self._protocol.send(command) for command in commands])
            self._connection.send(data, self._protocol.phase, self.patience)

    def next_event(self) -> Event:
        """Wait for what happens next."""
        self._connection.check(self._protocol.phase)
        try:
            while (event := self._protocol.next_event()) is None:
                data = self._connection.receive(self._protocol.phase, self.patience)
                if data:
                    self._protocol.receive_data(data)
                else:
                    self._protocol.receive_eof()
        except MailsluiceError:
            self.close()
            raise
        return event

    def ask(self, command: Command) -> Answered:
        """Send a command and wait for its answer."""
        self.send(command)
        return self.answer()

    def answer(self) -> Answered:
        """Wait for the answer to the oldest command under way."""
        return _answered(self.next_event())

    def ask_in_login(self, command: Command) -> Answered | Challenged:
        """Send a command that may be answered with a challenge, and wait for its answer."""
        self.send(command)
        event = self.next_event()
        return event if isinstance(event, Challenged) else _answered(event)

    def body(self, ceiling: int, *, kept: int | None = None) -> bytes:
        """Read the body of an accepted command; its first `kept` octets, or all of it.

        ProtocolViolation beyond `ceiling` octets.
        """
        body = bytearray()  # not a list: a server may send it two octets at a time
        kept = ceiling if kept is None else kept
        for piece in self.pieces(ceiling):
            body += piece[: kept - len(body)]
        return bytes(body)

    def pieces(self, ceiling: int, remedy: str = "") -> Iterator[bytes]:
        """The body of an accepted command as it comes, to be read to its end.

        ProtocolViolation with `remedy` beyond `ceiling` octets.
        """
        octets, last = 0, False
        while not last:
            event = self.next_event()
            if not isinstance(event, BodyChunk):
                raise LocalProtocolError(f"read a body, met {event!r}")
            octets += len(event.data)
            last = event.last
            if octets > ceiling:
                self.close()
                phase = self._protocol.phase
                raise ProtocolViolation(
                    f"{self.peer} sent more than {ceiling} octets in phase {phase.value}",
                    phase=phase,
                    remedy=remedy,
                )
            yield event.data

    @contextmanager
    def fatal(self) -> Iterator[None]:
        """Close the connection for any error within: the session cannot go on after it."""
        try:
            yield
        except MailsluiceError:
            self.close()
            raise

    def refusal(self, refused: Answered) -> CommandRefused:
        """The error for a refusal, after which the session lives on."""
        verb = refused.command.verb
        return CommandRefused(
            f"{self.peer} refused {verb.value}: {refused.text!r}", phase=verb.phase, reply=refused.text
        )

    def close(self) -> None:
        """Close the connection. Safe to call again."""
        self._connection.close()


def _answered(event: Event) -> Answered:
    if isinstance(event, Answered):
        return event
    raise LocalProtocolError(f"waited for an answer, met {event!r}")
