"""The hold: one poll has a mailbox's staging directory, from the poll's beginning to its end.

Owns how long that lasts, and that the directory is taken again if it is removed meanwhile. Must never decide
whether a sink may be used: `taking` does.
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
    """Keeps the promises of `session.ports.Staging`. Several sessions of one poll may use it at once.

    `where` is where messages are staged now. `notices` is what an administrator should know about the sink.
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
        """The hold, after it has taken the staging directory; see `session.ports.Sink.hold`."""
        try:
            self._take(known, make=True)
            yield self
        finally:
            self._let_go()

    @contextmanager
    def found(self, known: Where) -> Iterator[Self | None]:
        """The hold, if exactly the known directory is there; see `session.ports.Sink.find`."""
        try:
            self._take(known, make=False)
            yield None if self._place is None else self
        finally:
            self._let_go()

    @property
    def commits(self) -> int:
        """The number of the ledger's writes that `note` last gave for this mailbox; 0 if it never did."""
        return self._held.claim.commits_before

    @property
    def is_as_left(self) -> bool:
        """Whether nobody has held it since the ledger last noted that messages are staged there."""
        return self._is_as_left

    @edge
    def note(self, commits: int) -> None:
        """Have the sink remember the number of the ledger's writes. Raises SinkError.

        If another session of this poll has just lost the directory, nothing is written.
        """
        with self._lock:
            if self._place is not None:
                self._place.claim.note(commits)

    @edge
    def batch(self) -> DurableBatch:
        """A new, empty batch. If the directory is gone by now, it is taken again, by the same rules.

        Raises SinkError, SinkRefused, MailboxLocked.
        """
        with self._lock:
            if not self._held.is_there():
                self._take_again()
            place = self._held.duplicate()
        return DurableBatch(place, self.where, self._form, self._write_message)

    @edge
    def finish(self, staged: Sequence[Staged], *, undisturbed: bool) -> tuple[Stored, ...]:
        """Publish what an interrupted poll had recorded; see `Place.finish`. Raises SinkError."""
        return self._held.finish(staged, undisturbed=undisturbed)

    def forget(self, stored: Sequence[Stored]) -> None:
        """Forget that these were published. Nothing was kept for that on disk.

        If another session of this poll has just lost the directory, it is forgotten already.
        """
        with self._lock:
            if self._place is not None:
                self._place.forget(stored)

    @edge
    def sweep(self) -> int:
        """Remove all that is in staging. Returns how many messages that were. Raises SinkError."""
        return self._held.sweep()

    @edge
    def remove(self) -> None:
        """Remove the staging directory with all that is in it. Raises SinkError."""
        self._held.remove()

    @edge
    def refuse_if_lost(self) -> None:
        """Raise StagingLost if another process has taken the staging directory. Raises SinkError."""
        self._held.refuse_if_lost()

    @property
    def _held(self) -> Place:
        if self._lost is not None:  # every session of this poll gets the reason that the first one met
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

    def _take_again(self) -> None:
        """Take the directory that is there now in the place of the one that was removed.

        Another session of this poll may have recorded messages in the old one. So the ledger notes no token:
        then recovery does not take a missing file as proof that it was published.
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
            with ExitStack() as closing:  # last in, first out: the claim is freed last
                closing.callback(place.claim.close)
                closing.callback(place.close)
