"""The file system under a sink: the only module there that syncs, renames, unlinks and makes directories.

Owns the calls whose order makes a message durable, and what their failures mean to an administrator.
Everything goes through an open directory, never through a path, so that nobody can swap a directory
for a symbolic link between two calls. Must never retry a sync that failed: the kernel may have dropped
the pages and would call the second one good (fsync(2), errors).
"""

from __future__ import annotations

import errno
import os
import shlex
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from mailsluice.errors import SinkError, system_remedy
from mailsluice.trust import flaw_of_place, flaw_of_way

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_WRITABLE_BY_OTHERS = 0o022

_DENIED = (
    "give the user that runs mailsluice write permission there (ls -ld shows it, chown or chmod changes it)"
)
_NOT_A_DIRECTORY = "name a real directory, not a file or a symbolic link"
_REMEDIES = {
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.ENOENT: "make the directory, or mount the file system it lies on",
    errno.ENOTDIR: _NOT_A_DIRECTORY,
    errno.ELOOP: _NOT_A_DIRECTORY,
    errno.EISDIR: "remove the directory: nothing of mailsluice's has that name",
    errno.EXDEV: "mount nothing inside the sink: its directories must lie on one file system",
    errno.ENAMETOOLONG: "choose a shorter path, or a shorter name for the mailbox",
}
"""What helps where it is the sink that is wrong; `system_remedy` knows what helps where the machine is."""


def _failed(tried: str, path: Path, error: OSError) -> SinkError:
    """What to raise for an error of the system's: it says what was tried, where, why not, and what helps."""
    code = error.errno or 0
    return SinkError(
        f"cannot {tried} {path}: {os.strerror(code)} ({errno.errorcode.get(code, code)})",
        remedy=system_remedy(error, _REMEDIES.get(code, "")),
    )


@contextmanager
def _trying(what: str, path: Path) -> Iterator[None]:
    """Turn an OSError within into a SinkError. What is done for every message does it quicker, by itself."""
    try:
        yield
    except OSError as error:
        raise _failed(what, path, error) from error


def _complete_mode(fd: int, mode: int) -> None:
    """Give a new directory what the umask took of `mode`.

    Not without need: for a group that we are not in, the kernel would take S_ISGID away.
    """
    made = stat.S_IMODE(os.fstat(fd).st_mode)
    whole = mode | made & stat.S_ISGID
    if made != whole:
        os.fchmod(fd, whole)


class NewFile:
    """A file that this process made and is still writing."""

    def __init__(self, directory: Path, name: str, fd: int) -> None:
        self._directory = directory
        self._name = name
        self._fd = fd

    def write(self, octets: bytes) -> None:
        """Append all of `octets`. Raises SinkError."""
        try:
            written = os.write(self._fd, octets)
            while written < len(octets):
                written += os.write(self._fd, memoryview(octets)[written:])
        except OSError as error:
            raise _failed("write", self._path, error) from error

    def begin_sync(self) -> None:
        """Have the kernel begin to write what it holds of this file, so that `sync` has less to wait for.

        A hint, which promises nothing: Linux begins to write the pages that it is told are not needed.
        """
        try:
            os.posix_fadvise(self._fd, 0, 0, os.POSIX_FADV_DONTNEED)
        except OSError:  # `sync` will meet whatever matters
            return

    def sync(self) -> None:
        """Make content and size durable. Once only: after a failure the file is lost. Raises SinkError."""
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise _failed("sync", self._path, error) from error

    def close(self) -> None:
        """Give the descriptor back; what was not synced before may be lost. Raises SinkError."""
        try:
            os.close(self._fd)
        except OSError as error:
            raise _failed("close", self._path, error) from error

    @property
    def _path(self) -> Path:
        return self._directory / self._name


class Directory:
    """An open directory: what is done in it is done in this one, whatever its path names later.

    A context manager; leaving it closes it. Every method raises SinkError.
    """

    def __init__(self, path: Path, fd: int) -> None:
        self._path = path
        self._fd = fd
        self._modes: dict[int, bool] = {}  # whether files here are made with this mode as it is asked for

    @classmethod
    def find(cls, path: Path) -> Self | None:
        """The directory at `path`, not through a symbolic link at its end; None if it is missing."""
        with _trying("open the directory", path):
            try:
                return cls(path, os.open(path, _DIRECTORY))
            except FileNotFoundError:
                return None

    @staticmethod
    def refuse_way(path: Path) -> None:
        """Raise SinkError if another user could put something else where `path` leads."""
        with _trying("look at the way to", path):
            flaw = flaw_of_way(path)
        if flaw is not None:
            raise SinkError(flaw.what, remedy=flaw.remedy)

    @classmethod
    def open_parent(cls, path: Path) -> Self:
        """The directory that `path` lies in; it may well be reached through a symbolic link."""
        with _trying("open the directory", path.parent):
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
        with _trying("open the directory", self._path / name):
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
        with _trying("make the directory", path), ExitStack() as undo:
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
        with _trying("look at", self._path):
            flaw = flaw_of_place(self._path, os.fstat(self._fd))
        if flaw is not None:
            raise SinkError(flaw.what, remedy=flaw.remedy)

    def refuse_if_shared(self) -> None:
        """Raise SinkError unless this directory is ours and nobody else can write in it, no group either."""
        with _trying("look at", self._path):
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
            raise _failed("create", self._path / name, error) from error
        return NewFile(self._path, name, fd)

    def _gives(self, mode: int, fd: int) -> bool:
        """Whether a file made here has all of `mode`: neither umask nor access rights (acl(5)) take of it.

        `fd` is such a file; the first one tells for all.
        """
        if mode not in self._modes:
            self._modes[mode] = stat.S_IMODE(os.fstat(fd).st_mode) == mode
        return self._modes[mode]

    def rename(self, name: str, to: Directory, new: str) -> bool:
        """Move `name` to `new` in `to`, atomically; False where `name` is not here any more.

        That either directory itself was removed is an error, never "not here any more".
        """
        try:
            try:
                os.rename(name, new, src_dir_fd=self._fd, dst_dir_fd=to._fd)
            except FileNotFoundError:
                if self._removed() or self.exists(name):
                    raise
                return False
        except OSError as error:
            raise _failed(f"move {name} to", to._path / new, error) from error
        return True

    def _removed(self) -> bool:
        return os.fstat(self._fd).st_nlink == 0

    def unlink(self, name: str) -> None:
        """Remove the file `name`; it is well if it is gone already."""
        with _trying("remove", self._path / name):
            try:
                os.unlink(name, dir_fd=self._fd)
            except FileNotFoundError:
                return

    def exists(self, name: str) -> bool:
        """Whether there is anything called `name` here."""
        with _trying("look at", self._path / name):
            try:
                os.stat(name, dir_fd=self._fd, follow_symlinks=False)
            except FileNotFoundError:
                return False
        return True

    def names(self) -> list[str]:
        """Everything here, in no order."""
        with _trying("list", self._path):
            return os.listdir(self._fd)  # noqa: PTH208  pathlib cannot list a descriptor

    def sync(self) -> None:
        """Make every name here durable. Once only, as for a file."""
        with _trying("sync the directory", self._path):
            os.fsync(self._fd)

    def close(self) -> None:
        """Give the descriptor back."""
        with _trying("close", self._path):
            os.close(self._fd)
