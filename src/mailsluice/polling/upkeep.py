"""The upkeep: work that is done beside the polls when it is due.

Owns the thread for it. Must never do the work in the daemon's main thread: that thread watches the signals
and the clock, and a file system that hangs would stop it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from mailsluice.errors import MailsluiceError
from mailsluice.obs import events
from mailsluice.obs.logger import get_logger

_log = get_logger(__name__)


class Upkeep:
    """Does `work` when `is_due` says so, one run at a time. Both may raise MailsluiceError."""

    def __init__(self, is_due: Callable[[], bool], work: Callable[[], None]) -> None:
        self._is_due = is_due
        self._work = work
        self._thread: threading.Thread | None = None

    def tend(self) -> None:
        """Begin, if it is due and no run is under way. After a failure it is tried again when it is due."""
        if self._thread is not None and self._thread.is_alive():
            return
        with suppress(MailsluiceError, RuntimeError, MemoryError):  # RuntimeError: no thread can be started
            if self._is_due():
                self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)
                self._thread.start()

    def run_if_due(self) -> None:
        """Do it in this thread, if it is due."""
        with suppress(MailsluiceError):
            if self._is_due():
                self._run()

    def join(self) -> None:
        """Wait for the run that is under way."""
        if self._thread is not None and self._thread.ident is not None:  # None: it could not be started
            self._thread.join()

    def _run(self) -> None:
        try:
            self._work()
        except MailsluiceError as error:
            _log.warning(events.NOT_TIDIED, error=str(error), remedy=error.remedy)
        except Exception:  # noqa: BLE001  the thread's outermost door
            _log.exception(events.BUG)
