"""The room: space on the state directory's file system for SQLite's index in shared memory.

Owns the check that there is space for it before a ledger is opened. Must never open a file of SQLite's:
closing it again would free the locks that this process has on it (fcntl(2)).
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile

from mailsluice.errors import LedgerError, system_remedy

_INDEX = 32 * 1024
"""Octets of the index for the first 4,000 pages of the log (sqlite.org/walformat.html §2.2).

A longer log, and so a longer index, is rare: at 1,000 pages SQLite starts again at the log's beginning.
"""
_FIRST_COMMIT = 16 * 1024
"""Octets for the first commit's entry in the log, a page of 4 KiB, and for the file system itself."""

_STAT_BLOCK = 512
"""Octets in the unit of `st_blocks` (inode(7))."""


def look_for(index: Path) -> None:
    """Look for space for SQLite's index, the file `-shm`, before SQLite opens it.

    Raises LedgerError if there is not enough.

    SQLite maps the index into memory, and makes sure that one byte in 4,096 is on disk. If the file system's
    blocks are smaller, as on a small ext4, the rest of the file is holes. If the disk is full, a write into a
    hole is not an error but SIGBUS: the process dies. The first commit fills all holes, because SQLite clears
    the whole index before its first entry (its walIndexAppend). Before that it writes to the log, which needs
    space, too. So whoever opens a ledger to write calls this, opens it, and makes a small commit first.

    It would not help to make the file before: the first process that opens it cuts it to three octets (its
    unixLockSharedMemory). If all blocks of the file are on disk already, no more space is needed.
    """
    try:
        if not _is_on_disk(index):
            with TemporaryFile(dir=index.parent) as trial:
                os.posix_fallocate(trial.fileno(), 0, _INDEX + _FIRST_COMMIT)
    except OSError as exc:  # SQLite will meet any other error itself, and its words say more
        if exc.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise LedgerError(f"{index}: {exc.strerror}", remedy=system_remedy(exc)) from exc


def _is_on_disk(index: Path) -> bool:
    """Whether all blocks of the index are on disk: it has no holes."""
    with suppress(FileNotFoundError):
        return index.stat().st_blocks * _STAT_BLOCK >= _INDEX
    return False
