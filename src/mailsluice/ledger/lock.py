"""The lock on a mailbox: one session at a time, over all threads and processes.

Owns the files in `locks/`. They are never removed: whoever opened one before its removal would lock
nothing. The kernel frees the lock of a killed process by itself.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mailsluice.errors import LedgerError, MailboxLocked, system_remedy

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def hold(path: Path, address: str) -> Iterator[None]:
    """Hold the lock file at `path`, made if missing, while the context lasts.

    Raises MailboxLocked at once where another thread or process holds it, LedgerError where it cannot be
    made. Each call opens the file anew, so that flock(2) tells the threads of one process apart, too.
    """
    fd = _opened(path)
    try:
        _take(fd, path, address)
        yield
    finally:
        with suppress(OSError):  # the descriptor is given back all the same (close(2)), and the lock with it
            os.close(fd)


def _opened(path: Path) -> int:
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        return os.open(path, _FLAGS, 0o600)
    except OSError as exc:
        raise _unusable(path, exc) from exc


def _take(fd: int, path: Path, address: str) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        holder = _holder(fd)
        by = f"process {holder.decode()}" if holder.isdigit() else "another process"
        raise MailboxLocked(
            f"{address} is being polled by {by}", remedy="wait for it to finish, or stop it"
        ) from exc
    except OSError as exc:
        raise _unusable(path, exc) from exc
    with suppress(OSError):  # who holds it is a courtesy to whoever does not get it
        os.ftruncate(fd, 0)
        os.pwrite(fd, b"%d\n" % os.getpid(), 0)


def _holder(fd: int) -> bytes:
    """The process that holds the lock, as far as it can be read."""
    with suppress(OSError):
        return os.pread(fd, 20, 0).strip()
    return b""


def _unusable(path: Path, exc: OSError) -> LedgerError:
    return LedgerError(
        f"the lock file {path} cannot be used: {exc.strerror}",
        remedy=system_remedy(
            exc, "let the user that runs mailsluice write the state directory, on a local file system"
        ),
    )
