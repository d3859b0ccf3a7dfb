"""Trust: whether a user other than root and ourselves could put something else where a path leads.

Owns the rule for a sink's directories, for the way to these and to the state directory, and for the files
in the latter. Looks and decides; must never open, make or change anything. A group that may write in a sink,
or on the way, is trusted: consumers take mail out of a spool by it, and whoever gives a directory to a group
has named its members. The state directory, and staging, are nobody's but ours: `ledger.database` and
`sink.fs` see to that.
"""

from __future__ import annotations

import errno
import os
import pwd
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_MOST_LINKS = 40
"""The symbolic links of one path that Linux follows before it calls them a loop (path_resolution(7))."""


class Flaw(NamedTuple):
    """What is wrong with a place, and the command that mends it."""

    what: str
    remedy: str


def flaw_of_place(path: Path, status: os.stat_result) -> Flaw | None:
    """Why the directory at `path`, whose `status` was taken when it was open, is no place for mail; or None.

    Neither may anybody at all write in it, sticky or not, nor may it belong to a user who is neither root
    nor ourselves.
    """
    if status.st_uid not in _trusted():
        owner = user_name(status.st_uid)
        return _of_another(path, status, f"run mailsluice as {owner}, or: chown {os.geteuid()} {_word(path)}")
    if status.st_mode & stat.S_IWOTH:
        return Flaw(f"{path} can be written by everybody: not trusted with mail", f"chmod o-w {_word(path)}")
    return None


def flaw_of_way(path: Path) -> Flaw | None:
    """Why `path` may not lead where it should: through what others can swap; or None.

    Looks at each directory above `path` and each symbolic link up to and including it. What is missing is no
    flaw. In a sticky directory, such as /tmp, only its owner and an entry's can swap the entry (unlink(2),
    EPERM); so there the entry's owner decides. Raises OSError.
    """
    for step in _steps(path):
        try:
            status = step.lstat()
        except FileNotFoundError:
            return None
        if status.st_uid not in _trusted():
            return _of_another(step, status, _detour(path, step, status))
        if stat.S_ISDIR(status.st_mode) and status.st_mode & (stat.S_IWOTH | stat.S_ISVTX) == stat.S_IWOTH:
            return Flaw(
                f"{step}, on the way to {path}, can be written by everybody", f"chmod o-w {_word(step)}"
            )
    return None


def flaw_of_file(path: Path) -> Flaw | None:
    """Why the file at `path` may be another's work: a link, or no file, or not ours alone to write; or None.

    A missing one has no flaw. For files in a directory that is ours alone, where nobody can exchange them
    any more; but the directory may have been open to others before. Raises OSError.
    """
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    planted = f"find out who made {path}, then move it away"
    if not stat.S_ISREG(status.st_mode):
        return Flaw(f"{path} is a symbolic link, or no file: somebody else may have put it there", planted)
    if status.st_uid != os.geteuid():
        return _of_another(path, status, f"{planted}; if it is right: chown {os.geteuid()} {_word(path)}")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return Flaw(f"{path} can be written by others", f"chmod 600 {_word(path)}")
    return None


def user_name(uid: int) -> str:
    """The user's name, or `#` and the number where there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"


def _word(path: Path) -> str:
    """The path as a shell takes it."""
    return shlex.quote(str(path))


def _trusted() -> set[int]:
    return {os.geteuid(), 0}


def _of_another(path: Path, status: os.stat_result, remedy: str) -> Flaw:
    return Flaw(f"{path} belongs to another user, {user_name(status.st_uid)}: not trusted with mail", remedy)


def _detour(path: Path, step: Path, status: os.stat_result) -> str:
    """What to do about another user's `step` on the way to `path`.

    A link may become ours. A directory may be that user's home: to take it away would mend one thing and
    break all else.
    """
    ways = [f"run mailsluice as {user_name(status.st_uid)}", f"take {path} elsewhere"]
    if stat.S_ISLNK(status.st_mode):
        ways.append(f"if the link leads where it should: chown --no-dereference {os.geteuid()} {_word(step)}")
    return ", or ".join(ways)


def _steps(path: Path) -> Iterator[Path]:
    """Every directory above `path`, and every symbolic link met, in the order the kernel meets them.

    `path` itself only if it is a link. Raises OSError.
    """
    here, left, links = Path("/"), [*reversed(path.absolute().parts[1:])], 0
    while left:
        yield here
        name = left.pop()
        step = here.parent if name == ".." else here / name
        if not step.is_symlink():
            here = step
            continue
        yield step
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
        target = step.readlink()
        left += reversed(target.parts[target.is_absolute() :])
        here = Path("/") if target.is_absolute() else here
