"""The ledger's file: opened privately, with the guarantees the crash table needs, one transaction at a time.

Owns the SQLite connections, their settings, and what SQLite's failures mean to an administrator. Must
never delete or replace a file it cannot read.
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
"""How long a transaction waits for another process; ours last milliseconds."""

_LONGEST_WORDS = 300

_CORRUPT = (
    "first look for disk errors in the kernel's log (dmesg, smartctl): SQLite calls a file malformed, too, "
    "that it cannot read. Only if `sqlite3 FILE 'PRAGMA integrity_check'` finds fault with it: "
    f"stop mailsluice, move this file and those beside it (-wal, -shm) aside, and {RESTORE}; "
    "without one, start mailsluice again: it says how to go on"
)
_WRITE_NOTHING_NEW = "PRAGMA application_id = 0"
"""A write that leaves a ledger of any version, or one that has no tables yet, what it was."""
_DENIED = "let the user that runs mailsluice read and write the state directory (ls -l)"
_NO_ROOM = "free space or inodes on the state directory's file system (df, df -i)"
OR_ELSE = "look for a full disk or quota (df, df -i, quota), or too low a limit of open files (ulimit -n)"
"""What SQLite does not tell from a broken disk, nor from a file that it may not open or write."""
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
    sqlite3.SQLITE_IOERR: f"look for disk errors in the kernel's log (dmesg, smartctl); or {OR_ELSE}",
}


_WRITING = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
_READING = (sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS)
"""Which of two databases a copy failed at: what is written is the copy, what is read is ours."""


class Database:
    """A connection to the file, used by one thread at a time.

    One lock over a shared connection, not a connection for each thread: SQLite has one writer at a time
    anyway, a lock hands over at once where its busy handler sleeps, and there is one thing to close.
    It syncs at every commit, also of what may be lost: a sync that fails may lose all of the log since the
    last one, and of a commit lost from its middle SQLite knows nothing until it finds the file malformed, or
    nothing after the gap once the power was cut.
    """

    def __init__(self, state_dir: Path, *, read_only: bool = False) -> None:
        self._path = state_dir / FILE
        self._read_only = read_only
        self._lock = threading.Lock()
        self._unsettled = False
        self._files: OpenFiles | None = None
        self.is_new = False
        """Whether this opening has made the ledger."""
        mark = self._prepare()
        with self._translated():
            room.look_for(state_dir / f"{FILE}-shm")
            self._connection = self._connect()
        try:
            with usable(state_dir):
                self._files = OpenFiles(self._path)
            self._check_version(mark)
            self._check_rows()
            self._unsettled = not read_only
            with self._lock, self._translated():
                self._settle()
            if not read_only:
                sync(state_dir)  # SQLite syncs the names of its files, too, but ignores a failure
            self._mark(mark)
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> Mark:
        """The directory, and a private file in it that nobody else has put there."""
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
                # SQLite opens a file for reading where it could not for writing, and never tries again.
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
            mark.check(self._instance(connection) if found else None)
        if found == schema.VERSION:
            return
        if self._read_only:
            raise LedgerError(
                f"{self._path} is of version {found}, older than this mailsluice's {schema.VERSION}",
                remedy="let the daemon open it once: it brings the ledger up to date",
            )
        self._unsettled = True  # a small commit comes first: see `room`
        with self.writing() as connection:
            self.is_new = schema.version(connection) == 0
            schema.migrate(connection)

    def _check_rows(self) -> None:
        with self.reading() as connection:
            table = schema.spoiled(connection)
        if table:
            raise self._spoiled(table)

    def _spoiled(self, table: str) -> LedgerError:
        return self._error(f"its table {table} has what no mailsluice writes", _CORRUPT)

    def _instance(self, connection: sqlite3.Connection) -> str:
        row = connection.execute("SELECT instance FROM ledger").fetchone()
        if row is None or not is_instance(row[0]):
            raise self._spoiled("ledger")
        return str(row[0])

    def _mark(self, mark: Mark) -> None:
        """See to it that the directory is marked with this ledger."""
        with self.reading() as connection:
            self.instance = self._instance(connection)
            """The name of the ledger, which no other one has."""
        if mark.instance is None and not self._read_only:
            with self._lock, self._translated():
                self._connection.execute("BEGIN IMMEDIATE")  # no other process marks it at the same time
                try:
                    mark.make(self.instance)
                finally:
                    self._connection.execute("ROLLBACK")

    def check_files(self) -> None:
        """Raise LedgerReplaced if the files are no longer those that were opened."""
        if self._files is not None:
            with usable(self._path.parent):
                self._files.check()

    def copy_to(self, destination: sqlite3.Connection) -> None:
        """Copy all of it, as of one moment, into an empty database. Raises LedgerError, and BackupError."""
        with self.reading() as connection:
            try:
                connection.backup(destination)
            except sqlite3.Error as exc:
                code = getattr(exc, "sqlite_errorcode", 0)
                if code & 0xFF not in _WRITING or code in _READING:
                    raise
                raise BackupError(f"the copy of the ledger: {exc}", remedy=OR_ELSE) from exc

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, outside a transaction, to read rows and make values of them. Raises LedgerError."""
        with self._lock, self._translated():
            self.check_files()
            self._settle()
            yield self._connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: committed, and synced, at the end; undone by any exception.

        Raises LedgerError.
        """
        with self._lock, self._translated():
            self.check_files()
            self._settle()
            connection = self._connection
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                self._unsettled = True
                connection.execute("COMMIT")
                self._unsettled = False
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                with suppress(sqlite3.Error):  # if it fails too, the next use must begin with it
                    self._settle()
                raise

    def _settle(self) -> None:
        """See to it that what is read is on disk, and what is not read will not come back.

        At the start: a process killed between a commit's write and its sync left it in the log, and who opens
        the file next reads it as committed. Acted upon, and lost in a power cut, it would have a message come
        twice. Syncing any commit syncs the log before it.

        After a commit that failed: see to it that it stays undone, before anybody relies on that.

        Its sync may have failed when it was in the log already. Undone for this process, it would come back
        after a power cut, and a row `staged` whose file was swept meanwhile would pass for published. Any
        commit now takes its place at the end of the log, and is synced; this one changes nothing. It is tried
        at once, for the mailbox's lock may be free to another process after the failure.
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
        except DamagedRow as exc:  # a damage that SQLite does not know of
            raise self._error(str(exc), _CORRUPT) from exc
        except UnicodeDecodeError as exc:  # in SQLite's own words, which quote what is damaged
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
    """Whether there is a ledger to look at. Raises LedgerError where it was lost, or cannot be looked at.

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
