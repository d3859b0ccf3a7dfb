"""Syncing: files made durable, several at once.

Owns the threads for it; none is left when it returns. Must never sync a file twice, nor go on with others
once one failed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

from mailsluice.errors import SinkError
from mailsluice.sink.fs import NewFile

_AT_ONCE = 8
"""Files that wait for the disk together: it makes several durable with one flush of its cache."""

_WORTH_A_THREAD = 8
"""Files; for fewer, starting a thread takes longer than it saves."""


def sync_together(files: Sequence[NewFile]) -> None:
    """Make all durable, in no order, and close them. Raises SinkError when one is not: all may be lost."""
    work = _Work(files)
    threads: list[threading.Thread] = []
    try:
        for _ in range(min(len(files) // _WORTH_A_THREAD, _AT_ONCE) - 1):
            thread = threading.Thread(target=work.run, name="sync")
            thread.start()
            threads.append(thread)
    except (RuntimeError, MemoryError):  # the system starts no more: this one does what is left
        pass
    work.run()
    for thread in threads:
        thread.join()
    work.close()
    if work.failures:
        raise work.failures[0]


class _Work:
    """What is left to be done, shared by threads."""

    def __init__(self, files: Sequence[NewFile]) -> None:
        self.failures: list[BaseException] = []
        self._files = files
        self._unwritten = deque(files)
        self._waiting = deque(files)

    def run(self) -> None:
        """Sync until there is no more to sync, or one failed."""
        try:
            while (file := _taken(self._unwritten)) is not None:
                file.begin_sync()
            while not self.failures and (file := _taken(self._waiting)) is not None:
                file.sync()
        except BaseException as failure:  # noqa: BLE001  the thread's outermost door: the caller raises it
            self.failures.append(failure)

    def close(self) -> None:
        """Give all descriptors back."""
        for file in self._files:
            try:
                file.close()
            except SinkError as failure:
                self.failures.append(failure)


def _taken(files: deque[NewFile]) -> NewFile | None:
    """The next one, in one step whatever the other threads do; None if there is none."""
    try:
        return files.popleft()
    except IndexError:
        return None
