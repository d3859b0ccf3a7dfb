"""The directories under a sink: the only module there that renames, unlinks and makes directories.

Owns the calls whose order makes a message durable, together with `files`. Everything goes through an open
directory, never through a path, so that nobody can swap a directory for a symbolic link between two calls.
Must never retry a sync that failed, for the reason that `files` gives.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shlex
import stat
from contextlib import ExitStack
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Self

from mailsluice.errors import SinkError
from mailsluice.files.filesystem import problem_of_sync
from mailsluice.files.new_file import LockFile, NewFile
from mailsluice.files.trouble import failed, trying
from mailsluice.files.trust import problem_of_place, problem_of_way

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LOCK_FILE = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_READ_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OURS_ALONE = 0o600
_WRITABLE_BY_OTHERS = 0o022


class Moved(Enum):
    """What became of a file that was to be renamed."""

    YES = "it has its new name"
    ABSENT = "there was no file of the old name"
    TAKEN = "another file has the new name, and keeps it"
    BARRED = "the two directories lie on different file systems"


def _complete_mode(fd: int, mode: int) -> None:
    """Give a new directory what the umask took of `mode`.

    Not without need: for a group that we are not in, the kernel would take S_ISGID away.
    """
    made = stat.S_IMODE(os.fstat(fd).st_mode)
    whole = mode | made & stat.S_ISGID
    if made != whole:
        os.fchmod(fd, whole)


class Directory:
    """An open directory: what is done in it is done in this one, whatever its path names later.

    A context manager; leaving it closes it. Every method raises SinkError.
    """

    def __init__(self, path: Path, fd: int) -> None:
        self._path = path
        self._fd = fd
        self._modes: dict[int, bool] = {}  # whether files here are made with this mode as it is asked for

    @property
    def path(self) -> Path:
        """Where it was found."""
        return self._path

    @classmethod
    def find(cls, path: Path) -> Self | None:
        """The directory at `path`, not through a symbolic link at its end; None if it is missing."""
        with trying("open the directory", path):
            try:
                return cls(path, os.open(path, _DIRECTORY))
            except FileNotFoundError:
                return None

    @staticmethod
    def refuse_way(path: Path) -> None:
        """Raise SinkError if another user could put something else where `path` leads."""
        with trying("look at the way to", path):
            problem = problem_of_way(path)
        if problem is not None:
            raise SinkError(problem.what, remedy=problem.remedy)

    @classmethod
    def open_parent(cls, path: Path) -> Self:
        """The directory that `path` lies in; it may well be reached through a symbolic link."""
        with trying("open the directory", path.parent):
            return cls(path.parent, os.open(f"{path.parent}/.", _DIRECTORY))

    @staticmethod
    def is_ours_to_make(path: Path) -> bool:
        """Whether we could make `path`: who cannot, has not made it."""
        return os.access(path.parent, os.R_OK | os.W_OK | os.X_OK)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

    def child(self, name: str) -> Directory | None:
        """The directory `name` in this one, not through a symbolic link; None if it is missing."""
        with trying("open the directory", self._path / name):
            try:
                return Directory(self._path / name, os.open(name, _DIRECTORY, dir_fd=self._fd))
            except FileNotFoundError:
                return None

    def make(self, name: str, mode: int) -> Directory:
        """The directory `name` in this one, made with exactly `mode` if it is not there.

        Where this directory hands its group down (S_ISGID), so does the new one: a shared spool stays shared.
        This directory is synced in either case: whoever made `name` may have been killed before.
        """
        path = self._path / name
        with trying("make the directory", path), ExitStack() as undo:
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
        """Raise SinkError if everybody can write in this directory, or it belongs to a user we do not trust.

        A group may write: consumers take mail by it.
        """
        with trying("look at", self._path):
            problem = problem_of_place(self._path, os.fstat(self._fd))
        if problem is not None:
            raise SinkError(problem.what, remedy=problem.remedy)

    def refuse_if_shared(self) -> None:
        """Raise SinkError unless this directory is ours and nobody else can write in it, no group either."""
        with trying("look at", self._path):
            found = os.fstat(self._fd)
        if found.st_uid != os.geteuid():
            raise SinkError(
                f"{self._path} belongs to another user (uid {found.st_uid}): not trusted with mail",
                remedy="find out who made it, then remove it, or: "
                f"chown {os.geteuid()} {shlex.quote(str(self._path))}",
            )
        if found.st_mode & _WRITABLE_BY_OTHERS:
            raise SinkError(
                f"{self._path} can be written by others: not trusted with mail",
                remedy=shlex.join(["chmod", "700", str(self._path)]),
            )

    def create(self, name: str, mode: int) -> NewFile:
        """A new file with exactly `mode`, whatever the umask; an existing `name` is an error."""
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
        """Whether a file made here has all of `mode`: neither umask nor access rights (acl(5)) take of it.

        `fd` is such a file; the first one tells for all.
        """
        if mode not in self._modes:
            self._modes[mode] = stat.S_IMODE(os.fstat(fd).st_mode) == mode
        return self._modes[mode]

    def rename(self, name: str, to: Directory, new: str) -> Moved:
        """Move `name` to `new` in `to`, atomically. A file that has the new name already is never replaced.

        That either directory itself was removed is an error, never "absent". No other program makes files of
        our names, so a look before the rename is enough (rename(2) without RENAME_NOREPLACE, which network
        file systems do not have).
        """
        try:
            if to._holds_another(self, name, new):
                return Moved.TAKEN
            try:
                os.rename(name, new, src_dir_fd=self._fd, dst_dir_fd=to._fd)
            except FileNotFoundError:
                if self.removed() or to.removed() or self.exists(name):
                    raise
                return Moved.ABSENT
        except OSError as error:
            if error.errno == errno.EXDEV:
                return Moved.BARRED
            raise failed(f"move {name} to", to._path / new, error) from error
        return Moved.YES

    def _holds_another(self, source: Directory, name: str, new: str) -> bool:
        """Whether another file than the source's `name` is called `new` here.

        After a power cut a file may have both names; to rename it again changes nothing.
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
        """Whether the directory has no name any more."""
        with trying("look at", self._path):
            return os.fstat(self._fd).st_nlink == 0

    def is_at(self, path: Path) -> bool:
        """Whether `path` leads to this directory, and not to another one, or nowhere."""
        with trying("look at", path):
            try:
                return os.path.samestat(os.lstat(path), os.fstat(self._fd))
            except (FileNotFoundError, NotADirectoryError):
                return False

    def is_beside(self, other: Directory) -> bool:
        """Whether both lie on one file system, so that files can be renamed from one to the other."""
        with trying("look at", self._path):
            return os.fstat(self._fd).st_dev == os.fstat(other._fd).st_dev

    def duplicate(self) -> Directory:
        """The same directory opened once more, for another thread.

        Not by dup(2): who lists a directory moves its offset, and duplicates of a descriptor share that.
        """
        with trying("open the directory", self._path):
            return Directory(self._path, os.open(".", _DIRECTORY, dir_fd=self._fd))

    def unlink(self, name: str) -> None:
        """Remove the file `name`; it is well if it is gone already."""
        with trying("remove", self._path / name):
            try:
                os.unlink(name, dir_fd=self._fd)
            except FileNotFoundError:
                return

    def exists(self, name: str) -> bool:
        """Whether there is anything called `name` here."""
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
        """The first octets of the file `name`; None if it is missing."""
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

    def lock(self, name: str) -> LockFile:
        """The file `name`, made if missing, locked for us as soon as nobody else has it."""
        locked = self._locked(name, fcntl.LOCK_EX)
        if locked is None:  # though it was to be waited for: a network file system may say that
            refusal = BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            raise failed("lock", self._path / name, refusal) from refusal
        return locked

    def try_lock(self, name: str) -> LockFile | None:
        """The file `name`, made if missing, locked for us; None where another process or thread has it."""
        return self._locked(name, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _locked(self, name: str, how: int) -> LockFile | None:
        """The file, locked.

        After it is locked the name must still lead to it: who removes a lock file and makes a new one would
        otherwise share it with nobody.
        """
        path = self._path / name
        with trying("lock", path):
            while True:
                fd = os.open(name, _LOCK_FILE, _OURS_ALONE, dir_fd=self._fd)
                try:
                    fcntl.flock(fd, how)
                    if self._leads_to(name, fd):
                        return LockFile(path, fd)
                except BlockingIOError:
                    os.close(fd)
                    return None
                except BaseException:
                    os.close(fd)
                    raise
                os.close(fd)

    def _leads_to(self, name: str, fd: int) -> bool:
        try:
            return os.path.samestat(os.stat(name, dir_fd=self._fd, follow_symlinks=False), os.fstat(fd))
        except FileNotFoundError:
            return False

    def names(self) -> list[str]:
        """Everything here, in no order."""
        with trying("list", self._path):
            return os.listdir(self._fd)  # noqa: PTH208  pathlib cannot list a descriptor

    def sync(self) -> None:
        """Make every name here durable. Once only, as for a file."""
        try:
            os.fsync(self._fd)
        except OSError as error:
            if problem := problem_of_sync(self._path, error):
                raise SinkError(problem.what, remedy=problem.remedy) from error
            raise failed("sync the directory", self._path, error) from error

    def close(self) -> None:
        """Give the descriptor back."""
        with trying("close", self._path):
            os.close(self._fd)
