"""The rights: what this user may not read, and which user may.

Owns the words for that. Must never change an owner or a mode.
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
    """Whether the system refused because the user lacks a right (EACCES), and not for another reason."""
    return error.errno == errno.EACCES


def remedy(path: Path) -> str:
    """The remedy if this user may not read `path`. It names the user, the obstacle, and the right user."""
    user, obstacle = user_name(os.geteuid()), _obstacle(path)
    other = _who_may(obstacle)
    command = "" if other is None else f" (`{invocation.again_as(other)}`)"
    return (
        f"this runs as the user {user!r}, who may not read {obstacle}: run it as the user that mailsluice is "
        f"for{command}, or allow the user {user!r} to read that (see ls -ld; chown or chmod changes it)"
    )


def _obstacle(path: Path) -> Path:
    """The first directory on the way to `path` that this user may not enter; `path` if there is none."""
    absolute = path.absolute()
    for step in reversed(absolute.parents):
        with suppress(OSError):
            if not os.access(step, os.X_OK, effective_ids=os.access in os.supports_effective_ids):
                return step
    return absolute


def _who_may(path: Path) -> int | None:
    """A user who may read `path` by its owner or group; None if there is none.

    This is probably the service's user. So it is not root, who may read everything, nor this user.
    """
    with suppress(OSError):
        status = path.stat()
        return next((uid for uid in _readers(status) if uid not in {_ROOT, os.geteuid()}), None)
    return None


def _readers(status: os.stat_result) -> Iterator[int]:
    if status.st_mode & stat.S_IRUSR:
        yield status.st_uid
    if status.st_mode & stat.S_IRGRP:
        yield from (entry.pw_uid for entry in pwd.getpwall() if entry.pw_gid == status.st_gid)
