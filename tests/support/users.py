"""Other users, as the kernel knows them."""

from __future__ import annotations

import codecs
import os
import pwd
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from support.skipping import skip_or_fail

NOBODY = pwd.getpwnam("nobody").pw_uid
NOGROUP = pwd.getpwnam("nobody").pw_gid
ANN = 54321
"""A user of no name."""

# A codec is imported when first used, and one that could not be is missing for as long as the process lasts.
# Another user may have no way to Python's own library (one below root's home, say): all are there before.
for _codec in ("ascii", "idna", "unicode_escape", "utf-16-le", "utf-8-sig"):
    codecs.lookup(_codec)


def need_root() -> None:
    if os.geteuid() != 0:
        skip_or_fail("only root can act as other users")


@contextmanager
def acting_as(uid: int) -> Iterator[None]:
    """Have this user's rights, and no more, while the context lasts. Needs root."""
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(NOGROUP)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def unprivileged() -> AbstractContextManager[None]:
    """As nobody where the tests run as root, who may read everything."""
    return acting_as(NOBODY) if os.geteuid() == 0 else nullcontext()


@contextmanager
def common_ground() -> Iterator[Path]:
    """A directory of root's that every user can enter: pytest's own are private."""
    with tempfile.TemporaryDirectory(prefix="mailsluice-users-") as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path


def given(path: Path, owner: int, mode: int = 0o755) -> Path:
    """The directory, made if missing, that belongs to `owner`."""
    path.mkdir(exist_ok=True)
    os.chown(path, owner, NOGROUP)
    path.chmod(mode)
    return path
