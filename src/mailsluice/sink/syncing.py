"""Syncing: many files made durable at once.

Owns the threads for it. Must never sync a file twice, nor go on with others once one failed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

from mailsluice.sink.fs import NewFile

_AT_ONCE = 8
"""Files that wait for the disk together: it makes several durable with one flush of its cache."""

_WORTH_A_THREAD = 4
"""Files; for fewer, starting one takes longer than it saves."""


def sync_all(files: Sequence[NewFile]) -> None:
    """Make these durable, in no order. Raises SinkError when one is not: it, and the others, may be lost."""
    waiting, failures = deque(files), deque[BaseException]()

    def work() -> None:
        try:
            while waiting and not failures:
                waiting.popleft().sync()
        except IndexError:  # another thread took the last one
            return
        except BaseException as failure:  # noqa: BLE001  the thread's outermost door: who waits for it raises it
            failures.append(failure)

    started = []
    try:
        for _ in range(min(len(files) // _WORTH_A_THREAD, _AT_ONCE) - 1):
            thread = threading.Thread(target=work, name="sync")
            thread.start()
            started.append(thread)
    except (RuntimeError, MemoryError):  # the system starts no more: those there are, and this one, do it all
        pass
    work()
    for thread in started:
        thread.join()
    if failures:
        raise failures[0]
