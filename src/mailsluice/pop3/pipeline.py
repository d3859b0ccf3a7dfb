"""The transfer: messages being fetched, and deletions between them; pipelined if the server allows it.

Owns the RETR and DELE commands under way, and reads the rest of a message that nobody read. Must never buffer
a message: chunks pass through.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress

from mailsluice.errors import CommandRefused, MessageTooLarge, Phase
from mailsluice.model import Listed
from mailsluice.net.deadlines import Patience
from mailsluice.pop3.commands import Command, dele, retr
from mailsluice.pop3.deadlines import Deadlines
from mailsluice.pop3.events import BodyChunk
from mailsluice.pop3.exchange import Exchange
from mailsluice.pop3.protocol import LocalProtocolError

WINDOW = 128
"""The most messages under way at once. Enough to hide the round trips, and few enough to read and discard.

More are requested when half have come: each sending costs both sides as much as a small message.
"""

DELETIONS = 512
"""The most commands under way when a deletion is sent. More than WINDOW: the answers to DELE are short."""

_OCTETS_AHEAD = 8 * 1024 * 1024
"""If more octets than this are under way, by LIST, no more is requested: all may have to be discarded."""


class Arrival:
    """One message on its way; satisfies `session.ports.Arrival`."""

    def __init__(self, listed: Listed, *, exchange: Exchange, ceiling: int, deadlines: Deadlines) -> None:
        self.listed = listed
        self.chunks: Iterator[bytes] = iter(self._pull, b"")
        self._exchange = exchange
        self._ceiling = ceiling
        self._deadlines = deadlines
        self._octets = 0
        self._reply = ""
        self._begun = self._done = False

    def drain(self) -> None:
        """Read and discard the rest, so that the next answer is the next message's."""
        if not self._done:
            with suppress(CommandRefused):  # nobody wanted this message: a refusal of it is no news
                while self._pull():
                    pass

    def _pull(self) -> bytes:
        """The next chunk; empty at the end and ever after."""
        if self._done:
            return b""
        if not self._begun:
            self._begin()
        event = self._exchange.next_event()
        if not isinstance(event, BodyChunk):
            raise LocalProtocolError(f"expected a message, got {event!r}")
        self._octets += len(event.data)
        self._done = event.last
        if self._octets > self._ceiling:
            self._done = True
            self._exchange.close()
            raise MessageTooLarge(
                f"message {self.listed.number} has more than {self._ceiling} octets, which is its limit; "
                f"closed the connection to {self._exchange.peer}",
                octets=self._octets,
            )
        if self._done and not self._octets and self.listed.size != 0:
            raise self._nothing()
        return event.data

    def _begin(self) -> None:
        self._begun = True
        self._exchange.patience = _patience(self._deadlines)
        answer = self._exchange.answer()
        if not answer.accepted:
            self._done = True
            raise self._exchange.refusal(answer)
        self._reply = answer.text

    def _nothing(self) -> CommandRefused:
        """The error for an empty message after `+OK`, unless LIST says that it is empty."""
        # A server in a bad hour may hand out nothing. Its mail must not be deleted for that (ADR 20).
        return CommandRefused(
            f"{self._exchange.peer} answered RETR {self.listed.number} with +OK {self._reply!r} and an empty "
            "message; this counts as a refusal, because LIST does not say that the message is empty",
            phase=Phase.RETRIEVE,
            reply=self._reply,
        )


class Transfer:
    """The RETR and DELE commands of one session. `ahead`: several may be under way (RFC 2449 §6.6).

    `deleted` is how many deletions the server agreed to. `undeleted` is how many it refused.
    """

    def __init__(self, exchange: Exchange, deadlines: Deadlines) -> None:
        self.deleted = 0
        self.undeleted = 0
        self.ahead = False
        self._exchange = exchange
        self._deadlines = deadlines
        self._under_way: deque[Arrival | int] = deque()  # a number stands for a DELE
        self._messages = 0  # the messages under way
        self._octets = 0  # their octets, by LIST
        self._marks: deque[int] = deque()  # numbers of messages whose DELE is not sent yet

    def retrieve(self, messages: Iterable[Listed], ceiling: int) -> Generator[Arrival, None, None]:
        """Request the messages, and yield each when its turn comes. They are taken only as there is room.

        If the caller did not read a message to its end, the rest is read and discarded before the next one is
        yielded. When the generator is closed, all messages under way are read and discarded.
        """
        coming = (
            Arrival(listed, exchange=self._exchange, ceiling=ceiling, deadlines=self._deadlines)
            for listed in messages
        )
        try:
            while (due := self._next_due(coming)) is not None:
                if isinstance(due, Arrival):
                    yield due
                self._finish(due)
        finally:
            if not self._exchange.closed:
                self._finish_all()

    def delete(self, numbers: Iterable[int]) -> None:
        """Mark these for deletion: at once, or within an open retrieval as it goes on."""
        is_idle = not self._under_way
        self._marks.extend(numbers)
        if is_idle:
            self._finish_all()

    @property
    def deleting(self) -> int | None:
        """The number of the message, if the next answer is to a DELE; None otherwise."""
        due = self._under_way[0] if self._under_way else None
        return due if isinstance(due, int) else None

    def _finish_all(self) -> None:
        while (due := self._next_due(iter(()))) is not None:
            self._finish(due)

    def _next_due(self, coming: Iterator[Arrival]) -> Arrival | int | None:
        """Send the commands there is room for. Returns what is answered next, or None if nothing is."""
        if not self._under_way or (
            self.ahead and self._messages <= WINDOW // 2 and self._octets <= _OCTETS_AHEAD // 2
        ):
            self._ask(coming)
        return self._under_way[0] if self._under_way else None

    def _ask(self, coming: Iterator[Arrival]) -> None:
        commands: list[Command] = []
        # Deletions go first. Without pipelining they would else wait until no message is left to fetch.
        while self._marks and len(self._under_way) < (DELETIONS if self.ahead else 1):
            number = self._marks.popleft()
            self._under_way.append(number)
            commands.append(dele(number))
        while self._messages < WINDOW and self._octets <= _OCTETS_AHEAD and (self.ahead or not commands):
            arrival = next(coming, None)
            if arrival is None:
                break
            self._under_way.append(arrival)
            self._messages += 1
            self._octets += _weight(arrival.listed)
            commands.append(retr(arrival.listed.number))
        if commands:
            self._exchange.send(*commands)

    def _finish(self, due: Arrival | int) -> None:
        """Read the answer, or what is left of it."""
        if isinstance(due, Arrival):
            due.drain()
            self._messages -= 1
            self._octets -= _weight(due.listed)
        else:
            self._exchange.patience = Patience(self._deadlines.delete)
            if self._exchange.answer().accepted:
                self.deleted += 1
            else:
                self.undeleted += 1
        self._under_way.popleft()


def _weight(listed: Listed) -> int:
    """How much of _OCTETS_AHEAD a message uses. If its size is unknown, it uses all, and goes alone."""
    return _OCTETS_AHEAD + 1 if listed.size is None else listed.size


def _patience(deadlines: Deadlines) -> Patience:
    return Patience(deadlines.retrieve, per_octets=deadlines.progress)
