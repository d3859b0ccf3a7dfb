"""The private file: a small file that only we may use. It is read, replaced durably, and locked here.

Owns the order of steps in which it is written. Must never know what is in it, nor decide who may own it:
`trust` does.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from mailsluice.files.directory import Directory
from mailsluice.files.error import FileError, failed, refuse, trying
from mailsluice.files.lock import LockFile
from mailsluice.files.new_file import NewFile
from mailsluice.files.trust import Problem, problem_of_file, problem_of_names, problem_of_secret

_MODE = 0o600
_TOO_LARGE = 4 * 1024 * 1024
_BETWEEN_TRIES = 0.05
"""Seconds between two tries to take a lock that another one has."""
_LONGEST_WAIT = 30.0
"""Seconds to wait for a lock that everybody holds for a moment only. After that its holder is stopped.
Without a limit, a daemon that waits for it would neither poll nor obey SIGTERM."""
STOPPED = "continue or end the mailsluice that is stopped (ps shows it with the state T)"
"""What to do about a lock that is not let go."""
_READ_FILE = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
"""Without O_NONBLOCK, opening a named pipe would wait for its writer for ever."""


PrivateJudge = Callable[[Path, os.stat_result, Collection[int]], Problem | None]
"""A rule for private files: what is wrong with the open file at this path, given who may own it; or None."""


def read_private(path: Path, *, owners: Collection[int], judge: PrivateJudge = problem_of_secret) -> bytes:
    """The content of a regular file that only its owner may use, and whose owner is one of `owners`.

    Another `judge` may allow more. A symbolic link is followed, because secrets are often mounted as links.
    The file itself is checked, after it was opened, so that nobody can swap it in between. Raises
    FileNotFoundError if it is missing, and FileError.
    """
    try:
        descriptor = os.open(path, _READ_FILE)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise failed("read", path, error) from error
    with trying("read", path):
        try:
            refuse(judge(path, os.fstat(descriptor), owners))
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                octets = file.read(_TOO_LARGE)
        finally:
            os.close(descriptor)
    if len(octets) == _TOO_LARGE:
        raise FileError(f"{path} has {_TOO_LARGE} octets or more, too many to be true", "")
    return octets


def read_own(path: Path, most: int) -> bytes | None:
    """The first `most` octets of a file that only we may write, and others may read; None if it is missing.

    For root, it is the directory's owner who may write it: so `replace_private` leaves it. A symbolic link is
    not followed. Raises FileError.
    """
    with Directory.follow(path.parent) as directory:
        owner = directory.owner[0] if os.geteuid() == 0 else os.geteuid()
        with trying("look at", path):
            refuse(problem_of_file(path, owner))
        return directory.read(path.name, most)


def replace_private(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Give `path` this content, with mode 0600, durably. After any error it has all of its old content.

    Without `durable` nothing is synced: for content that is worth nothing after a crash.

    Only one process at a time may call this, so hold a lock. If a crash leaves a half-written file, the next
    call overwrites it. Raises FileError.
    """
    unfinished = f".{path.name}.new"
    with Directory.follow(path.parent) as directory:
        directory.unlink(unfinished)
        with closing(directory.create(unfinished, _MODE)) as file:
            _hand_over(directory, file)  # before it has its name: then the service can always read it
            file.write(content)
            if durable:
                file.sync()
        directory.replace(unfinished, path.name, durable=durable)


@contextmanager
def locked(path: Path, seconds: float = _LONGEST_WAIT) -> Iterator[None]:
    """Hold the lock file `path` against every other process and thread. Waits for it so long at most.

    For locks that everybody holds for a moment only. Raises FileError.
    """
    lock = locked_within(path, seconds)
    if lock is None:
        raise FileError(f"another process has held {path} for more than {seconds:.0f} seconds", STOPPED)
    with lock:
        yield


def locked_within(path: Path, seconds: float) -> LockFile | None:
    """The lock file `path`, held against every other process and thread; closing it frees it.

    Waits so long at most; None if another one still holds it then: it may be stopped, and never let go.
    Raises FileError.
    """
    end = time.monotonic() + seconds
    with Directory.follow(path.parent) as directory:
        while True:
            lock = directory.try_lock(path.name, problem_of_names)
            if lock is not None:
                try:
                    _hand_over(directory, lock)
                except FileError:
                    lock.close()  # or this process itself would hold it for ever
                    raise
                return lock
            left = end - time.monotonic()
            if left <= 0:
                return None
            time.sleep(min(left, _BETWEEN_TRIES))


def _hand_over(directory: Directory, file: NewFile | LockFile) -> None:
    """Give a file in the service's directory to the service's user.

    Otherwise, if root runs a command, the service could not read the file that the command made.
    """
    user, group = directory.owner
    if os.geteuid() == 0 and user != 0:
        file.give(user, group)
