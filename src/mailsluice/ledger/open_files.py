"""The open files: the files of a ledger that SQLite has open, and whether they are still the same files.

Owns the identity of each file when it was opened. Must never open one: closing it again would free the locks
that this process has on it (fcntl(2)).
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
    """The files of an open ledger, as they are when this is made. Every method raises OSError."""

    def __init__(self, ledger: Path) -> None:
        self._paths = [f"{ledger}{kind}" for kind in KINDS]
        self._noted = [_identity(path) for path in self._paths]
        self._size = _size(self._paths[0])

    def check(self) -> None:
        """Raise LedgerReplaced if one was removed or replaced, or if the ledger was cut short.

        Everything that is written to a removed file is lost, and what others write to the new file is not
        seen. A ledger never becomes shorter by itself.
        """
        for path, noted in zip(self._paths, self._noted, strict=True):
            found = _identity(path)
            if found != noted:
                raise LedgerReplaced(
                    f"{path} was {'removed' if found is None else 'replaced'} while mailsluice had it open",
                    remedy=f"stop mailsluice, put the file back or {RESTORE}, and start it again",
                )
        if _size(self._paths[0]) < self._size:
            raise LedgerReplaced(
                f"{self._paths[0]} was cut short while mailsluice had it open",
                remedy=f"stop mailsluice, {RESTORE}, and start it again",
            )

    def put_log_aside(self) -> None:
        """If another ledger is in the place of ours, rename our log, so that it is not beside that ledger.

        To be called after ours is closed. Otherwise SQLite would believe that our log belongs to the other
        ledger, and would mix the two.
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
    """What identifies this file among all files that exist; None if there is no file."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino
