"""The signals: what the operating system asks of a running program.

Owns their handlers. Must never do what is asked, only note it.
"""

from __future__ import annotations

import signal
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import FrameType


class Signals:
    """What the operating system asks: SIGTERM and SIGINT to stop, SIGHUP to reload.

    Make it in the main thread: from then on it handles these signals. A handler may interrupt another one, or
    any call of the main thread. So it takes no lock. It sets a flag and uses a `SimpleQueue`, which allows
    this.
    """

    def __init__(self) -> None:
        self.stop = False
        self.reload = False
        self._wake: SimpleQueue[None] = SimpleQueue()
        takers = {signal.SIGTERM: self._stopped, signal.SIGINT: self._stopped, signal.SIGHUP: self._reloaded}
        self._before = {number: signal.signal(number, taker) for number, taker in takers.items()}

    def give_back(self) -> None:
        """Restore the former handlers, if the program goes on and no longer looks at these flags."""
        for number, taker in self._before.items():
            signal.signal(number, taker)

    def wait(self, seconds: float) -> None:
        """Sleep for this time, or until a signal comes."""
        with suppress(Empty):
            self._wake.get(timeout=seconds)

    def _stopped(self, _number: int, _frame: FrameType | None) -> None:
        self.stop = True
        self._wake.put(None)

    def _reloaded(self, _number: int, _frame: FrameType | None) -> None:
        self.reload = True
        self._wake.put(None)
