"""DURABLE: the sinks, and their staging.

Owns these promises. Must never import what keeps them.

The order is stage → record → publish → commit → forget → DELE. The ledger records and commits, the sink does
the rest. A crash can come between any two steps, and in the middle of one. So from the record to the commit
nobody knows how far `publish` has come, and it may be asked again: by the batch, or by `Staging.finish` in a
later poll. Until `forget` the sink alone can tell three kinds of messages apart, and it must:

- Not published yet. All of the message is in staging, and the next call publishes it under the name in
  `Staged`. That name is recorded before the first try, so that each try makes the same thing.
- Published, be it there still or taken by a consumer. It is never made anew.
- Neither: another program removed it from staging. It was never published, and comes again from the server.

A sink that moves each message out of staging in one step (a rename) keeps nothing for that: what is in
staging was not published. A sink that makes a second copy (PUT if the name is free) keeps the staged copy,
and a trace of each published name that is still there when a consumer took the message. It keeps both until
`forget`. To look at what consumers find is not enough: a message that was taken looks like one that never
came.
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
        """The messages that another program removed from staging before they were published.

        They stay the same, however often `publish` is called.
        """
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

        Those that were: the rest has `vanished`. It may be called again until the ledger's commit, with the
        same result. Nothing is made anew then, whatever consumers took in between. Where it raised SinkError,
        each further call goes on from there or raises SinkError again; `Staging.finish` goes on in any case.
        """
        ...

    def refuse_if_lost(self) -> None:
        """Raise StagingLost if another process took the staging directory meanwhile."""
        ...


class Staging(Protocol):
    """DURABLE: a mailbox's staging in the hands of one poll. Every method raises SinkError.

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

    def finish(self, staged: Sequence[Staged], *, undisturbed: bool) -> tuple[Stored, ...]:
        """Publish what an interrupted poll had recorded (steps 3, 4): those that are published now, or were.

        The rest was never published. It may be called again until the ledger's commit, with the same result,
        also after SinkError. In a later poll that is so where `undisturbed` is true each time.

        `undisturbed`: nobody had the staging since these messages were recorded, and the ledger is no older
        copy of itself. Only then may the sink conclude from what it does not find in staging. Without it a
        message was published if consumers find it, or if something else proves it.
        """
        ...

    def forget(self, stored: Sequence[Stored]) -> None:
        """These are committed: drop what was kept to be able to publish them again (after step 5).

        It may be called again, and for what was never published. A crash may come before it: what was kept
        is then removed by `sweep`, at the beginning of the next poll. So it needs not be durable.
        """
        ...

    def remove(self) -> None:
        """Remove the staging with all that is in it: nothing is staged there any more."""
        ...

    def sweep(self) -> int:
        """Remove all that is in staging, and what was kept of published messages.

        How many messages were never published (steps 1, 2). Called when no row is half done any more.
        """
        ...

    def refuse_if_lost(self) -> None:
        """Raise StagingLost if another process took the staging directory meanwhile."""
        ...


class Sink(Protocol):
    """DURABLE: where consumers find their mail, a spool directory or a Maildir.

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
