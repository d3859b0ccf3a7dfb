"""The state directory: it exists, only we can write in it, and its names are durable.

Owns the words for what goes wrong with it: here every error of `files` becomes a LedgerError. Must never open
a file of SQLite's: closing it again would free the locks that this process has on it (fcntl(2)).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mailsluice import invocation
from mailsluice.errors import LedgerError, system_remedy
from mailsluice.files import rights
from mailsluice.files.directory import Directory, make_with_parents
from mailsluice.files.error import FileError, refuse
from mailsluice.files.rights import is_denied
from mailsluice.files.trust import problem_of_own

RESTORE = 'restore a backup (docs/operations.md, "Backup and restore")'
"""What to do about a ledger that was lost: a part of a remedy's sentence."""

_WAYS = (
    "let the user that runs mailsluice make it, or make it for that user (mkdir, chown), on a local file "
    "system; or set service.state_dir"
)


_OF_THE_PATH = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})


def prepare(state_dir: Path, *, make: bool = True) -> None:
    """Make sure that the directory exists, that only we write in it, and that no other user can swap it.

    It may be a symbolic link: systemd makes one for DynamicUser=. Raises LedgerError.
    """
    with usable(state_dir):
        Directory.refuse_way(state_dir)
        if make:
            make_with_parents(state_dir)
            Directory.refuse_way(state_dir)  # another user may have made a part meanwhile, in /tmp
        _refuse_if_shared(state_dir)


def sync(state_dir: Path) -> None:
    """Make the names in the directory durable. Raises LedgerError."""
    with usable(state_dir), Directory.follow(state_dir) as directory:
        directory.sync()


@contextmanager
def usable(state_dir: Path) -> Iterator[None]:
    """Turn every error with files in this context into a LedgerError."""
    try:
        yield
    except OSError as exc:
        if isinstance(exc, FileError) and exc.is_of_a_rule:
            raise LedgerError(str(exc), remedy=exc.remedy) from exc
        denied = is_denied(exc)
        what = exc if isinstance(exc, FileError) else exc.strerror  # a FileError names the path itself
        raise LedgerError(
            f"the state directory {state_dir} cannot be used: {what}",
            remedy=f"{rights.remedy(state_dir)}; {_WAYS}" if denied else _remedy(exc),
            denied=denied,
        ) from exc


def _remedy(error: OSError) -> str:
    """What helps: a FileError knows it, unless it is the path of the directory itself that is wrong."""
    known = error.remedy if isinstance(error, FileError) and error.errno not in _OF_THE_PATH else ""
    return known or system_remedy(error, _WAYS)


def _refuse_if_shared(state_dir: Path) -> None:
    """Raise LedgerError or FileError if the directory is not ours alone.

    If it belongs to another user, the remedy is to run the command as that user: the directory is probably
    the service's, and must stay so.
    """
    problem = problem_of_own(state_dir, state_dir.stat())
    if problem is not None and problem.owner is not None:
        raise LedgerError(
            f"the state directory {problem.what}",
            remedy=f"run the command as that user: {invocation.again_as(problem.owner)}",
            denied=os.geteuid() != 0,
        )
    refuse(problem)
