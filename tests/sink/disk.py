"""The disk under `mailsluice.files`, as a test wants it: watched, failing, crashing, losing its power.

It stands for the module `os` there: every call is the real one, on real files, unless the test said
otherwise. Calls about what lies elsewhere, as the state directory does, are none of its. What a power cut leaves is the least that POSIX promises: octets that were synced, under names
whose directory was synced.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WATCHED = (
    "open",
    "write",
    "pwrite",
    "fsync",
    "fchmod",
    "mkdir",
    "rename",
    "unlink",
    "listdir",
    "stat",
    "fstat",
)

Entries = dict[str, int]
"""The names in a directory, and the inode behind each."""


class Crash(BaseException):
    """The process is gone: nothing of it runs any more."""


class Disk:
    """Stands for `os` in the modules of `mailsluice.files`."""

    def __init__(self, root: Path) -> None:
        self.calls: list[tuple[str, str]] = []
        self.after_rename: Callable[[], None] = lambda: None
        self.longest_write = 2**30
        self.takes_modes = False  # of every file made, as the umask may, or a list of access rights
        self.open_fds: set[int] = set()
        self._root = root
        self._failures: dict[tuple[str, int], int] = {}
        self._crash_at: int | None = None
        self.count = 0
        self._seen: dict[str, int] = {}
        self._pins: list[int] = []  # an open descriptor keeps an inode's number from being used again
        self._octets: dict[int, bytes] = {}
        self._entries: dict[int, Entries] = {}
        self._directories: set[int] = set()

    def fail(self, call: str, error: int, *, nth: int = 1) -> None:
        """Let the nth `call` from now on fail with this errno."""
        self._failures[call, self._seen.get(call, 0) + nth] = error

    def crash_at(self, count: int | None) -> None:
        """Kill the process in place of the call of this number, from 1; None: let it live on."""
        self._crash_at, self.count = count, 0

    @property
    def crashed(self) -> bool:
        return self._crash_at is not None and self.count >= self._crash_at

    def called(self, call: str) -> list[str]:
        """What the calls of this kind were about, in order: names, relative to the disk's root."""
        return [about for name, about in self.calls if name == call]

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in WATCHED:
            return real

        def watched(*args: Any, **options: Any) -> Any:
            if not self._has(args, options):
                return real(*args, **options)
            self._meet_fate(name)
            about = self._about(name, args)
            if name == "write":
                args = (args[0], args[1][: self.longest_write])
            result = real(*args, **options)
            if name == "open" and self.takes_modes and "mode" in options:
                os.fchmod(result, 0)
            self.calls.append((name, about))
            self._remember(name, args, result)
            return result

        return watched

    def _has(self, args: tuple[Any, ...], options: dict[str, Any]) -> bool:
        """Whether the call is about what lies on this disk."""
        at = options.get("dir_fd", options.get("src_dir_fd"))
        fd = args[0] if isinstance(args[0], int) else at
        path = Path(args[0]).absolute() if fd is None else Path(f"/proc/self/fd/{fd}").readlink()
        return path.is_relative_to(self._root)

    def _meet_fate(self, name: str) -> None:
        self.count += 1
        if self.crashed:
            raise Crash
        self._seen[name] = self._seen.get(name, 0) + 1
        error = self._failures.pop((name, self._seen[name]), None)
        if error is not None:
            raise OSError(error, os.strerror(error))

    def _about(self, name: str, args: tuple[Any, ...]) -> str:
        if name == "rename":
            return f"{args[0]} {args[1]}"
        if isinstance(args[0], int):
            path = Path(f"/proc/self/fd/{args[0]}").readlink()
            return str(path.relative_to(self._root)) if path.is_relative_to(self._root) else str(path)
        return str(args[0])

    def _remember(self, name: str, args: tuple[Any, ...], result: Any) -> None:
        if name == "open":
            self.open_fds.add(result)
            self._pins.append(
                os.open(f"/proc/self/fd/{result}", os.O_PATH)
            )  # not a duplicate: it would share locks
        elif name == "fsync":
            inode = os.fstat(args[0]).st_ino
            path = Path(f"/proc/self/fd/{args[0]}").resolve()
            if path.is_dir():
                self._entries[inode] = {entry.name: entry.inode() for entry in os.scandir(args[0])}
                self._directories |= {entry.inode() for entry in os.scandir(args[0]) if entry.is_dir()}
            else:
                self._octets[inode] = path.read_bytes()
        elif name == "rename":
            self.after_rename()

    def close(self, fd: int) -> None:
        self.open_fds.discard(fd)
        os.close(fd)

    def cut_power(self) -> None:
        """Put in the root's place what is left of it. Nothing may be open or running."""
        inode = self._root.stat().st_ino
        left = dict(self._tree(inode, Path()))
        self.let_go()
        for path in sorted(self._root.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        made: dict[int, Path] = {}
        for name, found in left.items():
            path = self._root / name
            if found in self._directories:
                path.mkdir(mode=0o700)
            elif found in made:  # a rename of which only the new name was synced: the file has both
                path.hardlink_to(made[found])
            else:
                path.write_bytes(self._octets.get(found, b""))
                path.chmod(0o600)
                made[found] = path

    def _tree(self, directory: int, path: Path) -> Iterator[tuple[Path, int]]:
        for name, inode in self._entries.get(directory, {}).items():
            yield path / name, inode
            if inode in self._directories:
                yield from self._tree(inode, path / name)

    def let_go(self) -> None:
        while self._pins:
            os.close(self._pins.pop())


@contextmanager
def disk_under(monkeypatch: Any, root: Path) -> Iterator[Disk]:
    """A disk under the sinks while the context lasts."""
    disk = Disk(root)
    with monkeypatch.context() as patch:
        patch.setattr("mailsluice.files.directory.os", disk)
        patch.setattr("mailsluice.files.new_file.os", disk)
        patch.setattr("mailsluice.files.lock.os", disk)
        try:
            yield disk
        finally:
            disk.let_go()
