"""The taking: how a sink's directories are opened or made, checked, and claimed for one poll.

Owns when a sink may be used: it must be the same sink as before, on its file system, and no other ledger may
feed it with the same mailbox. Must never make a directory for recovery: recovery takes a missing file as
proof that it was published, and in a new directory every file is missing.
"""

from __future__ import annotations

import re
import secrets
import shlex
from contextlib import ExitStack
from dataclasses import replace

from mailsluice import invocation
from mailsluice.errors import SinkRefused
from mailsluice.files import mounts
from mailsluice.files.directory import Directory
from mailsluice.model import Feeder, Notice, Noticed, Where
from mailsluice.sink import neighbours, turn
from mailsluice.sink.claim import FILE, Claim
from mailsluice.sink.form import Form
from mailsluice.sink.place import Place, barred

_PRIVATE = 0o700
_SINK_ID = "sink-id"
_ID_LENGTH = 32
_ID = re.compile(rb"[0-9a-f]{32}")


def was_there(known: Where | None) -> bool:
    """Whether the ledger has fed this sink before. `known` is what it noted about it."""
    return known is not None and known.sink_id != ""


def refuse_if_gone(form: Form, known: Where | None) -> None:
    """Raise SinkRefused if this sink, which is missing, was there before."""
    if was_there(known):
        raise SinkRefused(
            f"{form.root} is missing, though mail was stored there before: it is not made again",
            remedy="mount its file system; or, if the directory was removed for good: "
            f"`{invocation.directory(form.root, form.directory_mode)}`",
        )


def refuse_if_unmounted(form: Form, feeder: Feeder, known: Where | None) -> None:
    """Raise SinkRefused if the sink's file system is not mounted.

    For a new sink, these are all known mounts on the path to it. It is refused even if the sink's id is
    found: when the sink was moved to that file system, a copy may have stayed below the mount point.
    """
    if known is None:
        return
    points = known.mounts if was_there(known) else mounts.on_the_way(known.mounts, form.root)
    if mount := mounts.missing(points):
        forget = invocation.about(feeder.section, feeder.mailbox.address, "sink", "forget")
        raise SinkRefused(
            f"nothing is mounted on {mount}, where the file system of {form.root} was: "
            "mail is not stored below the mount point",
            remedy=f"`{shlex.join(['mount', mount])}`; or, if it will never be mounted again, once for "
            f"each mailbox that delivers there: {forget}",
        )


