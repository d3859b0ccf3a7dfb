"""The files: those that SQLite has open of a ledger, and whether they still lie where it opened them.

Owns what is noted of them. Must never open one: closing it again would free the locks this process has on it
(fcntl(2)).
"""

from __future__ import annotations

import os
from pathlib import Path

from mailsluice.errors import LedgerReplaced
from mailsluice.files.directory import Directory
from mailsluice.ledger.directory import RESTORE

KINDS = ("", "-wal", "-shm")
"""The ledger, its log, and the log's index (sqlite.org/walformat.html)."""

_Identity = tuple[int, int] | None


class OpenFiles:
    """The files of a ledger that is open, as noted now. Every method raises OSError."""

    def __init__(self, ledger: Path) -> None:
        self._paths = [f"{ledger}{kind}" for kind in KINDS]
        self._noted = [_identity(path) for path in self._paths]
        self._size = _size(self._paths[0])

    def check(self) -> None:
        """Raise LedgerReplaced where one was removed, cut short, or another lies in its place.

        What is written to it from then on is lost, and what others write is not seen. A ledger never shrinks.
        """
        for path, noted in zip(self._paths, self._noted, strict=True):
            found = _identity(path)
            if found != noted:
                raise LedgerReplaced(
                    f"{path} was {'removed' if found is None else 'replaced'} while mailsluice has it open",
                    remedy=f"stop mailsluice, put the file back or {RESTORE}, and start it again",
                )
        if _size(self._paths[0]) < self._size:
            raise LedgerReplaced(
                f"{self._paths[0]} was cut short while mailsluice has it open",
                remedy=f"stop mailsluice, {RESTORE}, and start it again",
            )

    def put_log_aside(self) -> None:
        """Where another ledger lies in the place of ours, take our log away from it.

        For who has closed ours. SQLite would take the log for the other's, and make one of two.
        """
        ledger, *beside = zip(self._paths, self._noted, strict=True)
        if _identity(ledger[0]) == ledger[1]:
            return
        for path, noted in beside:
            if noted is not None and _identity(path) == noted:
                with Directory.follow(Path(path).parent) as directory:
                    directory.replace(Path(path).name, f"{Path(path).name}.replaced")


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except (FileNotFoundError, NotADirectoryError):
        return 0


def _identity(path: str) -> _Identity:
    """What tells a file from every other that exists; None if there is none."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino
