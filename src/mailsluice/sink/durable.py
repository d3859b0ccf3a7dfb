"""A batch: messages that are written into staging and made durable together.

Owns the steps until a message is staged and synced (docs/crash-safety.md, rows 1 and 2), and the only place
that makes a `Staged`. Must never leave a file behind unless `stage` returned, and must never return from
`stage` unless every file and every name is on disk.
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
"""Files that a batch writes before it syncs them: one commit of the file system's journal is enough for all.

A file is synced through the descriptor that wrote it. If the file were closed and opened again, the kernel
might not report a write error that it met before. So the files stay open until then. `_at_once` allows fewer
files if the process may have few descriptors.
"""

_WRITTEN_AT_ONCE = 8 * 1024 * 1024
"""Octets of one file that may wait in memory. Then the kernel is told to begin to write them."""

BEHIND_HEADER = 8 * 1024
"""Octets after the header that are kept of a message while it is written."""

_FIRST_LOOK = 16 * 1024
"""Octets of a message that are kept before the header's end is first searched: most headers are shorter."""

WriteFile = Callable[[str, Iterable[bytes]], None]
"""Write one file of a message into staging, under this name."""


class Passing:
    """A message on its way to disk: its chunks, which can be read once, and what was seen of it so far."""

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
        """Its first octets: the header, and up to BEHIND_HEADER octets of the body."""
        return bytes(self._head)

    @property
    def header(self) -> Header:
        """Its header, parsed. Must be asked for after the last chunk."""
        if self._header is None:
            self._header = Header(self.head)
        return self._header

    def _keep(self, chunk: bytes) -> None:
        """Keep the chunk until enough is kept.

        The header's end is searched from the beginning each time. So the size doubles between two searches.
        """
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
        """Write the message, and read it to its end. Returns the name that it will be published under."""
        ...


class DurableBatch:
    """Keeps the promises of `session.ports.Batch`. It owns the place that it is given, and closes it.

    `where`, `vanished` and `swept_away` are as in the port.
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
        self._before_last = 0  # how many names there were before the last message
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
        """Write one message into staging: all of it or, on any exception, none. Returns what was seen of it.

        Raises SinkError; StagingGone if the whole batch is lost; and whatever `chunks` raises.
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
        self._before_last = before
        self._messages.append(Staged(listed.uidl, name, message.size, listed.size, identity(message.header)))
        return message

    @edge
    def drop(self) -> None:
        """Take the message that was added last out of staging again. Only once for each message."""
        self._refuse_if_over()
        self._messages.pop()
        self._remove_since(self._before_last)

    @edge
    def stage(self) -> tuple[Staged, ...]:
        """Make every message that was added durable in staging. Returns the messages that are there then.

        The rest has `vanished`. May be called once. Raises SinkError: then all of them are lost.
        """
        self._refuse_if_over()
        if self._messages:
            self._sync(self._place.staging)  # the files first, then their names
            self._place.claim.sync()
            self._without_vanished(self._place.all_there(self._messages))
        self._staged = tuple(self._messages)
        return self._staged

    @edge
    def publish(self) -> tuple[Stored, ...]:
        """Make what is staged and recorded visible, durably, in its order. The rest has `vanished`.

        Each further call has the same result. Raises SinkError: then only recovery (`Staging.finish`) may go
        on, because some of the messages may have been moved.
        """
        if self._staged is None:
            raise RuntimeError("a batch must be staged before it is published")
        if self._stored is not None:
            return self._stored  # these messages are not in staging any more: a second look would miss them
        if self._publishing:
            raise SinkError(
                "an earlier try to publish this batch failed: the next poll publishes what is recorded"
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
        names = {message.name for message in there}
        if len(names) < len(self._messages) and not self._place.is_there():
            self.swept_away = True
        self.vanished += [message for message in self._messages if message.name not in names]
        self._messages = [message for message in self._messages if message.name in names]

    def _refuse_if_over(self) -> None:
        if self._staged is not None:
            raise RuntimeError("this batch is staged: nothing can be added, and it cannot be staged again")
        if self._sync_failed:
            raise SinkError(
                "an earlier sync of this batch failed: it is lost, and its messages must be fetched again"
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
        """Make all written files durable, and then these directories."""
        files = list(self._unsynced.values())
        self._unsynced.clear()
        self._sync_failed = True  # set before, and cleared only if all went well
        sync_together(files)
        for directory in directories:
            directory.sync()
        self._sync_failed = False

    def _remove_since(self, count: int) -> None:
        """Remove every file after the first `count`.

        If a file cannot be removed, this raises nothing, so that the first error is not hidden. The file is
        swept before the next poll.
        """
        removed, self._names = self._names[count:], self._names[:count]
        for name in removed:
            with suppress(FileError):
                self._place.staging.unlink(name)
            if file := self._unsynced.pop(name, None):
                with suppress(FileError):
                    file.close()


def _at_once() -> int:
    """How many files one batch may have open: a 32nd of the descriptors that the process may have.

    So 16 sessions, the usual `max_sessions`, have at most half of the descriptors. The rest is for sockets
    and the ledger. More sessions need a higher limit; the remedy for EMFILE says so.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, min(MOST_AT_ONCE, limit // 32))
