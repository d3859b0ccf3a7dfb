"""Finishing: a full batch is made durable and visible, in a thread of its own while the next one is received.

Owns that thread: there is one at most, and nobody leaves before it ended. Must never touch the connection,
which is the receiving thread's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextvars import copy_context

from mailsluice.model import DeletePermit

Finish = Callable[[], Sequence[DeletePermit]]
"""Do the crash table's steps 2 to 5 for one batch; permits for what is stored then."""


class Finishing:
    """The batch before the one that is being received. `begun` is how many there were."""

    def __init__(self) -> None:
        self.begun = 0
        self._thread: threading.Thread | None = None
        self._permits: Sequence[DeletePermit] = ()
        self._failure: BaseException | None = None

    def begin(self, finish: Finish) -> None:
        """Have a batch finished; `wait` for the one before first.

        The first one is finished here and now: where a disk is nearly full, what is received meanwhile would
        take the room that is needed to finish it, and no poll would come further than that.
        """
        self.begun += 1
        if self.begun == 1:
            self._run(finish)
            return
        try:
            thread = threading.Thread(target=copy_context().run, args=(self._run, finish), name="finish")
            thread.start()
        except (RuntimeError, MemoryError):  # the system starts no more
            self._run(finish)
        else:
            self._thread = thread

    def wait(self) -> Sequence[DeletePermit]:
        """The permits of the batch begun last, when it is finished, once; none if there is none.

        Raises what finishing it raised.
        """
        if self._thread is not None:
            self._thread.join()
        permits, failure = self._permits, self._failure
        self._thread, self._permits, self._failure = None, (), None
        if failure is not None:
            raise failure
        return permits

    def _run(self, finish: Finish) -> None:
        try:
            self._permits = finish()
        except BaseException as failure:  # noqa: BLE001  the thread's outermost door: `wait` raises it
            self._failure = failure
