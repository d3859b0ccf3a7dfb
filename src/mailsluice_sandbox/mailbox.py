"""A simulated mailbox: its messages, what a session sees of them, and what sessions did.

Owns the messages and the records that tests read. Must never know POP3's commands.
"""

from __future__ import annotations

import itertools
import threading
import zlib
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from enum import Enum

from mailsluice_sandbox.faults import Relist

_UNSEEN = 1_000_000
"""Added to a UIDL, this gives one that no message here has."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message in a mailbox. `serial` stays the same when its UIDL changes."""

    serial: int
    uidl: bytes
    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """A message as one session sees it. `size` is what LIST says: an estimate, as on Exchange Online."""

    uidl: bytes
    size: int
    message: Message


@dataclass(slots=True)
class SessionRecord:
    """What a session has done so far. UIDLs are those that the session was shown."""

    commands: list[str] = field(default_factory=list)
    """Every command after the login, as sent."""
    retrieved: list[bytes] = field(default_factory=list)
    deleted: list[bytes] = field(default_factory=list)
    """What QUIT deleted."""
    finished: bool = False
    """Whether QUIT was carried out."""


class NotConnected(Enum):
    """What a session gets after a login that succeeded without a mailbox behind it."""

    SAYS = "User is authenticated but not connected."
    HANGS_UP = "the end of the connection"


class SandboxMailbox:
    """One mailbox, safe to use from any thread. Everything may be changed at any time.

    `password` opens it by USER and PASS, if there is one. `full_access` is whether the app may open it.
    `shared_with` is which persons may, besides the one whose it is. `aliases` are its other addresses: that
    person may sign in as one, but it opens no mailbox. `pop_enabled`, `imap_enabled` and
    `smtp_enabled` are as Set-CASMailbox has them. `not_connected`, if it is set, is what becomes of every
    session with a token.
    """

    def __init__(self, address: str, password: str | None = None) -> None:
        self.address = address
        self.password = password
        self.shared_with: set[str] = set()
        self.aliases: set[str] = set()
        self.full_access = True
        self.pop_enabled = True
        self.imap_enabled = True
        self.smtp_enabled = True
        self.not_connected: NotConnected | None = None
        self._lock = threading.Lock()
        self._serials = itertools.count(1)
        self._uidls = itertools.count(6_499)  # small numbers, as Exchange gives them
        self._messages: list[Message] = []
        self._deleted: list[bytes] = []
        self._retrieved: Counter[bytes] = Counter()
        self._sessions: list[SessionRecord] = []

    def deliver(self, octets: bytes, uidl: bytes | None = None) -> bytes:
        """Put a message into the mailbox. Returns its UIDL: the given one, or the next number.

        A session that is already open does not see the message.
        """
        with self._lock:
            message = Message(next(self._serials), uidl or self._next_uidl(), octets)
            self._messages.append(message)
        return message.uidl

    def renumber(self) -> None:
        """Give every message a new UIDL. Some moves of a mailbox do this."""
        with self._lock:
            self._messages = [replace(message, uidl=self._next_uidl()) for message in self._messages]

    @property
    def messages(self) -> dict[bytes, bytes]:
        """The messages in the mailbox now: octets by UIDL, oldest first."""
        with self._lock:
            return {message.uidl: message.octets for message in self._messages}

    def remaining(self) -> tuple[bytes, ...]:
        """The UIDLs of the messages in the mailbox now, oldest first."""
        return tuple(self.messages)

    @property
    def deleted(self) -> tuple[bytes, ...]:
        """The UIDL of every message that was deleted, in order."""
        with self._lock:
            return tuple(self._deleted)

    @property
    def retrieved(self) -> Counter[bytes]:
        """How often each message was requested with RETR, by its UIDL in the mailbox."""
        with self._lock:
            return Counter(self._retrieved)

    @property
    def sessions(self) -> tuple[SessionRecord, ...]:
        """Every session that logged in, in order."""
        with self._lock:
            return tuple(self._sessions)

    def open(self, relist: Relist | None = None) -> tuple[tuple[Entry, ...], SessionRecord]:
        """The snapshot for a new session, and the record of it."""
        record = SessionRecord()
        with self._lock:
            entries = tuple(self._entry(message) for message in self._messages)
            self._sessions.append(record)
        return _relisted(entries, relist), record

    def note_retrieval(self, message: Message) -> None:
        """Count a RETR."""
        with self._lock:
            self._retrieved[message.uidl] += 1

    def remove(self, messages: Collection[Message]) -> None:
        """Delete messages for good."""
        gone = {message.serial for message in messages}
        with self._lock:
            self._deleted += [message.uidl for message in self._messages if message.serial in gone]
            self._messages = [message for message in self._messages if message.serial not in gone]

    def _next_uidl(self) -> bytes:
        return b"%d" % next(self._uidls)

    def _entry(self, message: Message) -> Entry:
        # An estimate as on Exchange Online: up to a fifth off, and the same in every listing.
        permille = 800 + zlib.crc32(self.address.encode() + message.uidl) % 401
        return Entry(message.uidl, len(message.octets) * permille // 1000, message)


def _relisted(entries: tuple[Entry, ...], relist: Relist | None) -> tuple[Entry, ...]:
    match relist:
        case None:
            return entries
        case Relist.EMPTY:
            return ()
        case Relist.SHRUNK:
            return entries[: len(entries) // 2]
        case Relist.RENUMBERED:
            return tuple(replace(entry, uidl=b"%d" % (_UNSEEN + int(entry.uidl))) for entry in entries)
        case Relist.DUPLICATED:
            return tuple(
                replace(entry, uidl=entries[0].uidl) if index == 1 else entry
                for index, entry in enumerate(entries)
            )
