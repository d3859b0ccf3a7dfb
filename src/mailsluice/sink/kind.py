"""The kind: what every kind of sink has in common, which is how its staging is taken and who feeds it.

Owns only that; each kind of sink says what form it has, and how a message is written. Must never write a
message itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

from mailsluice.model import Feeder, Listed, Staged, Stored, Where
from mailsluice.sink import neighbours
from mailsluice.sink.claim import Written
from mailsluice.sink.durable import Passing, WriteFile
from mailsluice.sink.edge import edge
from mailsluice.sink.form import Form
from mailsluice.sink.hold import Hold
from mailsluice.sink.looking import Look, look
from mailsluice.sink.place import published


@dataclass(frozen=True, slots=True)
class Feed:
    """How one mailbox feeds a sink.

    `owner` is the name of its staging directory. `keeps`: its policy keeps mail on the server.
    """

    owner: str
    feeder: Feeder
    keeps: bool = False


class Kind(ABC):
    """Keeps the promises of `session.ports.Sink`, for a sink of this form."""

    def __init__(self, form: Form, feed: Feed) -> None:
        self._form = form
        self._feed = feed

    @property
    def spec(self) -> str:
        """Its kind and path, `spool:PATH`."""
        return self._form.spec

    def hold(self, known: Where | None) -> AbstractContextManager[Hold]:
        """Hold the staging directory, which is made if it is missing; see `session.ports.Sink.hold`."""
        return self._hold(keeps=self._feed.keeps).taken(known)

    def find(self, known: Where) -> AbstractContextManager[Hold | None]:
        """Hold exactly the staging directory that is known; see `session.ports.Sink.find`."""
        return self._hold(keeps=self._feed.keeps).found(known)

    @edge
    def published(self, staged: Sequence[Staged]) -> tuple[Stored, ...]:
        """Those of these messages that are where consumers find them; see `place.published`."""
        return published(self._form, staged)

    @edge
    def adopt(self) -> None:
        """Take the sink over from every other ledger that feeds it with this mailbox; see `neighbours`."""
        neighbours.give_up(self._form, self._feed.owner, self._feed.feeder)

    @edge
    def claims(self) -> Sequence[Written]:
        """The claims of all mailboxes that feed the sink, in no order. Raises SinkError."""
        return neighbours.claims(self._form)

    @edge
    def look(self, known: Where | None) -> Look:
        """What a poll would find in the sink; see `looking`. Raises SinkError, SinkRefused."""
        return look(self._form, self._feed.owner, self._feed.feeder, known, keeps=self._feed.keeps)

    @abstractmethod
    def write(self, write: WriteFile, listed: Listed, message: Passing, received: datetime, /) -> str:
        """Write one message, read to its end. Returns the name that it will be published under."""

    def _hold(self, *, keeps: bool) -> Hold:
        return Hold(self._form, self._feed.owner, self._feed.feeder, self.write, keeps=keeps)
