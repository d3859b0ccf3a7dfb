"""The exchange: commands and answers, between the protocol core and the connection.

Owns the transfer of octets between the two, and closes the connection at once when a session fails. Must
never know what a command is for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mailsluice.errors import CommandRefused, MailsluiceError, ProtocolViolation
from mailsluice.net.certificate import Tls
from mailsluice.net.connection import Connection
from mailsluice.net.deadlines import Patience
from mailsluice.pop3.commands import Command
from mailsluice.pop3.events import Answered, BodyChunk, Challenged, Event
from mailsluice.pop3.protocol import LocalProtocolError, Pop3Protocol


class Exchange:
    """Commands in, events out. `patience` is the time that the current phase has left; set it for each phase.

    Every error except a refusal closes the connection before it is raised: the session is over.
    """

    def __init__(self, connection: Connection, patience: Patience) -> None:
        self.patience = patience
        self._connection = connection
        self._protocol = Pop3Protocol(str(connection.endpoint))

    @property
    def peer(self) -> str:
        """The server's name in errors."""
        return str(self._connection.endpoint)

    @property
    def tls(self) -> Tls | None:
        """See `Connection.tls`."""
        return self._connection.tls

    @property
    def closed(self) -> bool:
        """Whether the connection is closed."""
        return self._connection.closed

    @property
    def idle(self) -> bool:
        """Whether every command has its whole answer."""
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
        try:  # as `fatal` does, which would cost a context manager for each chunk of each message
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
        """Read the body of an accepted command. Returns its first `kept` octets, or all of it.

        Raises ProtocolViolation beyond `ceiling` octets.
        """
        # No list of pieces: a server may send two octets at a time, and a list item takes far more than two.
        body = bytearray()
        kept = ceiling if kept is None else kept
        for piece in self.pieces(ceiling):
            body += piece[: kept - len(body)]
        return bytes(body)

    def pieces(self, ceiling: int, remedy: str = "") -> Iterator[bytes]:
        """The body of an accepted command, piece by piece. The caller must read it to its end.

        Raises ProtocolViolation with `remedy` beyond `ceiling` octets.
        """
        octets, last = 0, False
        while not last:
            event = self.next_event()
            if not isinstance(event, BodyChunk):
                raise LocalProtocolError(f"expected a body, got {event!r}")
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
        """Close the connection if the block raises an error: the session cannot go on after it."""
        try:
            yield
        except MailsluiceError:
            self.close()
            raise

    def refusal(self, refused: Answered) -> CommandRefused:
        """The error for a refused command. The session can go on after it."""
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
    raise LocalProtocolError(f"expected an answer, got {event!r}")
