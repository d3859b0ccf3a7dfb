"""A batch: messages that are written into staging and made durable together.

Owns the steps up to "staged and synced" (crash table, rows 1 and 2), and the one place where a `Staged`
is made. Must never leave a file behind unless `stage` returned, and never return from `stage` unless
every file and every name is on disk.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from mailsluice.errors import SinkError
from mailsluice.files.directory import Directory
from mailsluice.files.error import FileError
from mailsluice.files.new_file import NewFile
from mailsluice.files.syncing import sync_together
from mailsluice.message.header import LIMIT, Header
from mailsluice.message.identity import identity
from mailsluice.model import Listed, Staged, Stored, Where
from mailsluice.sink.edge import edge
from mailsluice.sink.form import Form
from mailsluice.sink.place import Place

MOST_AT_ONCE = 512
"""Files a batch writes before it has them synced: one commit of the file system's journal serves them all.

A file is synced through the descriptor that wrote it, because a write error that the kernel met between
closing and reopening may not be told to a new one. So many are only open where the process may have so many
descriptors: see `_at_once`.
"""

_WRITTEN_AT_ONCE = 8 * 1024 * 1024
"""Octets of one file that may wait in memory before the kernel is told to begin to write them."""

BEHIND_HEADER = 8 * 1024
"""Octets behind the header that are kept of a message as it passes by."""

_FIRST_LOOK = 16 * 1024
"""Octets of a message that are kept before its header's end is looked for: most headers are shorter."""

WriteFile = Callable[[str, Iterable[bytes]], None]
"""Write one file of a message into staging, under this name."""


