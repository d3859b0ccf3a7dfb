"""The locks in a state directory: one poll at a time for each mailbox, and one daemon for all of them.

Owns the files in `locks/`, and the process number that each of them has. Must never remove such a file, nor
advise anybody to do so: a process that has it open would go on with a lock that no other process sees. The
kernel frees the locks of a killed process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Self

from mailsluice.errors import AlreadyRunning, MailboxLocked, MailsluiceError
from mailsluice.files.directory import Directory
from mailsluice.files.error import FileError, refuse
from mailsluice.files.lock import LockFile, is_shown
from mailsluice.files.trust import problem_of_lock
from mailsluice.ledger.directory import prepare, usable

_SERVICE = Path("locks") / "service.lock"
_PRIVATE = 0o700
_LONGEST_NUMBER = 20
"""Octets that are read of a lock file: more than any process number has."""


@contextmanager
def hold(path: Path, address: str) -> Iterator[None]:
    """Hold the lock file at `path` while the context lasts. It is made if it is missing.

    Raises MailboxLocked at once if another thread or process holds it, and LedgerError if it cannot be used.
    """
    lock = _taken(path, partial(_being_polled, address))
    try:
        yield
    finally:
        _let_go(lock)


class ServiceLock:
    """The lock of the one daemon that serves a state directory. A context manager; leaving it frees the lock.

    Polls by hand do not take it.
    """

    def __init__(self, lock: LockFile) -> None:
        self._lock = lock

    @classmethod
    def take(cls, state_dir: Path) -> Self:
        """Take the lock on a state directory. The directory is made if it is missing.

        Raises AlreadyRunning at once if another daemon holds the lock, and LedgerError if the directory
        cannot be used.
        """
        prepare(state_dir)
        lock = _taken(state_dir / _SERVICE, partial(_already_running, state_dir))
        try:
            with usable(state_dir):
                lock.show()
        except BaseException:
            _let_go(lock)
            raise
        return cls(lock)

    def following(self, state_dir: Path) -> Self:
        """The lock for the daemon's next configuration, which has this `state_dir`. This lock stays held.

        For the same directory it is the same lock; it is free when both are released. Raises what `take`
        raises.
        """
        if not self._lock.is_at(state_dir / _SERVICE):
            return self.take(state_dir)
        with usable(state_dir):
            return type(self)(self._lock.duplicate())

    def release(self) -> None:
        """Free the lock."""
        _let_go(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def serving(state_dir: Path) -> str | None:
    """The process number of the daemon that serves this state directory; empty if it is not known.

    None if no daemon serves it. Nothing is locked or made here: otherwise a daemon that starts at this moment
    would find the lock held. Raises FileError, also if the lock file may belong to another user.
    """
    path = state_dir / _SERVICE
    if not is_shown(path, problem_of_lock):
        return None
    with Directory.follow(path.parent) as locks:
        return _written_by_holder(locks, path.name)


def was_polled(state_dir: Path) -> bool:
    """Whether a mailbox was ever locked here, and so was polled. Raises OSError."""
    with suppress(FileNotFoundError, NotADirectoryError):
        locks = (state_dir / _SERVICE.parent).iterdir()
        return any(path.suffix == _SERVICE.suffix and path.name != _SERVICE.name for path in locks)
    return False


def _taken(path: Path, held_by: Callable[[str], MailsluiceError]) -> LockFile:
    """Take the lock file at `path`. Raises LedgerError.

    A file is refused that somebody may have put there while others could write in the state directory. If
    another process holds the lock, this raises the error that `held_by` makes from its process number (empty
    if that is not known).
    """
    with usable(path.parent.parent), _directory(path.parent) as locks:
        lock = locks.try_lock(path.name, problem_of_lock)
        if lock is None:
            raise held_by(_written_by_holder(locks, path.name))
    with suppress(FileError):  # the number is only information for whoever does not get the lock
        lock.write(0, b"%d\n" % os.getpid())
    return lock


def _directory(path: Path) -> Directory:
    """The directory of the locks, made if missing."""
    with ExitStack() as undo:
        with Directory.follow(path.parent) as state_dir:
            locks = state_dir.child(path.name) or state_dir.make(path.name, _PRIVATE)
            undo.enter_context(locks)
        refuse(locks.problem(problem_of_lock))
        undo.pop_all()
    return locks


def _let_go(lock: LockFile) -> None:
    with suppress(FileError):  # the lock is free even if closing its file fails
        lock.close()


def _written_by_holder(locks: Directory, name: str) -> str:
    """The process number that the holder wrote; empty if it cannot be read."""
    with suppress(FileError):
        pid = (locks.read(name, _LONGEST_NUMBER) or b"").strip()
        return pid.decode() if pid.isdigit() else ""
    return ""


def _being_polled(address: str, pid: str) -> MailboxLocked:
    return MailboxLocked(
        f"{address} is being polled or checked by {_process(pid)}", remedy="wait for it to finish, or stop it"
    )


def _already_running(state_dir: Path, pid: str) -> AlreadyRunning:
    ways = ["`systemctl stop mailsluice`", *([f"`kill {pid}`"] if pid else [])]
    return AlreadyRunning(
        f"another mailsluice serves the state directory {state_dir}: {_process(pid)}",
        remedy=f"stop that one first: {' or '.join(ways)}; a poll by hand works while it runs",
    )


def _process(pid: str) -> str:
    return f"process {pid}" if pid else "another process"
