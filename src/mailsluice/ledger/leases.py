"""The leases: only one poll holds a mailbox at a time, among all processes and threads.

Owns which lock file stands for which mailbox; `lock` owns how a lock file works. Must never show a caller
that there are files: another store keeps its leases in another way.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from mailsluice.ledger import mailboxes
from mailsluice.ledger.lock import hold
from mailsluice.model import MailboxKey


class Leases:
    """Keeps the promises of `session.ports.Leases`, by a lock file for each mailbox."""

    def __init__(self, state_dir: Path) -> None:
        self._locks = state_dir / "locks"

    def hold(self, key: MailboxKey) -> AbstractContextManager[None]:
        """Hold this mailbox while the context lasts.

        Raises MailboxLocked at once if another process or thread holds it, and LedgerError if its lock cannot
        be used.
        """
        return hold(self._path(key), key.address)

    def hold_if_made(self, key: MailboxKey) -> AbstractContextManager[None]:
        """The same for somebody who must make no file: a mailbox that was never held stays free."""
        return hold(self._path(key), key.address) if os.path.lexists(self._path(key)) else nullcontext()

    def _path(self, key: MailboxKey) -> Path:
        return self._locks / f"{mailboxes.digest(key)}.lock"
