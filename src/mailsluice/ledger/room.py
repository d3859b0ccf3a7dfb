"""Room on the state directory's file system for SQLite's index in shared memory.

Sees to it that the index is whole on disk, or that the ledger is not opened. Must never open a file of
SQLite's: closing it again would free the locks this process has on it (fcntl(2)).
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile

_INDEX = 32 * 1024
"""Octets of the index for the first 4,000 pages of the log (sqlite.org/walformat.html §2.2).

A longer log, and so a longer index, is rare: at 1,000 pages SQLite begins it anew.
"""
_STAT_BLOCK = 512
_DESCRIPTORS = Path("/proc/self/fd")


def look_for(index: Path) -> None:
    """Before SQLite opens its index, the file `-shm`, look for room for it. Raises OSError if there is none.

    Where it lies whole on disk already, nothing is asked for: it needs no more.
    """
    if not _whole(index):
        with TemporaryFile(dir=index.parent) as trial:
            os.posix_fallocate(trial.fileno(), 0, _INDEX)


def reserve(index: Path) -> None:
    """Give the whole of SQLite's open index its place on disk. Raises OSError if there is no room.

    SQLite maps it, and makes sure of one byte in 4,096. Where blocks are smaller, as on small ext4, the rest
    are holes, and to write into one when the disk is full is no error but SIGBUS: the death of the process.
    """
    if not _whole(index):
        for descriptor in _descriptors_of(index):
            os.posix_fallocate(descriptor, 0, _INDEX)


def _whole(index: Path) -> bool:
    with suppress(FileNotFoundError):
        return index.stat().st_blocks * _STAT_BLOCK >= _INDEX
    return False


def _descriptors_of(file: Path) -> list[int]:
    """Those by which this process has the file open; none where /proc is not mounted."""
    found = []
    with suppress(FileNotFoundError):
        for link in _DESCRIPTORS.iterdir():
            with suppress(FileNotFoundError):  # another thread closed it
                if link.samefile(file):
                    found.append(int(link.name))
    return found
