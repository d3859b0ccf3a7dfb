"""The ledger's file: private, durable as docs/crash-safety.md needs it, used by one transaction at a time.

Owns the SQLite connection, its settings, and what SQLite's errors mean to an administrator. Must never delete
or replace a file that it cannot read.
"""

from __future__ import annotations

import shlex
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from mailsluice.errors import BackupError, LedgerError
from mailsluice.files.error import refuse
from mailsluice.files.trust import problem_of_file
from mailsluice.ledger import room, schema
from mailsluice.ledger.directory import RESTORE, prepare, sync, usable
from mailsluice.ledger.mark import Mark, is_instance
from mailsluice.ledger.open_files import KINDS, OpenFiles
from mailsluice.ledger.rows import DamagedRow
from mailsluice.obs.clean import printable

FILE = "ledger.db"
_BUSY_SECONDS = 10.0
"""How long a transaction waits for another process. Our transactions take milliseconds."""

_LONGEST_WORDS = 300
"""Characters of an error that are shown: SQLite may quote a damaged schema in it."""

_CORRUPT = (
    "first look for disk errors (dmesg, smartctl): SQLite also calls a file malformed if the disk cannot "
    "read it. Only if `sqlite3 FILE 'PRAGMA integrity_check'` reports errors: stop mailsluice, move this "
    f"file and those beside it (-wal, -shm) away, and {RESTORE}; if there is no backup, start mailsluice "
    "again: it says how to go on"
)
_WRITE_NOTHING_NEW = "PRAGMA application_id = 0"
"""A write that changes nothing: 0 is the value in every ledger, even in one that has no tables yet."""
_DENIED = "let the user that runs mailsluice read and write the state directory (ls -l)"
_NO_ROOM = "free space or inodes on the state directory's file system (df, df -i)"
OR_ELSE = "look for a full disk or quota (df, df -i, quota), or too low a limit of open files (ulimit -n)"
"""SQLite reports these like a broken disk, or like a file that it may not open or write."""
_REMEDIES = {
    sqlite3.SQLITE_CORRUPT: _CORRUPT,
    sqlite3.SQLITE_NOTADB: _CORRUPT,
    sqlite3.SQLITE_FULL: _NO_ROOM,
    sqlite3.SQLITE_IOERR_SHMSIZE: _NO_ROOM,
    sqlite3.SQLITE_READONLY: f"mount the file system writable (StateDirectory= under systemd); or {OR_ELSE}",
    sqlite3.SQLITE_CANTOPEN: f"{_DENIED}; or {OR_ELSE}",
    sqlite3.SQLITE_PERM: _DENIED,
    sqlite3.SQLITE_BUSY: "find the other process that holds the ledger open (fuser FILE)",
    sqlite3.SQLITE_PROTOCOL: "put state_dir on a local file system, where locks work",
    sqlite3.SQLITE_IOERR: f"look for disk errors (dmesg, smartctl); or {OR_ELSE}",
}


_WRITING = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
_READING = (sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS)
"""These tell which database is at fault if a copy fails: the copy is written, and ours is read."""


