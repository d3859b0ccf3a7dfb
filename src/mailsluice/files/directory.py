"""The directory: the only module that makes directories, renames and unlinks, and that syncs names.

Owns, together with `new_file`, the calls whose order makes a file durable. Everything goes through an open
directory, never through a path, so that nobody can swap a directory for a symbolic link between two calls.
Must never retry a sync that failed; `new_file` gives the reason.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Self

from mailsluice.files.error import FileError, failed, refuse, trying
from mailsluice.files.lock import LockFile, locked, unjudged
from mailsluice.files.mounts import problem_of_sync
from mailsluice.files.new_file import NewFile
from mailsluice.files.trust import Judge, Problem, problem_of_own, problem_of_place, problem_of_way

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PRIVATE = 0o700
_READ_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Moved(Enum):
    """The result of a rename."""

    YES = "it has its new name"
    ABSENT = "there was no file with the old name"
    TAKEN = "another file has the new name, and keeps it"
    BARRED = "the two directories are on different file systems"


def _complete_mode(fd: int, mode: int) -> None:
    """Give a new directory the bits of `mode` that the umask took away.

    chmod is only called if it is needed: if we are not in the directory's group, it would remove S_ISGID.
    """
    made = stat.S_IMODE(os.fstat(fd).st_mode)
    whole = mode | made & stat.S_ISGID
    if made != whole:
        os.fchmod(fd, whole)


class Directory:
    """An open directory. All methods work in this directory, even if its path leads to another one later.

    A context manager; leaving it closes it. Every method raises FileError.
    """

    def __init__(self, path: Path, fd: int) -> None:
        self._path = path
        self._fd = fd
        self._modes: dict[int, bool] = {}  # by mode: whether a new file here gets all of it

    @property
    def path(self) -> Path:
        """The path by which it was opened."""
        return self._path

    @classmethod
    def find(cls, path: Path) -> Self | None:
        """The directory at `path`; None if it is missing. A symbolic link at its end is not followed."""
        with trying("open the directory", path):
            try:
                return cls(path, os.open(path, _DIRECTORY))
            except FileNotFoundError:
                return None

    @classmethod
    def follow(cls, path: Path) -> Self:
        """The directory that `path` leads to. A symbolic link is followed."""
        with trying("open the directory", path):
            return cls(path, os.open(f"{path}/.", _DIRECTORY))

    @staticmethod
    def refuse_way(path: Path) -> None:
        """Raise FileError if another user could put something else where `path` leads."""
        with trying("look at the way to", path):
            refuse(problem_of_way(path))

    @staticmethod
    def is_ours_to_make(path: Path) -> bool:
        """Whether we have the right to make `path`. If not, we did not make it."""
        return os.access(path.parent, os.R_OK | os.W_OK | os.X_OK)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

    def child(self, name: str) -> Directory | None:
        """The directory `name` in this one; None if it is missing. A symbolic link is not followed."""
        with trying("open the directory", self._path / name, ours=True):
            try:
                return Directory(self._path / name, os.open(name, _DIRECTORY, dir_fd=self._fd))
            except FileNotFoundError:
                return None

    def make(self, name: str, mode: int) -> Directory:
        """The directory `name` in this one. It is made, with exactly `mode`, if it is missing.

        If new files get their group from this directory (S_ISGID), this is also so in the new one: a shared
        spool stays shared. This directory is always synced: whoever made `name` may have been killed before
        the sync.
        """
        path = self._path / name
        with trying("make the directory", path, ours=True), ExitStack() as undo:
            try:
                os.mkdir(name, mode=mode, dir_fd=self._fd)
                made = True
            except FileExistsError:
                made = False
            fd = os.open(name, _DIRECTORY, dir_fd=self._fd)
            undo.callback(os.close, fd)
            if made:
                _complete_mode(fd, mode)
            self.sync()
            undo.pop_all()
            return Directory(path, fd)

    def refuse_if_open(self) -> None:
        """Raise FileError if everybody can write in this directory, or it belongs to a user we do not trust.

        A group may write in it, because consumers need that to take mail.
        """
        refuse(self.problem(problem_of_place))

    def refuse_if_shared(self) -> None:
        """Raise FileError unless this directory is ours, and no other user or group can write in it."""
        refuse(self.problem(problem_of_own))

    def problem(self, judge: Judge) -> Problem | None:
        """What is wrong with this directory by the rule `judge`; None if nothing is."""
        return judge(self._path, self._status())

    @property
    def owner(self) -> tuple[int, int]:
        """The ids of the user and the group that it belongs to."""
        status = self._status()
        return status.st_uid, status.st_gid

    def _status(self) -> os.stat_result:
        with trying("look at", self._path):
            return os.fstat(self._fd)

    def make_private(self) -> None:
        """Let nobody but its owner read, write or enter it."""
        with trying("change the mode of", self._path):
            os.fchmod(self._fd, _PRIVATE)

    def create(self, name: str, mode: int) -> NewFile:
        """A new file with exactly `mode`, whatever the umask is. If `name` exists, this is an error."""
        try:
            fd = os.open(name, _NEW_FILE, mode=mode, dir_fd=self._fd)
            try:
                if not self._gives(mode, fd):
                    os.fchmod(fd, mode)
            except BaseException:
                os.close(fd)
                os.unlink(name, dir_fd=self._fd)
                raise
        except OSError as error:
            raise failed("create", self._path / name, error) from error
        return NewFile(self._path, name, fd)

    def _gives(self, mode: int, fd: int) -> bool:
        """Whether a new file here gets all of `mode`: no umask and no default ACL (acl(5)) takes bits away.

        `fd` is a file that was made with `mode`. Only the first one is looked at, to save a call per message.
        """
        if mode not in self._modes:
            self._modes[mode] = stat.S_IMODE(os.fstat(fd).st_mode) == mode
        return self._modes[mode]

    def rename(self, name: str, to: Directory, new: str) -> Moved:
        """Move `name` to `new` in `to`, atomically. A file that has the new name already is never replaced.

        If one of the directories was removed, this is an error, not ABSENT. Network file systems do not have
        RENAME_NOREPLACE (rename(2)), so we look for the new name before the rename. That is enough, because
        no other program makes files with our names.
        """
        try:
            if to._holds_another(self, name, new):
                return Moved.TAKEN
            try:
                os.rename(name, new, src_dir_fd=self._fd, dst_dir_fd=to._fd)
            except FileNotFoundError:
                # If the file exists, it was the new name's directory that could not be found.
                if self.removed() or to.removed() or self.exists(name):
                    raise
                return Moved.ABSENT
        except FileError:
            raise
        except OSError as error:
            if error.errno == errno.EXDEV:
                return Moved.BARRED
            raise failed(f"move {name} to", to._path / new, error) from error
        return Moved.YES

    def replace(self, name: str, new: str, *, durable: bool = True) -> None:
        """Give the file `name` the name `new`. A file that has this name is replaced."""
        with trying(f"move {name} to", self._path / new):
            os.rename(name, new, src_dir_fd=self._fd, dst_dir_fd=self._fd)
        if durable:
            self.sync()

    def _holds_another(self, source: Directory, name: str, new: str) -> bool:
        """Whether a file here has the name `new`, and is not the file `name` of `source`.

        After a power cut one file may have both names. Then it is safe to rename it again.
        """
        try:
            there = os.stat(new, dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        try:
            return not os.path.samestat(there, os.stat(name, dir_fd=source._fd, follow_symlinks=False))
        except FileNotFoundError:
            return False

    def removed(self) -> bool:
        """Whether the directory was removed: it has no name any more."""
        return self._status().st_nlink == 0

    def is_at(self, path: Path) -> bool:
        """Whether `path` leads to this directory, and not to another one or to nothing."""
        with trying("look at", path):
            try:
                return os.path.samestat(os.lstat(path), os.fstat(self._fd))
            except (FileNotFoundError, NotADirectoryError):
                return False

    def is_beside(self, other: Directory) -> bool:
        """Whether both are on one file system, so that files can be renamed from one to the other."""
        return self._status().st_dev == other._status().st_dev

    def duplicate(self) -> Directory:
        """The same directory opened once more, for another thread.

        Not by dup(2): duplicates of a descriptor share one offset, and listing a directory moves it.
        """
        with trying("open the directory", self._path):
            return Directory(self._path, os.open(".", _DIRECTORY, dir_fd=self._fd))

    def unlink(self, name: str) -> None:
        """Remove the file `name`. It is no error if it is gone already."""
        with trying("remove", self._path / name):
            try:
                os.unlink(name, dir_fd=self._fd)
            except FileNotFoundError:
                return

    def exists(self, name: str) -> bool:
        """Whether there is anything with the name `name` here."""
        with trying("look at", self._path / name):
            try:
                os.stat(name, dir_fd=self._fd, follow_symlinks=False)
            except FileNotFoundError:
                return False
        return True

    def remove(self, name: str) -> None:
        """Remove the empty directory `name`."""
        with trying("remove the directory", self._path / name):
            os.rmdir(name, dir_fd=self._fd)

    def read(self, name: str, most: int) -> bytes | None:
        """The first `most` octets of the file `name`; None if it is missing."""
        with trying("read", self._path / name):
            try:
                fd = os.open(name, _READ_FILE, dir_fd=self._fd)
            except FileNotFoundError:
                return None
            try:
                octets = b""
                while len(octets) < most and (more := os.read(fd, most - len(octets))):
                    octets += more
                return octets
            finally:
                os.close(fd)

    def lock(self, name: str, judge: Judge = unjudged) -> LockFile:
        """The file `name`, made if it is missing, and locked for us. Waits while another process has it."""
        lock = locked(self._fd, self._path / name, judge, wait=True)
        if lock is None:  # although we asked to wait: a network file system may answer EAGAIN
            refusal = BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            raise failed("lock", self._path / name, refusal) from refusal
        return lock

    def try_lock(self, name: str, judge: Judge = unjudged) -> LockFile | None:
        """The file `name`, made if it is missing, and locked for us; None if another process has it locked.

        Another thread of this process counts as another process.
        """
        return locked(self._fd, self._path / name, judge, wait=False)

    def names(self) -> list[str]:
        """The names of everything here, in no order."""
        with trying("list", self._path):
            return os.listdir(self._fd)  # noqa: PTH208  pathlib cannot list a descriptor

    def sync(self) -> None:
        """Make every name here durable. After a failure it must not be tried again, as with a file."""
        try:
            os.fsync(self._fd)
        except OSError as error:
            if problem := problem_of_sync(self._path, error):
                raise FileError(problem.what, problem.remedy) from error
            raise failed("sync the directory", self._path, error) from error

    def close(self) -> None:
        """Close the descriptor."""
        with trying("close", self._path):
            os.close(self._fd)


def make_with_parents(path: Path) -> None:
    """Make the directory at `path` and its missing parents, for us alone, and make their names durable.

    A process may have made the existing parents and been killed before it could sync them. So they are
    synced, too, up to the first in which we have no right to make a directory. Raises FileError.
    """
    with trying("look at", path):
        missing = [directory for directory in (path, *path.parents) if not directory.exists()]
    for directory in reversed(missing):
        with Directory.follow(directory.parent) as parent:
            parent.make(directory.name, _PRIVATE).close()
    for above in path.parents[len(missing) :]:
        if not os.access(above, os.R_OK | os.W_OK):
            break
        with Directory.follow(above) as parent:
            parent.sync()
