"""The mark: the file `ledger.id`, which says that a state directory has a ledger, and which one.

Owns that file, and the rule that tells a ledger that was lost (it is gone, empty, or another one) from one
that never existed. Must never open the ledger itself.

The mark is written after the ledger's first commit is durable, and before a mailbox is locked first.
If a process is stopped in between, the ledger has no mark, and the next process writes it. So if there is a
mark or a mailbox's lock, but no ledger, then a ledger was lost.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from mailsluice.errors import LedgerError
from mailsluice.files.directory import Directory
from mailsluice.files.private import read_own, replace_private
from mailsluice.ledger.directory import RESTORE, usable
from mailsluice.ledger.lock import was_polled

MARK = "ledger.id"
_GIVEN_UP = "ledger.id.lost"
"""The administrator makes this file to start without the lost ledger. The next ledger removes it."""

_INSTANCE = re.compile("[0-9a-f]{32}")
_MOST_OCTETS = 100
_EMPTY = 1
"""SQLite counts a file of one octet as empty (its os_unix.c: some file systems cannot lock an empty file)."""


def is_instance(said: object) -> bool:
    """Whether this has the form of a ledger's id."""
    return isinstance(said, str) and _INSTANCE.fullmatch(said) is not None


def write(path: Path, instance: str) -> None:
    """Make `path` a mark of the ledger with this id, durably. Raises FileError."""
    replace_private(path, f"{instance}\n".encode())


class Mark:
    """What is known of the ledger at this path before it is opened. Every method raises LedgerError.

    Another process may make a ledger at the same time, in the order ledger, mark, lock. So this class looks
    in the reverse order: if it finds a lock or a mark, the ledger was there before. `promised`: the caller
    knows that there was a ledger.
    """

    def __init__(self, ledger: Path, *, promised: bool = False) -> None:
        self._ledger = ledger
        self._path = ledger.with_name(MARK)
        self._given_up = ledger.with_name(_GIVEN_UP)
        with usable(ledger.parent):
            promised = (promised or was_polled(ledger.parent)) and not self._given_up.exists()
        self.instance = self._said()
        self._promised = promised or self.instance is not None

    def has_ledger(self) -> bool:
        """Whether there is a ledger to open. Raises LedgerError if there was one, and it is lost."""
        with usable(self._ledger.parent):
            try:
                size = self._ledger.lstat().st_size
            except FileNotFoundError:
                size = None
        if size is not None and size > _EMPTY:
            return True
        if self._promised:
            raise self._lost("is gone" if size is None else "is empty")
        return False

    def check(self, instance: str | None) -> None:
        """Compare the mark with the id of the open ledger; None if the file has no ledger in it."""
        if instance is None and self._promised:
            raise self._lost("has no ledger in it")
        if instance is not None and self.instance not in {None, instance}:
            raise self._lost(f"is not the one that {MARK} names")

    def make(self, instance: str) -> None:
        """Write the mark, if there is none yet. Only one process at a time may call this."""
        # Read again: another process may have written it before it was our turn.
        self.instance = self._said()
        if self.instance is not None:
            self.check(instance)
            return
        with usable(self._ledger.parent):
            write(self._path, instance)
            with Directory.follow(self._given_up.parent) as directory:
                directory.unlink(self._given_up.name)

    def _said(self) -> str | None:
        with usable(self._ledger.parent):
            said = read_own(self._path, _MOST_OCTETS)
        return None if said is None else said.decode(errors="replace").strip()

    def _lost(self, how: str) -> LedgerError:
        if self.instance is None:
            way = ["touch", str(self._given_up)]
        else:
            way = ["mv", str(self._path), str(self._given_up)]
        return LedgerError(
            f"the ledger of {self._ledger.parent} is lost: {self._ledger} {how}",
            remedy=f"stop mailsluice and {RESTORE}. To go on without it: `{shlex.join(way)}`; then every "
            "message that is still on the server, and that no ledger knows any more, is stored a second time",
        )
