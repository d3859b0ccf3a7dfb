"""The turn: if several ledgers feed a sink with the same mailbox, only one of them polls it at a time.

Owns a lock for each mailbox, beside the staging directories. If two ledgers polled a mailbox at once, both
would store the same messages. Must never be trusted for more than that: the claims say whose the mailbox is.
"""

from __future__ import annotations

from mailsluice import invocation
from mailsluice.errors import MailboxLocked
from mailsluice.files.directory import Directory
from mailsluice.files.lock import LockFile
from mailsluice.model import Feeder

_SUFFIX = ".turn"


def take(folder: Directory, owner: str, feeder: Feeder) -> LockFile:
    """Take the turn of the mailbox whose staging directory is `owner`.

    Raises MailboxLocked if another process has it, and FileError.
    """
    lock = folder.try_lock(_name(owner))
    if lock is None:
        raise MailboxLocked(
            f"{feeder.mailbox.address} is being polled by another process, which feeds {folder.path.parent}",
            remedy=f"wait for it to finish; `{invocation.command('sink', 'list')}` shows who feeds this sink",
        )
    return lock


def end(folder: Directory, owner: str) -> None:
    """Remove the turn's file, unless a ledger still feeds this sink with the mailbox. Raises FileError."""
    if not any(name.startswith(_mailbox(owner) + "-") for name in folder.names()):
        folder.unlink(_name(owner))


def _name(owner: str) -> str:
    return _mailbox(owner) + _SUFFIX


def _mailbox(owner: str) -> str:
    return owner.partition("-")[0]
