"""The notes: what `status` shows of the polls, on its way into a file.

Owns that a failure to write them is logged once. Must never fail a poll.
"""

from __future__ import annotations

from collections.abc import Callable

from mailsluice.errors import LedgerError
from mailsluice.obs import events
from mailsluice.obs.logger import get_logger

_log = get_logger(__name__)


class Notes:
    """The notes that are not written yet. `write` writes them, and raises LedgerError."""

    def __init__(self, write: Callable[[], None]) -> None:
        self._write = write
        self._are_old = False

    def write(self) -> None:
        """Write them. A failure is logged once; the next call tries again."""
        try:
            self._write()
        except LedgerError as error:
            if not self._are_old:
                _log.warning(events.STATUS_NOT_NOTED, error=str(error), remedy=error.remedy)
            self._are_old = True
        else:
            if self._are_old:
                _log.info(events.STATUS_NOTED)
            self._are_old = False
