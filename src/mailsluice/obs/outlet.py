"""The outlet: lines on their way to standard error, whose reader may have stopped to read.

Owns the thread that writes them, and what is dropped when it cannot. A write may block for ever: `less` at
which nobody looks, a journal that hangs. Must never let who has something to say wait for that, nor change
the descriptor, which we share with whoever started us (O_NONBLOCK belongs to the open file: open(2)).
"""

from __future__ import annotations

import io
import select
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

MOST = 1000
"""Lines that wait for the reader; those that come after them are dropped, and counted."""

PATIENCE = 3.0
"""Seconds that the end of the program waits for the reader at most."""


class Outlet:
    """Writes lines in their order, on a thread of its own; a stream, as far as logging needs one.

    `put` writes one line, and may block. Where no thread can be had, it is called by who writes.
    """

    def __init__(self, put: Callable[[str], None]) -> None:
        self.tell_dropped: Callable[[int], None] = lambda _lines: None
        """Logs that so many lines were lost: called where they are missing, once the reader has caught up."""
        self._put = put
        self._changed = threading.Condition()
        self._lines: deque[str] = deque()
        self._dropped = 0
        self._thread: threading.Thread | None = None

    def write(self, line: str) -> None:
        """Have the line written after those before it; returns at once."""
        with self._changed:
            served = self._is_served()
            if served:
                self._enqueue(line)
        if not served:
            self._put(line)

    def flush(self) -> None:
        """Nothing: what is written is on its way."""

    def drain(self, seconds: float = PATIENCE) -> None:
        """Wait until all is written, or so long."""
        with self._changed:
            self._changed.wait_for(lambda: not self._lines and not self._dropped, seconds)

    def _enqueue(self, line: str) -> None:
        """Once a line is dropped all are, until the reader has caught up: one gap, not many."""
        is_told = threading.current_thread() is self._thread
        if not is_told and (self._dropped or len(self._lines) >= MOST):
            self._dropped += 1
            return
        self._lines.append(line)
        self._changed.notify_all()

    def _is_served(self) -> bool:
        """Whether there is a thread that writes; it is started with the first line."""
        if self._thread is None:
            thread = threading.Thread(target=self._serve, name="log", daemon=True)
            try:
                thread.start()
            except (RuntimeError, MemoryError):
                return False
            self._thread = thread
        return True

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines or self._dropped)
                line = self._lines[0] if self._lines else None
                dropped = self._dropped
            if line is None:
                self.tell_dropped(dropped)
            else:
                self._put(line)
            with self._changed:
                if line is None:
                    self._dropped -= dropped
                else:
                    self._lines.popleft()  # not before: what is being written is not written
                self._changed.notify_all()


def _put(line: str) -> None:
    """Write to the standard error that we were started with; nothing where it is closed, or its reader gone.

    By its descriptor: who ends while a thread is in a write of `sys.stderr` waits for that thread's lock.
    """
    stream = sys.__stderr__
    with suppress(OSError, ValueError):
        if stream is not None:
            raw = io.FileIO(stream.fileno(), "w", closefd=False)
            octets = line.encode(stream.encoding, "backslashreplace")
            while octets:
                written = raw.write(octets)
                if written is None:  # somebody else who has the descriptor set O_NONBLOCK
                    select.select([], [raw], [])
                octets = octets[written or 0 :]


_outlet = Outlet(_put)


def standard_error() -> TextIO | Outlet:
    """Where lines for standard error go now: to the outlet, or to what somebody put in its place."""
    return _outlet if sys.stderr is None or sys.stderr is sys.__stderr__ else sys.stderr


def drain() -> None:
    """Wait until all that was written is out, or PATIENCE is over: for who prints something after it."""
    _outlet.drain()


def tell_dropped(tell: Callable[[int], None]) -> None:
    """Have lines that were dropped told by this."""
    _outlet.tell_dropped = tell
