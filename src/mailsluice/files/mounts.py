"""The mount points on the way to a sink: what must still be one when mail is to go there.

Owns the question whether a file system is mounted. Must never mount, make or change anything.
"""

from __future__ import annotations

import os
from pathlib import Path


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
