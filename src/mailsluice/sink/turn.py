"""The turn: of all ledgers that feed a sink with one mailbox, only one polls it at a time.

Owns a lock for each mailbox, beside the staging directories. Two that polled a mailbox at once would both
store what both found there. Must never be trusted beyond that: whose the mailbox is, the claims say.
"""

from __future__ import annotations

from mailsluice import invocation
from mailsluice.errors import MailboxLocked
from mailsluice.files.directory import Directory
from mailsluice.files.lock import LockFile
from mailsluice.model import Feeder

_SUFFIX = ".turn"


def take(folder: Directory, owner: str, feeder: Feeder) -> LockFile:
    """The turn of the mailbox whose staging directory is `owner`. Raises MailboxLocked, and FileError."""
    lock = folder.try_lock(_name(owner))
    if lock is None:
        raise MailboxLocked(
            f"{feeder.mailbox.address} is being polled by another process, which feeds {folder.path.parent}",
            remedy=f"wait for it to finish; `{invocation.command('sink', 'list')}` shows who feeds this sink",
        )
    return lock


def end(folder: Directory, owner: str) -> None:
    """Remove the file, unless a ledger still feeds this sink with the mailbox. Raises FileError."""
    if not any(name.startswith(_mailbox(owner) + "-") for name in folder.names()):
        folder.unlink(_name(owner))


def _name(owner: str) -> str:
    return _mailbox(owner) + _SUFFIX


def _mailbox(owner: str) -> str:
    return owner.partition("-")[0]
