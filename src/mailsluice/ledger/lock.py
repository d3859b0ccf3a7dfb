"""The locks in a state directory: one session at a time of a mailbox, one daemon at a time of them all.

Owns the files in `locks/`. They are never removed, and nobody is advised to: whoever opened one before its
removal would lock nothing. The kernel frees the locks of a killed process by itself.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import stat
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Self

from mailsluice.errors import (
    AlreadyRunning,
    LedgerError,
    MailboxLocked,
    MailsluiceError,
    system_remedy,
)
from mailsluice.files.rights import is_denied
from mailsluice.ledger.directory import prepare
from mailsluice.system.users import user_name

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LOOK = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WHOLE_FILE = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
"""A struct flock (fcntl(2)): type, whence, start, length, and no process."""
_SERVICE = Path("locks") / "service.lock"
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


@contextmanager
def hold(path: Path, address: str) -> Iterator[None]:
    """Hold the lock file at `path`, made if missing, while the context lasts.

    Raises MailboxLocked at once where another thread or process holds it, LedgerError where it cannot be
    made. Each call opens the file anew, so that flock(2) tells the threads of one process apart, too.
    """
    fd = _opened(path)
    try:
        _take(fd, path, partial(_being_polled, address))
        yield
    finally:
        _close(fd)


class ServiceLock:
    """Held by the one daemon that serves a state directory; a context manager that lets it go.

    Polls by hand do not take it.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @classmethod
    def take(cls, state_dir: Path) -> Self:
        """The lock on a state directory, which is made if missing.

        Raises AlreadyRunning at once where another daemon holds it, LedgerError where the directory cannot
        be used.
        """
        prepare(state_dir)
        fd = _opened(state_dir / _SERVICE)
        try:
            _take(fd, state_dir / _SERVICE, partial(_already_running, state_dir))
            _show(fd, state_dir / _SERVICE)
        except BaseException:
            _close(fd)
            raise
        return cls(fd)

    def following(self, state_dir: Path) -> Self:
        """The lock for whoever takes over with this `state_dir`, while this one is still held.

        Of the same directory, it is the same lock, and free when both have let go. Raises as `take` does.
        """
        try:
            same = os.path.samestat(os.fstat(self._fd), (state_dir / _SERVICE).lstat())
        except OSError:
            same = False
        if not same:
            return self.take(state_dir)
        try:
            return type(self)(os.dup(self._fd))  # one lock for all duplicates (flock(2))
        except OSError as exc:
            raise _unusable(state_dir / _SERVICE, exc) from exc

    def release(self) -> None:
        """Let it go."""
        _close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def serving(state_dir: Path) -> str | None:
    """The process number of the daemon that serves this state directory, empty if it is not known.

    None where no daemon does. Nothing is taken or made: a daemon that starts at this moment does not find the
    lock held. Raises OSError, and LedgerError where the file may be another's.
    """
    path = state_dir / _SERVICE
    try:
        fd = os.open(path, _LOOK)
    except FileNotFoundError:
        return None
    try:
        _refuse_if_foreign(path, os.fstat(fd))
        (kind,) = struct.unpack_from("h", fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _WHOLE_FILE))
        return None if kind == fcntl.F_UNLCK else _left_by_holder(fd)
    finally:
        _close(fd)


def was_polled(state_dir: Path) -> bool:
    """Whether a mailbox was ever locked here, and so polled. Raises OSError."""
    with suppress(FileNotFoundError, NotADirectoryError):
        locks = (state_dir / _SERVICE.parent).iterdir()
        return any(path.suffix == _SERVICE.suffix and path.name != _SERVICE.name for path in locks)
    return False


def _opened(path: Path) -> int:
    """The lock file, made if missing; not one that somebody planted while others could write here."""
    with ExitStack() as undo:
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            directory = os.open(path.parent, _DIRECTORY)
            undo.callback(_close, directory)
            _refuse_if_foreign(path.parent, os.fstat(directory))
            fd = os.open(path.name, _FILE, 0o600, dir_fd=directory)
            on_error = undo.enter_context(ExitStack())
            on_error.callback(_close, fd)
            _refuse_if_foreign(path, os.fstat(fd))
            on_error.pop_all()
        except OSError as exc:
            raise _in_the_way(path) or _unusable(path, exc) from exc
    return fd


