"""The place: the open directories of a sink that one poll works with, and the moving of files between them.

Owns the way out of staging (crash table, row 4), its sweeping (rows 1 and 2), and the one place where a
`Stored` is made. Must never take absence for proof but in `finish`: only recovery may.
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
"""A Maildir's reader adds flags to a name behind it."""


def barred(form: Form) -> SinkError:
    """The error for a sink whose directories lie on different file systems."""
    return SinkError(
        f"{form.root / form.folder} and {form.root / form.into} lie on different file systems: "
        "no message can be moved from one to the other",
        remedy="mount nothing inside the sink: its directories must lie on one file system",
    )


def sweep(staging: Directory, claim: Claim) -> int:
    """Remove every message's files from a staging directory; how many messages that were.

    That it is claimed by us is durable before.
    """
    names = [name for name in staging.names() if name != FILE]
    if names:
        claim.sync()
    for name in names:
        staging.unlink(name)
    return len({name.removesuffix(STAGED).rpartition(".")[0] or name for name in names})


def published(form: Form, staged: Sequence[Staged]) -> tuple[Stored, ...]:
    """Those of these messages that stand where consumers find them, durably from now on. Raises FileError.

    For where staging is gone. What a consumer took by then cannot be told from what never came there.
    """
    found: list[Stored] = []
    root = Directory.find(form.root)
    if root is not None:
        with root:
            for part in form.parts or (".",):
                if directory := root.child(part):
                    with directory:
                        names = {name.partition(_FLAGS)[0] for name in directory.names()}
                        found += [
                            Stored(each.uidl, each.name) for each in staged if _last(form, each) in names
                        ]
                        directory.sync()
    return tuple(found)


def _last(form: Form, message: Staged) -> str:
    """The name that consumers look for."""
    return form.files(message.name)[-1][1]


class Place:
    """A sink's staging directory, claimed, and the directory that messages are published in.

    Every method raises FileError. `duplicate` is for another thread, or for longer than this one is open.
    """

    def __init__(self, form: Form, staging: Directory, target: Directory, claim: Claim) -> None:
        self.staging = staging
        self.claim = claim
        self._form = form
        self._target = target
        self._finished: set[str] = set()

    def duplicate(self) -> Self:
        """The same directories, opened once more; the claim is shared."""
        with ExitStack() as undo:
            staging = undo.enter_context(self.staging.duplicate())
            target = self._target.duplicate()
            undo.pop_all()
            return type(self)(self._form, staging, target, self.claim)

    def close(self) -> None:
        """Give the descriptors back; the claim is not let go."""
        with self.staging, self._target:
            pass

    def is_there(self) -> bool:
        """Whether the sink's path still leads here, and the claim is still ours."""
        directories = (self.staging, self._target)
        return all(each.is_at(each.path) for each in directories) and self.claim.is_there(self.staging)

    def refuse_if_lost(self) -> None:
        """Raise StagingLost if another process took the staging directory."""
        self.claim.refuse_if_lost(self.staging)

    def all_there(self, staged: Sequence[Staged]) -> list[Staged]:
        """Those of these messages whose files are all in staging."""
        if self.staging.removed():
            return []
        names = set(self.staging.names())
        return [each for each in staged if all(name in names for name, _ in self._form.files(each.name))]

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
        """Move these messages to where consumers find them, durably; those that were moved, in their order.

        For the poll that staged them: a file that is not in staging was removed by another program, and its
        message is none of those returned. Nothing is moved where the sink's path leads elsewhere by now, for
        nobody would look for it here.

        Of a message that is not all there nothing is moved: if we are killed now, what is left of it in
        staging tells recovery that it was not published.
        """
        if not self.is_there():
            return ()
        return self._made_durable([each for each in self.all_there(staged) if self._moved(each)])

    def finish(self, staged: Sequence[Staged], *, absence_is_proof: bool) -> tuple[Stored, ...]:
        """Publish what an interrupted poll had recorded; those that are published now, or were before.

        That a message's files are gone from staging proves that it was published, for only the poll that is
        over could have moved them; not so where the ledger is an older copy of itself, whose rows may have
        been settled since, or where others had the directory. Then only what can be seen was published, and
        what an earlier call here found: a consumer may have taken that. The rest was not, and must be fetched
        again.
        """
        names = set(self.staging.names())
        proved = staged if absence_is_proof else published(self._form, staged)
        moved = {each.name for each in proved}
        for each in staged:  # noted one by one: where a later one fails, all are asked for again
            if self._is_finished(each, names, moved):
                self._finished.add(each.name)
        return self._made_durable([each for each in staged if each.name in self._finished])

    def forget(self, stored: Sequence[Stored]) -> None:
        """Do not remember any more that these were published. A rename left nothing else to be dropped."""
        self._finished.difference_update(each.name for each in stored)

    def sweep(self) -> int:
        """Remove every message's files from staging; how many messages that were."""
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
        return tuple(Stored(each.uidl, each.name) for each in moved)

    def _moved(self, message: Staged) -> bool:
        """Whether all its files could be moved. What was moved before one that is not there is moved back."""
        done: list[tuple[str, str]] = []
        for name, new in self._form.files(message.name):
            moved = self.staging.rename(name, self._target, new)
            if moved is Moved.BARRED:
                raise barred(self._form)
            if moved is not Moved.YES:
                for back, there in done:
                    self._target.rename(there, self.staging, back)
                return False
            done.append((name, new))
        return True

    def _is_finished(self, message: Staged, names: set[str], moved: set[str]) -> bool:
        """Whether it is published. `names` are in staging; of what is not there, these `moved`."""
        *first, (last, last_new) = self._form.files(message.name)
        if last not in names:
            # The last one goes last: while another is still there, it was not moved but removed. Or a power
            # cut kept the one rename and not the other: then it is where it was moved to.
            if not any(name in names for name, _ in first):
                return message.name in moved
            return self._target.exists(last_new) and all(
                self._moved_or_there(name, new) for name, new in first
            )
        if not all(self._moved_or_there(name, new) for name, new in first):
            return False
        return self.staging.rename(last, self._target, last_new) is Moved.YES

    def _moved_or_there(self, name: str, new: str) -> bool:
        """Whether a file is published now, or was before."""
        moved = self.staging.rename(name, self._target, new)
        return moved is Moved.YES or (moved is Moved.ABSENT and self._target.exists(new))
