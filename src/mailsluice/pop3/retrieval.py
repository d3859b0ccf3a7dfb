"""The retrieval: messages on their way, asked ahead where the server allows it.

Owns the window of RETRs under way and what becomes of a message that is not read. Must never buffer a
message: chunks pass through.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress

from mailsluice.errors import CommandRefused, MessageTooLarge, Phase
from mailsluice.model import Listed
from mailsluice.pop3.channel import Channel
from mailsluice.pop3.commands import Retr
from mailsluice.pop3.deadlines import Deadlines, Patience
from mailsluice.pop3.events import BodyChunk, Refused

WINDOW = 64
"""The most commands under way at once: enough to hide the way there and back, few enough to read away.

More are sent when half of them are answered, for each sending costs both sides as much as a small message.
"""

_OCTETS_AHEAD = 4 * 1024 * 1024
"""The most octets, by LIST, that are under way at once: what may have to be read away when we stop early."""


class Arrival:
    """One message on its way; satisfies `session.ports.Arrival`."""

    def __init__(self, listed: Listed, *, channel: Channel, ceiling: int, deadlines: Deadlines) -> None:
        self.listed = listed
        self.chunks: Iterator[bytes] = iter(self._pull, b"")
        self._channel = channel
        self._ceiling = ceiling
        self._deadlines = deadlines
        self._octets = 0
        self._reply = ""
        self._begun = self._done = False

    def drain(self) -> None:
        """Read away what was not read, so that the next answer is the next message's."""
        with suppress(CommandRefused):
            while self._pull():
                pass

    def _pull(self) -> bytes:
        """The next chunk; empty at the end and ever after."""
        if self._done:
            return b""
        if not self._begun:
            self._begin()
        event = self._channel.next_event()
        if not isinstance(event, BodyChunk):
            self._done = True
            if not self._octets:
                raise self._nothing()
            return b""
        self._octets += len(event.data)
        if self._octets > self._ceiling:
            self._done = True
            self._channel.close()
            raise MessageTooLarge(
                f"message {self.listed.number} has more than {self._ceiling} octets, which is its limit; "
                f"closed the connection to {self._channel.peer}",
                octets=self._octets,
            )
        return event.data

    def _begin(self) -> None:
        self._begun = True
        self._channel.patience = _patience(self._deadlines)
        answer = self._channel.answer()
        if isinstance(answer, Refused):
            self._done = True
            raise self._channel.refusal(answer)
        self._reply = answer.text

    def _nothing(self) -> CommandRefused:
        """The error for `+OK` to no octets: no message is empty, so the server does not hand this one out."""
        return CommandRefused(
            f"{self._channel.peer} answered RETR {self.listed.number} with +OK {self._reply!r} and an empty "
            "message: taken for a refusal, since no message is empty",
            phase=Phase.RETRIEVE,
            reply=self._reply,
        )


def retrieve(
    channel: Channel, messages: Sequence[Listed], *, ceiling: int, deadlines: Deadlines, ahead: bool
) -> Generator[Arrival, None, None]:
    """Ask for the messages and yield each as it is its turn; `ahead`: several at once.

    A message that is not read to its end when the next is wanted, and all that was asked ahead when
    the iterator is closed, is read away.
    """
    waiting = deque(messages)
    under_way: deque[Arrival] = deque()
    channel.patience = _patience(deadlines)
    try:
        while waiting or under_way:
            due = _due(waiting, under_way, ahead=ahead)
            under_way.extend(
                Arrival(listed, channel=channel, ceiling=ceiling, deadlines=deadlines) for listed in due
            )
            if due:
                channel.send(*(Retr(listed.number) for listed in due))
            yield under_way[0]
            under_way[0].drain()
            under_way.popleft()
    finally:
        if not channel.closed:
            for arrival in under_way:
                arrival.drain()


def _due(waiting: deque[Listed], under_way: deque[Arrival], *, ahead: bool) -> list[Listed]:
    """Take from `waiting` what is to be asked for now: at least one message if none is under way."""
    due: list[Listed] = []
    count = len(under_way)
    if not waiting or (count and (not ahead or count > WINDOW // 2)):
        return due
    octets = sum(_weight(arrival.listed) for arrival in under_way)
    if octets > _OCTETS_AHEAD // 2:
        return due
    while waiting:
        octets += _weight(waiting[0])
        if count and not (ahead and count < WINDOW and octets <= _OCTETS_AHEAD):
            break
        due.append(waiting.popleft())
        count += 1
    return due


def _weight(listed: Listed) -> int:
    """What a message takes of the allowance; all of it if nobody knows."""
    return _OCTETS_AHEAD if listed.size is None else listed.size


def _patience(deadlines: Deadlines) -> Patience:
    return Patience(deadlines.retrieve, per_octets=deadlines.progress)
