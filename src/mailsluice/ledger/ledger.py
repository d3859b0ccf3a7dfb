"""The ledger: the durable record of which messages were staged, stored, and are gone from the server.

Owns how the ledger is opened, and that all its parts use one file and one clock. Must never contain SQL.
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
    """Keeps the promises of `session.ports.Ledger` in SQLite. Any number of threads may use it at once.

    A context manager; leaving it closes the file. Reports that were noted and not flushed are lost then. With
    `read_only` nothing is made or changed: `status` needs that while a daemon runs. The constructor and every
    method raise LedgerError.
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
        """Whether the ledger was made when it was opened this time."""
        return self._database.is_new

    def check(self) -> None:
        """Raise LedgerReplaced if the files are not those that were opened."""
        self._database.check_files()

    def now(self) -> datetime:
        """The time by which ages are measured. Setting the machine's clock does not change it."""
        return self._clock.moment().time

    @property
    def id(self) -> str:
        """Identifies this ledger among all others. It never changes."""
        return self._database.instance

    def staging_owner(self, key: MailboxKey) -> str:
        """A file name for this mailbox's staging directory that no other mailbox or ledger has.

        Its first half is the same for this mailbox in every ledger, its second half the same for every
        mailbox of this ledger.
        """
        return staging_owner(self.id, key)


def staging_owner(ledger: str, key: MailboxKey) -> str:
    """That of the ledger with this id; see `Ledger.staging_owner`."""
    return f"{mailboxes.digest(key)[:16]}-{hashlib.sha256(ledger.encode()).hexdigest()[:16]}"


def open_ledger(service: Service, *, read_only: bool = False) -> Ledger:
    """The ledger that the configuration names. The daemon and all commands open it here.

    With `read_only` nothing is made or changed. Raises LedgerError.
    """
    return Ledger(service.state_dir, read_only=read_only)


def is_begun(service: Service, *, promised: bool = False) -> bool:
    """Whether there is a ledger to open for reading. Raises LedgerError if it was lost.

    `promised`: the caller knows that there was one.
    """
    return database.is_begun(service.state_dir, promised=promised)


def place(service: Service) -> str:
    """Where the ledger is kept, for people."""
    return str(service.state_dir / database.FILE)