class Taking:
    """One try to take the staging directory `owner` of a sink.

    `known` is what the ledger noted about it. With `make`, everything that is missing is made. Without, only
    exactly the known directory is taken. `token` is what we write into the claim. `keeps`: the mailbox's
    policy keeps mail on the server.

    After `place` has returned a place, `where` is where it is, `notices` is what an administrator should
    know, and `is_as_left` says whether nobody has taken the directory since the ledger noted it.
    """

    def __init__(
        self,
        form: Form,
        owner: str,
        feeder: Feeder,
        known: Where | None,
        token: str,
        *,
        make: bool,
        keeps: bool,
    ) -> None:
        self.notices: list[Notice] = []
        self.where = Where(form.spec, "", (), "")
        self.is_as_left = False
        self._form = form
        self._owner = owner
        self._feeder = feeder
        self._known = known
        self._token = token
        self._make = make
        self._keeps = keeps

    def place(self) -> Place | None:
        """The place, claimed; None if it is missing and is not to be made.

        Raises FileError, SinkError, SinkRefused, MailboxLocked.
        """
        with ExitStack() as undo:
            with ExitStack() as passing:  # if closing one of these fails, the place is closed, too
                place = self._taken(undo, passing)
            if place is not None:
                undo.pop_all()
        return place

    def _taken(self, undo: ExitStack, passing: ExitStack) -> Place | None:
        """The place. `undo` closes what the place keeps open, and `passing` closes the rest."""
        root = self._root()
        if root is None:
            return None
        passing.enter_context(root)
        sink_id = self._noticed_id(root)
        folder = self._child(root, self._form.folder)
        if folder is None:
            return None
        passing.enter_context(folder)
        folder.refuse_if_shared()
        staging = self._staging(folder)
        if staging is None:
            return None
        undo.enter_context(staging)
        staging.refuse_if_shared()
        if not self._make and not staging.exists(FILE):
            return None  # no claim is made: a poll that works here would believe it is another process's
        claim = self._claim(folder, staging, undo)
        if not self._is_wanted(claim):
            return None
        target = undo.enter_context(self._target(root))
        if not staging.is_beside(target):
            raise barred(self._form)
        self._enter(claim, root, folder, staging, sink_id)
        return Place(self._form, staging, target, claim)

    def _root(self) -> Directory | None:
        """The sink's directory; None if it is missing. Nobody else may swap it, or write in it as "others".

        A sink that was there before is not made again, because its file system may not be mounted.
        """
        path = self._form.root
        Directory.refuse_way(path)
        refuse_if_unmounted(self._form, self._feeder, self._known)
        root = Directory.find(path)
        if root is None and self._make:
            refuse_if_gone(self._form, self._known)
        if root is None and self._make:
            with Directory.follow(path.parent) as parent:
                root = parent.make(path.name, self._form.directory_mode)
        if root is not None:
            with ExitStack() as undo:
                undo.enter_context(root)
                root.refuse_if_open()
                undo.pop_all()
        return root

    def _noticed_id(self, root: Directory) -> str:
        """The id that the sink carries; empty if it has none.

        If it is not the known id, somebody has put another directory in the sink's place. Polling goes on,
        with a notice.
        """
        sink_id = _sink_id(root, self._form.folder)
        if self._known is not None and self._was_there and sink_id != self._known.sink_id:
            self.notices.append(Notice(Noticed.MADE_ANEW, str(self._form.root)))
        return sink_id

    @property
    def _was_there(self) -> bool:
        """Whether the ledger has fed this sink before."""
        return was_there(self._known)

    def _child(self, directory: Directory, name: str) -> Directory | None:
        child = directory.child(name)
        return directory.make(name, _PRIVATE) if child is None and self._make else child

    def _staging(self, folder: Directory) -> Directory | None:
        """The staging directory. Before it is made, the other ledgers that feed the sink are looked at."""
        staging = folder.child(self._owner)
        if staging is None and self._make:
            self.notices += neighbours.met(folder, self._owner, self._feeder, keeps=self._keeps)
            staging = folder.make(self._owner, _PRIVATE)
        return staging

    def _claim(self, folder: Directory, staging: Directory, undo: ExitStack) -> Claim:
        """The claim, taken in the mailbox's turn."""
        claim = undo.enter_context(Claim.take(staging, self._feeder, self._token))
        claim.keep(turn.take(folder, self._owner, self._feeder))
        return claim

    def _is_wanted(self, claim: Claim) -> bool:
        """Whether this poll may use the directory. Raises SinkRefused if it was given to another ledger."""
        neighbours.refuse_if_given(claim.before, self._feeder)
        if not self._make:
            return self._known is not None and claim.place == self._known.place != ""
        before = claim.before.feeder
        ours = self._feeder
        if before is not None and (before.host, before.state_dir) != (ours.host, ours.state_dir):
            self.notices.append(Notice(Noticed.MOVED, f"{before.state_dir} on {before.host}"))
        return True

    def _target(self, root: Directory) -> Directory:
        """The directory that messages are published in. A sink's other parts are made with it."""
        if not self._form.parts:
            return root.duplicate()
        # In a sink that the ledger does not know, each part is "made" even if it is there: `make` syncs its
        # name, and whoever made it may have been killed before that.
        target = None if self._known is None else root.child(self._form.into)
        if target is None:
            for part in self._form.parts:
                with root.make(part, self._form.directory_mode) as made:
                    made.refuse_if_open()
            target = root.make(self._form.into, self._form.directory_mode)
        with ExitStack() as undo:
            undo.enter_context(target)
            target.refuse_if_open()
            undo.pop_all()
        return target

    def _enter(
        self, claim: Claim, root: Directory, folder: Directory, staging: Directory, sink_id: str
    ) -> None:
        """Write down that the directory is ours, and make durable what the ledger does not know yet.

        Whoever made these directories may have been killed before they were durable.
        """
        known = self._known
        self.is_as_left = known is not None and claim.before.token == known.token != ""
        # Recovery keeps the old token: see `Claim.enter`.
        claim.enter(claim.before.token if self.is_as_left and not self._make else "")
        points = mounts.mount_points(self._form.root)
        if known is not None and (sink_id, claim.place) == (known.sink_id, known.place):
            self.where = replace(known, mounts=points, token=claim.token)
            return
        sink_id = sink_id or _new_sink_id(folder)
        if Directory.is_ours_to_make(self._form.root):  # else an administrator made it, not a killed poll
            with Directory.follow(self._form.root.parent) as parent:
                parent.sync()
        claim.sync()
        for directory in (root, folder, staging):
            directory.sync()
        self.where = Where(self._form.spec, sink_id, points, claim.place, claim.token)


def _sink_id(root: Directory, folder: str) -> str:
    found = root.child(folder)
    if found is None:
        return ""
    with found:
        return _valid(found.read(_SINK_ID, _ID_LENGTH) or b"")


def _new_sink_id(folder: Directory) -> str:
    """The sink's id, which is written if there is none yet. The file's name is not synced.

    The lock: several polls may come here at once, and must get the same id.
    """
    with folder.lock(_SINK_ID) as file:
        sink_id = _valid(file.read(_ID_LENGTH))
        if not sink_id:
            sink_id = secrets.token_hex(_ID_LENGTH // 2)
            file.write(0, sink_id.encode())
        file.sync()
    return sink_id


def _valid(octets: bytes) -> str:
    return octets.decode() if _ID.fullmatch(octets) else ""
