"""The state directory: there, private, ours alone to write, and its names durable.

Owns the directory and the small private files in it, and what the system's errors there mean to an
administrator. Must never open a file of SQLite's: closing it again would free the locks this process has on
it (fcntl(2)).
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mailsluice import invocation
from mailsluice.errors import LedgerError, system_remedy
from mailsluice.files import rights
from mailsluice.files.filesystem import problem_of_sync
from mailsluice.files.rights import is_denied
from mailsluice.files.trust import Problem, problem_of_file, problem_of_way
from mailsluice.system.users import user_name

RESTORE = 'restore a backup (docs/operations.md, "Backup and restore")'
"""What to do about a ledger that was lost, in the middle of a remedy."""

_READ = os.O_RDONLY | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def prepare(state_dir: Path, *, make: bool = True) -> None:
    """See to it that the directory is there and ours alone to write, and that nobody else can swap it.

    It may be a symbolic link: systemd's DynamicUser= makes it one. Raises LedgerError.
    """
    with usable(state_dir):
        refuse(problem_of_way(state_dir))
        if make:
            _make(state_dir)
            refuse(problem_of_way(state_dir))  # in /tmp, say, another may have made a part of it meanwhile
        _refuse_if_shared(state_dir)


@contextmanager
def usable(state_dir: Path) -> Iterator[None]:
    """Make a LedgerError of the system's errors."""
    try:
        yield
    except OSError as exc:
        denied = is_denied(exc)
        ways = (
            "let the user that runs mailsluice make it, or make it for that user (mkdir, chown); "
            "or set service.state_dir"
        )
        raise LedgerError(
            f"the state directory {state_dir} cannot be used: {exc.strerror}",
            remedy=f"{rights.remedy(state_dir)}; {ways}" if denied else system_remedy(exc, ways),
            denied=denied,
        ) from exc


def refuse(problem: Problem | None) -> None:
    """Raise LedgerError if there is a problem."""
    if problem is not None:
        raise LedgerError(problem.what, remedy=problem.remedy)


def read_private(path: Path, most: int) -> str | None:
    """What a file of ours says, no more than `most` octets of it; None if it is not there.

    Raises OSError, and LedgerError if somebody else may have written it.
    """
    refuse(problem_of_file(path))
    try:
        with path.open("rb") as file:
            return file.read(most).decode(errors="replace")
    except FileNotFoundError:
        return None


def write_private(path: Path, words: str) -> None:
    """Give the file this content: all of it, for us alone, and durable; or leave it as it was.

    One writer at a time. What a crash left half written is replaced by the next call. Raises OSError.
    """
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(create_private(unfinished), "w", encoding="ascii") as file:
        file.write(words)
        file.flush()
        os.fsync(file.fileno())
    publish(unfinished, path)


def create_private(path: Path) -> int:
    """A new file for us alone, open for writing. Raises OSError."""
    return os.open(path, _NEW_FILE, 0o600)


def publish(unfinished: Path, path: Path) -> None:
    """Give a file that is whole and synced its name, durably. Raises OSError."""
    unfinished.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Make the names in a directory durable, or the octets of a file.

    Raises OSError, and LedgerError where the file system cannot do that for a directory.
    """
    fd = os.open(path, _READ)
    try:
        os.fsync(fd)
    except OSError as error:
        refuse(problem_of_sync(path, error))
        raise
    finally:
        os.close(fd)


def _make(state_dir: Path) -> None:
    """Make the directory, and those it lies in, private; their names are durable then.

    Those that were there may be of a process that was killed before it could sync them, so all are synced up
    to where we could have made none.
    """
    missing = [directory for directory in (state_dir, *state_dir.parents) if not directory.exists()]
    for directory in reversed(missing):
        directory.mkdir(mode=0o700, exist_ok=True)
    for parent in state_dir.parents:
        if not os.access(parent, os.R_OK | os.W_OK):
            break
        sync(parent)


def _refuse_if_shared(state_dir: Path) -> None:
    found = state_dir.stat()
    if found.st_uid != os.geteuid():
        raise LedgerError(
            f"the state directory {state_dir} belongs to {user_name(found.st_uid)}",
            remedy=f"run the command as that user: {invocation.again_as(found.st_uid)}",
            denied=os.geteuid() != 0,
        )
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise LedgerError(
            f"the state directory {state_dir} can be written by others",
            remedy=shlex.join(["chmod", "700", str(state_dir)]),
        )
