"""The state directory: there, ours alone to write, and its names durable.

Owns what goes wrong with it, in an administrator's words: every error of `files` becomes a LedgerError
here. Must never open a file of SQLite's: closing it again would free the locks this process has on it
(fcntl(2)).
"""

from __future__ import annotations

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
"""What to do about a ledger that was lost, in the middle of a remedy."""

_WAYS = (
    "let the user that runs mailsluice make it, or make it for that user (mkdir, chown), on a local file "
    "system; or set service.state_dir"
)


def prepare(state_dir: Path, *, make: bool = True) -> None:
    """See to it that the directory is there and ours alone to write, and that nobody else can swap it.

    It may be a symbolic link: systemd's DynamicUser= makes it one. Raises LedgerError.
    """
    with usable(state_dir):
        Directory.refuse_way(state_dir)
        if make:
            make_with_parents(state_dir)
            Directory.refuse_way(state_dir)  # in /tmp, say, another may have made a part of it meanwhile
        _refuse_if_shared(state_dir)


def sync(state_dir: Path) -> None:
    """Make the names in the directory durable. Raises LedgerError."""
    with usable(state_dir), Directory.follow(state_dir) as directory:
        directory.sync()


@contextmanager
def usable(state_dir: Path) -> Iterator[None]:
    """Make a LedgerError of what goes wrong with files within."""
    try:
        yield
    except OSError as exc:
        if isinstance(exc, FileError) and exc.is_of_a_rule:
            raise LedgerError(str(exc), remedy=exc.remedy) from exc
        denied = is_denied(exc)
        what = exc if isinstance(exc, FileError) else exc.strerror
        raise LedgerError(
            f"the state directory {state_dir} cannot be used: {what}",
            remedy=f"{rights.remedy(state_dir)}; {_WAYS}" if denied else system_remedy(exc, _WAYS),
            denied=denied,
        ) from exc


def _refuse_if_shared(state_dir: Path) -> None:
    """By the rule for all that is ours alone; but of another user's it is the command that has to change."""
    problem = problem_of_own(state_dir, state_dir.stat())
    if problem is not None and problem.owner is not None:
        raise LedgerError(
            f"the state directory {problem.what}",
            remedy=f"run the command as that user: {invocation.again_as(problem.owner)}",
            denied=os.geteuid() != 0,
        )
    refuse(problem)