class Passing:
    """A message passing by on its way to disk, once: its chunks, and what was seen of it so far."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.size = 0
        self._head = bytearray()
        self._enough = _FIRST_LOOK
        self._header: Header | None = None
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.size += len(chunk)
            if len(self._head) < self._enough:
                self._keep(chunk)
            yield chunk

    @property
    def head(self) -> bytes:
        """Its first octets: the header, and BEHIND_HEADER octets of what follows, if it has so many."""
        return bytes(self._head)

    @property
    def header(self) -> Header:
        """What it says of itself, once it has passed by."""
        if self._header is None:
            self._header = Header(self.head)
        return self._header

    def _keep(self, chunk: bytes) -> None:
        """Keep the chunk, and look whether that is enough. Looks are few: each begins at the beginning."""
        self._head += chunk[: LIMIT + BEHIND_HEADER - len(self._head)]
        while len(self._head) >= self._enough < LIMIT + BEHIND_HEADER:
            end = Header(self.head).end
            if end is not None:
                self._enough = end + BEHIND_HEADER
                return
            self._enough = min(2 * self._enough, LIMIT + BEHIND_HEADER)


class WriteMessage(Protocol):
    """How a kind of sink writes one message: which files, in which form."""

    def __call__(self, write: WriteFile, listed: Listed, message: Passing, received: datetime, /) -> str:
        """The name it will be published under; the message was read to its end."""
        ...


class DurableBatch:
    """Keeps the promises of `session.ports.Batch`, on the place that it is given to own.

    `where` is where that is. `vanished` are messages that another program removed from staging, `swept_away`
    whether the whole directory went.
    """

    def __init__(self, place: Place, where: Where, form: Form, write_message: WriteMessage) -> None:
        self.where = where
        self.vanished: list[Staged] = []
        self.swept_away = False
        self._place = place
        self._form = form
        self._write_message = write_message
        self._names: list[str] = []
        self._unsynced: dict[str, NewFile] = {}
        self._at_once = _at_once()
        self._messages: list[Staged] = []
        self._last = 0  # how many names there were before the last message
        self._sync_failed = False
        self._staged: tuple[Staged, ...] | None = None
        self._publishing = False
        self._stored: tuple[Stored, ...] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        if self._staged is None:
            self._remove_since(0)
        with suppress(FileError):
            self._place.close()

    def __len__(self) -> int:
        return len(self._messages)

    @edge
    def add(self, listed: Listed, chunks: Iterator[bytes], received: datetime) -> Passing:
        """Write one message into staging; what was seen of it. All of it or, on any exception, none of it.

        Raises SinkError, StagingGone, and whatever `chunks` raises.
        """
        self._refuse_if_over()
        before = len(self._names)
        try:
            message = Passing(chunks)
            name = self._write_message(self._write, listed, message, received)
            if len(self._unsynced) >= self._at_once:
                self._sync()
        except BaseException:
            self._remove_since(before)
            raise
        self._last = before
        self._messages.append(Staged(listed.uidl, name, message.size, listed.size, identity(message.header)))
        return message

    @edge
    def drop(self) -> None:
        """Take the message that was added last out of staging again, which may be done once for each."""
        self._refuse_if_over()
        self._messages.pop()
        self._remove_since(self._last)

    @edge
    def stage(self) -> tuple[Staged, ...]:
        """Make every message added durable, in staging; those that are there then. The rest has `vanished`.

        Once only. Raises SinkError: all of them are lost.
        """
        self._refuse_if_over()
        if self._messages:
            self._sync(self._place.staging)
            self._place.claim.sync()
            self._without_vanished(self._place.all_there(self._messages))
        self._staged = tuple(self._messages)
        return self._staged

    @edge
    def publish(self) -> tuple[Stored, ...]:
        """Make what is staged and recorded visible, durably, in its order. The rest has `vanished`.

        Each further call has the same result. Raises SinkError: then recovery alone may go on.
        """
        if self._staged is None:
            raise RuntimeError("nothing is published that is not staged")
        if self._stored is not None:
            return self._stored  # what was moved is in staging no more: a second look would miss it
        if self._publishing:
            raise SinkError(
                "a part of this batch could not be published before: the next poll finishes what is recorded"
            )
        self._publishing = True
        stored = self._place.publish(self._staged) if self._staged else ()
        self._without_vanished(stored)
        self._stored = stored
        return stored

    @edge
    def refuse_if_lost(self) -> None:
        """Raise StagingLost if another process took the staging directory. Raises SinkError."""
        self._place.refuse_if_lost()

    def _without_vanished(self, there: Iterable[Staged | Stored]) -> None:
        names = {each.name for each in there}
        if len(names) < len(self._messages) and not self._place.is_there():
            self.swept_away = True
        self.vanished += [each for each in self._messages if each.name not in names]
        self._messages = [each for each in self._messages if each.name in names]

    def _refuse_if_over(self) -> None:
        if self._staged is not None:
            raise RuntimeError("this batch is staged: it can neither grow nor be staged again")
        if self._sync_failed:
            raise SinkError(
                "a sync of this batch failed before: it is lost, and its messages must be fetched again"
            )

    def _write(self, name: str, chunks: Iterable[bytes]) -> None:
        file = self._unsynced[name] = self._place.create(name)
        self._names.append(name)
        unwritten = 0
        for chunk in chunks:
            file.write(chunk)
            unwritten += len(chunk)
            if unwritten >= _WRITTEN_AT_ONCE:
                file.begin_sync()
                unwritten = 0

    def _sync(self, *directories: Directory) -> None:
        """Make what is written durable, and these directories after it."""
        files = list(self._unsynced.values())
        self._unsynced.clear()
        self._sync_failed = True  # until all went well
        sync_together(files)
        for directory in directories:
            directory.sync()
        self._sync_failed = False

    def _remove_since(self, count: int) -> None:
        """Take back every file after the first `count`.

        What cannot be removed now is swept before the next poll: it must not hide the first error.
        """
        removed, self._names = self._names[count:], self._names[:count]
        for name in removed:
            with suppress(FileError):
                self._place.staging.unlink(name)
            if file := self._unsynced.pop(name, None):
                with suppress(FileError):
                    file.close()


def _at_once() -> int:
    """A 32nd of the descriptors there may be.

    So 16 sessions, the usual `max_sessions`, hold half of them at most, and the rest is left to sockets and
    the ledger. More sessions need a higher limit, as EMFILE's remedy says.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, min(MOST_AT_ONCE, limit // 32))
