"""The upkeep: work that is done beside the polls, in a thread of its own, once its time has come.

Owns the thread. Must never do the work where the daemon's signals and clock are looked after: a file system
that hangs would hang all.
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
    """Does `work`, one run at a time, whenever `is_due` says so. Both may raise MailsluiceError."""

    def __init__(self, is_due: Callable[[], bool], work: Callable[[], None]) -> None:
        self._is_due = is_due
        self._work = work
        self._thread: threading.Thread | None = None

    def tend(self) -> None:
        """Begin, if it is time and no run is under way. What fails is tried again when it is due again."""
        if self._thread is not None and self._thread.is_alive():
            return
        with suppress(MailsluiceError, RuntimeError, MemoryError):  # RuntimeError: no thread is to be had
            if self._is_due():
                self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)
                self._thread.start()

    def run_if_due(self) -> None:
        """Do it here and now, if it is time."""
        with suppress(MailsluiceError):
            if self._is_due():
                self._run()

    def join(self) -> None:
        """Wait for the run that is under way."""
        if self._thread is not None and self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            self._work()
        except MailsluiceError as error:
            _log.warning(events.NOT_TIDIED, error=str(error), remedy=error.remedy)
        except Exception:  # noqa: BLE001  the thread's outermost door
            _log.exception(events.BUG)
