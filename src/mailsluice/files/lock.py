"""The lock file: only one process, and only one thread of it, holds it at a time.

Owns flock(2). Must never remove a lock file: a process that has it open would go on with a lock that no other
process sees.
"""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path
from typing import Self

from mailsluice.files.error import refuse, trying
from mailsluice.files.trust import Judge

_LOCK_FILE = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LOOK = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OURS_ALONE = 0o600
_WHOLE_FILE = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
"""A struct flock (fcntl(2)): type, whence, start, length, and 0 as the process."""


def unjudged(_path: Path, _status: os.stat_result) -> None:
    """A rule that accepts every file: for a directory that was checked, in which nobody else can write."""


class LockFile:
    """A file that this process has locked. A context manager. Every method raises FileError.

    Closing it frees the lock. If the process is killed, the kernel closes it.
    """

    def __init__(self, path: Path, fd: int) -> None:
        self._path = path
        self._fd = fd

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def show(self) -> None:
        """Let `is_shown` see that the lock is held. With flock(2) one must try to take a lock to see that.

        So the file also gets a lock of another kind, which can be looked at (fcntl(2), "Open file description
        locks"). Both are freed at the same time: when the last duplicate of this descriptor is closed.
        """
        with trying("lock", self._path):
            fcntl.fcntl(self._fd, fcntl.F_OFD_SETLK, _WHOLE_FILE)

    def duplicate(self) -> LockFile:
        """The same lock once more. It is free when both are closed (flock(2))."""
        with trying("lock", self._path):
            return LockFile(self._path, os.dup(self._fd))

    def is_at(self, path: Path) -> bool:
        """Whether `path` leads to this file; False if that cannot be found out."""
        try:
            return os.path.samestat(os.fstat(self._fd), os.lstat(path))
        except OSError:
            return False

    def give(self, uid: int, gid: int) -> None:
        """Make this user and group its owners."""
        with trying("give away", self._path):
            os.fchown(self._fd, uid, gid)

    def read(self, most: int) -> bytes:
        """Its first `most` octets."""
        octets = b""
        with trying("read", self._path):
            while len(octets) < most and (more := os.pread(self._fd, most - len(octets), len(octets))):
                octets += more
        return octets

    def write(self, start: int, octets: bytes) -> None:
        """Write these octets at `start`, and cut off what was behind them."""
        with trying("write", self._path):
            while octets:
                written = os.pwrite(self._fd, octets, start)
                start, octets = start + written, octets[written:]
            os.ftruncate(self._fd, start)

    def sync(self) -> None:
        """Make its content durable. After a failure it must not be tried again, as with any file."""
        with trying("sync", self._path):
            os.fsync(self._fd)

    def close(self) -> None:
        """Free the lock. It is free even if this fails (close(2))."""
        with trying("close", self._path):
            os.close(self._fd)


def locked(directory: int, path: Path, judge: Judge, *, wait: bool) -> LockFile | None:
    """The file with the name of `path` in this open directory, made if it is missing, and locked for us.

    None if another process or thread has it locked. It is checked by `judge` before it is locked. Raises
    FileError.

    Each call opens the file again, so that the threads of one process exclude each other, too (flock(2)).
    After locking, the name must still lead to this file. Otherwise somebody has removed it, the next process
    would lock a new file, and both would believe that they are alone.
    """
    how = fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB
    with trying("lock", path, ours=True):
        while True:
            fd = os.open(path.name, _LOCK_FILE, _OURS_ALONE, dir_fd=directory)
            try:
                refuse(judge(path, os.fstat(fd)))
                fcntl.flock(fd, how)
                if _leads_to(directory, path.name, fd):
                    return LockFile(path, fd)
            except BlockingIOError:  # another one has it
                os.close(fd)
                return None
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)


def is_shown(path: Path, judge: Judge) -> bool:
    """Whether somebody holds the lock file at `path`, and shows it (`LockFile.show`).

    Nothing is locked or made. Raises FileError.
    """
    with trying("look at the lock", path):
        try:
            fd = os.open(path, _LOOK)
        except FileNotFoundError:
            return False
        try:
            refuse(judge(path, os.fstat(fd)))
            (kind,) = struct.unpack_from("h", fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _WHOLE_FILE))
            return bool(kind != fcntl.F_UNLCK)
        finally:
            os.close(fd)


def _leads_to(directory: int, name: str, fd: int) -> bool:
    try:
        return os.path.samestat(os.stat(name, dir_fd=directory, follow_symlinks=False), os.fstat(fd))
    except FileNotFoundError:
        return False
