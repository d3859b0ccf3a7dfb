"""The ledger: the durable record of what was staged, stored, and is gone from the server.

Owns that its parts work on one file, by one clock, and how it is opened. Must never know a statement of SQL.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from mailsluice.clock import BootClock, SystemClock
from mailsluice.config.models import Service
from mailsluice.ledger import clock as clocks
from mailsluice.ledger import database, mailboxes
from mailsluice.ledger.aliases import Aliases
from mailsluice.ledger.clock import LedgerClock
from mailsluice.ledger.database import Database
from mailsluice.ledger.failures import Failures
from mailsluice.ledger.leases import Leases
from mailsluice.ledger.lost import Lost
from mailsluice.ledger.messages import Messages
from mailsluice.ledger.reports import Reports
from mailsluice.ledger.stagings import Stagings
from mailsluice.model import MailboxKey


class Ledger:
    """Keeps the promises of `session.ports.Ledger` in SQLite; any number of threads may use it at once.

    A context manager; leaving it closes the file: what was noted and not flushed is lost then. With
    `read_only` nothing is made or changed, as `status` wants it while a daemon runs. Raises LedgerError, in
    the constructor as in every method.
    """

    def __init__(self, state_dir: Path, *, read_only: bool = False, clock: BootClock | None = None) -> None:
        self._database = Database(state_dir, read_only=read_only)
        try:
            with self._database.reading() as connection:
                last = clocks.noted(connection)
        except BaseException:
            self._database.close()
            raise
        self._clock = LedgerClock(clock or SystemClock(), last)
        self.messages = Messages(self._database)
        self.failures = Failures(self._database)
        self.reports = Reports(self._database, self._clock)
        self.leases = Leases(state_dir)
        self.stagings = Stagings(self._database)
        self.aliases = Aliases(self._database)
        self.lost = Lost(self._database)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    @property
    def is_new(self) -> bool:
        """Whether this opening has made the ledger."""
        return self._database.is_new

    def check(self) -> None:
        """Raise LedgerReplaced if the files are no longer those that were opened."""
        self._database.check_files()

    def now(self) -> datetime:
        """The time by the ledger's own clock: what ages are measured by."""
        return self._clock.moment().time

    @property
    def id(self) -> str:
        """What tells this ledger from every other, wherever it is kept."""
        return self._database.instance

    def staging_owner(self, key: MailboxKey) -> str:
        """A file name for this mailbox's staging directory that no other mailbox or ledger has.

        Its first half is the mailbox's with any ledger, its second half the ledger's with any mailbox.
        """
        return f"{mailboxes.digest(key)[:16]}-{hashlib.sha256(self.id.encode()).hexdigest()[:16]}"


def open_ledger(service: Service, *, read_only: bool = False) -> Ledger:
    """The ledger that the configuration names: the one way to it for the daemon and the commands.

    With `read_only` nothing is made or changed. Raises LedgerError, and LedgerReplaced, as the ledger does.
    """
    return Ledger(service.state_dir, read_only=read_only)


def is_begun(service: Service, *, promised: bool = False) -> bool:
    """Whether there is a ledger to open for reading. Raises LedgerError where it was lost.

    `promised`: the caller knows that there was one.
    """
    return database.is_begun(service.state_dir, promised=promised)


def place(service: Service) -> str:
    """Where the ledger is kept, for people."""
    return str(service.state_dir / database.FILE)
