"""The ledger's part of a backup: a copy of it in another directory, which has its name only when it is whole.

Owns the making of that copy. Must never change the ledger.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from mailsluice.errors import BackupError
from mailsluice.ledger.database import FILE, OR_ELSE, Database
from mailsluice.ledger.directory import create_private, publish, sync, write_private
from mailsluice.ledger.mark import MARK


class LedgerCopy:
    """A copy in the making, in a directory of the caller's. Every method raises OSError and BackupError.

    Its file is opened here, so that whoever copies may have the rights of the ledger's owner alone. Nobody
    reads it before it is whole: it needs no journal, and is synced once, in the end.
    """

    def __init__(self, directory: Path) -> None:
        self._ledger = directory / FILE
        self._unfinished = directory / f".{FILE}.new"
        self._mark = directory / MARK
        self._instance = ""
        os.close(create_private(self._unfinished))
        try:
            self._connection = _opened(self._unfinished)
        except BaseException:
            self._unfinished.unlink()
            raise

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the files that it has once it is finished."""
        return (self._ledger.name, self._mark.name)

    def take(self, state_dir: Path) -> None:
        """Copy the ledger of this directory, as of one moment. Raises LedgerError."""
        with closing(Database(state_dir, read_only=True)) as ledger:
            ledger.copy_to(self._connection)
            self._instance = ledger.instance

    def mark(self) -> None:
        """Say which ledger the copy is of: from now on the directory without it is refused."""
        write_private(self._mark, f"{self._instance}\n")

    def finish(self) -> None:
        """Make the copy durable, and give it its name."""
        self._connection.close()
        sync(self._unfinished)
        publish(self._unfinished, self._ledger)

    def give_up(self) -> None:
        """Leave nothing of it."""
        self._connection.close()
        for path in (self._unfinished, self._ledger, self._mark):
            path.unlink(missing_ok=True)


def _opened(path: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, isolation_level=None)
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute("PRAGMA synchronous = OFF")
    except sqlite3.Error as exc:
        raise BackupError(f"{path}: {exc}", remedy=OR_ELSE) from exc
    return connection
