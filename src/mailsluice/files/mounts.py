"""The mounts: which file system a path is on, what must be mounted, and which ones cannot sync directories.

Owns the reading of the kernel's table of mounts (proc_pid_mountinfo(5)). Must never mount anything.
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
"""What fsync(2) of a directory says if the file system cannot do it: CIFS, and some that use FUSE."""


@dataclass(frozen=True, slots=True)
class FileSystem:
    """Its kind, for example `cifs`, and where it is mounted."""

    kind: str
    mounted_on: Path


def file_system(path: Path, table: Iterable[str] | None = None) -> FileSystem | None:
    """The file system that `path` is on, with links followed; None if the kernel does not tell.

    `table` are the lines of the kernel's table, for tests.
    """
    real = Path(os.path.realpath(path))
    found = None
    try:
        rows = _TABLE.read_text("utf-8", "surrogateescape").splitlines() if table is None else table
    except OSError:
        return None
    for row in rows:
        # Optional fields end with " - ". The mount point is before them, the kind after.
        before, _, after = row.partition(" - ")
        fields, kind = before.split(" "), after.partition(" ")[0]
        if len(fields) <= 4:
            continue
        on = Path(_plain(fields[4]))
        if real.is_relative_to(on) and (found is None or on.is_relative_to(found.mounted_on)):
            found = FileSystem(kind, on)  # if two are mounted on one place, the later one is visible
    return found


def _plain(field: str) -> str:
    """The name without the kernel's escapes for white space and the backslash."""
    for escape, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(escape, character)
    return field


def problem_of_sync(directory: Path, error: OSError) -> Problem | None:
    """The problem if a directory was not synced because its file system cannot do that; else None."""
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
    """The directories on the way to `path`, links followed, on which a file system is mounted. Without `/`.

    A bind mount of a directory of the same file system does not count. systemd makes such mounts for one
    service alone (ReadWritePaths=). A command that is run by hand does not have them, and must not need them.
    """
    real = Path(os.path.realpath(path))
    return tuple(str(step) for step in (real, *real.parents) if step != step.parent and os.path.ismount(step))


def on_the_way(mounts: tuple[str, ...], path: Path) -> tuple[str, ...]:
    """Those of these mount points that `path` is below, links followed."""
    real = Path(os.path.realpath(path))
    return tuple(mount for mount in mounts if real.is_relative_to(mount))


def missing(mounts: tuple[str, ...]) -> str | None:
    """The first of these on which nothing is mounted now; None if all are mounted."""
    return next((mount for mount in mounts if not os.path.ismount(mount)), None)
