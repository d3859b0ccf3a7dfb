"""Trust: whether a user other than root and ourselves could put something else where a path leads.

Owns the rule for where we write: a sink's directories, the way to these and to the state directory, and the
files in the latter. Owns the rule for what we obey, too: the configuration, the certificates it names, and
token commands. Looks and decides; must never open, make or change anything.

A group that may write is trusted: consumers take mail out of a spool by it, and whoever gives a directory to
a group has named its members. Of what we obey it is a doubt, to be told. The state directory, and staging,
are nobody's but ours: `ledger.database` and `files.directory` see to that.
"""

from __future__ import annotations

import errno
import os
import shlex
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from mailsluice.system.users import group_name, user_name

_MOST_LINKS = 40
"""The symbolic links of one path that Linux follows before it calls them a loop (path_resolution(7))."""


class Problem(NamedTuple):
    """What is wrong, or in doubt, with a place, and the command that mends it."""

    what: str
    remedy: str


def problem_of_place(path: Path, status: os.stat_result) -> Problem | None:
    """Why the directory at `path`, whose `status` was taken when it was open, is no place for mail; or None.

    Neither may anybody at all write in it, sticky or not, nor may it belong to a user who is neither root
    nor ourselves.
    """
    if status.st_uid not in trusted_owners():
        owner = user_name(status.st_uid)
        return _of_another(path, status, f"run mailsluice as {owner}, or: {_chown(path)}")
    if status.st_mode & stat.S_IWOTH:
        return _open_to_all(path)
    return None


def problem_of_way(path: Path) -> Problem | None:
    """Why `path` may not lead where it should: through what others can swap; or None.

    Looks at each directory above `path` and each symbolic link up to and including it. What is missing is no
    problem. In a sticky directory, such as /tmp, only its owner and an entry's can swap the entry (unlink(2),
    EPERM); so there the entry's owner decides. Raises OSError.
    """
    for step in _steps(path):
        try:
            status = step.lstat()
        except FileNotFoundError:
            return None
        if status.st_uid not in trusted_owners():
            return _of_another(step, status, _detour(path, step, status))
        if _lets_swap(status, stat.S_IWOTH):
            return _open_to_all(step, path)
    return None


def problem_of_file(path: Path) -> Problem | None:
    """Why the file at `path` may be another's work: a link, or no file, or not ours alone to write; or None.

    A missing one has no problem. For files in a directory that is ours alone, where nobody can exchange them
    any more; but the directory may have been open to others before. Raises OSError.
    """
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    planted = f"find out who made {path}, then move it away"
    if not stat.S_ISREG(status.st_mode):
        return Problem(f"{path} is a symbolic link, or no file: somebody else may have put it there", planted)
    if status.st_uid != os.geteuid():
        return _of_another(path, status, f"{planted}; if it is right: {_chown(path)}")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return Problem(f"{path} can be written by others", _command("chmod 600", path))
    return None


def problem_of_obeyed(path: Path) -> Problem | None:
    """Why nobody may obey what is at `path`, a file or a directory of files; or None.

    Neither may anybody at all write or swap it, nor a user who is neither root nor ourselves. So root obeys
    root alone: a configuration names programs to run, and whoever writes what root obeys is as good as root.
    `sudo` changes nothing about that, for it may allow a user this program and nothing else. What is missing
    has no problem, nor has a descriptor that we were started with. Raises OSError.
    """
    if _is_handed_over(path):
        return None
    problem = problem_of_way(path)
    if problem is None:
        try:
            problem = problem_of_place(path, path.stat())
        except FileNotFoundError:
            return None
    return problem and problem._replace(
        remedy=f"see that {path.absolute()} is as you want it, then: {problem.remedy}"
    )


def doubts_of_obeyed(path: Path) -> Iterator[Problem]:
    """What of `path`, and of the way to it, a group may write: told, and not refused. Raises OSError."""
    if _is_handed_over(path):
        return
    with suppress(FileNotFoundError):
        for step in _steps(path):
            status = step.lstat()
            if _lets_swap(status, stat.S_IWGRP):
                yield _open_to_group(step, status)
        status = path.stat()
        if status.st_mode & stat.S_IWGRP:
            yield _open_to_group(path, status)


def files_of_command(command: Sequence[str]) -> Iterator[Path]:
    """The files that decide what a command does: its program, and each that an argument names.

    Arguments are taken as from `/`, for that is where the command has to be started.
    """
    program, *arguments = command
    yield Path(program)
    for argument in arguments:
        path = Path("/", argument)
        if os.path.isfile(path):  # noqa: PTH113  Path.is_file raises OSError: an argument may be any text
            yield path


def trusted_owners() -> set[int]:
    """Who may own what is believed: this process's user, and root."""
    return {os.geteuid(), 0}


def _lets_swap(status: os.stat_result, who: int) -> bool:
    """Whether those whose permission to write is `who` can exchange what lies in this directory."""
    return stat.S_ISDIR(status.st_mode) and status.st_mode & (who | stat.S_ISVTX) == who


def _is_handed_over(path: Path) -> bool:
    """Whether it is a descriptor that we were started with, as `/dev/stdin` and `<(command)` are.

    Whoever started us could as well have given us any other configuration.
    """
    descriptors = Path("/proc", str(os.getpid()), "fd")
    return any(step.parent == descriptors for step in _steps(path))


def _open_to_all(step: Path, path: Path | None = None) -> Problem:
    where = f"{step.absolute()}, on the way to {path}," if path else f"{step.absolute()}"
    return Problem(f"{where} can be written by everybody", _command("chmod o-w", step))


def _open_to_group(path: Path, status: os.stat_result) -> Problem:
    group = group_name(status.st_gid)
    return Problem(f"{path.absolute()} can be written by the group {group}", _command("chmod g-w", path))


def _of_another(path: Path, status: os.stat_result, remedy: str) -> Problem:
    return Problem(f"{path.absolute()} belongs to another user, {user_name(status.st_uid)}", remedy)


def _chown(path: Path, option: str = "") -> str:
    return _command(f"chown {option}{os.geteuid()}", path)


def _command(words: str, path: Path) -> str:
    """A line for a shell, wherever that may be."""
    return f"{words} {shlex.quote(str(path.absolute()))}"


def _detour(path: Path, step: Path, status: os.stat_result) -> str:
    """What to do about another user's `step` on the way to `path`.

    A link may become ours. A directory may be that user's home: to take it away would mend one thing and
    break all else.
    """
    ways = [f"run mailsluice as {user_name(status.st_uid)}", f"take {path} elsewhere"]
    if stat.S_ISLNK(status.st_mode):
        ways.append(f"if the link leads where it should: {_chown(step, '--no-dereference ')}")
    return ", or ".join(ways)


def _steps(path: Path) -> Iterator[Path]:
    """Every directory above `path`, and every symbolic link met, in the order the kernel meets them.

    A relative path begins where we stand: what lies above cannot be swapped under us. `path` itself only if
    it is a link. Raises OSError.
    """
    here, left, links = Path(path.root), [*reversed(_names(path))], 0
    while left:
        yield here
        name = left.pop()
        step = _above(here) if name == ".." else here / name
        if not step.is_symlink():
            here = step
            continue
        yield step
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
        target = step.readlink()
        left += reversed(_names(target))
        here = Path(target.root) if target.is_absolute() else here


def _names(path: Path) -> tuple[str, ...]:
    return path.parts[path.is_absolute() :]


def _above(directory: Path) -> Path:
    climbs = not directory.is_absolute() and directory.name in {"", ".."}
    return directory / ".." if climbs else directory.parent
