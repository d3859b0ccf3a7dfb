"""The files under a sink: one that is being written, and one that is locked.

Owns the writing and the syncing of their octets. Must never retry a sync that failed: the kernel may have
dropped the pages and would call the second one good (fsync(2), errors).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

from mailsluice.files.trouble import failed, trying


class NewFile:
    """A file that this process made and is still writing."""

    def __init__(self, directory: Path, name: str, fd: int) -> None:
        self._directory = directory
        self._name = name
        self._fd = fd

    def write(self, octets: bytes) -> None:
        """Append all of `octets`. Raises SinkError."""
        try:
            written = os.write(self._fd, octets)
            while written < len(octets):
                written += os.write(self._fd, memoryview(octets)[written:])
        except OSError as error:
            raise failed("write", self._path, error) from error

    def begin_sync(self) -> None:
        """Have the kernel begin to write what it holds of this file, so that `sync` has less to wait for.

        A hint, which promises nothing: Linux begins to write the pages that it is told are not needed.
        """
        try:
            os.posix_fadvise(self._fd, 0, 0, os.POSIX_FADV_DONTNEED)
        except OSError:  # `sync` will meet whatever matters
            return

    def sync(self) -> None:
        """Make content and size durable. Once only: after a failure the file is lost. Raises SinkError."""
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise failed("sync", self._path, error) from error

    def close(self) -> None:
        """Give the descriptor back; what was not synced before may be lost. Raises SinkError."""
        try:
            os.close(self._fd)
        except OSError as error:
            raise failed("close", self._path, error) from error

    @property
    def _path(self) -> Path:
        return self._directory / self._name


class LockFile:
    """A file that this process has locked; a context manager.

    Closing it lets it go, and the kernel closes it for a killed process.
    """

    def __init__(self, path: Path, fd: int) -> None:
        self._path = path
        self._fd = fd

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, most: int) -> bytes:
        """Its first octets."""
        octets = b""
        with trying("read", self._path):
            while len(octets) < most and (more := os.pread(self._fd, most - len(octets), len(octets))):
                octets += more
        return octets

    def write(self, start: int, octets: bytes) -> None:
        """Put these octets from `start` on in the place of all that was there."""
        with trying("write", self._path):
            while octets:
                written = os.pwrite(self._fd, octets, start)
                start, octets = start + written, octets[written:]
            os.ftruncate(self._fd, start)

    def sync(self) -> None:
        """Make its content durable. Once only, as for any file."""
        with trying("sync", self._path):
            os.fsync(self._fd)

    def close(self) -> None:
        """Let it go."""
        with trying("close", self._path):
            os.close(self._fd)
