"""Room on the state directory's file system for SQLite's index in shared memory.

Sees to it that a ledger is not opened where the index would find no room. Must never open a file of SQLite's:
closing it again would free the locks this process has on it (fcntl(2)).
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

A longer log, and so a longer index, is rare: at 1,000 pages SQLite begins it anew.
"""
_FIRST_COMMIT = 16 * 1024
"""Octets for what the first commit puts into the log, a page of 4 KiB, and for the file system itself."""

_STAT_BLOCK = 512


def look_for(index: Path) -> None:
    """Before SQLite opens its index, the file `-shm`, look for room for it. Raises LedgerError without.

    SQLite maps the index, and makes sure of one byte in 4,096. Where blocks are smaller, as on small ext4,
    the rest are holes. To write into one when the disk is full is no error but SIGBUS: the process dies. The
    first commit fills every hole, because SQLite clears the whole index before its first entry (its
    walIndexAppend). It does so after it has written to the log: that has to find room beside the index. So
    whoever opens a ledger to write looks here, opens it, and makes a small commit before any other.

    It would not help to make the file beforehand: the first one to open it cuts it to three octets (its
    unixLockSharedMemory). Where the file lies whole on disk already, it needs no more.
    """
    try:
        if not _whole(index):
            with TemporaryFile(dir=index.parent) as trial:
                os.posix_fallocate(trial.fileno(), 0, _INDEX + _FIRST_COMMIT)
    except OSError as exc:  # any other, SQLite meets itself and knows better what it means
        if exc.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise LedgerError(f"{index}: {exc.strerror}", remedy=system_remedy(exc)) from exc


def _whole(index: Path) -> bool:
    with suppress(FileNotFoundError):
        return index.stat().st_blocks * _STAT_BLOCK >= _INDEX
    return False
