"""The file error: what went wrong with a file or a directory, in words for an administrator.

Owns these words, and what helps. Must never do anything about it, nor know whose file it is: sinks, the
ledger and the vault make errors of their own of it.
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
_NO_LOCKS = "see whether locks work on that file system: the lock service of NFS may be down"
_REMEDIES = {
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.ENOENT: "make the directory, or mount the file system it lies on",
    errno.ENOTDIR: _NOT_A_DIRECTORY,
    errno.ELOOP: _NOT_A_DIRECTORY,
    errno.EISDIR: "remove the directory: nothing of mailsluice's has that name",
    errno.EAGAIN: _NO_LOCKS,
    errno.ENOLCK: _NO_LOCKS,
    errno.ENAMETOOLONG: "choose a shorter path, or a shorter name for the mailbox",
}
"""What helps where the path is wrong; `system_remedy` knows what helps where the machine is."""

_OTHER_KINDS = {errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ENXIO}
"""What the system says of a link, or of what is no directory or no file, where there has to be one."""


class FileError(OSError):
    """What went wrong: `str` says what happened and where, `remedy` what helps; empty if nothing is known.

    `errno` is the system's reason. There is none where a rule of ours is broken.
    """

    def __init__(self, what: str, remedy: str, cause: OSError | None = None) -> None:
        super().__init__(*(() if cause is None else (cause.errno, cause.strerror)))
        self.remedy = remedy
        self._what = what

    @property
    def is_of_a_rule(self) -> bool:
        """Whether a rule of ours is broken, and the system itself refused nothing."""
        return self.errno is None

    def __str__(self) -> str:
        return self._what


def refuse(problem: Problem | None) -> None:
    """Raise FileError if there is a problem."""
    if problem is not None:
        raise FileError(problem.what, problem.remedy)


def failed(tried: str, path: Path, error: OSError, *, ours: bool = False) -> FileError:
    """What to raise for an error of the system's: it says what was tried, where, why not, and what helps.

    `ours`: mailsluice alone gives such names; so what is of another kind was planted there.
    """
    code = error.errno or 0
    what = f"cannot {tried} {path}: {os.strerror(code)} ({errno.errorcode.get(code, code)})"
    if ours and code in _OTHER_KINDS:
        return FileError(what, f"find out who made it, then `{moving_aside(path)}`")
    remedy = _REMEDIES.get(code, "").format(user=user_name(os.geteuid()))
    return FileError(what, system_remedy(error, remedy), error)


@contextmanager
def trying(what: str, path: Path, *, ours: bool = False) -> Iterator[None]:
    """Turn an OSError within into a FileError. What is done for every message does it quicker, by itself."""
    try:
        yield
    except FileError:
        raise
    except OSError as error:
        raise failed(what, path, error, ours=ours) from error
