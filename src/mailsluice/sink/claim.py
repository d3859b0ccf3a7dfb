"""The claim: the file that identifies a staging directory, is locked by its holder, and names its ledger.

Owns the file's form. It has three parts. The *place* is an id of this directory and is written once: if
somebody makes a directory in its place, that has another id. The *token* is written by whoever takes the
lock: a process that finds another token than its own has lost the directory, whatever happened to the lock.
The *feeder* tells people and other ledgers whose directory it is. Must never be trusted for more than that: a
claim that cannot be read proves nothing.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import threading
from dataclasses import asdict, dataclass
from typing import Any, Self

from mailsluice.errors import MailboxLocked, StagingLost
from mailsluice.files.directory import Directory
from mailsluice.files.lock import LockFile
from mailsluice.model import Feeder, MailboxKey

FILE = "claim"
"""Its name in a staging directory."""

_ID = re.compile(rb"[0-9a-f]{32}\n")
_LENGTH = 33
"""Octets of an id and its line end."""

_MOST = 16 * 1024
"""Octets that are read of a claim: far more than we write."""


def new_token() -> str:
    """A token that nobody else has."""
    return secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class Written:
    """What a claim says. `place` and `token` are empty, and `feeder` is None, if they cannot be read.

    `commits` is the number of the ledger's writes for this mailbox that was noted last. `heir` is the ledger
    that the mailbox was given to; empty as long as it is this ledger's.
    """

    place: str
    token: str
    feeder: Feeder | None = None
    process: int = 0
    commits: int = 0
    heir: str = ""

    @classmethod
    def read(cls, octets: bytes) -> Self:
        """What these octets of a claim say."""
        place, token = _id(octets[:_LENGTH]), _id(octets[_LENGTH : 2 * _LENGTH])
        try:
            rest = json.loads(octets[2 * _LENGTH :])
            return cls(place, token, *_feeding(rest))
        except (ValueError, TypeError, KeyError, RecursionError):
            return cls(place, token)


def _id(octets: bytes) -> str:
    return octets.decode().strip() if _ID.fullmatch(octets) else ""


def _feeding(found: Any) -> tuple[Feeder, int, int, str]:
    key = MailboxKey(str(found["mailbox"]["host"]), str(found["mailbox"]["address"]))
    ledger, host, state_dir, section = (
        str(found[name]) for name in ("ledger", "host", "state_dir", "section")
    )
    feeder = Feeder(ledger, host, state_dir, key, section)
    return feeder, int(found["process"]), int(found["commits"]), str(found["heir"])


def read(staging: Directory) -> Written | None:
    """What the claim in this directory says; None if there is none. Raises FileError."""
    octets = staging.read(FILE, _MOST)
    return None if octets is None else Written.read(octets)


class Claim:
    """The claim on an open staging directory. This process holds it until it is closed.

    `before` is what it said when it was taken; its place is empty if the directory is new. `token` is what we
    write there.
    """

    def __init__(self, lock: LockFile, feeder: Feeder, token: str) -> None:
        self._lock = lock
        self._turn: LockFile | None = None
        self.token = token
        self.before = Written.read(lock.read(_MOST))
        self.place = self.before.place
        self._feeder = feeder
        self._commits = 0
        self._is_synced = False
        self._syncing = threading.Lock()

    @classmethod
    def take(cls, staging: Directory, feeder: Feeder, token: str) -> Self:
        """Lock the claim in this directory. Raises MailboxLocked if another process has it, and FileError.

        Nothing is written yet: see `enter`. `token` is ours.
        """
        lock = staging.try_lock(FILE)
        if lock is None:
            raise _held(staging, feeder)
        try:
            return cls(lock, feeder, token)
        except BaseException:
            lock.close()
            raise

    def keep(self, turn: LockFile) -> None:
        """Keep the mailbox's turn for as long as the claim."""
        self._turn = turn

    def enter(self, token: str = "") -> None:
        """Write down that we hold the directory. If it has no place yet, it is given one. Raises FileError.

        Recovery gives the `token` of the poll that it finishes. If recovery is killed, too, the next recovery
        still finds the token that the ledger knows.
        """
        self.token = token or self.token
        self._commits = self.commits_before
        if self.place:
            self._lock.write(_LENGTH, self._line())
        else:
            self.place = secrets.token_hex(16)
            self._lock.write(0, f"{self.place}\n".encode() + self._line())

    def sync(self) -> None:
        """Make the content durable, but not the file's name. Syncs only once. Raises FileError.

        To be called before a message is recorded: recovery compares the token here with the one that the
        ledger noted.
        """
        with self._syncing:  # several sessions of one poll may come here at once
            if not self._is_synced:
                self._lock.sync()
                self._is_synced = True

    @property
    def commits_before(self) -> int:
        """The number of our ledger's writes that it noted here last; 0 if another ledger was here last."""
        feeder = self.before.feeder
        return self.before.commits if feeder is not None and feeder.ledger == self._feeder.ledger else 0

    def note(self, commits: int) -> None:
        """Write down the number of the ledger's writes: an older copy of the ledger has a smaller one.

        Raises FileError.
        """
        if commits > self._commits:
            self._commits = commits
            self._lock.write(_LENGTH, self._line())

    def give_to(self, heir: str) -> None:
        """Write down, durably, that the mailbox belongs to the ledger `heir` from now on.

        Our token is written, too: so the old ledger can see that others held the directory. To be called
        before anything is swept.
        """
        self._give(heir, self.token)

    def give_back(self) -> None:
        """Write down that the mailbox belongs to the ledger that fed it before."""
        self._give("", self.before.token)

    def _give(self, heir: str, token: str) -> None:
        old = self.before
        feeder = old.feeder or self._feeder
        self._lock.write(_LENGTH, _line(token, feeder, old.commits, heir))
        self.sync()

    def is_there(self, staging: Directory) -> bool:
        """Whether the claim in this directory is still this one. Raises FileError."""
        there = read(staging)
        return there is not None and there.token == self.token

    def refuse_if_lost(self, staging: Directory) -> None:
        """Raise StagingLost if another process wrote its token in this directory. Raises FileError.

        If the claim is gone or empty, nobody has taken the directory. Then `all_there` and `publish` find out
        which files are missing.
        """
        there = read(staging)
        if there is not None and there.token not in {"", self.token}:
            raise StagingLost(
                f"another process took the staging directory {staging.path} while this poll ran"
                f"{_by(there)}: this poll stores and deletes nothing more",
                remedy="let only one process poll this mailbox, and let nobody change the files in staging",
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the directory, and the mailbox's turn. Raises FileError."""
        try:
            self._lock.close()
        finally:
            if self._turn is not None:
                self._turn.close()

    def _line(self) -> bytes:
        return _line(self.token, self._feeder, self._commits, heir="")


def _line(token: str, feeder: Feeder, commits: int, heir: str) -> bytes:
    rest = {
        "ledger": feeder.ledger,
        "host": feeder.host,
        "state_dir": feeder.state_dir,
        "mailbox": asdict(feeder.mailbox),
        "section": feeder.section,
        "process": os.getpid(),
        "commits": commits,
        "heir": heir,
    }
    return f"{token}\n{json.dumps(rest)}\n".encode()


def _by(holder: Written) -> str:
    return f", {holder.process} on {holder.feeder.host}" if holder.feeder else ""


def _held(staging: Directory, feeder: Feeder) -> MailboxLocked:
    there = read(staging) or Written("", "")  # whoever holds it may have written nothing yet
    return MailboxLocked(
        f"{feeder.mailbox.address} is being polled by another process{_by(there)}: it holds {staging.path}",
        remedy="wait for it to finish, or stop it",
    )
