"""The ledger's part of a backup: a copy of the ledger in another directory.

The copy gets its name only when it is complete.

Owns the making of that copy. Must never change the ledger.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from mailsluice.errors import BackupError
from mailsluice.files.directory import Directory
from mailsluice.files.new_file import NewFile
from mailsluice.ledger.database import FILE, OR_ELSE, Database
from mailsluice.ledger.mark import MARK, write

_UNFINISHED = f".{FILE}.new"
_MODE = 0o600


class LedgerCopy:
    """A copy that is being made, in the caller's directory. Every method raises FileError and BackupError.

    The constructor opens the copy's file. After that, the copying needs only the rights of the ledger's
    owner. Nobody reads the copy before it is complete. So it needs no journal, and one sync at the end.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._instance = ""
        self._file: NewFile | None = directory.create(_UNFINISHED, _MODE)
        try:
            self._connection = _opened(directory.path / _UNFINISHED)
        except BaseException:
            self._file.close()
            directory.unlink(_UNFINISHED)
            raise

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the files that the copy has when it is finished."""
        return (FILE, MARK)

    def take(self, state_dir: Path) -> None:
        """Copy the ledger of this directory, as it is at one moment. Raises LedgerError."""
        with closing(Database(state_dir, read_only=True)) as ledger:
            ledger.copy_to(self._connection)
            self._instance = ledger.instance

    def mark(self) -> None:
        """Write down which ledger this is a copy of. Without the copy the directory is refused then."""
        write(self._directory.path / MARK, self._instance)

    def finish(self) -> None:
        """Make the copy durable, and give it its name."""
        self._connection.close()  # before the file: closing that frees all locks of this process on it
        file, self._file = self._file, None
        if file is not None:
            with closing(file):
                file.sync()
        self._directory.replace(_UNFINISHED, FILE)

    def give_up(self) -> None:
        """Remove all files of the copy."""
        self._connection.close()
        if self._file is not None:
            self._file.close()
        for name in (_UNFINISHED, FILE, MARK):
            self._directory.unlink(name)


def _opened(path: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, isolation_level=None)
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute("PRAGMA synchronous = OFF")
    except sqlite3.Error as exc:
        raise BackupError(f"{path}: {exc}", remedy=OR_ELSE) from exc
    return connection
