"""The place: the open directories of a sink that one poll works with, and the moving of files between them.

Owns how messages leave staging (docs/crash-safety.md, row 4), how staging is swept (rows 1 and 2), and the
making of every `Stored`. Must never take a missing file as proof, except in `finish`: only recovery may.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Self

from mailsluice.errors import SinkError, StagingGone
from mailsluice.files.directory import Directory, Moved
from mailsluice.files.error import FileError
from mailsluice.files.new_file import NewFile
from mailsluice.model import Staged, Stored
from mailsluice.sink import turn
from mailsluice.sink.claim import FILE, Claim
from mailsluice.sink.form import STAGED, Form

_FLAGS = ":"
"""A Maildir's reader adds this and flags to a name."""


def barred(form: Form) -> SinkError:
    """The error for a sink whose directories are on different file systems."""
    return SinkError(
        f"{form.root / form.folder} and {form.root / form.into} are on different file systems: "
        "no message can be moved from one to the other",
        remedy="mount nothing inside the sink: its directories must be on one file system",
    )


def sweep(staging: Directory, claim: Claim) -> int:
    """Remove the files of all messages from a staging directory. Returns how many messages that were.

    Our claim is made durable before: whoever held the directory earlier must not take the missing files as
    proof that they were published.
    """
    names = [name for name in staging.names() if name != FILE]
    if names:
        claim.sync()
    for name in names:
        staging.unlink(name)
    # A file's name is `<message>.<what>-staged`; a message may have several files.
    return len({name.removesuffix(STAGED).rpartition(".")[0] or name for name in names})


def published(form: Form, staged: Sequence[Staged]) -> tuple[Stored, ...]:
    """Those of these messages that are where consumers find them, durably. Raises FileError.

    For messages whose staging is gone. A message that a consumer took looks like one that never came there.
    """
    found: list[Stored] = []
    root = Directory.find(form.root)
    if root is not None:
        with root:
            for part in form.parts or (".",):  # all parts: a Maildir's readers move messages to `cur`
                if directory := root.child(part):
                    with directory:
                        names = {name.partition(_FLAGS)[0] for name in directory.names()}
                        found += [
                            Stored(message.uidl, message.name)
                            for message in staged
                            if _last(form, message) in names
                        ]
                        directory.sync()
    return tuple(found)


def _last(form: Form, message: Staged) -> str:
    """The name of the file that consumers look for."""
    return form.files(message.name)[-1][1]


