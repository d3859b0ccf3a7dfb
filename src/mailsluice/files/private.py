"""The private file: read only while it is private, replaced durably, locked between processes.

Owns owners, modes and syncs of the files that hold secrets. Must never know what is in them.
Everything that goes wrong is an OSError whose `filename` and `strerror` a person can read.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_TOO_LARGE = 4 * 1024 * 1024


def read_private(path: Path, *, owners: Collection[int]) -> bytes:
    """The content of a regular file that its owner alone may use, and whose owner is one of `owners`.

    A symbolic link is followed, for secrets are often mounted as links; it is the file itself that is
    judged, after it was opened.
    """
    # Without O_NONBLOCK, opening a named pipe would wait for its writer for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        _judge(path, os.fstat(descriptor), owners)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(_TOO_LARGE)
    finally:
        os.close(descriptor)


def _judge(path: Path, status: os.stat_result, owners: Collection[int]) -> None:
    problem = ""
    if not stat.S_ISREG(status.st_mode):
        problem = "it is not a regular file"
    elif status.st_mode & _OTHERS:
        problem = (
            f"others may use it: its mode is {stat.S_IMODE(status.st_mode):04o}, which has to be 0600 or 0400"
        )
    elif status.st_uid not in owners:
        problem = f"it belongs to another user (uid {status.st_uid})"
    elif status.st_size >= _TOO_LARGE:
        problem = f"it has {status.st_size} octets, too many to be true"
    if problem:
        raise OSError(errno.EPERM, problem, str(path))


def replace_private(path: Path, content: bytes) -> None:
    """Give `path` this content: all of it, mode 0600, and durable; or, after any fault, what it had before.

    One writer at a time: hold a lock. What a crash left half written is overwritten by the next call.
    """
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(_create(unfinished, os.O_WRONLY | os.O_EXCL), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    _sync_directory(path.parent)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path` against every other process and thread, waiting for it."""
    descriptor = _create(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _create(path: Path, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    try:
        _hand_over(path, descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _hand_over(path: Path, descriptor: int) -> None:
    """Give a file in the service's directory to the service: an administrator's own it could not read.

    Never one that has another name as well: it would be given away under that name, too.
    """
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        raise OSError(errno.EPERM, "it is not a regular file of one name; find out who made it", str(path))
    directory = path.parent.stat()
    if os.geteuid() == 0 and directory.st_uid != 0:
        os.fchown(descriptor, directory.st_uid, directory.st_gid)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
