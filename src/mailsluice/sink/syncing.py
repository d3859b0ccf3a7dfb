"""Syncing: files made durable several at once, while others are written.

Owns the threads for it. Must never sync a file twice, nor go on with others once one failed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from mailsluice.errors import SinkError
from mailsluice.sink.fs import NewFile

_AT_ONCE = 4
"""Files that wait for the disk together: it makes several durable with one flush of its cache."""

_WORTH_A_THREAD = 8
"""Files; for fewer, starting a thread takes longer than it saves."""


class Syncing:
    """These files, on their way to being durable, in no order; begun at once if they are many."""

    def __init__(self, files: Sequence[NewFile]) -> None:
        self._files = list(files)
        self._unwritten = deque(files)
        self._waiting = deque(files)
        self._failures: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        try:
            for _ in range(min(len(files) // _WORTH_A_THREAD, _AT_ONCE)):
                thread = threading.Thread(target=self._work, name="sync")
                thread.start()
                self._threads.append(thread)
        except (RuntimeError, MemoryError):  # the system starts no more: `finish` does what is left
            pass

    def finish(self) -> None:
        """Return when all are durable, and closed. Raises SinkError when one is not: all may be lost."""
        self._work()
        while self._threads:
            self._threads.pop().join()
        while self._files:
            try:
                self._files.pop().close()
            except SinkError as failure:
                self._failures.append(failure)
        if self._failures:
            raise self._failures[0]

    def _work(self) -> None:
        try:
            with suppress(IndexError):
                while True:
                    self._unwritten.popleft().begin_sync()
            while self._waiting and not self._failures:
                self._waiting.popleft().sync()
        except IndexError:  # another thread took the last one
            return
        except BaseException as failure:  # noqa: BLE001  the thread's outermost door: `finish` raises it
            self._failures.append(failure)