class Place:
    """A sink's staging directory, which we have claimed, and the directory that messages are published in.

    Every method raises FileError. For another thread, or for longer than this one is open, `duplicate` it.
    """

    def __init__(self, form: Form, staging: Directory, target: Directory, claim: Claim) -> None:
        self.staging = staging
        self.claim = claim
        self._form = form
        self._target = target
        self._finished: set[str] = set()

    def duplicate(self) -> Self:
        """The same directories, opened once more. The claim is shared."""
        with ExitStack() as undo:
            staging = undo.enter_context(self.staging.duplicate())
            target = self._target.duplicate()
            undo.pop_all()
            return type(self)(self._form, staging, target, self.claim)

    def close(self) -> None:
        """Close the directories. The claim stays held."""
        with self.staging, self._target:
            pass

    def is_there(self) -> bool:
        """Whether the sink's path still leads here, and the claim is still ours."""
        directories = (self.staging, self._target)
        are_there = all(directory.is_at(directory.path) for directory in directories)
        return are_there and self.claim.is_there(self.staging)

    def refuse_if_lost(self) -> None:
        """Raise StagingLost if another process has taken the staging directory."""
        self.claim.refuse_if_lost(self.staging)

    def all_there(self, staged: Sequence[Staged]) -> list[Staged]:
        """Those of these messages whose files are all in staging."""
        if self.staging.removed():
            return []
        names = set(self.staging.names())
        return [
            message for message in staged if all(name in names for name, _ in self._form.files(message.name))
        ]

    def create(self, name: str) -> NewFile:
        """A new file in staging. Raises StagingGone if that was removed."""
        try:
            return self.staging.create(name, self._form.mode)
        except FileError as error:
            if not self.staging.removed():
                raise
            raise StagingGone(
                f"another program removed the staging directory {self.staging.path} while mail was received",
                remedy="keep that program out of the sink's staging directories; polling goes on by itself",
            ) from error

    def publish(self, staged: Sequence[Staged]) -> tuple[Stored, ...]:
        """Move these messages to where consumers find them, durably. Returns those that were moved, in order.

        Only for the poll that staged them. If a file is not in staging, another program removed it, and its
        message is not returned. If the sink's path leads somewhere else by now, nothing is moved: nobody
        would look for it here.

        If one file of a message is missing, none of its files is moved. If we are killed now, its other files
        in staging show recovery that it was not published.
        """
        if not self.is_there():
            return ()
        return self._made_durable([message for message in self.all_there(staged) if self._moved(message)])

    def finish(self, staged: Sequence[Staged], *, undisturbed: bool) -> tuple[Stored, ...]:
        """Publish what an interrupted poll had recorded. Returns what is published now, or was before.

        `undisturbed`: if a message's files are gone from staging, it was published, because only the
        interrupted poll could have moved them. That is not so if another process had the directory, or if the
        ledger is an older copy of itself, because its rows may have been settled since. Then a message counts
        as published only if consumers find it, or if an earlier call here found it: a consumer may have taken
        it since. The rest must be fetched again.
        """
        names = set(self.staging.names())
        proved = staged if undisturbed else published(self._form, staged)
        moved = {message.name for message in proved}
        for message in staged:  # noted one by one: if a later one fails, the caller asks for all again
            if self._is_finished(message, names, moved):
                self._finished.add(message.name)
        return self._made_durable([message for message in staged if message.name in self._finished])

    def forget(self, stored: Sequence[Stored]) -> None:
        """Forget that these were published. A rename leaves nothing on disk that has to be removed."""
        self._finished.difference_update(message.name for message in stored)

    def sweep(self) -> int:
        """Remove the files of all messages from staging. Returns how many messages that were."""
        return sweep(self.staging, self.claim)

    def remove(self) -> None:
        """Remove the staging directory with all that is in it."""
        self.sweep()
        self.staging.unlink(FILE)
        with Directory.follow(self.staging.path.parent) as folder:
            folder.remove(self.staging.path.name)
            turn.end(folder, self.staging.path.name)

    def _made_durable(self, moved: Sequence[Staged]) -> tuple[Stored, ...]:
        if moved:
            self._target.sync()
        return tuple(Stored(message.uidl, message.name) for message in moved)

    def _moved(self, message: Staged) -> bool:
        """Move all files of a message. Returns whether all could be moved; if not, none is.

        A file that is missing, or whose new name is taken, stops it. Then the files before it are moved back.
        """
        done: list[tuple[str, str]] = []
        for name, new in self._form.files(message.name):
            moved = self.staging.rename(name, self._target, new)
            if moved is Moved.BARRED:
                raise barred(self._form)
            if moved is not Moved.YES:
                for old_name, new_name in done:
                    self._target.rename(new_name, self.staging, old_name)
                return False
            done.append((name, new))
        return True

    def _is_finished(self, message: Staged, names: set[str], moved: set[str]) -> bool:
        """Whether a message is published, after its files that are still in staging were moved.

        `names` are the files that were in staging. If it has none of a message's files, the message is
        published if its name is in `moved`.
        """
        *first, (last, last_new) = self._form.files(message.name)
        if last not in names:
            # This file is moved last. So if another one is still in staging, this one was removed and not
            # moved. Or a power cut kept one rename and lost the other: then this file is in the target.
            if not any(name in names for name, _ in first):
                return message.name in moved
            return self._target.exists(last_new) and all(
                self._moved_or_there(name, new) for name, new in first
            )
        if not all(self._moved_or_there(name, new) for name, new in first):
            return False
        return self.staging.rename(last, self._target, last_new) is Moved.YES

    def _moved_or_there(self, name: str, new: str) -> bool:
        """Move a file, if it is still in staging. Returns whether it is published now, or was before."""
        moved = self.staging.rename(name, self._target, new)
        return moved is Moved.YES or (moved is Moved.ABSENT and self._target.exists(new))
