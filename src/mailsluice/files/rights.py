"""The rights: what this user may not read, and as whom it can be done.

Owns the words for that. Looks alone; must never change an owner or a mode.
"""

from __future__ import annotations

import errno
import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from mailsluice import invocation
from mailsluice.system.users import user_name

_ROOT = 0


def is_denied(error: OSError) -> bool:
    """Whether the system refused for want of a right (EACCES), and not because the thing cannot be done."""
    return error.errno == errno.EACCES


def remedy(path: Path) -> str:
    """What helps who may not read `path`: which user this is, what is in the way, and as whom to call."""
    user, obstacle = user_name(os.geteuid()), _obstacle(path)
    other = _who_may(obstacle)
    command = "" if other is None else f" (`{invocation.again_as(other)}`)"
    return (
        f"this runs as the user {user!r}, who may not read {obstacle}: run it as the user that mailsluice is "
        f"for{command}, or allow the user {user!r} to read that (see ls -ld; chown or chmod changes it)"
    )


def _obstacle(path: Path) -> Path:
    """The first directory on the way that this user may not enter; else `path`."""
    absolute = path.absolute()
    for step in reversed(absolute.parents):
        with suppress(OSError):
            if not os.access(step, os.X_OK, effective_ids=os.access in os.supports_effective_ids):
                return step
    return absolute


def _who_may(path: Path) -> int | None:
    """The service's user, as far as owner and group tell: not root, who may read anything; None if not."""
    with suppress(OSError):
        status = path.stat()
        return next((uid for uid in _readers(status) if uid not in {_ROOT, os.geteuid()}), None)
    return None


def _readers(status: os.stat_result) -> Iterator[int]:
    if status.st_mode & stat.S_IRUSR:
        yield status.st_uid
    if status.st_mode & stat.S_IRGRP:
        yield from (entry.pw_uid for entry in pwd.getpwall() if entry.pw_gid == status.st_gid)
