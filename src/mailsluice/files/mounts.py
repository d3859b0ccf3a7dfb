"""The mounts: which file system a path lies on, what must be mounted, and what cannot make names durable.

Owns the reading of the kernel's table of mounts (proc_pid_mountinfo(5)). Looks alone; must never mount.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mailsluice.files.trust import Problem

_TABLE = Path("/proc/self/mountinfo")
_NOT_SUPPORTED = {errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.ENOSYS}
"""What fsync(2) says of a directory where the file system has no such thing: CIFS, and some of FUSE."""


@dataclass(frozen=True, slots=True)
class FileSystem:
    """Its kind, `cifs` say, and where it is mounted."""

    kind: str
    mounted_on: Path


def file_system(path: Path, table: Iterable[str] | None = None) -> FileSystem | None:
    """The one that `path` lies on, links followed; None where the kernel does not tell."""
    real = Path(os.path.realpath(path))
    found = None
    try:
        rows = _TABLE.read_text("utf-8", "surrogateescape").splitlines() if table is None else table
    except OSError:
        return None
    for row in rows:
        ours, _, theirs = row.partition(" - ")
        fields, kind = ours.split(" "), theirs.partition(" ")[0]
        if len(fields) <= 4:
            continue
        on = Path(_plain(fields[4]))
        if real.is_relative_to(on) and (found is None or on.is_relative_to(found.mounted_on)):
            found = FileSystem(kind, on)  # of two on one place the later one is seen
    return found


def _plain(field: str) -> str:
    """The name without the kernel's escapes for white space and the backslash."""
    for escape, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(escape, character)
    return field


def problem_of_sync(directory: Path, error: OSError) -> Problem | None:
    """What is said of a directory that was not synced because its file system cannot do that; else None."""
    if error.errno not in _NOT_SUPPORTED:
        return None
    where = file_system(directory)
    kind = "" if where is None else f" ({where.kind}, mounted on {where.mounted_on})"
    return Problem(
        f"the file system of {directory}{kind} cannot sync a directory: {error.strerror} "
        f"({errno.errorcode[error.errno or 0]}); what is stored there may be lost in a power cut",
        "use a local file system (ext4, XFS, Btrfs) or NFS, and have a consumer copy from there",
    )


def mount_points(path: Path) -> tuple[str, ...]:
    """The directories on the way to `path`, links followed, on which a file system is mounted; not `/`.

    A directory that is bound to another place of the same file system is not told from a plain one: systemd
    binds such for a service alone (ReadWritePaths=), and a command by hand must not miss them.
    """
    real = Path(os.path.realpath(path))
    return tuple(str(step) for step in (real, *real.parents) if step != step.parent and os.path.ismount(step))


def on_the_way(mounts: tuple[str, ...], path: Path) -> tuple[str, ...]:
    """Those of these that `path` lies in, links followed."""
    real = Path(os.path.realpath(path))
    return tuple(mount for mount in mounts if real.is_relative_to(mount))


def missing(mounts: tuple[str, ...]) -> str | None:
    """The first of these that is no mount point now; None if all are."""
    return next((mount for mount in mounts if not os.path.ismount(mount)), None)
