"""DURABLE: the sinks, and their staging directories.

Owns these promises. Must never import what keeps them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from mailsluice.message.header import Header
from mailsluice.model import Listed, Notice, Staged, Stored, Where


class Passed(Protocol):
    """What was seen of a message when it went into staging."""

    @property
    def size(self) -> int:
        """Its octets as the server sent them."""
        ...

    @property
    def head(self) -> bytes:
        """Its first octets: the header, and a part of the body."""
        ...

    @property
    def header(self) -> Header:
        """What it says of itself."""
        ...


class Batch(Protocol):
    """DURABLE: messages on their way to be made durable and visible together.

    A context manager. Abort is the default: leaving it without `stage` having returned removes what was
    written.
    """

    @property
    def where(self) -> Where:
        """Where its messages are staged."""
        ...

    @property
    def vanished(self) -> Sequence[Staged]:
        """The messages that another program removed from staging before they were published."""
        ...

    @property
    def swept_away(self) -> bool:
        """Whether they went with the whole staging directory, which says nothing of any one of them."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def add(self, listed: Listed, chunks: Iterator[bytes], received: datetime) -> Passed:
        """Write one message into staging; what was seen of it. All of it or, on any exception, none of it.

        Raises SinkError, StagingGone where the whole batch is lost by that, and whatever `chunks` raises.
        """
        ...

    def drop(self) -> None:
        """Take the message that was added last out of staging again."""
        ...

    def __len__(self) -> int: ...

    def stage(self) -> tuple[Staged, ...]:
        """Make every message added durable, in staging (crash table, step 2). Raises SinkError.

        Those that are there then: the rest has `vanished`.
        """
        ...

    def publish(self) -> tuple[Stored, ...]:
        """Make what is staged and recorded visible, durably, in its order (step 4). Raises SinkError.

        Those that were: the rest has `vanished`.
        """
        ...

    def refuse_if_lost(self) -> None:
        """Raise StagingLost if another process took the staging directory meanwhile."""
        ...


class Staging(Protocol):
    """DURABLE: a mailbox's staging directory in the hands of one poll. Every method raises SinkError.

    No other process has it meanwhile, wherever its state directory lies.
    """

    @property
    def where(self) -> Where:
        """Where it is."""
        ...

    @property
    def notices(self) -> Sequence[Notice]:
        """What an administrator should hear about the sink, although it goes on."""
        ...

    @property
    def commits(self) -> int:
        """How far this ledger had come with the mailbox when the sink was last told; 0 if it never was."""
        ...

    @property
    def is_as_left(self) -> bool:
        """Whether nobody had it since the ledger last noted that a message was staged there."""
        ...

    def note(self, commits: int) -> None:
        """Have the sink remember how far the ledger has come."""
        ...

    def batch(self) -> Batch:
        """A new, empty batch. Where the directory is gone by now it is taken anew, under the same rules."""
        ...

    def finish(self, staged: Sequence[Staged], *, absence_is_proof: bool) -> tuple[Stored, ...]:
        """Publish what an interrupted poll had recorded (steps 3, 4): those that are published now, or were.

        That all files of a message are gone from staging proves that it was published, unless the ledger is
        an older copy of itself, or the directory is not as it left it. The rest was never published. Safe to
        call again.
        """
        ...

    def remove(self) -> None:
        """Remove the staging directory with all that is in it: nothing is staged there any more."""
        ...

    def sweep(self) -> int:
        """Remove all that is in staging; how many messages that were (steps 1, 2)."""
        ...

    def refuse_if_lost(self) -> None:
        """Raise StagingLost if another process took the staging directory meanwhile."""
        ...


class Sink(Protocol):
    """DURABLE: a spool directory or a Maildir.

    Every method raises SinkError; SinkRefused where it is not the sink that it was, or another ledger feeds
    it with the same mailbox; and MailboxLocked where another process has the staging directory. `known` is
    what the ledger noted of that.
    """

    @property
    def spec(self) -> str:
        """Its kind and place, `spool:/var/spool/x`: what the ledger remembers, so that recovery finds it."""
        ...

    def hold(self, known: Where | None) -> AbstractContextManager[Staging]:
        """Take the staging directory; whatever is missing is made, but for a sink that was there before."""
        ...

    def adopt(self) -> None:
        """Have every other ledger that feeds it with this mailbox give it up for ours.

        What these have staged is removed: it is still on the server. They are refused from now on.
        """
        ...

    def published(self, staged: Sequence[Staged]) -> tuple[Stored, ...]:
        """Those of these messages that stand where consumers find them, durably. Raises SinkError."""
        ...

    def left_behind(self) -> Sequence[str]:
        """The names of what consumers left behind when they took this ledger's messages. Raises SinkError."""
        ...

    def remove_left_behind(self, names: Iterable[str]) -> None:
        """Remove what was left behind under these names. Raises SinkError."""
        ...

    def find(self, known: Where) -> AbstractContextManager[Staging | None]:
        """Take the very staging directory that is known, for recovery; None where it is gone."""
        ...
