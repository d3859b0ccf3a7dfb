"""Trouble: what the operating system's errors mean where the sink is what is wrong, and what helps.

Owns the words. Must never do anything about it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mailsluice.errors import SinkError, system_remedy
from mailsluice.files.rights import is_denied
from mailsluice.system.users import user_name

_DENIED = (
    "give the user that runs mailsluice, {user}, permission to read and write there (ls -ld shows it, "
    "chown or chmod changes it)"
)
_NOT_A_DIRECTORY = "name a real directory, not a file or a symbolic link"
_REMEDIES = {
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.ENOENT: "make the directory, or mount the file system it lies on",
    errno.ENOTDIR: _NOT_A_DIRECTORY,
    errno.ELOOP: _NOT_A_DIRECTORY,
    errno.EISDIR: "remove the directory: nothing of mailsluice's has that name",
    errno.EAGAIN: "see whether locks work on that file system: the lock service of NFS may be down",
    errno.ENAMETOOLONG: "choose a shorter path, or a shorter name for the mailbox",
}
"""What helps where it is the sink that is wrong; `system_remedy` knows what helps where the machine is."""


def failed(tried: str, path: Path, error: OSError) -> SinkError:
    """What to raise for an error of the system's: it says what was tried, where, why not, and what helps."""
    code = error.errno or 0
    return SinkError(
        f"cannot {tried} {path}: {os.strerror(code)} ({errno.errorcode.get(code, code)})",
        remedy=system_remedy(error, _REMEDIES.get(code, "").format(user=user_name(os.geteuid()))),
        denied=is_denied(error),
    )


@contextmanager
def trying(what: str, path: Path) -> Iterator[None]:
    """Turn an OSError within into a SinkError. What is done for every message does it quicker, by itself."""
    try:
        yield
    except OSError as error:
        raise failed(what, path, error) from error