class Database:
    """A connection to the file, used by one thread at a time.

    All threads share one connection and one lock. SQLite has one writer at a time anyway. With a connection
    for each thread, a waiting thread would sleep in SQLite's busy handler; a lock wakes it at once. And there
    is only one connection to close.

    Every commit is synced, even if its content may be lost. If a sync fails, the kernel may lose everything
    that was written to the log since the last sync. SQLite does not notice a commit that is missing in the
    middle of the log. Later it finds the file malformed, or, after a power cut, nothing after the gap.
    """

    def __init__(self, state_dir: Path, *, read_only: bool = False) -> None:
        self._path = state_dir / FILE
        self._read_only = read_only
        self._lock = threading.Lock()
        self._unsettled = False
        self._files: OpenFiles | None = None
        self.is_new = False
        """Whether the ledger was made when it was opened this time."""
        mark = self._prepare()
        with self._translated():
            room.look_for(state_dir / f"{FILE}-shm")  # before SQLite maps it: then a full disk kills us
            self._connection = self._connect()
        try:
            with usable(state_dir):
                self._files = OpenFiles(self._path)
            self._check_version(mark)
            self._check_rows()
            self._unsettled = not read_only  # a killed process may have left a commit that is not synced
            with self._lock, self._translated():
                self._settle()
            if not read_only:
                sync(state_dir)  # SQLite syncs the names of its files, too, but ignores a failed sync
            self._mark(mark)
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> Mark:
        """Make sure of the directory, and of a private file in it that nobody else has put there."""
        state_dir = self._path.parent
        prepare(state_dir, make=not self._read_only)
        with usable(state_dir):
            for kind in KINDS:
                refuse(problem_of_file(self._path.with_name(FILE + kind)))
        mark = Mark(self._path)
        if not mark.has_ledger():
            if self._read_only:
                raise LedgerError(
                    f"{self._path} is not there: nothing has been polled with this state_dir yet",
                    remedy="check service.state_dir, or poll once",
                )
            with usable(state_dir):
                self._path.touch(mode=0o600)
        return mark

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self._path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA query_only = {self._read_only:d}")
            if not self._read_only:
                # If SQLite cannot open a file for writing, it opens it for reading, and never tries again.
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(_WRITE_NOTHING_NEW)
                connection.execute("ROLLBACK")
        except BaseException:
            connection.close()
            raise
        if mode != "wal":
            connection.close()
            raise LedgerError(
                f"{self._path} cannot use a write-ahead log on this file system",
                remedy="put state_dir on a local file system",
            )
        return connection

    def _check_version(self, mark: Mark) -> None:
        with self.reading() as connection:
            found = schema.version(connection)
            mark.check(self._instance(connection) if found else None)  # version 0 has no tables yet
        if found == schema.VERSION:
            return
        if self._read_only:
            raise LedgerError(
                f"{self._path} has version {found}, older than this mailsluice's {schema.VERSION}",
                remedy="let the daemon open it once: it brings the ledger up to date",
            )
        self._unsettled = True  # a small commit comes first: see `room`
        with self.writing() as connection:
            # Looked at again: another process may have made the tables before we had the lock.
            self.is_new = schema.version(connection) == 0
            schema.migrate(connection)

    def _check_rows(self) -> None:
        with self.reading() as connection:
            table = schema.spoiled(connection)
        if table:
            raise self._spoiled(table)

    def _spoiled(self, table: str) -> LedgerError:
        return self._error(f"its table {table} has content that no mailsluice writes", _CORRUPT)

    def _instance(self, connection: sqlite3.Connection) -> str:
        row = connection.execute("SELECT instance FROM ledger").fetchone()
        if row is None or not is_instance(row[0]):
            raise self._spoiled("ledger")
        return str(row[0])

    def _mark(self, mark: Mark) -> None:
        """Make sure that the mark in the directory names this ledger."""
        with self.reading() as connection:
            self.instance = self._instance(connection)
            """The ledger's id, which no other ledger has."""
        if mark.instance is None and not self._read_only:
            with self._lock, self._translated():
                self._connection.execute("BEGIN IMMEDIATE")  # no other process marks it at the same time
                try:
                    mark.make(self.instance)
                finally:
                    self._connection.execute("ROLLBACK")  # nothing was written: it was only a lock

    def check_files(self) -> None:
        """Raise LedgerReplaced if the files are not those that were opened.

        Raises LedgerError if this cannot be found out.
        """
        if self._files is not None:
            with usable(self._path.parent):
                self._files.check()

    def copy_to(self, destination: sqlite3.Connection) -> None:
        """Copy all of it, as it is at one moment, into an empty database.

        Raises BackupError if the copy cannot be written, and LedgerError if ours cannot be read.
        """
        with self.reading() as connection:
            try:
                connection.backup(destination)
            except sqlite3.Error as exc:
                code = getattr(exc, "sqlite_errorcode", 0)
                # SQLITE_IOERR is in both lists: its extended code tells whether reading or writing failed.
                if code & 0xFF not in _WRITING or code in _READING:
                    raise
                raise BackupError(f"the copy of the ledger: {exc}", remedy=OR_ELSE) from exc

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, outside a transaction, to read rows and make values of them. Raises LedgerError.

        Values are made inside the block, because it also turns DamagedRow into LedgerError.
        """
        with self._lock, self._translated():
            self.check_files()
            self._settle()
            yield self._connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: it is committed and synced at the end, and undone on any exception.

        Raises LedgerError.
        """
        with self._lock, self._translated():
            self.check_files()
            self._settle()
            connection = self._connection
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                self._unsettled = True  # until COMMIT has returned, nobody knows whether it is in the log
                connection.execute("COMMIT")
                self._unsettled = False
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                with suppress(sqlite3.Error):  # if this fails, too, the next use begins with it
                    self._settle()
                raise

    def _settle(self) -> None:
        """Make sure that everything we read is on disk, and that a commit that failed does not come back.

        When the file is opened: a process may have been killed after it wrote a commit to the log, and before
        the sync. Whoever opens the file next reads this commit. If we act on it, and a power cut then loses
        it, a message comes twice. A sync of any later commit also syncs the log before it.

        After a commit that failed: its sync may have failed when it was in the log already. It is undone for
        this process, but it could come back after a power cut. A row that is `staged`, and whose file was
        swept meanwhile, would then count as published. Any new commit overwrites it at the end of the log,
        and is synced. So we make one that changes nothing. We do so at once, because another process may get
        the mailbox's lock after the failure.
        """
        if self._unsettled:
            self._connection.execute(_WRITE_NOTHING_NEW)
            self._unsettled = False

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as exc:
            code = getattr(exc, "sqlite_errorcode", 0)
            primary = code & 0xFF  # sqlite.org/rescode.html
            raise self._error(str(exc), _REMEDIES.get(code) or _REMEDIES.get(primary, "")) from exc
        except DamagedRow as exc:  # damage that SQLite does not notice
            raise self._error(str(exc), _CORRUPT) from exc
        except UnicodeDecodeError as exc:  # from SQLite's own message, which quotes the damaged octets
            raise self._error("it is damaged", _CORRUPT) from exc

    def _error(self, what: str, remedy: str) -> LedgerError:
        shown = printable(what)[:_LONGEST_WORDS]
        return LedgerError(
            f"{self._path}: {shown}", remedy=remedy.replace("FILE", shlex.quote(str(self._path)))
        )

    def close(self) -> None:
        """Close the file. Raises LedgerError."""
        with self._lock, self._translated(), closing(self._connection):
            pass
        if self._files is not None:
            with usable(self._path.parent):
                self._files.put_log_aside()


def is_begun(state_dir: Path, *, promised: bool = False) -> bool:
    """Whether there is a ledger to look at. Raises LedgerError if it was lost, or cannot be looked at.

    `promised`: the caller knows that there was one.
    """
    with usable(state_dir):
        there = state_dir.exists()
    if not there and promised:
        raise LedgerError(f"the state directory {state_dir} is gone", remedy=f"put it back, or {RESTORE}")
    if not there:
        return False
    prepare(state_dir, make=False)
    return Mark(state_dir / FILE, promised=promised).has_ledger()
