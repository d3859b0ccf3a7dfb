"""Staging: where one mailbox's messages lie, whole or not, until they are published.

Owns the staging directory's place and privacy, the way out of it (crash table, row 4), its sweeping
(rows 1 and 2), and the one place where a `Stored` is made. It lies inside the sink, so that publishing is
a rename on one file system. Must never be made anew by recovery: that a file is missing from staging is
the proof that it was published, and a directory just made, in a mount point say, would prove anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

from mailsluice.errors import SinkError
from mailsluice.model import Staged, Stored
from mailsluice.sink.fs import Directory

_PRIVATE = 0o700

Moves = Callable[[str], Iterable[tuple[str, str]]]
"""For a message's published name: its files, as (name in staging, name when published), in order."""


def directory_mode(file_mode: int) -> int:
    """The mode of a sink's directory: who may read the files may also list and enter it."""
    return file_mode | (file_mode & 0o444) >> 2


class Staging:
    """`<root>/<folder>/<owner>/`. `owner` keeps mailboxes and installations that share a sink apart."""

    def __init__(self, root: Path, folder: str, owner: str) -> None:
        self._root = root
        self._folder = folder
        self._owner = owner
        self._durable = False

    def open_root(self, mode: int) -> Directory:
        """The sink's directory; made with `mode` if only its last component is missing. Raises SinkError.

        The directory it lies in is synced the first time, as those in `make` are and for the same reason.
        """
        root = self._found()
        if root is not None:
            if self._durable or not Directory.is_ours_to_make(self._root):
                return root
            root.close()
        with Directory.open_parent(self._root) as parent:
            return _sound(parent.make(self._root.name, mode))

    def _found(self) -> Directory | None:
        """The sink's directory, by a way and of a kind that nobody else has a hand in; None if it is missing.

        Each time anew: by an empty staging directory put in the place of the true one, messages that were
        never published would pass for published.
        """
        Directory.refuse_way(self._root)
        root = Directory.find(self._root)
        return None if root is None else _sound(root)

    def make(self, root: Directory) -> Directory:
        """The staging directory, made if missing, in the open sink directory. Raises SinkError.

        The first time, the directories above are synced even if they were there: the process that made
        them may have been killed before it could.
        """
        if self._durable and (staging := self._find(root)) is not None:
            return staging
        with root.make(self._folder, _PRIVATE) as folder:
            folder.refuse_if_shared()
            staging = _private(folder.make(self._owner, _PRIVATE))
        self._durable = True
        return staging

    def _find(self, root: Directory) -> Directory | None:
        folder = root.child(self._folder)
        if folder is None:
            return None
        with folder:
            folder.refuse_if_shared()
            staging = folder.child(self._owner)
        return None if staging is None else _private(staging)

    def publish(self, staged: Sequence[Staged], moves: Moves, into: str = ".") -> tuple[Stored, ...]:
        """Move the files of each message into the directory `into` of the sink, then sync that once.

        A file that is not in staging any more was moved by an earlier call. Raises SinkError.
        """
        if not staged:
            return ()
        with ExitStack() as opened:
            root = opened.enter_context(self._there(self._found(), "."))
            source = opened.enter_context(self._there(self._find(root), f"{self._folder}/{self._owner}"))
            target = opened.enter_context(_sound(self._there(root.child(into), into)))
            for message in staged:
                for name, new in moves(message.name):
                    source.rename(name, target, new)
            target.sync()
        return tuple(Stored(message.uidl, message.name) for message in staged)

    def _there(self, directory: Directory | None, name: str) -> Directory:
        if directory is None:
            raise SinkError(
                f"{self._root / name} is missing: messages staged there may be whole and not yet published",
                remedy="mount the file system it lies on, or move the directory back to its place",
            )
        return directory

    def sweep(self, message_of: Callable[[str], str]) -> int:
        """Remove every file; how many messages that were, as `message_of` reads them from the names.

        Raises SinkError.
        """
        with ExitStack() as opened:
            root = self._found()
            staging = None if root is None else self._find(opened.enter_context(root))
            if staging is None:
                return 0
            opened.enter_context(staging)
            names = staging.names()
            for name in names:
                staging.unlink(name)
        return len({message_of(name) for name in names})


def _sound(directory: Directory) -> Directory:
    """The open directory; closed, if mail does not belong there. Raises SinkError."""
    return _judged(directory, directory.refuse_if_open)


def _private(directory: Directory) -> Directory:
    """The open directory; closed, if anybody else has a hand in it. Raises SinkError."""
    return _judged(directory, directory.refuse_if_shared)


def _judged(directory: Directory, refuse: Callable[[], None]) -> Directory:
    try:
        refuse()
    except BaseException:
        directory.close()
        raise
    return directory
