"""The crew: the threads that try things at once, and that nobody waits for at the end.

Owns that the first bug, and Ctrl-C, end all of it at once. Must never know what is tried.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from time import monotonic
from typing import TypeVar

from mailsluice.errors import NoThread

LAST_WAIT = 1.0
"""Seconds in which threads may end after an interrupt: most do as soon as their connections are cut."""

_Item = TypeVar("_Item")
_Value = TypeVar("_Value")


class Crew:
    """At most `size` threads at work. They are daemons: the program may end while the system holds one up."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._threads: list[threading.Thread] = []

    def each(self, work: Callable[[_Item], _Value], items: Sequence[_Item]) -> list[_Value]:
        """Do the work for each of these, some at once. Returns what came of it, in their order.

        Raises at once what any of it raises, and begins nothing more then. Raises NoThread if the system
        starts no thread; if it starts some, these do it all.
        """
        waiting = deque(enumerate(items))
        ended: SimpleQueue[tuple[int, _Value] | BaseException] = SimpleQueue()

        def serve() -> None:
            while waiting:
                try:
                    number, item = waiting.popleft()
                except IndexError:  # another thread was faster
                    return
                try:
                    ended.put((number, work(item)))
                except BaseException as error:  # noqa: BLE001  the thread's outermost door: `each` raises it
                    ended.put(error)
                    return

        try:
            self._start(serve, min(self._size, len(items)))
            found: dict[int, _Value] = {}
            while len(found) < len(items):
                came = ended.get()
                if isinstance(came, BaseException):
                    raise came
                found[came[0]] = came[1]
        finally:
            waiting.clear()
        return [found[number] for number in range(len(items))]

    def end(self) -> None:
        """Wait for the threads, for LAST_WAIT at most."""
        until = monotonic() + LAST_WAIT
        for thread in self._threads:
            thread.join(max(0.0, until - monotonic()))

    def _start(self, serve: Callable[[], None], count: int) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        for number in range(count):
            thread = threading.Thread(target=serve, name="check", daemon=True)
            try:
                thread.start()
            except (RuntimeError, MemoryError) as error:
                if number == 0:
                    raise NoThread(f"no thread could be started for the check: {error}") from error
                return
            self._threads.append(thread)
