"""The hold: a mailbox's staging directory in the hands of one poll, from its beginning to its end.

Owns how long it lasts, and that it is taken anew where the directory goes away meanwhile. Must never decide
whether a sink may be used: that is `taking`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Self

from mailsluice.errors import MailsluiceError
from mailsluice.model import Feeder, Notice, Staged, Stored, Where
from mailsluice.sink.claim import new_token
from mailsluice.sink.durable import DurableBatch, WriteMessage
from mailsluice.sink.edge import edge
from mailsluice.sink.form import Form
from mailsluice.sink.place import Place
from mailsluice.sink.taking import Taking


class Hold:
    """Satisfies `session.ports.Staging`. Several sessions of one poll may use it at once.

    `where` is where messages are staged now. `notices` is what an administrator should hear about it.
    """

    def __init__(
        self, form: Form, owner: str, feeder: Feeder, write_message: WriteMessage, *, keeps: bool
    ) -> None:
        self.where = Where(form.spec, "", (), "")
        self.notices: list[Notice] = []
        self._form = form
        self._owner = owner
        self._feeder = feeder
        self._write_message = write_message
        self._keeps = keeps
        self._lock = threading.Lock()
        self._place: Place | None = None
        self._is_as_left = False
        self._token = new_token()
        self._lost: MailsluiceError | None = None

    @contextmanager
    def taken(self, known: Where | None) -> Iterator[Self]:
        """The hold itself, once it has the staging directory; see `session.ports.Sink.hold`."""
        try:
            self._take(known, make=True)
            yield self
        finally:
            self._let_go()

    @contextmanager
    def found(self, known: Where) -> Iterator[Self | None]:
        """The hold itself, if the very directory is there that is known; see `session.ports.Sink.find`."""
        try:
            self._take(known, make=False)
            yield None if self._place is None else self
        finally:
            self._let_go()

    @property
    def commits(self) -> int:
        """How far our ledger had come with this mailbox when it last held the directory; 0 if not known."""
        return self._held.claim.commits_before

    @property
    def is_as_left(self) -> bool:
        """Whether nobody had the directory since our ledger last noted that it staged a message there."""
        return self._is_as_left

    @edge
    def note(self, commits: int) -> None:
        """Have the sink remember how far the ledger has come with this mailbox. Raises SinkError.

        Where another session has just lost the directory there is nothing to write on.
        """
        with self._lock:
            if self._place is not None:
                self._place.claim.note(commits)

    @edge
    def batch(self) -> DurableBatch:
        """A new, empty batch. Where the directory is gone by now, it is taken anew, under the same rules.

        Raises SinkError, SinkRefused, MailboxLocked.
        """
        with self._lock:
            if not self._held.is_there():
                self._take_anew()
            place = self._held.duplicate()
        return DurableBatch(place, self.where, self._form, self._write_message)

    @edge
    def finish(self, staged: Sequence[Staged], *, undisturbed: bool) -> tuple[Stored, ...]:
        """Publish what an interrupted poll had recorded; see `Place.finish`. Raises SinkError."""
        return self._held.finish(staged, absence_is_proof=undisturbed)

    def forget(self, stored: Sequence[Stored]) -> None:
        """Do not remember any more that these were published; nothing on the disk was kept for that.

        Where another session has just lost the directory, it is forgotten already.
        """
        with self._lock:
            if self._place is not None:
                self._place.forget(stored)

    @edge
    def sweep(self) -> int:
        """Remove all that is in staging; how many messages that were. Raises SinkError."""
        return self._held.sweep()

    @edge
    def remove(self) -> None:
        """Remove the staging directory and all that is in it: nothing is staged there any more.

        Raises SinkError.
        """
        self._held.remove()

    @edge
    def refuse_if_lost(self) -> None:
        """Raise StagingLost if another process took the staging directory. Raises SinkError."""
        self._held.refuse_if_lost()

    @property
    def _held(self) -> Place:
        if self._lost is not None:
            raise self._lost
        if self._place is None:
            raise RuntimeError("the staging directory is not held")
        return self._place

    @edge
    def _take(self, known: Where | None, *, make: bool) -> None:
        taking = Taking(
            self._form, self._owner, self._feeder, known, self._token, make=make, keeps=self._keeps
        )
        self._place = taking.place()
        self.where = taking.where
        self._is_as_left = taking.is_as_left
        self.notices += taking.notices

    def _take_anew(self) -> None:
        """Take what is there now in the place of a directory that went away.

        Another session may have rows in that one. Without a token the ledger takes absence for no proof.
        """
        known = self.where
        self._let_go()
        try:
            self._take(known, make=True)
        except MailsluiceError as error:
            self._lost = error
            raise
        self.where = replace(self.where, token="")

    @edge
    def _let_go(self) -> None:
        place, self._place = self._place, None
        if place is not None:
            with ExitStack() as closing:
                closing.callback(place.claim.close)
                closing.callback(place.close)
