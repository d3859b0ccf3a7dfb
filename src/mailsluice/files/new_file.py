"""The new file: a file that this process made and is writing.

Owns the writing and the syncing of its octets. Must never retry a sync that failed: the kernel may have
dropped the pages that it could not write, and a second sync would then succeed (fsync(2), errors).
"""

from __future__ import annotations

import os
from pathlib import Path

from mailsluice.files.error import failed, trying


class NewFile:
    """A file that this process made and is still writing."""

    def __init__(self, directory: Path, name: str, fd: int) -> None:
        self._directory = directory
        self._name = name
        self._fd = fd

    def write(self, octets: bytes) -> None:
        """Append all of `octets`. Raises FileError."""
        try:
            written = os.write(self._fd, octets)
            while written < len(octets):
                written += os.write(self._fd, memoryview(octets)[written:])
        except OSError as error:
            raise failed("write", self._path, error) from error

    def begin_sync(self) -> None:
        """Let the kernel begin to write this file to disk, so that `sync` has less to wait for.

        This is only a hint. If Linux is told that pages are not needed any more, it begins to write them.
        """
        try:
            os.posix_fadvise(self._fd, 0, 0, os.POSIX_FADV_DONTNEED)
        except OSError:  # if it matters, `sync` will meet it, too
            return

    def sync(self) -> None:
        """Make content and size durable. After a failure the file is lost. Raises FileError."""
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise failed("sync", self._path, error) from error

    def close(self) -> None:
        """Close the descriptor. Content that was not synced before may be lost. Raises FileError."""
        try:
            os.close(self._fd)
        except OSError as error:
            raise failed("close", self._path, error) from error

    def give(self, uid: int, gid: int) -> None:
        """Make this user and group its owners. Raises FileError."""
        with trying("give away", self._path):
            os.fchown(self._fd, uid, gid)

    @property
    def _path(self) -> Path:
        return self._directory / self._name
