"""Trust: who owns a file or directory, and who else may write or read it. Only this module decides on that.

Owns a rule for each kind of place: a directory that mail goes to; the way to it; files and directories of our
own; a secret; an assertion; and what we obey (the configuration, the certificates that it names, and token
commands). Must never open, make or change anything.

In a directory that mail goes to, a group that may write is trusted: consumers need this to take mail out of
a spool, and an administrator has chosen the group's members. If a group may write what we obey, this is only
a doubt, which people are told. The state directory, staging, and the files in them must be ours alone.
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
_CHANGED_OR_READ_BY_STRANGERS = stat.S_IWGRP | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, or in doubt, with a place. `remedy` is empty if the caller knows a better one.

    `owner` is the owner's user id, if the owner is the problem.
    """

    what: str
    remedy: str
    owner: int | None = None


Judge = Callable[[Path, os.stat_result], Problem | None]
"""A rule: what is wrong with a file or directory, by its path and by its status after opening; or None."""


def problem_of_place(path: Path, status: os.stat_result) -> Problem | None:
    """Why mail must not go to the directory at `path`; or None. `status` was taken when it was open.

    It must belong to us or to root. It must not be writable by everybody, even if it is sticky.
    """
    if status.st_uid not in trusted_owners():
        owner = user_name(status.st_uid)
        return _of_another(path, status, f"run mailsluice as {owner}, or: {_chown(path)}")
    if status.st_mode & stat.S_IWOTH:
        return _open_to_all(path)
    return None


def problem_of_way(path: Path) -> Problem | None:
    """Why somebody could swap a part of the way to `path`, so that it leads somewhere else; or None.

    Looks at each directory above `path`, and at each symbolic link, also at `path` itself. Missing parts are
    no problem. In a sticky directory, such as /tmp, an entry can only be swapped by its owner or by the
    directory's (unlink(2), EPERM). So there the entry's owner decides. Raises OSError.
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


def problem_of_own(path: Path, status: os.stat_result, owner: int | None = None) -> Problem | None:
    """Why the file or directory at `path`, with this `status`, is not ours alone; or None.

    It has to belong to our user, or else to `owner`. A group and others must not write it, but they may read
    it. The status must be taken when it is open, or in a directory where nobody can swap it.
    """
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        return _of_wrong_kind(path)
    if status.st_uid != (os.geteuid() if owner is None else owner):
        return _of_another(
            path, status, f"find out who made it, then move it away; if it is right: {_chown(path)}"
        )
    if status.st_mode & _WRITABLE_BY_OTHERS:
        return Problem(f"{path} can be written by others", _command("chmod go=", path))
    return None


def problem_of_names(path: Path, status: os.stat_result) -> Problem | None:
    """Why the open file at `path` must not be written, nor given to another user; or None.

    It has to be a file with only one name. If it has a second one, somebody may have linked any file of ours
    here, and we would change that file.
    """
    if not stat.S_ISREG(status.st_mode):
        return _of_wrong_kind(path)
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
    # The remedy is never to move a lock away: its holder would go on with a lock that nobody else sees.
    return replace(problem, remedy=_chown(path))


def problem_of_file(path: Path, owner: int | None = None) -> Problem | None:
    """Why another user may have made the file at `path`; or None.

    It must be a file, not a link, and only we may write it, or only `owner`. A missing file is no problem.
    For files in a directory that is ours alone now, where nobody can swap them; but others may have written
    in that directory before. Raises OSError.
    """
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    return problem_of_own(path, status, owner) if stat.S_ISREG(status.st_mode) else _of_wrong_kind(path)


def problem_of_secret(path: Path, status: os.stat_result, owners: Collection[int]) -> Problem | None:
    """Why the open file at `path` cannot be a secret of one of `owners`, for nobody else to use; or None."""
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


def problem_of_assertion(path: Path, status: os.stat_result, owners: Collection[int]) -> Problem | None:
    """As for a secret, but a group may read it: so Kubernetes gives a token to the user of a pod.

    It projects the file for root and the group `fsGroup` (0640), or for the user `runAsUser` (0600). Without
    both, everybody in the pod may read it (0644).
    """
    if status.st_mode & _CHANGED_OR_READ_BY_STRANGERS:
        return Problem(
            f"{path} can be used by others: its mode is {stat.S_IMODE(status.st_mode):04o}, "
            "which has to be 0640, 0600 or less",
            f"in Kubernetes, set runAsUser or fsGroup in the pod's securityContext; "
            f"elsewhere: {_command('chmod g-w,o=', path)}",
        )
    alone = os.stat_result((status.st_mode & ~stat.S_IRWXG, *status[1:]))
    return problem_of_secret(path, alone, owners)


def problem_of_obeyed(path: Path) -> Problem | None:
    """Why we must not obey the file, or the directory of files, at `path`; or None.

    Only we and root may own it, and it must not be writable by everybody; nor may others be able to swap it.
    So root obeys only root's files: a configuration names programs to run, and whoever can write it could do
    everything that root can. This is so with `sudo`, too, because `sudo` may allow a user only this program.
    A missing file is no problem, nor is a descriptor that we were started with. Raises OSError.
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
        problem, remedy=f"make sure that {path.absolute()} is as you want it, then: {problem.remedy}"
    )


