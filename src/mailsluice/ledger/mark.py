"""The mark: the file `ledger.id`, which says that a state directory has a ledger, and which.

Owns that file, and the rule by which a ledger that is gone, empty or another one is told from one that was
never there. Must never open the ledger itself.

The mark is written when the ledger's first commit is durable, and before the first lock of a mailbox is made.
Whatever stops a process between leaves a ledger without a mark, which the next process marks. So a mark, or a
mailbox's lock, without a ledger means that one was lost.
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
"""What the administrator makes to begin anew; the next ledger uses it up."""

_INSTANCE = re.compile("[0-9a-f]{32}")
_MOST_OCTETS = 100
_EMPTY = 1
"""Octets of a file that SQLite takes for an empty one (its os_unix.c: some file systems cannot lock 0)."""


def is_instance(said: object) -> bool:
    """Whether a ledger can be called so."""
    return isinstance(said, str) and _INSTANCE.fullmatch(said) is not None


def write(path: Path, instance: str) -> None:
    """Make `path` a mark that says so, durably. Raises FileError."""
    replace_private(path, f"{instance}\n".encode())


class Mark:
    """What is known of the ledger at this path before it is opened.

    Every method raises LedgerError. What another process makes meanwhile it makes in the order ledger, mark,
    lock; so all methods look in the reverse one. `promised`: the caller knows that there was one.
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
        """Whether there is a ledger to open. Raises LedgerError where there was one."""
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
        """Compare it with the open ledger, which is called so; None if there is no ledger in the file."""
        if instance is None and self._promised:
            raise self._lost("has no ledger in it")
        if instance is not None and self.instance not in {None, instance}:
            raise self._lost(f"is another one than {MARK} says")

    def make(self, instance: str) -> None:
        """Say which ledger the directory has, where that is not said yet. For one process at a time."""
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
            remedy=f"stop mailsluice and {RESTORE}. To go on without it knowingly: `{shlex.join(way)}`; "
            "then each message still on the server that is not known any more is stored once more",
        )
