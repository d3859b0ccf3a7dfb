"""Trust: whose a file or a directory is, and who else may write or read it. Only this module judges that.

Owns a rule for each kind of place: a directory that mail goes to, the way to it, what is ours alone, a
secret, and what we obey (the configuration, the certificates it names, and token commands). Looks and
decides; must never open, make or change anything.

A group that may write is trusted where mail goes to: consumers take mail out of a spool by it, and whoever
gives a directory to a group has named its members. Of what we obey it is a doubt, to be told. The state
directory, staging, and the files in them are nobody's but ours.
"""

from __future__ import annotations

import errno
import os
import shlex
import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from mailsluice.system.users import group_name, user_name

_MOST_LINKS = 40
"""The symbolic links of one path that Linux follows before it calls them a loop (path_resolution(7))."""


_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_USABLE_BY_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, or in doubt, with a place, and what mends it; empty where the caller knows better.

    `owner` is whose it is, if that is the problem.
    """

    what: str
    remedy: str
    owner: int | None = None


Judge = Callable[[Path, os.stat_result], Problem | None]
"""A rule: what is wrong with a file or directory, by its path and its status once it is open; or None."""


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


def problem_of_own(path: Path, status: os.stat_result) -> Problem | None:
    """Why the file or directory at `path`, of this `status`, is not ours alone; or None.

    It has to be our user's, and neither a group nor others may write it. They may read it. The status is to
    be taken when it is open, or where nobody can exchange it.
    """
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        return _planted(path)
    if status.st_uid != os.geteuid():
        return _of_another(
            path, status, f"find out who made it, then move it away; if it is right: {_chown(path)}"
        )
    if status.st_mode & _WRITABLE_BY_OTHERS:
        return Problem(f"{path} can be written by others", _command("chmod go=", path))
    return None


def problem_of_names(path: Path, status: os.stat_result) -> Problem | None:
    """Why the open file at `path` is not to be written, nor given away; or None.

    It has to be a file, and of one name. Under another name it may be any file of ours, which would be
    changed with it.
    """
    if not stat.S_ISREG(status.st_mode):
        return _planted(path)
    if status.st_nlink > 1:
        names = shlex.join(["find", "/", "-samefile", str(path.absolute())])
        return Problem(
            f"{path} has another name, too: it may be somebody else's",
            f"find the other name, and remove that one: `{names}`",
        )
    return None


def problem_of_lock(path: Path, status: os.stat_result) -> Problem | None:
    """Why the open lock file at `path`, or the directory of locks, is not ours alone; or None."""
    problem = None if stat.S_ISDIR(status.st_mode) else problem_of_names(path, status)
    problem = problem or problem_of_own(path, status)
    if problem is None or problem.owner is None:
        return problem
    # Nobody is advised to move a lock away: whoever holds it would hold nothing any more.
    return replace(problem, remedy=_chown(path))


def problem_of_file(path: Path) -> Problem | None:
    """Why the file at `path` may be another's work: a link, or no file, or not ours alone to write; or None.

    A missing one has no problem. For files in a directory that is ours alone, where nobody can exchange them
    any more; but the directory may have been open to others before. Raises OSError.
    """
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    return problem_of_own(path, status) if stat.S_ISREG(status.st_mode) else _planted(path)


def problem_of_secret(path: Path, status: os.stat_result, owners: Collection[int]) -> Problem | None:
    """Why the open file at `path` cannot be a secret of one of `owners`: others may use it, say; or None."""
    if not stat.S_ISREG(status.st_mode):
        return Problem(f"{path} is not a regular file", "")
    if status.st_mode & _USABLE_BY_OTHERS:
        return Problem(
            f"{path} can be used by others: its mode is {stat.S_IMODE(status.st_mode):04o}, "
            "which has to be 0600 or 0400",
            _command("chmod go=", path),
        )
    if status.st_uid not in owners:
        return _of_another(path, status, "")
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
    return problem and replace(
        problem, remedy=f"see that {path.absolute()} is as you want it, then: {problem.remedy}"
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


def moving_aside(path: Path) -> str:
    """A command that moves away what lies in the place of something of ours."""
    return shlex.join(["mv", str(path.absolute()), f"{path.absolute()}.planted"])


def _lets_swap(status: os.stat_result, who: int) -> bool:
    """Whether those whose permission to write is `who` can exchange what lies in this directory."""
    return stat.S_ISDIR(status.st_mode) and status.st_mode & (who | stat.S_ISVTX) == who


def _is_handed_over(path: Path) -> bool:
    """Whether it is a descriptor that we were started with, as `/dev/stdin` and `<(command)` are.

    Whoever started us could as well have given us any other configuration.
    """
    descriptors = Path("/proc", str(os.getpid()), "fd")
    return any(step.parent == descriptors for step in _steps(path))


def _planted(path: Path) -> Problem:
    return Problem(
        f"{path} is none of mailsluice's: it is a symbolic link, or of another kind",
        f"find out who made it, then `{moving_aside(path)}`",
    )


def _open_to_all(step: Path, path: Path | None = None) -> Problem:
    where = f"{step.absolute()}, on the way to {path}," if path else f"{step.absolute()}"
    return Problem(f"{where} can be written by everybody", _command("chmod o-w", step))


def _open_to_group(path: Path, status: os.stat_result) -> Problem:
    group = group_name(status.st_gid)
    return Problem(f"{path.absolute()} can be written by the group {group}", _command("chmod g-w", path))


def _of_another(path: Path, status: os.stat_result, remedy: str) -> Problem:
    what = f"{path.absolute()} belongs to another user, {user_name(status.st_uid)}"
    return Problem(what, remedy, status.st_uid)


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
