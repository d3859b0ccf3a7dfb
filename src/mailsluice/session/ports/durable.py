"""DURABLE: the sinks, and their staging.

Owns the promises of these ports. Must never import the modules that keep them.

The order is stage → record → publish → commit → forget → DELE. The ledger records and commits, the sink does
the rest. A crash can come between any two steps, and in the middle of one. So from the record to the commit
nobody knows how far `publish` has come, and it may be called again: by the batch, or by `Staging.finish` in a
later poll. Until `forget` only the sink can tell three kinds of messages apart, and it must do so:

- Not published yet. The whole message is in staging, and the next call publishes it under the name in
  `Staged`. That name is recorded before the first try, so that each try publishes the same file.
- Published. The message is still there, or a consumer has taken it. It is never published again.
- Neither: another program removed it from staging. It was never published, and comes again from the server.

A sink that moves each message out of staging in one step (a rename) need not keep anything for this: a
message in staging was not published. A sink that makes a second copy (PUT if the name is free) keeps the
staged copy, and a trace of each published name that remains when a consumer takes the message. It keeps both
until `forget`. It is not enough to look at what consumers find: a message that was taken looks like one that
never came.
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
    """What was seen of a message while it was written into staging."""

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
        """Its header, parsed."""
        ...


class Batch(Protocol):
    """DURABLE: messages that are made durable and visible together.

    A context manager. The default is to abort: if it is left before `stage` has returned, everything that was
    written is removed.
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
        """Whether the whole staging directory was removed: then no single message is the cause."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def add(self, listed: Listed, chunks: Iterator[bytes], received: datetime) -> Passed:
        """Write one message into staging: all of it or, on any exception, none. Returns what was seen of it.

        Raises SinkError; StagingGone if the whole batch is lost; and whatever `chunks` raises.
        """
        ...

    def drop(self) -> None:
        """Take the message that was added last out of staging again."""
        ...

    def __len__(self) -> int: ...

    def stage(self) -> tuple[Staged, ...]:
        """Make every message that was added durable in staging (row 2 of docs/crash-safety.md).

        Returns the messages that are there then; the rest has `vanished`. Raises SinkError.
        """
        ...

    def publish(self) -> tuple[Stored, ...]:
        """Make what is staged and recorded visible, durably, in its order (row 4). Raises SinkError.

        Returns the messages that were published; the rest has `vanished`. It may be called again until the
        ledger's commit, with the same result. Then nothing is published a second time, whatever consumers
        took in between. After SinkError each further call goes on from there or raises SinkError again;
        `Staging.finish` goes on in any case.
        """
        ...

    def refuse_if_lost(self) -> None:
        """Raise StagingLost if another process has taken the staging directory since this poll took it."""
        ...


class Staging(Protocol):
    """DURABLE: the staging directory of a mailbox, held by one poll. Every method raises SinkError.

    No other process holds it at the same time, even one with another state directory.
    """

    @property
    def where(self) -> Where:
        """Where it is."""
        ...

    @property
    def notices(self) -> Sequence[Notice]:
        """What an administrator should know about the sink, although the poll goes on."""
        ...

    @property
    def commits(self) -> int:
        """The number of the ledger's writes that `note` last gave for this mailbox; 0 if it never did."""
        ...

    @property
    def is_as_left(self) -> bool:
        """Whether nobody has held it since the ledger last noted that messages are staged there."""
        ...

    def note(self, commits: int) -> None:
        """Have the sink remember the number of the ledger's writes, to recognise an older copy by it."""
        ...

    def batch(self) -> Batch:
        """A new, empty batch. If the directory is gone by now, it is taken again, by the same rules."""
        ...

    def finish(self, staged: Sequence[Staged], *, undisturbed: bool) -> tuple[Stored, ...]:
        """Publish what an interrupted poll had recorded (rows 3 and 4).

        Returns the messages that are published now, or were before; the rest was never published. It may be
        called again until the ledger's commit, with the same result, also after SinkError. In a later poll
        this is true if `undisturbed` is true each time.

        `undisturbed`: nobody has held the staging directory since these messages were recorded, and the
        ledger is not an older copy of itself. Only then may the sink take a missing file as proof. Otherwise
        a message was published if consumers find it, or if something else proves it.
        """
        ...

    def forget(self, stored: Sequence[Stored]) -> None:
        """These are committed: drop what was kept to be able to publish them again (after row 5).

        It may be called again, and for messages that were never published. If a crash comes before it,
        `sweep` removes what was kept, at the beginning of the next poll. So it need not be durable.
        """
        ...

    def remove(self) -> None:
        """Remove the staging directory with all that is in it. Nothing is staged there any more."""
        ...

    def sweep(self) -> int:
        """Remove all that is in staging, and what was kept of published messages.

        Called when no row is half done any more. Returns how many messages were never published (rows 1
        and 2).
        """
        ...

    def refuse_if_lost(self) -> None:
        """Raise StagingLost if another process has taken the staging directory since this poll took it."""
        ...


class Sink(Protocol):
    """DURABLE: where consumers find their mail, a spool directory or a Maildir.

    Every method raises SinkError; SinkRefused if it is not the same sink as before, or if another ledger
    feeds it with the same mailbox; and MailboxLocked if another process holds the staging directory. `known`
    is what the ledger has noted about the staging directory.
    """

    @property
    def spec(self) -> str:
        """Its kind and path, `spool:/var/spool/x`. The ledger remembers it for recovery."""
        ...

    def hold(self, known: Where | None) -> AbstractContextManager[Staging]:
        """Hold the staging directory. What is missing is made, except a sink that was there before."""
        ...

    def adopt(self) -> None:
        """Take the sink over from every other ledger that feeds it with this mailbox.

        What those ledgers have staged is removed: it is still on the server. They are refused from now on.
        """
        ...

    def published(self, staged: Sequence[Staged]) -> tuple[Stored, ...]:
        """Those of these messages that are where consumers find them, durably. Raises SinkError."""
        ...

    def left_behind(self) -> Sequence[str]:
        """The names of what consumers left behind when they took this ledger's messages. Raises SinkError."""
        ...

    def remove_left_behind(self, names: Iterable[str]) -> None:
        """Remove what was left behind under these names. Raises SinkError."""
        ...

    def find(self, known: Where) -> AbstractContextManager[Staging | None]:
        """Hold exactly the staging directory that is known, for recovery; None if it is gone."""
        ...
