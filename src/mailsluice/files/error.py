"""The file error: what went wrong with a file or a directory, in words for an administrator.

Owns these words, and the remedies. Must never do anything about an error, nor know which part of the program
has the file: sinks, the ledger and the vault turn a FileError into their own errors.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mailsluice.errors import system_remedy
from mailsluice.files.trust import Problem, moving_aside
from mailsluice.system.users import user_name

_DENIED = (
    "give the user that runs mailsluice, {user}, permission to read and write there (ls -ld shows it, "
    "chown or chmod changes it)"
)
_NOT_A_DIRECTORY = "name a real directory, not a file or a symbolic link"
_NO_LOCKS = "find out whether locks work on that file system: the lock service of NFS may be down"
_REMEDIES = {
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.ENOENT: "make the directory, or mount its file system",
    errno.ENOTDIR: _NOT_A_DIRECTORY,
    errno.ELOOP: _NOT_A_DIRECTORY,
    errno.EISDIR: "remove the directory: mailsluice makes no directory with that name",
    errno.EAGAIN: _NO_LOCKS,
    errno.ENOLCK: _NO_LOCKS,
    errno.ENAMETOOLONG: "choose a shorter path, or a shorter name for the mailbox",
}
"""Remedies if something is wrong with the path. `system_remedy` has those for the machine."""

_OTHER_KINDS = {errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ENXIO}
"""The system's errors if there is a link, or something that is no file or no directory, in its place."""


def remedy_of_denial() -> str:
    """What helps if this user lacks a right."""
    return _DENIED.format(user=user_name(os.geteuid()))


class FileError(OSError):
    """What went wrong. `str` says what happened and where. `remedy` says what helps; it may be empty.

    `errno` is the system's reason; None if the file breaks a rule of ours (`trust`).
    """

    def __init__(self, what: str, remedy: str, cause: OSError | None = None) -> None:
        super().__init__(*(() if cause is None else (cause.errno, cause.strerror)))
        self.remedy = remedy
        self._what = what

    @property
    def is_of_a_rule(self) -> bool:
        """Whether the file breaks a rule of ours, and the system itself refused nothing."""
        return self.errno is None

    def __str__(self) -> str:
        return self._what


def refuse(problem: Problem | None) -> None:
    """Raise FileError if there is a problem."""
    if problem is not None:
        raise FileError(problem.what, problem.remedy)


def failed(tried: str, path: Path, error: OSError, *, ours: bool = False) -> FileError:
    """The FileError for an error of the system. It says what was tried, where, why it failed, and what helps.

    `ours`: only mailsluice gives such names. So if there is a link or a thing of another kind, somebody put
    it there on purpose.
    """
    code = error.errno or 0
    what = f"cannot {tried} {path}: {os.strerror(code)} ({errno.errorcode.get(code, code)})"
    if ours and code in _OTHER_KINDS:
        return FileError(what, f"find out who made it, then `{moving_aside(path)}`")
    remedy = _REMEDIES.get(code, "").format(user=user_name(os.geteuid()))
    return FileError(what, system_remedy(error, remedy), error)


@contextmanager
def trying(what: str, path: Path, *, ours: bool = False) -> Iterator[None]:
    """Turn an OSError in this context into a FileError.

    Code that runs for every message uses try and `failed` instead, which is faster.
    """
    try:
        yield
    except FileError:
        raise
    except OSError as error:
        raise failed(what, path, error, ours=ours) from error
