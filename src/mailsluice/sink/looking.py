"""The looking: what a poll would find in a sink, found out without changing anything.

Owns the order in which that is looked at, which is that of `taking`; the rules are those of `taking` and of
`neighbours`. Must never make, lock, write or remove anything, nor wait for a poll that is at work.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from mailsluice.files.directory import Directory
from mailsluice.model import Feeder, Where
from mailsluice.sink import neighbours
from mailsluice.sink.claim import read
from mailsluice.sink.form import Form
from mailsluice.sink.place import barred
from mailsluice.sink.taking import refuse_if_gone, refuse_if_unmounted


@dataclass(frozen=True, slots=True)
class Look:
    """What a poll would find.

    `is_there`: the sink's directory exists; otherwise a poll makes it. `is_ours`: our ledger has fed it with
    this mailbox before. `others` are the other ledgers that feed it, with any mailbox. `opened` are all
    directories that exist and that a poll reads, and `written` those of them in which it makes something.
    """

    is_there: bool
    is_ours: bool
    others: tuple[Feeder, ...]
    opened: tuple[Path, ...]
    written: tuple[Path, ...]


def look(form: Form, owner: str, feeder: Feeder, known: Where | None, *, keeps: bool) -> Look:
    """What a poll would find; the arguments are as in `Taking`.

    Raises FileError, SinkError and SinkRefused, as that poll would. Whether this user may write is not looked
    at.
    """
    Directory.refuse_way(form.root)
    refuse_if_unmounted(form, feeder, known)
    with ExitStack() as opened:
        root = Directory.find(form.root)
        if root is None:
            refuse_if_gone(form, known)
            parent = opened.enter_context(Directory.follow(form.root.parent))
            here = (parent.path,)
            return Look(is_there=False, is_ours=False, others=(), opened=here, written=here)
        opened.enter_context(root)
        return _Looking(root, form, opened).seen(owner, feeder, keeps=keeps)


class _Looking:
    """A look into a sink that exists."""

    def __init__(self, root: Directory, form: Form, opened: ExitStack) -> None:
        self._form = form
        self._opened = opened
        self._root = root
        self._found = [root.path]
        self._written: list[Path] = []

    def seen(self, owner: str, feeder: Feeder, *, keeps: bool) -> Look:
        """See `look`."""
        self._root.refuse_if_open()
        folder = self._child(self._root, self._form.folder)
        staging: Directory | None = None
        others: tuple[Feeder, ...] = ()
        if folder is not None:
            folder.refuse_if_shared()
            self._written.append(folder.path)  # locks are there, and the sink's id
            staging = self._child(folder, owner)
            others = tuple(neighbours.feeders(folder, owner.rpartition("-")[2]))
            self._look_at_staging(folder, staging, owner, feeder, keeps=keeps)
        target = self._target()
        if staging is not None and target is not None and not staging.is_beside(target):
            raise barred(self._form)
        return Look(
            is_there=True,
            is_ours=staging is not None,
            others=others,
            opened=tuple(self._found),
            written=tuple(dict.fromkeys(self._written)),
        )

    def _look_at_staging(
        self, folder: Directory, staging: Directory | None, owner: str, feeder: Feeder, *, keeps: bool
    ) -> None:
        if staging is None:
            neighbours.met(folder, owner, feeder, keeps=keeps)
            return
        staging.refuse_if_shared()
        self._written.append(staging.path)
        if (claim := read(staging)) is not None:
            neighbours.refuse_if_given(claim, feeder)

    def _target(self) -> Directory | None:
        """The directory that messages are published in; None if it is missing."""
        if not self._form.parts:
            self._written.append(self._root.path)
            return self._root
        parts = {part: self._child(self._root, part) for part in self._form.parts}
        for part in parts.values():
            if part is not None:
                part.refuse_if_open()
        target = parts[self._form.into]
        if target is not None:
            self._written.append(target.path)
        return target

    def _child(self, directory: Directory, name: str) -> Directory | None:
        """The child of this name; if it is missing, a poll makes it."""
        child = directory.child(name)
        if child is None:
            self._written.append(directory.path)
            return None
        self._found.append(child.path)
        return self._opened.enter_context(child)