def doubts_of_obeyed(path: Path) -> Iterator[Problem]:
    """The parts of `path`, and of the way to it, that a group may write.

    People are told, but nothing is refused. Raises OSError.
    """
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
    """The files that decide what a command does: its program, and every file that an argument names.

    A relative path in an argument begins at `/`, because the command is started there.
    """
    program, *arguments = command
    yield Path(program)
    for argument in arguments:
        path = Path("/", argument)
        if os.path.isfile(path):  # noqa: PTH113  an argument may be any text: Path.is_file may raise OSError
            yield path


def trusted_owners() -> set[int]:
    """The users who may own what we trust: this process's user, and root."""
    return {os.geteuid(), 0}


def moving_aside(path: Path) -> str:
    """A command that moves away a thing that somebody put in the place of ours."""
    return shlex.join(["mv", str(path.absolute()), f"{path.absolute()}.planted"])


def _lets_swap(status: os.stat_result, who: int) -> bool:
    """Whether those with the write permission `who` can swap the entries of this directory.

    That is so if they may write in it and it is not sticky.
    """
    return stat.S_ISDIR(status.st_mode) and status.st_mode & (who | stat.S_ISVTX) == who


def _is_handed_over(path: Path) -> bool:
    """Whether `path` is a descriptor that we were started with, such as `/dev/stdin` or `<(command)`.

    It needs no check: whoever started us could have given us any configuration.
    """
    descriptors = Path("/proc", str(os.getpid()), "fd")
    return any(step.parent == descriptors for step in _steps(path))


def _of_wrong_kind(path: Path) -> Problem:
    return Problem(
        f"{path} was not made by mailsluice: it is a symbolic link, or of another kind",
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
    """A command for a shell. The path in it is absolute, because that shell may be in another directory."""
    return f"{words} {shlex.quote(str(path.absolute()))}"


def _detour(path: Path, step: Path, status: os.stat_result) -> str:
    """What to do if `step`, on the way to `path`, belongs to another user.

    A link may be given to us. A directory is not given to us: it may be that user's home, and that user needs
    it.
    """
    ways = [f"run mailsluice as {user_name(status.st_uid)}", f"choose another place than {path}"]
    if stat.S_ISLNK(status.st_mode):
        ways.append(f"if the link leads where it should: {_chown(step, '--no-dereference ')}")
    return ", or ".join(ways)


def _steps(path: Path) -> Iterator[Path]:
    """Every directory above `path`, and every symbolic link, in the order in which the kernel meets them.

    `path` itself is only given if it is a link. A relative path begins at the working directory: nobody can
    swap the directories above that under us. Raises OSError.
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