def _close(fd: int) -> None:
    with suppress(OSError):  # the descriptor is given back all the same (close(2)), and the lock with it
        os.close(fd)


def _refuse_if_foreign(path: Path, status: os.stat_result) -> None:
    """The number of a holder is written into the file: it must not be another one under this name."""
    if not stat.S_ISDIR(status.st_mode) and not stat.S_ISREG(status.st_mode):
        raise _no_lock(path)
    if stat.S_ISREG(status.st_mode) and status.st_nlink != 1:
        names = shlex.join(["find", "/", "-samefile", str(path)])
        raise LedgerError(
            f"{path} has another name, too: it may be somebody else's",
            remedy=f"find the other name, and remove that one: `{names}`",
        )
    if status.st_uid != os.geteuid():
        raise LedgerError(
            f"{path} belongs to another user, {user_name(status.st_uid)}",
            remedy=shlex.join(["chown", str(os.geteuid()), str(path)]),
        )
    if status.st_mode & _WRITABLE_BY_OTHERS:
        raise LedgerError(f"{path} can be written by others", remedy=shlex.join(["chmod", "go-w", str(path)]))


def _in_the_way(path: Path) -> LedgerError | None:
    """The error about what is no directory, or no file, in the place of one."""
    with suppress(OSError):
        if not stat.S_ISDIR(path.parent.lstat().st_mode):
            return _no_lock(path.parent)
        if not stat.S_ISREG(path.lstat().st_mode):
            return _no_lock(path)
    return None


def _no_lock(path: Path) -> LedgerError:
    return LedgerError(
        f"{path} is none of mailsluice's: it is a symbolic link, or of another kind",
        remedy=f"find out who made it, then `{shlex.join(['mv', str(path), f'{path}.planted'])}`",
    )


def _take(fd: int, path: Path, held_by: Callable[[str], MailsluiceError]) -> None:
    """Lock it, or raise what `held_by` makes of the holder's process number, empty if that is not known."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        raise held_by(_left_by_holder(fd)) from exc
    except OSError as exc:
        raise _unusable(path, exc) from exc
    with suppress(OSError):  # who holds it is a courtesy to whoever does not get it
        os.ftruncate(fd, 0)
        os.pwrite(fd, b"%d\n" % os.getpid(), 0)


def _show(fd: int, path: Path) -> None:
    """Let others see that the lock is held: flock(2) tells that only to who tries to take it.

    So the file has a lock of the other kind as well, which can be looked at (fcntl(2), "Open file description
    locks"). It ends as the first one does: with the last duplicate of this descriptor.
    """
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _WHOLE_FILE)
    except OSError as exc:
        raise _unusable(path, exc) from exc


def _left_by_holder(fd: int) -> str:
    """The process number that the holder wrote; empty where it cannot be read."""
    with suppress(OSError):
        pid = os.pread(fd, 20, 0).strip()
        return pid.decode() if pid.isdigit() else ""
    return ""


def _being_polled(address: str, pid: str) -> MailboxLocked:
    return MailboxLocked(
        f"{address} is being polled by {_process(pid)}", remedy="wait for it to finish, or stop it"
    )


def _already_running(state_dir: Path, pid: str) -> AlreadyRunning:
    ways = ["`systemctl stop mailsluice`", *([f"`kill {pid}`"] if pid else [])]
    return AlreadyRunning(
        f"another mailsluice serves the state directory {state_dir}: {_process(pid)}",
        remedy=f"stop that one first: {' or '.join(ways)}; a poll by hand is possible beside it",
    )


def _process(pid: str) -> str:
    return f"process {pid}" if pid else "another process"


def _unusable(path: Path, exc: OSError) -> LedgerError:
    return LedgerError(
        f"the lock file {path} cannot be used: {exc.strerror}",
        remedy=system_remedy(
            exc, "let the user that runs mailsluice write the state directory, on a local file system"
        ),
        denied=is_denied(exc),
    )
