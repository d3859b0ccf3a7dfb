"""Syncing: files made durable, several at once.

Owns the threads for it; none is left when it returns. Must never sync a file twice, nor go on with others
once one failed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from mailsluice.files.error import FileError
from mailsluice.files.new_file import NewFile

_BEGUN_AT_ONCE = 2
"""Files that the kernel is told to write at one time: it works for each, and more threads would only take
Python's lock from each other."""

_AT_ONCE = 8
"""Files that wait for the disk together: it makes several durable with one flush of its cache."""

_WORTH_A_THREAD = 8
"""Files; for fewer, starting a thread takes longer than it saves."""


def sync_together(files: Sequence[NewFile]) -> None:
    """Make all durable, in no order, and close them. Raises FileError when one is not: all may be lost."""
    failures = _shared_out(files, lambda file: file.begin_sync(), _BEGUN_AT_ONCE)
    if not failures:
        failures = _shared_out(files, lambda file: file.sync(), _AT_ONCE)
    for file in files:
        try:
            file.close()
        except FileError as failure:
            failures.append(failure)
    if failures:
        raise failures[0]


def _shared_out(files: Sequence[NewFile], do: Callable[[NewFile], None], at_once: int) -> list[BaseException]:
    """Do it with each file, by so many threads; what failed, after which no more is begun."""
    left = deque(files)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            while not failures and (file := _taken(left)) is not None:
                do(file)
        except BaseException as failure:  # noqa: BLE001  the thread's outermost door: the caller raises it
            failures.append(failure)

    threads: list[threading.Thread] = []
    try:
        for _ in range(min(len(files) // _WORTH_A_THREAD, at_once) - 1):
            thread = threading.Thread(target=work, name="sync")
            thread.start()
            threads.append(thread)
    except (RuntimeError, MemoryError):  # the system starts no more: this one does what is left
        pass
    work()
    for thread in threads:
        thread.join()
    return failures


def _taken(files: deque[NewFile]) -> NewFile | None:
    """The next one, in one step whatever the other threads do; None if there is none."""
    try:
        return files.popleft()
    except IndexError:
        return None
