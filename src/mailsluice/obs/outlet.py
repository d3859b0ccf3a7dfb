"""The outlet: lines on their way to standard error, even if nobody reads it.

Owns the thread that writes the lines, and drops lines when it cannot write. A write may block for ever: a
`less` that nobody looks at, a journal that hangs (ADR 19). Must never let a caller wait for that. Must never
change the descriptor: we share it with the program that started us (O_NONBLOCK belongs to the open file:
open(2)).
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
"""The most lines that wait for the reader. Further lines are dropped and counted."""

PATIENCE = 3.0
"""The most seconds that the program waits for the reader when it ends."""


class Outlet:
    """Writes lines in their order, in its own thread. A stream, as far as `logging` needs one.

    `put` writes one line, and may block. If no thread can be started, the caller of `write` calls it.
    """

    def __init__(self, put: Callable[[str], None]) -> None:
        self.tell_dropped: Callable[[int], None] = lambda _lines: None
        """Logs how many lines were dropped. It is called when the reader has caught up, in their place."""
        self._put = put
        self._changed = threading.Condition()
        self._lines: deque[str] = deque()
        self._dropped = 0
        self._thread: threading.Thread | None = None

    def write(self, line: str) -> None:
        """Queue the line, and return at once."""
        with self._changed:
            served = self._is_served()
            if served:
                self._enqueue(line)
        if not served:
            self._put(line)

    def flush(self) -> None:
        """Does nothing: the thread writes each line as soon as it can."""

    def drain(self, seconds: float = PATIENCE) -> None:
        """Wait until all lines are written, but no longer than this."""
        with self._changed:
            self._changed.wait_for(lambda: not self._lines and not self._dropped, seconds)

    def _enqueue(self, line: str) -> None:
        """After one dropped line, all are dropped until the reader has caught up: so there is one gap."""
        # Only `tell_dropped` writes from our own thread. Its line must not be dropped.
        is_about_gap = threading.current_thread() is self._thread
        if not is_about_gap and (self._dropped or len(self._lines) >= MOST):
            self._dropped += 1
            return
        self._lines.append(line)
        self._changed.notify_all()

    def _is_served(self) -> bool:
        """Whether there is a thread that writes. The first line starts it."""
        if self._thread is None:
            # A daemon thread: the program can end while a write hangs.
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
            # Without the lock: `put` may block, and `tell_dropped` comes back to `write`.
            if line is None:
                self.tell_dropped(dropped)
            else:
                self._put(line)
            with self._changed:
                if line is None:
                    self._dropped -= dropped
                else:
                    self._lines.popleft()  # only now, so that `drain` waits for this line, too
                self._changed.notify_all()


def _put(line: str) -> None:
    """Write to the standard error that we were started with. Does nothing if it or its reader is closed."""
    # To the descriptor, not through `sys.stderr`: at its end Python takes the lock of `sys.stderr`. It aborts
    # if a thread that hangs in a write holds that lock.
    stream = sys.__stderr__
    with suppress(OSError, ValueError):
        if stream is not None:
            raw = io.FileIO(stream.fileno(), "w", closefd=False)
            octets = line.encode(stream.encoding, "backslashreplace")
            while octets:
                written = raw.write(octets)
                if written is None:  # another program set O_NONBLOCK on the open file that we share
                    select.select([], [raw], [])
                octets = octets[written or 0 :]


_outlet = Outlet(_put)


def standard_error() -> TextIO | Outlet:
    """Where lines for standard error go now: to the outlet, or to a stream that replaced `sys.stderr`."""
    return _outlet if sys.stderr is None or sys.stderr is sys.__stderr__ else sys.stderr


def drain() -> None:
    """Wait until all lines are written, or PATIENCE is over. For callers that print something after them."""
    _outlet.drain()


def tell_dropped(tell: Callable[[int], None]) -> None:
    """Set the function that logs how many lines were dropped."""
    _outlet.tell_dropped = tell
