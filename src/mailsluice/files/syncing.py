"""Syncing: several files are made durable at the same time.

Owns the threads for that; none of them is left when it returns. Must never sync a file twice, nor begin with
another file after one has failed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from mailsluice.files.error import FileError
from mailsluice.files.new_file import NewFile

_BEGUN_AT_ONCE = 2
"""Threads that tell the kernel to begin to write. Each call uses the processor, so more threads would only
wait for Python's lock."""

_AT_ONCE = 8
"""Threads that wait for the disk. The disk makes several files durable with one flush of its cache."""

_WORTH_A_THREAD = 8
"""Files per thread. For fewer files, to start a thread takes longer than the thread saves."""


def sync_together(files: Sequence[NewFile]) -> None:
    """Make all files durable, in no order, and close them.

    Raises FileError if one of them cannot be made durable: then all may be lost.
    """
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
    """Call `do` with each file, in at most `at_once` threads. Returns the errors.

    After an error no other file is begun.
    """
    waiting = deque(files)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            while not failures and (file := _next(waiting)) is not None:
                do(file)
        except BaseException as failure:  # noqa: BLE001  the end of a thread: the caller raises it
            failures.append(failure)

    threads: list[threading.Thread] = []
    try:
        for _ in range(min(len(files) // _WORTH_A_THREAD, at_once) - 1):  # this thread works, too
            thread = threading.Thread(target=work, name="sync")
            thread.start()
            threads.append(thread)
    except (RuntimeError, MemoryError):  # the system starts no more threads: this one does the rest
        pass
    work()
    for thread in threads:
        thread.join()
    return failures


def _next(files: deque[NewFile]) -> NewFile | None:
    """Take the next file; None if there is none. One step, so that no two threads take the same file."""
    try:
        return files.popleft()
    except IndexError:
        return None
